// From text to a typed value, by the type of a row. Pure: no environment, no files.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/key_row.h"

namespace loom::config {

/// What was parsed, or what to tell the user.
template <class T>
using Parsed = std::expected<T, std::string>;

struct Value {
    std::string text;                // as written, quotes and variables resolved; a list's or number's too
    int64_t number = 0;              // boolean 0 or 1; integer; size in bytes; duration in microseconds
    double decimal = 0;              // decimal; share, in [0, 1]
    std::vector<std::string> items;  // list
};

/// How a value stood in the file: a list in one pair of quotes is one item, commas and all.
enum class Quoting : uint8_t { bare, quoted };

/// Parses `text` as the row's type asks. `shown` is what an error may quote of it: the text before variables were put
/// in, so that no secret of the environment reaches a message.
[[nodiscard]] Parsed<Value> parse_value(const KeyRow& row, std::string_view text, Quoting quoting,
                                        std::string_view shown);

/// Do both mean the same (`1s` and `1000ms` do)?
[[nodiscard]] bool same_value(KeyType type, const Value& a, const Value& b);

/// `64KiB`, `1GB`, `512`, `0.5MiB` → bytes.
[[nodiscard]] Parsed<int64_t> parse_size(std::string_view text);
/// `50ms`, `30s`, `5m`, `1h`, `30d`, `250us`, `0` → microseconds.
[[nodiscard]] Parsed<int64_t> parse_duration(std::string_view text);
/// `0.95` or `95%` → [0, 1].
[[nodiscard]] Parsed<double> parse_share(std::string_view text);

struct Address {
    enum class Kind : uint8_t { any, ipv4, ipv6, unix_path };
    Kind kind = Kind::any;
    std::string host;  // "" for :8080; "::1" without brackets; the path for unix:/path
    uint16_t port = 0;

    /// Only this machine can reach it. A unix socket is guarded by its file's mode.
    [[nodiscard]] bool is_local() const;
};
/// `:8080`, `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/loom.sock`.
[[nodiscard]] Parsed<Address> parse_address(std::string_view text);

/// "boolean", "list", …: the word that --keys prints.
[[nodiscard]] const char* type_name(KeyType type);

/// "a|b|-c" without those that are not built yet, or with only those.
enum class Choices : uint8_t { available, unavailable };
[[nodiscard]] std::vector<std::string_view> choices_of(const KeyRow& row, Choices which);

}  // namespace loom::config

// The configuration as read: typed, immutable, the same for all shards. `app` alone reads it and hands each folder a
// small Options.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loom/config/diagnostic.h"
#include "loom/config/schema.h"
#include "loom/config/source.h"
#include "loom/config/value.h"

namespace loom::config {

/// One value that a file or the command line gave to a key.
struct Setting {
    Value value;
    Place key_place;
    Place value_place;
};

/// `-set key=value`. It replaces what the files say; of a repeatable key all -set values count, of others the last.
struct Override {
    std::string key;
    std::string value;
};

/// Keys are asked for in their canonical spelling, with the user's names in it: `provider.openai.base_url`. Asking for
/// a key that no row describes, or for another type than its row's, is a broken promise of ours and stops the process.
/// Values borrowed from a Config live as long as it does.
class Config {
  public:
    /// The files or the command line gave it, be it as empty text.
    [[nodiscard]] bool has(std::string_view key) const;

    // The value given, else the row's default; an unset key without a default reads false, 0, "" or {}.
    [[nodiscard]] bool boolean(std::string_view key) const;
    [[nodiscard]] int64_t integer(std::string_view key) const;  // 0 too where the value is a word, such as `auto`
    [[nodiscard]] double decimal(std::string_view key) const;   // decimal and share
    [[nodiscard]] uint64_t bytes(std::string_view key) const;   // size
    [[nodiscard]] std::chrono::microseconds microseconds(std::string_view key) const;  // duration, as exact as given
    [[nodiscard]] std::chrono::milliseconds milliseconds(std::string_view key) const;  // rounded up: 1us is not "off"
    [[nodiscard]] const std::string& text(std::string_view key) const;  // any type; a secret in the clear
    [[nodiscard]] const std::vector<std::string>& list(std::string_view key) const;

    /// Every value of a repeatable key, in file order; the default alone when none was given and there is one.
    [[nodiscard]] std::vector<std::string_view> all(std::string_view key) const;
    /// The same with places; empty when none was given.
    [[nodiscard]] std::span<const Setting> settings(std::string_view key) const;

    /// What the user defined below a prefix, in file order: `names("provider")`, `names("model_mapping.gpt-4")`.
    [[nodiscard]] std::span<const std::string> names(std::string_view prefix) const;
    /// Name and text of each key `prefix` + name, for open maps: `entries_below("provider.openai.header.")`.
    [[nodiscard]] std::vector<std::pair<std::string_view, std::string_view>> entries_below(
        std::string_view prefix) const;

    /// Where the value stands; line 0 when the key was not given.
    [[nodiscard]] Place place(std::string_view key) const;
    /// Where `prefix.name.…` is first spoken of.
    [[nodiscard]] Place place_of_name(std::string_view prefix, std::string_view name) const;
    /// The file that was loaded, for what is missing from it.
    [[nodiscard]] const std::string& path() const { return path_; }

    /// For people: the value as text, `[redacted]` for a secret that is set.
    [[nodiscard]] std::string describe(std::string_view key) const;
    /// Canonical keys that were given, sorted.
    [[nodiscard]] std::vector<std::string_view> keys() const;

  private:
    friend class Builder;
    friend std::vector<std::string> changed_keys(const Config& before, const Config& after, KeyChange needs);
    friend std::shared_ptr<const Config> without_secrets(const Config& config);
    explicit Config(const Schema& schema, std::string path) : schema_(&schema), path_(std::move(path)) {}

    struct Entry {
        const KeyRow* row = nullptr;
        std::vector<Setting> settings;
    };
    struct Named {
        std::vector<std::string> names;
        std::map<std::string, Place, std::less<>> places;
    };

    [[nodiscard]] const KeyRow& row_of(std::string_view key) const;
    [[nodiscard]] const Value& value_of(std::string_view key) const;

    const Schema* schema_;
    std::string path_;
    std::map<std::string, Entry, std::less<>> entries_;
    std::map<std::string, Named, std::less<>> names_;
};

struct Loaded {
    std::shared_ptr<const Config> config;   // null when there is any error
    std::shared_ptr<const Config> partial;  // never null: what could be read, for checks that find more errors at once
    std::vector<Diagnostic> diagnostics;    // in the order of the files' lines
};

inline constexpr size_t file_bytes_max = 1024 * 1024;
inline constexpr size_t include_depth_max = 16;
inline constexpr size_t file_count_max = 1000;
inline constexpr size_t entry_count_max = 100'000;

/// Reads `path` and all it includes. Reports every error there is, not the first.
[[nodiscard]] Loaded load(const std::string& path, std::span<const Override> overrides, const Schema& schema,
                          const Source& source);

/// Keys whose values differ between two snapshots of one schema and need `needs` to take effect: what a reload must
/// say.
[[nodiscard]] std::vector<std::string> changed_keys(const Config& before, const Config& after, KeyChange needs);

/// The same with each secret's SHA-256 in its place, salted anew by each process: good for changed_keys, and for all that
/// asks for no secret.
[[nodiscard]] std::shared_ptr<const Config> without_secrets(const Config& config);

/// Every key given, `key = value` a line, secrets as `[redacted]`.
[[nodiscard]] std::string dump(const Config& config);

}  // namespace loom::config

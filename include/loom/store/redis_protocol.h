// What Redis and Valkey speak, as bytes: commands written, replies read (RESP2), errors sorted. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/result.h"

namespace loom::store {

struct RedisReply {
    enum class Type : uint8_t { nil, text, status, error, integer, array };
    Type type = Type::nil;
    int64_t integer = 0;
    std::string text;               // of text, status and error
    std::vector<RedisReply> items;  // of an array

    [[nodiscard]] bool is_error() const noexcept { return type == Type::error; }
};

/// Appends one command as RESP has it: words of any bytes, each with its length.
void append_redis_command(std::string& out, std::span<const std::string_view> words);
[[nodiscard]] std::string redis_command(std::span<const std::string_view> words);

/// Puts replies together from whatever pieces they come in (hiredis's reader). What it holds is bounded, whatever
/// comes.
class RedisReader {
  public:
    /// reply_bytes_max  of one reply as it stands on the wire, and of what waits behind it.
    explicit RedisReader(size_t reply_bytes_max);
    ~RedisReader();
    RedisReader(const RedisReader&) = delete;

    /// Errors  too_large, bad_message (upstream): nothing can be read any more.
    [[nodiscard]] Result<void> feed(std::string_view bytes);
    /// The next whole reply, nothing where it has not come to its end.
    /// Errors  as of feed.
    [[nodiscard]] Result<std::optional<RedisReply>> next();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// What an error reply means for who has asked.
enum class RedisFault : uint8_t {
    command,          // this command alone: a wrong type, a wrong argument, out of memory
    out_of_memory,    // of the server, for what writes
    no_script,        // it is to be sent whole
    unauthenticated,  // no password, a wrong one, or one that may not do this
    loading,          // the server has just begun, or cannot serve for the moment
    read_only,        // a replica
    moved,            // a cluster: another node has this
};
/// text  of an error reply, "NOSCRIPT No matching script."
[[nodiscard]] RedisFault redis_fault(std::string_view text) noexcept;
/// What it means and what helps, a literal.
[[nodiscard]] const char* redis_fault_text(RedisFault fault) noexcept;
/// Where it says that the key is: "10.0.0.3:6379" of "MOVED 3999 10.0.0.3:6379"; "" where it says nothing.
[[nodiscard]] std::string_view redis_moved_to(std::string_view text) noexcept;
/// An error's text for a log: its beginning, without control bytes.
[[nodiscard]] std::string redis_error_text(std::string_view text);

/// A key of Loom's. All of one key_prefix lie in one slot of a cluster, so that a script may use several: the prefix's
/// own hash tag ("{loom}:"), or "{loom}" behind it.
[[nodiscard]] std::string redis_key(std::string_view prefix, std::string_view name);

}  // namespace loom::store

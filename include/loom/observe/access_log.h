// One JSON line per request, in a log of lines (line_log.h).
//
// What can be logged is what AccessRecord has: there is no field for a credential, a body or a query string.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "loom/base/money.h"
#include "loom/base/result.h"
#include "loom/observe/line_log.h"

namespace loom::observe {

/// Where the token counts come from; the ledger's words.
enum class UsageSource : uint8_t { none, reported, counted, estimated };

/// Strings are borrowed for the call, may hold any bytes, and are cut at the length beside them. Empty strings and
/// times of -1 are left out.
struct AccessRecord {
    uint64_t time_us = 0;                 // of arrival, microseconds since 1970
    std::string_view request_id;          // 128
    std::string_view client;              // 64: address, as forwarded.trust has it
    std::string_view client_certificate;  // 128: its subject, verified; of mTLS
    std::string_view consumer;            // 64: name, never a key
    std::string_view tenant;              // 64: the consumer's
    std::string_view route;               // 64
    std::string_view method;              // 16
    std::string_view path;      // 512: without its query, which may carry a key (the log cuts at '?' all the same)
    std::string_view endpoint;  // 32: "chat_completions", …; as it is
    std::string_view model;     // 128: as asked
    std::string_view upstream_model;  // 128: as sent, when another
    std::string_view provider;        // 64
    std::string_view user_agent;      // 256
    std::string_view error;           // 32: errc_name() of what ended it, as it is; empty for a success
    std::string_view error_what;      // 128: Error::what
    std::string_view guard;           // 256: what guards have found, "email:2 ip:1"; as it is
    uint16_t status = 0;              // 499 for a client that left
    bool stream = false;
    uint16_t attempts = 0;
    std::string_view failover;     // 256: attempts that failed, "openai=rate_limit:429, azure=connect"; as it is
    std::string_view cache;        // "hit", "miss", "stale", "semantic", "bypass"; as it is
    std::string_view hedge;        // where two providers were asked at once: what the second came to, "won"; as it is
    std::string_view hedge_other;  // 64: who was asked beside `provider` then
    uint64_t bytes_in = 0;
    uint64_t bytes_out = 0;
    uint32_t events = 0;
    UsageSource usage = UsageSource::none;
    uint64_t tokens_input = 0;
    uint64_t tokens_output = 0;
    uint64_t tokens_cached = 0;
    Money cost = -1;  // of all its attempts; -1: no price is known
    // Microseconds; -1 for what did not happen.
    int64_t total_us = -1;
    int64_t ttft_us = -1;
    int64_t overhead_us = -1;
    int64_t admit_us = -1;
    int64_t inspect_us = -1;
    int64_t forward_us = -1;
    int64_t upstream_wait_us = -1;
    int64_t relay_us = -1;
};

/// The part of the log that one shard owns. Only that shard calls record().
class ShardAccessLog {
  public:
    /// lines  outlives this.
    ShardAccessLog(ShardLines* lines, double sample);
    /// Sampled by the share of the log; errors (status >= 400) always go in. False when it was dropped for want of
    /// space.
    bool record(const AccessRecord& record) noexcept;

  private:
    [[nodiscard]] bool sampled(const AccessRecord& record) noexcept;

    ShardLines* lines_;
    uint64_t sample_step_;  // share in 2^-32
    uint64_t sample_sum_ = 0;
    SecondText second_text_;
};

class AccessLog {
  public:
    struct Options {
        LineLog::Options lines;
        double sample = 1.0;  // share of successes that are logged
    };
    /// Errors  as LineLog::open; bad_conf too where the share is none.
    [[nodiscard]] static Result<std::unique_ptr<AccessLog>> open(Options options);

    /// The shard's own; good for the life of this object. Null when the path is `off`.
    [[nodiscard]] ShardAccessLog* shard(uint32_t index) noexcept {
        return shards_.empty() ? nullptr : shards_[index].get();
    }
    [[nodiscard]] LineLog& lines() noexcept { return *lines_; }
    [[nodiscard]] const LineLog& lines() const noexcept { return *lines_; }

  private:
    AccessLog() = default;
    std::unique_ptr<LineLog> lines_;
    std::vector<std::unique_ptr<ShardAccessLog>> shards_;
};

/// Writes `record` as one JSON line with its newline. `out` has line_bytes_max bytes; returns the end. Used by
/// the ring, and by tests.
char* format_access_line(const AccessRecord& record, const char* second_text, char* out) noexcept;

}  // namespace loom::observe

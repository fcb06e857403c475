// What guards have found, one JSON line for each request (and its answer) that something was found in: detector, type,
// place and count, and never what was found. A log of lines (line_log.h): a request never waits for it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "loom/base/result.h"
#include "loom/observe/line_log.h"

namespace loom::observe {

/// All that one detector has found of one type, on one side. Strings are borrowed and cut at the length beside them.
struct AuditFind {
    static constexpr size_t offsets_max = 8;

    std::string_view side;      // 16: "request", "answer"
    std::string_view detector;  // 64: "pii", "prompt_injection", "content", "guard.lakera"
    std::string_view type;      // 64: "email"; an attack's rule; a category; what a guard says
    std::string_view
        action;  // 16: what the conf wants done, "mask", "block", "log"; of a guard that failed "closed", "open"
    uint32_t count = 0;
    uint32_t offset_count = 0;
    std::array<uint64_t, offsets_max> offsets{};  // of the first, in bytes
};

struct AuditRecord {
    static constexpr size_t finds_max = 20;

    uint64_t time_us = 0;              // of the request's arrival, microseconds since 1970
    std::string_view request_id;       // 128
    std::string_view consumer;         // 64: name, never a key
    std::string_view tenant;           // 64
    std::string_view route;            // 64
    std::string_view model;            // 128: as asked
    std::string_view outcome;          // 32: "refused", "ended" (a stream), "passed"
    uint16_t status = 0;               // as in the access log
    bool dry_run = false;              // then the outcome is what would have been
    uint64_t more = 0;                 // finds that there was no room for
    std::span<const AuditFind> finds;  // finds_max of them at most
};

/// The part of the log that one shard owns. Only that shard calls record().
class ShardAuditLog {
  public:
    /// lines  outlives this.
    explicit ShardAuditLog(ShardLines& lines) noexcept : lines_(lines) {}
    /// False when it was dropped for want of space.
    bool record(const AuditRecord& record) noexcept;

  private:
    ShardLines& lines_;
    SecondText second_text_;
};

class AuditLog {
  public:
    /// Errors  as LineLog::open.
    [[nodiscard]] static Result<std::unique_ptr<AuditLog>> open(LineLog::Options options);

    /// The shard's own; good for the life of this object. Null when the path is `off`.
    [[nodiscard]] ShardAuditLog* shard(uint32_t index) noexcept {
        return shards_.empty() ? nullptr : shards_[index].get();
    }
    [[nodiscard]] LineLog& lines() noexcept { return *lines_; }

  private:
    AuditLog() = default;
    std::unique_ptr<LineLog> lines_;
    std::vector<std::unique_ptr<ShardAuditLog>> shards_;
};

/// Writes `record` as one JSON line with its newline. `out` has line_bytes_max bytes; returns the end.
char* format_audit_line(const AuditRecord& record, const char* second_text, char* out) noexcept;

}  // namespace loom::observe

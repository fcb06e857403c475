// The logs of lines that a process writes: what each request came to, and what guards have found.
#pragma once

#include <memory>

#include "loom/observe/access_log.h"
#include "loom/observe/audit_log.h"
#include "loom/observe/metrics.h"
#include "loom/observe/shard_logs.h"

namespace loom::app {

struct ServerOptions;

class Logs {
  public:
    /// False after an error in the log: a file cannot be opened.
    [[nodiscard]] bool open(const ServerOptions& options);
    [[nodiscard]] observe::ShardLogs of_shard(uint32_t index) noexcept {
        return {.access = access_->shard(index), .audit = audit_->shard(index)};
    }
    /// After logrotate has moved the files.
    void reopen() noexcept;
    void flush() noexcept;
    [[nodiscard]] observe::LineLogFacts access_facts() const noexcept { return facts_of(access_->lines()); }
    [[nodiscard]] observe::LineLogFacts audit_facts() const noexcept { return facts_of(audit_->lines()); }

  private:
    [[nodiscard]] static observe::LineLogFacts facts_of(const observe::LineLog& log) noexcept {
        return {.written = log.written(), .dropped = log.dropped(), .write_errors = log.write_errors()};
    }
    std::unique_ptr<observe::AccessLog> access_;
    std::unique_ptr<observe::AuditLog> audit_;
};

}  // namespace loom::app

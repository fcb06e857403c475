#include "logs.h"

#include <cstring>
#include <string>

#include "loom/observe/log.h"
#include "plan/builder.h"

namespace loom::app {

namespace {

template <class Opened>
bool take(Opened&& opened, auto& log, const char* what, const std::string& path) {
    if (opened)
        log = std::move(*opened);
    else
        observe::log_error("cannot open the {} log {}: {}", what, path, std::strerror(opened.error().sys_errno));
    return opened.has_value();
}

}  // namespace

bool Logs::open(const ServerOptions& options) {
    const auto lines = [&](const std::string& path, const char* thread_name) {
        return observe::LineLog::Options{.path = path, .shard_count = options.shard_count, .thread_name = thread_name};
    };
    return take(observe::AccessLog::open(
                    {.lines = lines(options.log_path, "loom-accesslog"), .sample = options.log_sample}),
                access_, "access", options.log_path) &&
           take(observe::AuditLog::open(lines(options.audit_path, "loom-auditlog")), audit_, "audit",
                options.audit_path);
}

void Logs::reopen() noexcept {
    access_->lines().reopen();
    audit_->lines().reopen();
}

void Logs::flush() noexcept {
    access_->lines().flush();
    audit_->lines().flush();
}

}  // namespace loom::app

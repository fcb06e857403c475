// What the audit log is told of a request that guards have found something in.
#include "client_connection.h"
#include "exchange.h"
#include "guarding.h"

namespace loom::proxy {

/// Null where nobody wants them.
AuditNotes* Guarding::begin_notes() {
    if (!notes_ && x_.services_.audit_log() != nullptr) notes_.emplace(x_.text_);
    return notes_ ? &*notes_ : nullptr;
}

void Guarding::write_audit(uint16_t status) {
    if (!notes_ || notes_->finds().empty()) return;
    const bool dry_run = x_.plan().guard->dry_run;
    const bool refused = !code_.empty() || would_refuse_;
    const bool ended = (stream_ != nullptr && blocked_answer()) || would_end_;
    (void)x_.services_.audit_log()->record(
        {.time_us = x_.begun_wall_us_,
         .request_id = x_.request_id_,
         .consumer = x_.consumer_ != nullptr ? std::string_view(x_.consumer_->name) : std::string_view{},
         .tenant = x_.consumer_ != nullptr ? std::string_view(x_.consumer_->tenant) : std::string_view{},
         .route = x_.route_ != nullptr ? std::string_view(x_.route_->name) : std::string_view{},
         .model = x_.model_,
         .outcome = refused ? "refused"
                    : ended ? "ended"
                            : "passed",
         .status = status,
         .dry_run = dry_run,
         .more = notes_->more(),
         .finds = notes_->finds()});
}

}  // namespace loom::proxy

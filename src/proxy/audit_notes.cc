#include "audit_notes.h"

#include <algorithm>

namespace loom::proxy {

namespace {

constexpr std::string_view request_side = "request", answer_side = "answer";

}  // namespace

void AuditNotes::add(GuardSide side, std::string_view detector, std::string_view type, std::string_view action,
                     std::optional<uint64_t> offset, uint32_t count) {
    if (finds_.empty()) finds_ = text_.make_span<observe::AuditFind>(observe::AuditRecord::finds_max);
    const std::string_view side_name = side == GuardSide::request ? request_side : answer_side;
    const auto is_it = [&](const observe::AuditFind& one) {
        return one.type == type && one.detector == detector && one.side == side_name;
    };
    uint32_t i = 0;
    while (i < size_ && !is_it(finds_[i])) ++i;
    if (i == finds_.size()) {
        more_ += count;
        return;
    }
    observe::AuditFind& find = finds_[i];
    if (i == size_) {
        find = {.side = side_name, .detector = detector, .type = text_.keep(type), .action = action};
        size_ += 1;
    }
    find.count += count;
    if (offset && find.offset_count < observe::AuditFind::offsets_max) find.offsets[find.offset_count++] = *offset;
}

void AuditNotes::forget_answer() noexcept {
    const auto kept = finds_.first(size_);
    const auto gone = std::ranges::remove(kept, answer_side, &observe::AuditFind::side);
    size_ -= static_cast<uint32_t>(gone.size());
}

void AuditNotes::copy(const AuditNotes& other) {
    if (other.finds_.empty()) return;
    finds_ = text_.make_span<observe::AuditFind>(other.finds_.size());
    std::ranges::copy(other.finds_, finds_.begin());
    size_ = other.size_;
    more_ = other.more_;
    for (observe::AuditFind& find : finds_.first(size_)) {
        find.type = text_.keep(find.type);
        find.detector = text_.keep(find.detector);  // that of a guard outside of Loom is made for a request
    }
}

std::string_view action_name(GuardAction action) noexcept {
    switch (action) {
        case GuardAction::log: return "log";
        case GuardAction::mask: return "mask";
        case GuardAction::block: return "block";
    }
    return "";
}

std::string_view action_name(InjectionAction action) noexcept {
    switch (action) {
        case InjectionAction::log: return "log";
        case InjectionAction::sanitize: return "sanitize";
        case InjectionAction::block: return "block";
    }
    return "";
}

std::string_view action_name(ContentAction action) noexcept { return action == ContentAction::block ? "block" : "log"; }

}  // namespace loom::proxy

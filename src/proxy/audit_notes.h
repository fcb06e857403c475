// What guards have found in one request and its answer, for the audit log: where and how often, never what.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "loom/base/arena.h"
#include "loom/guard/external.h"
#include "loom/observe/audit_log.h"
#include "loom/proxy/guard_plan.h"

namespace loom::proxy {

class AuditNotes {
  public:
    /// text  where they are kept from the first on; it outlives this.
    explicit AuditNotes(Arena& text) noexcept : text_(text) {}
    AuditNotes(const AuditNotes&) = delete;

    /// type              kept where it is the first of its kind, and not by who calls: most are not.
    /// detector, action  outlive this.
    /// offset  in bytes; of a document: of the body; of a streamed text: of its inside as JSON spells it. Nothing: none
    ///         is known.
    void add(GuardSide side, std::string_view detector, std::string_view type, std::string_view action,
             std::optional<uint64_t> offset, uint32_t count = 1);
    /// What was found in an answer that nobody was told.
    void forget_answer() noexcept;
    /// Those of another, whose names are kept as well: what they are of may be gone before this is.
    void copy(const AuditNotes& other);

    [[nodiscard]] std::span<const observe::AuditFind> finds() const noexcept { return finds_.first(size_); }
    [[nodiscard]] uint64_t more() const noexcept { return more_; }

    static constexpr size_t type_bytes_max = guard::ExternalReader::reason_bytes_max;  // no other is longer
    static constexpr size_t memory_bytes =
        observe::AuditRecord::finds_max * (sizeof(observe::AuditFind) + type_bytes_max);

  private:
    Arena& text_;
    std::span<observe::AuditFind> finds_;
    uint32_t size_ = 0;
    uint64_t more_ = 0;
};

[[nodiscard]] std::string_view action_name(GuardAction action) noexcept;
[[nodiscard]] std::string_view action_name(InjectionAction action) noexcept;
[[nodiscard]] std::string_view action_name(ContentAction action) noexcept;

}  // namespace loom::proxy

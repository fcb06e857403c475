// Looks through the texts of a request for personal data and secrets.
#pragma once

#include <optional>
#include <string_view>

#include "loom/base/arena.h"
#include "loom/base/block_pool.h"
#include "loom/base/result.h"
#include "loom/guard/mask.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/guard_plan.h"

namespace loom::proxy {

/// One request's. What it notes are types and counts, never a value.
class RequestGuard {
  public:
    /// arena  for placeholders and the values that they stand for: as long as the request.
    RequestGuard(const GuardPlan& plan, BlockPool& blocks, Arena& arena) noexcept
        : plan_(plan), decoded_(blocks), table_(arena) {}

    /// Scans every text of a document that models read (llm/text_strings.h), decoded; what is masked is written to
    /// `changed`, with all else as it stands.
    /// document  well formed; changed: empty.
    /// Returns   whether anything was masked. Without that nothing is written.
    /// Errors    bad_message (downstream): a text holds a broken escape, so nobody can say what is in it.
    [[nodiscard]] Result<bool> scan(std::string_view document, ByteBuffer& changed);

    /// What it is to be refused for, if anything.
    [[nodiscard]] std::optional<GuardReason> blocked() const noexcept;
    /// "email, iban": the types that are to be refused; the rules of an attack. In the arena.
    [[nodiscard]] std::string_view blocked_names(Arena& arena) const;
    void count(observe::ShardMetrics& metrics) const noexcept;

  private:
    struct Splice;
    Result<void> scan_text(std::string_view raw, Splice& splice);
    void scan_pii(std::string_view raw, std::string_view text, Splice& splice);
    void scan_injection(std::string_view text) noexcept;

    const GuardPlan& plan_;
    ByteBuffer decoded_;
    guard::MaskTable table_;
    guard::PiiTypes blocked_;
    std::array<uint32_t, pii_type_count> counts_{};
    guard::InjectionScore injection_;  // of the text that has most points
};

}  // namespace loom::proxy

// Looks through the texts of a document for personal data, secrets and, of a request, attacks on the model's
// instructions, in turns.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "loom/base/arena.h"
#include "loom/base/block_pool.h"
#include "loom/base/result.h"
#include "loom/guard/mask.h"
#include "loom/llm/range.h"
#include "loom/llm/text_reader.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/guard_plan.h"

namespace loom::proxy {

class AuditNotes;

/// One document's. What it tells are types, rules and counts, never a value.
class RequestGuard {
  public:
    static constexpr size_t turn_bytes = 64 * 1024;
    static constexpr size_t piece_bytes = 16 * 1024;
    static constexpr uint64_t turn_looks = 100'000;  // half a millisecond
    /// Of the document's size, what edits may take beside what is always there.
    static constexpr size_t edit_bytes_max(size_t document_bytes) noexcept { return 4 * document_bytes + (1u << 20); }
    /// What one may hold at most, the changed document left out.
    static constexpr size_t memory_bytes_max(size_t document_bytes) noexcept {
        return window_bytes + run_count * sizeof(llm::TextRun) + guard::MaskTable::memory_bytes_max +
               2 * edit_bytes_max(document_bytes);
    }

    /// document  well formed; as plan, blocks and values it outlives this.
    /// values    of the exchange; null: this has a table of its own, without a way back. Those that it keeps are put
    ///           back into an answer.
    RequestGuard(const GuardPlan& plan, BlockPool& blocks, std::string_view document,
                 guard::MaskTable* values = nullptr, GuardSide side = GuardSide::request);

    // Before the first turn, of an answer's event.
    /// Places that somebody else looks at; borrowed.
    void leave_out(std::span<const llm::Range> ranges) noexcept { left_out_ = ranges; }
    /// What is found is told there as well; borrowed. Null: nowhere.
    void note_in(AuditNotes* notes) noexcept { notes_ = notes; }
    /// What stands there becomes `text`, which is borrowed. Ranges do not overlap.
    void put_in(llm::Range range, std::string_view text);
    /// Its texts were asked for as JSON: what looks like it there is. Else only arguments of tools are.
    void expect_json() noexcept { trusts_form_ = true; }
    /// Of an answer whose HTML was taken out: no value is put back that holds any.
    void keep_html_out() noexcept { keeps_html_out_ = true; }
    /// Of an answer's event that belongs to what was ended: whatever it says, none of its texts is left.
    void silence() noexcept { silences_ = true; }
    /// Of an answer: the request's instructions, which outlive this.
    void compare_with(const guard::SystemText& system) noexcept {
        if (!leaks_) return;
        leaks_.emplace(plan_.leaks->rules, &system);
        if (restores_) leaks_->expect_placeholders();
    }

    /// One turn: reads, or writes, about so much as turn_bytes. Returns whether there is more to do.
    /// Errors  bad_message (downstream): a text holds a broken escape, so nobody can say what is in it.
    [[nodiscard]] Result<bool> turn();

    /// What it holds now.
    [[nodiscard]] size_t memory_bytes() const noexcept;
    /// Once nothing is left to do. Empty where nothing is to change.
    [[nodiscard]] ByteBuffer& changed() noexcept { return changed_; }

    /// Something is changed; in a dry run: would be.
    [[nodiscard]] bool changes() const noexcept { return any_change_; }
    /// What it is to be refused for, if anything.
    [[nodiscard]] std::optional<GuardReason> blocked() const noexcept;
    [[nodiscard]] const std::array<uint32_t, pii_type_count>& counts() const noexcept { return counts_; }
    [[nodiscard]] guard::PiiTypes blocked_types() const noexcept { return blocked_; }
    [[nodiscard]] const std::array<uint32_t, leak_kind_count>& leak_counts() const noexcept { return leak_counts_; }
    /// A bit each kind.
    [[nodiscard]] uint8_t leaks_blocked() const noexcept { return leaks_blocked_; }
    /// Texts of each category.
    [[nodiscard]] const std::array<uint32_t, content_category_count>& content_counts() const noexcept {
        return content_counts_;
    }
    /// A bit each category.
    [[nodiscard]] uint8_t content_blocked() const noexcept { return content_blocked_; }
    [[nodiscard]] bool restored_any() const noexcept { return restored_any_; }
    /// "email, iban": the types that are to be refused; the rules of an attack. In the arena.
    [[nodiscard]] std::string_view blocked_names(Arena& arena) const;
    /// "email:2 override:1": all that was found, for the log. In the arena.
    [[nodiscard]] std::string_view summary(Arena& arena) const;
    void count(observe::ShardMetrics& metrics) const noexcept;

  private:
    static constexpr size_t window_bytes =
        turn_bytes + 40 * 1024;  // with what is not decided, and what is looked back at
    /// An escape is a run of its own, and what is not decided may be made of nothing else.
    static constexpr size_t run_count = 28 * 1024;
    static constexpr size_t looked_back_bytes = 4096;  // of an attack, whose first word may be far
    static constexpr size_t extra_count_max = 4096;    // of a request

    static constexpr size_t reserve_bytes = 4 * turn_bytes;  // of a turn that only looks for placeholders

    enum class Phase : uint8_t { reserve, read, write, done };
    /// Bytes of the document that are replaced. Without a text of its own: kept as they are.
    struct Edit {
        const char* text = nullptr;
        uint32_t begin = 0, end = 0;
        uint32_t text_bytes = 0;
        uint8_t quotes = 0;  // 0: none; else one more than the strings around it
        bool changes = false;
    };

    struct Range {  // without initialisers: most requests hold no attack
        uint32_t begin, end;
        bool whole;  // of one string, without JSON inside it
    };

    void begin_pass(llm::TextReader::Parts parts);
    void read_piece();
    void end_pass();
    void found(const guard::PiiSpan& span);
    void found(const guard::LeakFind& leak);
    void found(const guard::ContentFind& find);
    void silence_window();
    [[nodiscard]] bool crosses_parts(uint32_t begin, uint32_t end) const noexcept;
    [[nodiscard]] bool is_known(uint32_t begin, uint32_t end) const noexcept;
    [[nodiscard]] size_t piece() const noexcept;
    void reserve_turn();
    [[nodiscard]] std::string_view replacement(PiiType type, uint32_t begin, uint32_t end);
    void replace(uint32_t begin, uint32_t end, const Edit& with, bool quoted, bool in_order);
    void restore(bool ended);
    [[nodiscard]] bool is_left_out(uint32_t at) const noexcept;
    void note(const Edit& edit, bool in_order);
    void read_attacks(bool ended);
    void map_attacks() noexcept;
    void judge_text();
    void judge_attack(const guard::InjectionScore& score);
    void judge_content(const guard::ContentScore& score) noexcept;
    void note_content(ContentCategory category, uint32_t at) noexcept;
    void note_attack(const guard::InjectionScore& score) noexcept;
    [[nodiscard]] bool may_take_out(const Range& range) const noexcept;
    [[nodiscard]] bool may_act() const noexcept;
    void begin_writing();
    void write_turn();
    void put(const Edit& edit);

    const GuardPlan& plan_;
    const std::string_view document_;
    const GuardSide side_;
    bool looks_for_pii_ = false;
    bool restores_ = false;
    bool trusts_form_ = false;
    bool keeps_html_out_ = false;
    size_t reserved_ = 0;  // of the document: placeholders that begin before it are known
    Arena arena_;
    std::optional<guard::MaskTable> own_table_;
    guard::MaskTable& table_;
    llm::TextReader reader_;
    ByteBuffer bytes_, runs_;
    llm::TextWindow window_;
    guard::PiiScan scan_;
    Phase phase_ = Phase::read;
    std::span<const llm::Range> left_out_;
    uint32_t restored_ = 0;  // in the window: placeholders before it are done with
    llm::TextReader::Parts parts_ = llm::TextReader::Parts::apart;

    std::optional<guard::InjectionScan> attacks_;
    uint32_t attacks_at_ = 0;  // in the window: what was not read of it yet
    uint64_t text_read_ = 0;   // of the text at hand
    uint32_t text_begin_ = 0;  // where it stands in the document
    size_t mapped_count_ = 0;  // of its spans
    std::array<Range, guard::InjectionScan::spans_max> ranges_;
    guard::InjectionScore worst_;                                    // of the text that has most points
    uint32_t attack_count_ = 0;                                      // texts
    std::array<uint32_t, content_category_count> content_counts_{};  // likewise
    uint8_t content_blocked_ = 0;                                    // a bit each
    const ContentPlan* content_ = nullptr;                           // of this side; null: looks for none
    std::optional<guard::ContentScan> content_scan_;                 // of an answer
    bool silences_ = false;

    ByteBuffer edits_, extras_, changed_;  // edits in order of the document; those that are not
    size_t edit_count_ = 0, extra_count_ = 0;
    size_t text_bytes_ = 0;  // of edits, in the arena
    bool any_change_ = false;
    bool restored_any_ = false;
    bool too_many_ = false;
    size_t written_edits_ = 0, written_extras_ = 0;
    uint32_t copied_ = 0;

    AuditNotes* notes_ = nullptr;
    guard::PiiTypes blocked_;
    bool attack_blocked_ = false;
    std::array<uint32_t, pii_type_count> counts_{};
    bool counted_any_ = false;

    std::optional<guard::LeakScan> leaks_;
    uint8_t leaks_blocked_ = 0;
    std::array<uint32_t, leak_kind_count> leak_counts_{};
};

}  // namespace loom::proxy

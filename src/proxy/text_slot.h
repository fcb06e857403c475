// One text of a streamed answer, as its pieces come: what is decided of it is told, and what may still become a find
// is held back.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "html_text.h"
#include "loom/base/arena.h"
#include "loom/base/block_pool.h"
#include "loom/guard/content.h"
#include "loom/guard/leaks.h"
#include "loom/guard/mask.h"
#include "loom/guard/pii_scanner.h"
#include "loom/llm/text_reader.h"
#include "loom/proxy/guard_plan.h"
#include "window_edits.h"

namespace loom::proxy {

class AuditNotes;

/// What all texts of an answer have in common: the rules, the values that are known, and what was found.
struct AnswerFinds {
    AnswerFinds(const GuardPlan& plan, guard::MaskTable& values, bool expects_json, const guard::SystemText* system,
                guard::HtmlMode html) noexcept
        : plan(plan),
          values(values),
          system(system),
          leaks(plan.leaks ? &*plan.leaks : nullptr),
          content(plan.answer_content ? &*plan.answer_content : nullptr),
          looks(plan.pii && plan.pii->answers),
          restores(values.keeps_any()),
          expects_json(expects_json),
          html{.mode = html, .expects_json = expects_json, .restores = restores} {}

    const GuardPlan& plan;
    /// Something that may not be told was found: no more is.
    [[nodiscard]] bool stopped() const noexcept {
        return !blocked.empty() || leaks_blocked != 0 || content_blocked != 0;
    }
    /// Nothing of it is told otherwise, but counted.
    [[nodiscard]] bool strips_html() const noexcept { return html.mode != guard::HtmlMode::off; }
    void note_html(uint32_t count);
    /// What may not be put back where HTML is taken out: none of it is left behind this.
    [[nodiscard]] bool keeps_out(std::string_view value) const noexcept { return strips_html() && value.contains('<'); }
    void block(LeakKind kind) noexcept { leaks_blocked |= static_cast<uint8_t>(1u << static_cast<unsigned>(kind)); }

    guard::MaskTable& values;
    const guard::SystemText* const system;  // null: none is known
    const LeakPlan* const leaks;            // null: looks for none
    const ContentPlan* const content;       // likewise
    const bool looks;                       // for personal data
    const bool restores;                    // puts values back
    const bool expects_json;                // was asked for as JSON: texts that look like it are
    const HtmlTerms html;                   // taken out before all else is looked for
    AuditNotes* notes = nullptr;
    guard::PiiTypes blocked;
    uint8_t leaks_blocked = 0;    // a bit each kind
    uint8_t content_blocked = 0;  // a bit each category
    std::array<uint32_t, pii_type_count> counts{};
    std::array<uint32_t, leak_kind_count> leak_counts{};
    uint32_t html_count = 0;
    std::array<uint32_t, content_category_count> content_counts{};
};

class TextSlot {
  public:
    /// What one may have read: no answer comes near it, and places in it are of 32 bits.
    static constexpr uint32_t bytes_max = UINT32_MAX / 2;

    /// holds_json  it is known to be what a tool is given.
    TextSlot(BlockPool& blocks, AnswerFinds& finds, bool holds_json = false);

    /// piece  raw: the inside of a JSON string, cut at the border of an escape.
    /// ends   nothing comes behind it.
    /// Appends to `out` what is decided, as raw; scratch is for what is written there. Where something is found that
    /// may not be told, what stands before it is the last (AnswerFinds::blocked); of a category of content, what was
    /// appended before this piece.
    /// Returns false when it holds a broken escape, or more than there is room for.
    [[nodiscard]] bool take(std::string_view piece, bool ends, Arena& scratch, ByteBuffer& out);

    [[nodiscard]] size_t memory_bytes() const noexcept {
        return raw_.capacity() + bytes_.capacity() + runs_.capacity() + found_.capacity() * sizeof(guard::PiiSpan) +
               leaks_found_.capacity() * sizeof(guard::LeakFind) + (content_ ? guard::ContentScan::memory_bytes : 0) +
               content_found_.capacity() * sizeof(guard::ContentFind) + stripped_.capacity() +
               (html_ ? html_->memory_bytes() : 0);
    }

  private:
    static constexpr uint32_t turn_bytes = 512;  // what a window grows by: a place takes sixteen times as much

    [[nodiscard]] std::string_view without_html(std::string_view piece, bool ends);
    void make_room(uint32_t bytes);
    void read_on(uint32_t end);
    void look(bool ends);
    void tell(bool ends, Arena& scratch, ByteBuffer& out);
    [[nodiscard]] bool act(const guard::PiiSpan& span, bool ends, Arena& scratch, ByteBuffer& out);
    void act(const guard::LeakFind& leak, ByteBuffer& out);
    void act(const guard::ContentFind& find) noexcept;
    [[nodiscard]] size_t decided() const noexcept;
    void replace(uint32_t begin, uint32_t end, std::string_view text, bool quoted, ByteBuffer& out);
    void tell_raw(uint32_t end, ByteBuffer& out);
    void forget();

    AnswerFinds& finds_;
    std::optional<HtmlText> html_;
    ByteBuffer stripped_;  // of the piece at hand
    ByteBuffer raw_, bytes_, runs_;
    llm::TextWindow window_;
    llm::StringText text_;
    guard::PiiScan scan_;
    std::vector<guard::PiiSpan> found_;  // in the window, in order; not acted on yet
    std::optional<guard::LeakScan> leaks_;
    std::vector<guard::LeakFind> leaks_found_;  // likewise
    std::optional<guard::ContentScan> content_;
    std::vector<guard::ContentFind> content_found_;  // likewise
    uint32_t base_ = 0;                              // where raw_ begins in the text
    uint32_t read_ = 0, told_ = 0;                   // of the raw text
    uint32_t acted_ = 0;                             // of the window
};

}  // namespace loom::proxy

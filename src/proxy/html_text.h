// Takes HTML out of texts of an answer, as they stand in its JSON.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "loom/base/block_pool.h"
#include "loom/guard/html_strip.h"
#include "loom/llm/range.h"
#include "loom/llm/text_reader.h"

namespace loom::proxy {

struct HtmlTerms {
    guard::HtmlMode mode = guard::HtmlMode::off;
    bool expects_json = false;  // texts that look like JSON are, and stay as they are
    bool restores = false;      // values take the places of placeholders behind this
};
/// For the audit log.
inline constexpr std::string_view html_action = "strip";
[[nodiscard]] std::string_view html_mode_name(guard::HtmlMode mode) noexcept;

/// One text. What is told of it does not depend on how it is cut.
class HtmlText {
  public:
    HtmlText(const HtmlTerms& terms, BlockPool& blocks);

    /// piece  raw: the inside of a JSON string, cut at the border of an escape.
    /// ends   nothing comes behind it.
    /// Appends to `out` what is decided, as raw.
    void take(std::string_view piece, bool ends, ByteBuffer& out);
    [[nodiscard]] uint32_t count() const noexcept { return strip_.count(); }
    [[nodiscard]] size_t memory_bytes() const noexcept { return strip_.memory_bytes(); }

  private:
    enum class Form : uint8_t { unknown, text, json };
    guard::HtmlStrip strip_;
    Form form_;
};

/// A document, in turns: every text that llm::TextReader reads in it, but names of members and what tools are given.
class HtmlDocument {
  public:
    static constexpr size_t turn_bytes = 64 * 1024;

    /// document  well formed, and borrowed.
    HtmlDocument(const HtmlTerms& terms, BlockPool& blocks, std::string_view document);
    HtmlDocument(const HtmlDocument&) = delete;

    /// Places that somebody else has looked at, or that others take the place of: in order, and none inside another.
    /// Before the first turn.
    void leave_out(std::vector<llm::Range> ranges) noexcept { left_out_ = std::move(ranges); }
    /// One turn. Returns whether there is more to do.
    [[nodiscard]] bool turn();
    [[nodiscard]] size_t memory_bytes() const noexcept;

    // Once nothing is left to do.
    /// Empty where nothing is to change.
    [[nodiscard]] ByteBuffer& changed() noexcept { return changed_; }
    [[nodiscard]] uint32_t count() const noexcept { return count_; }
    /// Where a byte of the document that no text of it holds stands in the changed one.
    [[nodiscard]] uint32_t place_of(uint32_t offset) const noexcept;

  private:
    static constexpr size_t piece_bytes = 16 * 1024;
    struct Shift {
        uint32_t at = 0;
        int32_t by = 0;
    };
    void read_run(const llm::TextWindow& window, uint32_t run);
    void begin_text(uint32_t at);
    void end_text();
    [[nodiscard]] bool is_left_out(uint32_t at) const noexcept;

    const HtmlTerms terms_;
    BlockPool& blocks_;
    const std::string_view document_;
    std::vector<llm::Range> left_out_;
    bool done_ = false;
    llm::TextReader reader_;
    ByteBuffer bytes_, runs_;
    llm::TextWindow window_;
    std::optional<HtmlText> text_;  // the one at hand
    uint32_t begin_ = 0, read_ = 0;
    uint32_t copied_ = 0;    // of the document
    size_t text_begin_ = 0;  // in changed_
    ByteBuffer changed_, shifts_;
    uint32_t count_ = 0;
};

}  // namespace loom::proxy

// The texts of a request as guards outside of Loom are told of them: one for each message, and one for each other
// member of the document that holds texts. Strings and numbers that belong to one follow each other with a line break
// between.
//
// It reads what llm::TextReader reads, so media, addresses, names and ids are left out. A text is the same bytes each
// time that a document is read: what is said of bytes of one leads back to the document.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/llm/role_names.h"
#include "loom/llm/text_reader.h"

namespace loom::proxy {

using llm::TextRole;
[[nodiscard]] std::string_view text_role_name(TextRole role) noexcept;

/// Where a document's parts lie: members of the document, and elements of those that hold messages. Walks on as far as
/// it is asked to, in place.
class DocumentParts {
  public:
    /// document  as of llm::TextReader: one that is not well formed gives nonsense, and nothing outside of it is read.
    explicit DocumentParts(std::string_view document) noexcept : text_(document) {}

    /// Byte `at` is looked for; no earlier one than before.
    void walk_to(size_t at) noexcept;
    /// Which part the byte is in, from 0.
    [[nodiscard]] uint32_t part() const noexcept { return part_; }
    /// Of this part or one before, as far as was walked: its own word goes before what its member means.
    [[nodiscard]] TextRole role_of(uint32_t part) const noexcept { return part == part_ ? role_ : watched_role_; }
    /// The role of this one is remembered.
    void watch(uint32_t part) noexcept {
        watched_ = part;
        watched_role_ = role_;
    }
    /// The value of the document's own member "model", as it stands there; "" before it has come, and where it has
    /// escapes or more than 128 bytes.
    [[nodiscard]] std::string_view model() const noexcept { return model_; }

  private:
    void step(char c) noexcept;
    void begin_part() noexcept;
    void end_string(std::string_view word) noexcept;

    static constexpr size_t model_bytes_max = 128;
    std::string_view text_;
    size_t at_ = 0;
    size_t string_begin_ = 0;
    bool in_string_ = false, slash_ = false, escaped_ = false;
    uint32_t depth_ = 0;
    bool is_list_ = false;       // the member at hand holds messages, and its value is an array
    bool expects_name_ = false;  // at depth 1
    bool element_name_ = false;  // at depth 3, of a message
    bool holds_messages_ = false;
    bool is_model_ = false, is_role_ = false;
    TextRole member_role_ = TextRole::other;
    uint32_t part_ = 0, watched_ = 0;
    TextRole role_ = TextRole::other, watched_role_ = TextRole::other;
    std::string_view model_;
};

/// Some bytes of one text.
struct TextPiece {
    std::string_view bytes;
    uint32_t text = 0;  // from 0
    uint32_t at = 0;    // in the text
    /// Where they come from; null: a sign between two strings.
    const llm::TextWindow* window = nullptr;
    uint32_t run = 0, window_at = 0;
};

class GuardTexts {
  public:
    static constexpr size_t piece_bytes = 16 * 1024;

    GuardTexts(BlockPool& blocks, std::string_view document);

    /// Reads on by about piece_bytes. False: the document has ended.
    /// take  called with each TextPiece, in order; `end_text(TextRole)` when the last of a text is known.
    template <class Take, class EndText>
    bool read(Take&& take, EndText&& end_text);
    [[nodiscard]] uint32_t text_count() const noexcept { return count_; }
    [[nodiscard]] std::string_view model() const noexcept { return parts_.model(); }
    /// A string holds a broken escape: nobody can say what is in it.
    [[nodiscard]] bool is_broken() const noexcept { return reader_.is_broken(); }
    /// Nothing is read any more: its windows go.
    void release() noexcept;
    [[nodiscard]] static size_t memory_bytes_max(size_t document_bytes) noexcept;

  private:
    static constexpr size_t signs_max = 16;
    [[nodiscard]] static size_t window_bytes(size_t document_bytes) noexcept;
    [[nodiscard]] static size_t run_count(size_t document_bytes) noexcept;
    void note_sign(std::string_view bytes) noexcept;

    llm::TextReader reader_;
    DocumentParts parts_;
    size_t document_bytes_;
    ByteBuffer bytes_, runs_;
    llm::TextWindow window_;
    std::array<char, signs_max> signs_{};  // that wait for what comes behind them
    size_t sign_count_ = 0;
    bool open_ = false;
    uint32_t part_ = 0;   // of the text at hand
    uint32_t count_ = 0;  // texts
    uint32_t size_ = 0;   // of the one at hand
};

template <class Take, class EndText>
bool GuardTexts::read(Take&& take, EndText&& end_text) {
    const bool more = reader_.fill(window_, piece_bytes);
    for (uint32_t run = 0; run < window_.run_count; ++run) {
        const llm::TextRun& of = window_.runs[run];
        const std::string_view bytes = window_.text().substr(of.at, window_.end_of(run) - of.at);
        if (of.kind == llm::TextRun::Kind::sign) {
            note_sign(bytes);
            continue;
        }
        parts_.walk_to(of.from);
        if (!open_ || parts_.part() != part_) {
            if (open_) end_text(parts_.role_of(part_));
            open_ = true;
            part_ = parts_.part();
            parts_.watch(part_);
            count_ += 1;
            size_ = 0;
            sign_count_ = 0;
        }
        if (sign_count_ > 0) take(TextPiece{.bytes = {signs_.data(), sign_count_}, .text = count_ - 1, .at = size_});
        size_ += static_cast<uint32_t>(std::exchange(sign_count_, 0));
        take(TextPiece{
            .bytes = bytes, .text = count_ - 1, .at = size_, .window = &window_, .run = run, .window_at = of.at});
        size_ += static_cast<uint32_t>(bytes.size());
    }
    window_.size = window_.run_count = 0;
    if (more) return true;
    parts_.walk_to(document_bytes_);
    if (std::exchange(open_, false)) end_text(parts_.role_of(part_));
    return false;
}

}  // namespace loom::proxy

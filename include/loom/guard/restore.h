// Puts values back into an answer where their placeholders stand, also in one that comes in pieces.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "loom/guard/mask.h"

namespace loom::guard {

/// Placeholders that stand in a document of JSON as it came, and begin between two places of it, also where their signs
/// are written as escapes, and as those of JSON in its strings: no value of the table is called so from here on, and
/// what is put back for them is they themselves. Before any value is given its number.
void reserve_placeholders(std::string_view document, size_t begin, size_t end, MaskTable& table);

/// What may be a placeholder, as far as it is there.
struct PlaceholderSpan {
    size_t begin = 0;
    size_t end = 0;      // of what is not whole: its begin
    bool whole = false;  // else what comes behind the text decides
};
/// The first that begins at `from` or behind it. Without any: one that is not whole, and begins where the text ends.
/// ends  nothing comes behind the text; then there is none that is not whole, and no span where nothing is found.
[[nodiscard]] std::optional<PlaceholderSpan> find_placeholder(std::string_view text, size_t from, bool ends) noexcept;

/// An answer that comes in pieces, cut anywhere. Told is what restoring the whole of it would give. Held back is only
/// what may still become a placeholder: from a '[' on, below MaskTable::placeholder_bytes_max bytes.
class RestoreStream {
  public:
    /// table  outlives this, and changes no more.
    explicit RestoreStream(const MaskTable& table) noexcept : table_(table) {}

    /// Calls text(std::string_view) with what is decided; none is empty. Views live until the call returns.
    template <class Text>
    void feed(std::string_view piece, Text&& text);
    template <class Text>
    void finish(Text&& text);

    [[nodiscard]] uint32_t held_bytes() const noexcept { return held_count_; }

  private:
    static bool goes_on(char c) noexcept { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

    const MaskTable& table_;
    std::array<char, MaskTable::placeholder_bytes_max> held_;
    uint32_t held_count_ = 0;
};

template <class Text>
void RestoreStream::feed(std::string_view piece, Text&& text) {
    size_t told = 0;  // of the piece
    for (size_t i = 0; i < piece.size(); ++i) {
        const char c = piece[i];
        if (held_count_ == 0) {
            if (c != '[') continue;
            if (i > told) text(piece.substr(told, i - told));
        } else if (c == ']') {
            held_[held_count_] = c;
            const std::string_view whole(held_.data(), held_count_ + 1);
            const std::string_view value = table_.value_of(whole);
            text(value.empty() ? whole : value);
            held_count_ = 0;
            told = i + 1;
            continue;
        } else if (!goes_on(c) || held_count_ + 2 > held_.size()) {
            text(std::string_view(held_.data(), held_count_));
            held_count_ = 0;
            told = i;
            if (c != '[') continue;
        }
        held_[held_count_++] = c;
        told = i + 1;
    }
    if (told < piece.size()) text(piece.substr(told));
}

template <class Text>
void RestoreStream::finish(Text&& text) {
    if (held_count_ > 0) text(std::string_view(held_.data(), held_count_));
    held_count_ = 0;
}

}  // namespace loom::guard

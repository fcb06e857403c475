#include "probe.h"

#include <algorithm>

namespace loom::guard {

/// It lies before the anchor: all of it is there.
void Probe::read_context(Pos begin) noexcept {
    context_of_ = begin;
    const Pos from = std::max<Pos>(0, begin - context_bytes);
    context_size_ = static_cast<uint32_t>(begin - from);
    const std::string_view behind = text.view(from, begin);
    text.note_looks(begin - from);
    for (uint32_t i = 0; i < context_size_; ++i)
        context_[i] = static_cast<char>(lower(static_cast<unsigned char>(behind[i])));
    context_firsts_ = word_count_ = 0;
    bool in_word = context_size_ == context_bytes;  // what stands there may be the rest of a word
    for (uint32_t i = 0; i < context_size_; ++i) {
        const uint32_t first = Words::first_of(context_[i]);
        const bool is_letter = is_lower(context_[i]);
        if (is_letter && !in_word) words_at_[word_count_++] = static_cast<uint8_t>(i);
        if (!in_word || first == Words::foreign) context_firsts_ |= first;
        in_word = is_letter;
    }
}

bool Probe::has_context(Pos begin, Words words) noexcept {
    if (context_of_ != begin) read_context(begin);
    if ((context_firsts_ & words.firsts()) == 0) return false;
    const std::string_view behind(context_.data(), context_size_);
    for (const std::string_view word : words) {
        const uint32_t first = Words::first_of(word.front());
        if ((context_firsts_ & first) == 0) continue;
        // What scripts without blanks write stands anywhere.
        if (first == Words::foreign && behind.find(word) != behind.npos) return true;
        if (first == Words::foreign) continue;
        // A word of ASCII begins where no letter stands before it, a short one ends so too: "tel" is not "hotel", "pan"
        // not "panel".
        for (const uint8_t at : std::span(words_at_).first(word_count_)) {
            if (behind[at] != word.front() || !behind.substr(at).starts_with(word)) continue;
            const size_t end = at + word.size();
            if (word.size() > 4 || end == behind.size() || !is_alpha(behind[end])) return true;
        }
    }
    return false;
}

}  // namespace loom::guard

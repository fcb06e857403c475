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
    context_firsts_ = 0;
    bool in_word = context_size_ == context_bytes;  // what stands there may be the rest of a word
    for (uint32_t i = 0; i < context_size_; ++i) {
        const char c = context_[i];
        const uint32_t first = Words::first_of(c);
        if (!in_word || first == Words::foreign) context_firsts_ |= first;
        in_word = is_lower(c);
    }
}

bool Probe::has_context(Pos begin, Words words) noexcept {
    if (context_of_ != begin) read_context(begin);
    if ((context_firsts_ & words.firsts()) == 0) return false;
    const std::string_view behind(context_.data(), context_size_);
    for (std::string_view word : words) {
        if ((context_firsts_ & Words::first_of(word.front())) == 0) continue;
        for (size_t at = behind.find(word); at != behind.npos; at = behind.find(word, at + 1)) {
            // A word of ASCII begins where no letter stands before it, a short one ends so too: "tel" is not "hotel",
            // "pan" not "panel". What scripts without blanks write needs neither.
            const bool plain = static_cast<unsigned char>(word.front()) < 0x80;
            if (!plain) return true;
            const bool begins = at == 0 ? behind.size() < context_bytes : !is_alpha(behind[at - 1]);
            const size_t end = at + word.size();
            const bool ends = word.size() > 4 || end == behind.size() || !is_alpha(behind[end]);
            if (begins && ends) return true;
        }
    }
    return false;
}

}  // namespace loom::guard

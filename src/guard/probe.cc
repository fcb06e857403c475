#include "probe.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace loom::guard {

/// It lies before the anchor: all of it is there.
void Probe::read_context(Pos begin) noexcept {
    context_of_ = begin;
    const Pos from = std::max<Pos>(0, begin - context_bytes);
    context_size_ = static_cast<uint32_t>(begin - from);
    text.note_looks(begin - from);
    context_.fill(0);
    std::memcpy(context_.data(), text.data() + from, context_size_);
    std::array<uint8_t, context_bytes> letters;
    uint8_t all = 0;
    for (size_t i = 0; i < context_.size(); ++i) {
        const auto c = static_cast<uint8_t>(context_[i]);
        const auto small = static_cast<uint8_t>(c + (static_cast<uint8_t>(c - 'A') < 26 ? 'a' - 'A' : 0));
        context_[i] = static_cast<char>(small);
        letters[i] = static_cast<uint8_t>(small - 'a') < 26;
        all |= c;
    }
    uint64_t bits = 0;
    for (size_t i = 0; i < letters.size(); i += 8) {
        uint64_t eight = 0;
        for (size_t j = 0; j < 8; ++j) eight |= uint64_t{letters[i + j]} << j;
        bits |= eight << i;
    }
    const uint64_t rest = context_size_ == context_bytes;  // what stands there may be the rest of a word
    context_words_ = bits & ~(bits << 1 | rest);
    context_firsts_ = (all & 0x80) != 0 ? Words::foreign : 0;
    for (uint64_t left = context_words_; left != 0; left &= left - 1)
        context_firsts_ |= Words::first_of(context_[static_cast<size_t>(std::countr_zero(left))]);
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
        for (uint64_t left = context_words_; left != 0; left &= left - 1) {
            const auto at = static_cast<size_t>(std::countr_zero(left));
            if (behind[at] != word.front() || !behind.substr(at).starts_with(word)) continue;
            const size_t end = at + word.size();
            if (word.size() > 4 || end == behind.size() || !is_alpha(behind[end])) return true;
        }
    }
    return false;
}

}  // namespace loom::guard

#include "probe.h"

#include <algorithm>

namespace loom::guard {

void Probe::read_context(Pos begin) noexcept {
    context_of_ = begin;
    const Pos from = std::max<Pos>(0, begin - context_bytes);
    context_size_ = static_cast<uint32_t>(begin - from);
    for (uint32_t i = 0; i < context_size_; ++i) context_[i] = static_cast<char>(lower(text.at(from + i)));
}

bool Probe::has_context(Pos begin, Words words) noexcept {
    if (context_of_ != begin) read_context(begin);
    const std::string_view behind(context_.data(), context_size_);
    for (std::string_view word : words) {
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

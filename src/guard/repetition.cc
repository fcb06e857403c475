#include "repetition.h"

#include <fmt/format.h>

#include <algorithm>

#include "window.h"

namespace loom::guard {

namespace {

class Bounding {
  public:
    Bounding(std::string_view pattern, uint32_t max) noexcept : pattern_(pattern), max_(max) {}

    std::string run() {
        while (at_ < pattern_.size()) step();
        return std::move(out_);
    }

  private:
    void step() {
        switch (pattern_[at_]) {
            case '\\': return starts("\\Q") ? copy_through("\\E") : copy(2);
            case '[': return copy_class();
            case '(': return starts("(?#") ? copy_through(")") : copy(starts("(?") || starts("(*") ? 2 : 1);
            case '*': return repeat(fmt::format("{{0,{}}}", max_), 1);
            case '+': return repeat(fmt::format("{{1,{}}}", max_), 1);
            case '{': return bound_open_range();
            default: return copy(1);
        }
    }

    [[nodiscard]] bool starts(std::string_view word) const noexcept { return pattern_.substr(at_).starts_with(word); }
    void copy(size_t count) {
        const std::string_view part = pattern_.substr(at_, count);
        out_ += part;
        at_ += part.size();
    }
    void copy_through(std::string_view end) {
        const size_t found = pattern_.find(end, at_ + 1);
        copy(found == pattern_.npos ? pattern_.size() - at_ : found + end.size() - at_);
    }
    /// "[]a]" and "[^]a]" hold a bracket, "[[:alpha:]]" one that closes a name.
    void copy_class() {
        copy(starts("[^") ? 2 : 1);
        if (starts("]")) copy(1);
        while (at_ < pattern_.size() && pattern_[at_] != ']') {
            if (starts("[:"))
                copy_through(":]");
            else
                copy(starts("\\") ? 2 : 1);
        }
        copy(1);
    }
    /// What says how greedy it is stays, and is not taken for another repetition.
    void repeat(std::string_view bounded, size_t count) {
        out_ += bounded;
        at_ += count;
        if (starts("?") || starts("+")) copy(1);
    }
    /// "{2,}": two and more. Any other brace is copied.
    void bound_open_range() {
        constexpr size_t digits_max = 6;
        size_t end = at_ + 1;
        uint32_t least = 0;
        while (end < pattern_.size() && is_digit(pattern_[end]) && end - at_ <= digits_max)
            least = least * 10 + static_cast<uint32_t>(pattern_[end++] - '0');
        if (end == at_ + 1) return copy(1);
        if (pattern_.substr(end).starts_with(",}"))
            return repeat(fmt::format("{{{},{}}}", least, least + max_), end + 2 - at_);
        const size_t close = pattern_.find('}', end);
        const std::string whole(pattern_.substr(at_, close == pattern_.npos ? 1 : close + 1 - at_));
        repeat(whole, whole.size());
    }

    std::string_view pattern_;
    uint32_t max_;
    size_t at_ = 0;
    std::string out_;
};

}  // namespace

std::string bound_repetitions(std::string_view pattern, uint32_t max) { return Bounding(pattern, max).run(); }

}  // namespace loom::guard

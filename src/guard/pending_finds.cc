#include "loom/guard/pending_finds.h"

#include <algorithm>

#include "loom/guard/custom_types.h"

namespace loom::guard {

namespace {

PiiSpan united(const PiiSpan& one, const PiiSpan& other, const PiiStrictness& strictness) noexcept {
    const auto strict = strictness[static_cast<size_t>(one.type)], others = strictness[static_cast<size_t>(other.type)];
    const uint64_t length = one.end - one.begin, other_length = other.end - other.begin;
    const bool wins = strict != others         ? strict > others
                      : length != other_length ? length > other_length
                                               : one.type < other.type;
    return {std::min(one.begin, other.begin), std::max(one.end, other.end), wins ? one.type : other.type};
}

/// Matches of custom types may overlap without end: a run of digits, say.
bool is_run(const PiiSpan& one, const PiiSpan& other) noexcept {
    return std::max(one.end, other.end) - std::min(one.begin, other.begin) > CustomTypes::run_bytes_max &&
           (is_custom(one.type) || is_custom(other.type));
}

}  // namespace

void PendingFinds::add(PiiSpan span, const PiiStrictness& strictness) noexcept {
    const auto counts_alone = [&](const PiiSpan& of) { return strictness[static_cast<size_t>(of.type)] == 0; };
    uint32_t first = 0;
    while (first < count_ && spans_[first].end <= span.begin) first += 1;
    uint32_t last = first;
    for (uint32_t i = first; i < count_ && spans_[i].begin < span.end; last = ++i)
        if (counts_alone(span) && !counts_alone(spans_[i])) return;
    if (!counts_alone(span)) {
        const auto* const kept = std::remove_if(&spans_[first], &spans_[last], counts_alone);
        const auto kept_count = static_cast<uint32_t>(kept - &spans_[first]);
        drop(first + kept_count, last);
        last = first + kept_count;
    }
    while (last > first && !is_run(span, spans_[last - 1])) {
        span = united(span, spans_[last - 1], strictness);
        drop(last - 1, last);
        last -= 1;
    }
    if (last > first) {  // what overlaps a run that is full is covered by what is there, and goes on behind it
        spans_[first].begin = std::min(spans_[first].begin, span.begin);
        for (uint32_t i = first; i + 1 < last; ++i) spans_[i].end = spans_[i + 1].begin;
        span.begin = spans_[last - 1].end;
        if (span.begin >= span.end) return;
    }
    if (count_ == count_max) {
        Kept& nearest = spans_[std::min(last, count_ - 1)];
        const PiiSpan both = united(nearest, span, strictness);
        nearest = {both.begin, both.end, both.type};
        return;
    }
    std::copy_backward(&spans_[last], &spans_[count_], &spans_[count_ + 1]);
    spans_[last] = {span.begin, span.end, span.type};
    count_ += 1;
}

void PendingFinds::drop(uint32_t first, uint32_t last) noexcept {
    std::copy(&spans_[last], &spans_[count_], &spans_[first]);
    count_ -= last - first;
}

void PendingFinds::move_back(uint64_t bytes) noexcept {
    for (uint32_t i = 0; i < count_; ++i) {
        spans_[i].begin -= bytes;
        spans_[i].end -= bytes;
    }
}

}  // namespace loom::guard

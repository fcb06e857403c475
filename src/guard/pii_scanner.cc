#include "loom/guard/pii_scanner.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "anchors.h"
#include "detectors.h"
#include "hold.h"
#include "loom/base/assert.h"

namespace loom::guard {

namespace {

constexpr uint32_t packed(std::string_view three) noexcept {
    return static_cast<uint32_t>(static_cast<unsigned char>(three[0])) |
           static_cast<uint32_t>(static_cast<unsigned char>(three[1])) << 8 |
           static_cast<uint32_t>(static_cast<unsigned char>(three[2])) << 16;
}
constexpr auto sorted_fingerprints = [] {
    std::array<uint32_t, std::size(fingerprints)> sorted{};
    for (size_t i = 0; i < sorted.size(); ++i) sorted[i] = packed(fingerprints[i]);
    std::ranges::sort(sorted);
    return sorted;
}();

/// The pre-filter lets through what shares halves of bytes with a fingerprint.
bool is_fingerprint(const Window& window, Pos anchor) noexcept {
    return anchor >= 2 && std::ranges::binary_search(sorted_fingerprints, packed({window.data() + anchor - 2, 3}));
}

Anchors anchors_at(AnchorKernel kernel, const Window& window, Pos block) noexcept {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(window.data());
    if (block >= anchor_before && block + anchor_block <= window.size()) return kernel(bytes + block);
    // At the ends of the text: the same bytes between zeros, which belong to nothing.
    alignas(64) unsigned char copy[anchor_before + anchor_block] = {};
    const Pos before = std::min(block, anchor_before);
    const Pos count = std::min(window.size() - block, anchor_block);
    std::memcpy(copy + anchor_before - before, bytes + block - before, static_cast<size_t>(before + count));
    Anchors found = kernel(copy + anchor_before);
    if (count < anchor_block) {
        const uint64_t inside = (uint64_t{1} << count) - 1;
        found.numbers &= inside, found.signs &= inside, found.literals &= inside;
    }
    return found;
}

/// Most numbers are too short for anything, and stand for themselves: they are asked about nothing.
bool may_be_something(Probe& probe) noexcept {
    constexpr uint32_t digits_min = 8;  // of what is digits alone
    const Number& number = probe.number();
    Window& text = probe.text;
    if (number.digit_count >= digits_min || number.digit_count == 0 || number.plus) return true;
    // An address, or a part of something with letters: "10.0.0.1", "AB123456C", "0x5a…", "00-1a-…".
    if (number.group_count >= 4 && number.group[1].gap == '.') return true;
    const int before = text.at(probe.anchor - 1);
    const bool spaced = before == ' ' && is_upper(text.at(probe.anchor - 2)) && is_upper(text.at(probe.anchor - 3));
    if (is_alpha(before) || spaced || before == '-' || before == '.') return true;
    for (uint32_t i = 0; i < number.group_count; ++i)
        if (is_alpha(text.at(number.end_of(i)))) return true;
    const Number::Group& last = number.group[number.group_count - 1];
    const int sign = text.at(number.begin + last.end);
    return (sign == '-' || sign == '.' || sign == ' ') && is_alpha(text.at(number.begin + last.end + 1));
}

}  // namespace

PiiScanner::PiiScanner(PiiTypes types, const PiiStrictness& strictness) noexcept
    : types_(types), strictness_(strictness) {
    const auto add = [](auto& finders, const Detector& row) {
        LOOM_ASSERT(finders.count < finders.row.size());
        finders.row[finders.count++] = &row;
    };
    for (const Detector& row : detectors()) {
        if (!types.has(row.type)) continue;
        switch (row.trigger) {
            case Trigger::number: add(numbers_, row); break;
            case Trigger::literal: add(literals_, row); break;
            case Trigger::at_sign: add(at_signs_, row); break;
            case Trigger::colon: add(colons_, row); break;
            case Trigger::equals: add(equals_, row); break;
        }
    }
}

void PiiScanner::hold(const PiiSpan& span, Held& held, Sink sink, void* context) const {
    const auto tell = [&](const PiiSpan& told) {
        held.told_end = told.end;
        sink(context, told);
    };
    if (span.begin < held.told_end) return;
    if (!held.is_any) {
        held.span = span;
        held.is_any = true;
    } else if (span.begin >= held.span.end) {
        tell(held.span);
        held.span = span;
    } else if (span.end <= held.span.begin) {
        tell(span);
    } else {
        const uint8_t strict = strictness_[static_cast<size_t>(span.type)],
                      others = strictness_[static_cast<size_t>(held.span.type)];
        const uint64_t length = span.end - span.begin, other = held.span.end - held.span.begin;
        const bool wins = length > other || (length == other && span.type < held.span.type);
        if (strict == others) {
            // Else a part of the one that loses were told as text.
            held.span = {std::min(span.begin, held.span.begin), std::max(span.end, held.span.end),
                         wins ? span.type : held.span.type};
        } else if (strict > others) {
            held.span = span;
        }
    }
}

/// False where no answer is final yet; then none counts.
template <size_t count_max>
bool PiiScanner::ask(const Finders<count_max>& finders, Probe& probe, Held& held, Sink sink, void* context) const {
    Window& window = probe.text;
    struct Found {  // without initialisers: nearly always all of it stays unused
        Pos begin, end;
        PiiType type;
    };
    std::array<Found, count_max> found;
    uint32_t found_count = 0;
    for (uint32_t i = 0; i < finders.count; ++i) {
        const Match match = finders.row[i]->find(probe);
        if (window.undecided()) return false;
        if (!match) continue;
        found[found_count++] = {match.begin, match.end, finders.row[i]->type};
    }
    if (found_count == 0) return true;
    const auto floor = static_cast<uint64_t>(hold_begin(window, probe.anchor));
    for (uint32_t i = 0; i < found_count; ++i) {
        const PiiSpan span{static_cast<uint64_t>(found[i].begin), static_cast<uint64_t>(found[i].end), found[i].type};
        LOOM_ASSERT(span.begin >= floor);  // else a stream had let go of it
        hold(span, held, sink, context);
    }
    return true;
}

bool PiiScanner::ask_number(Window& window, Pos anchor, Held& held, Sink sink, void* context) const {
    Probe probe(window, anchor);
    const bool asks = may_be_something(probe);
    if (window.undecided()) return false;
    return !asks || ask(numbers_, probe, held, sink, context);
}

Pos PiiScanner::walk(Window& window, Pos from, Held& held, Sink sink, void* context) const {
    const AnchorKernel kernel = anchor_kernel();
    const uint64_t wants_numbers = numbers_.count > 0 ? ~uint64_t{0} : 0;
    const uint64_t wants_signs = at_signs_.count + colons_.count + equals_.count > 0 ? ~uint64_t{0} : 0;
    const uint64_t wants_literals = literals_.count > 0 ? ~uint64_t{0} : 0;
    window.begin_decision();
    for (Pos block = from; block < window.size(); block += anchor_block) {
        const Anchors places = anchors_at(kernel, window, block);
        uint64_t left =
            (places.numbers & wants_numbers) | (places.signs & wants_signs) | (places.literals & wants_literals);
        for (; left != 0; left &= left - 1) {
            const uint64_t bit = left & -left;
            const Pos anchor = block + std::countr_zero(left);
            bool decided = true;
            if ((places.numbers & bit) != 0) decided = ask_number(window, anchor, held, sink, context);
            if ((places.signs & bit) != 0) {
                const char sign = window.data()[anchor];
                Probe probe(window, anchor);
                decided = ask(sign == '@' ? at_signs_ : sign == ':' ? colons_ : equals_, probe, held, sink, context);
            }
            if (decided && (places.literals & bit) != 0 && is_fingerprint(window, anchor)) {
                Probe probe(window, anchor);
                decided = ask(literals_, probe, held, sink, context);
            }
            if (!decided) return anchor;
        }
    }
    return window.size();
}

void PiiScanner::scan_into(std::string_view text, Sink sink, void* context) const {
    Window window(text, true);
    Held held;
    walk(window, 0, held, sink, context);
    if (held.is_any) sink(context, held.span);
}

}  // namespace loom::guard

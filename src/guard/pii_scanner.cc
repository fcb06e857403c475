#include "loom/guard/pii_scanner.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

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

/// The next block in which there is something, or the last before `end`.
Pos next_anchors(AnchorKernel kernel, const Window& window, Pos block, Pos end, Anchors& found) noexcept {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(window.data());
    const Pos last = window.size() - anchor_block - anchor_behind;
    if (block >= anchor_before && block <= last) return kernel(bytes, block, std::min(end, last + 1), found);
    // At the ends of the text: the same bytes between zeros, which belong to nothing.
    alignas(64) unsigned char copy[anchor_before + anchor_block + anchor_behind] = {};
    const Pos before = std::min(block, anchor_before);
    const Pos count = std::min(window.size() - block, anchor_block + anchor_behind);
    std::memcpy(copy + anchor_before - before, bytes + block - before, static_cast<size_t>(before + count));
    found = anchors_at(kernel, copy + anchor_before);
    if (count < anchor_block + anchor_behind && !window.final()) {  // what stands near may be yet to come
        const Pos seen = std::clamp<Pos>(count - anchor_behind, 0, anchor_block - 1);
        const uint64_t unseen = ~uint64_t{0} << seen;
        found.numbers |= found.all_numbers & unseen;
        found.signs |= found.all_signs & unseen;
    }
    return block;
}

// Kinds of numbers (PiiScanner::number_kinds).
static_assert(Number::digits_max == 32);
constexpr uint32_t letter_before = 1, letter_behind = 2, kinds_of_count = 4;

/// Where it is longer than anything that has a meaning it may be in letters as well.
uint32_t kind_of(Probe& probe) noexcept {
    const Number& number = probe.number();
    const uint32_t count = number.first_count();
    uint32_t kind = count * kinds_of_count;
    if (is_alpha(probe.text.at(probe.anchor - 1))) kind += letter_before;
    if (count == 0 || is_alpha(probe.text.at(number.end_of(0)))) kind += letter_behind;
    return kind;
}

bool may_find(const Detector& row, uint32_t kind) noexcept {
    if ((row.first_group >> kind / kinds_of_count & 1) == 0) return false;
    switch (row.beside) {
        case Beside::letter_before: return (kind & letter_before) != 0;
        case Beside::letter_behind: return (kind & letter_behind) != 0;
        case Beside::anything: break;
    }
    return true;
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

/// The matches of custom types between two places, in order.
class CustomWalk {
  public:
    CustomWalk(const CustomTypes& custom, std::string_view text, Pos from, Pos end) noexcept
        : look_(custom), text_(text), looked_(from), end_(end) {}

    /// Calls tell with those that begin before `place`.
    template <class Tell>
    void up_to(Pos place, Tell&& tell) {
        while (true) {
            for (; next_ < found_.size() && static_cast<Pos>(found_[next_].begin) < place; ++next_)
                tell(PiiSpan{found_[next_].begin, found_[next_].end, found_[next_].type});
            if (next_ < found_.size() || looked_ >= std::min(place, end_)) return;
            const auto begin = static_cast<size_t>(looked_);
            auto stop = static_cast<size_t>(std::min(end_, looked_ + chunk_bytes_));
            const size_t asked = stop;
            found_ = look_.find(text_, begin, stop);
            // Where a part was too much the next is asked for no more than went well.
            if (stop < asked) chunk_bytes_ = static_cast<Pos>(stop - begin);
            looked_ = static_cast<Pos>(stop);
            next_ = 0;
        }
    }
    [[nodiscard]] uint64_t looks() const noexcept { return look_.looks(); }

  private:
    CustomTypes::Look look_;
    std::string_view text_;
    Pos looked_;
    Pos end_;
    Pos chunk_bytes_ = 4096;
    size_t next_ = 0;
    std::span<const CustomTypes::Match> found_;
};

}  // namespace

PiiScanner::PiiScanner(PiiTypes types, const PiiStrictness& strictness,
                       std::shared_ptr<const CustomTypes> custom) noexcept
    : types_(types), strictness_(strictness), custom_(std::move(custom)) {
    const auto add = [](auto& finders, const Detector& row) {
        LOOM_ASSERT(finders.count < finders.row.size());
        finders.row[finders.count++] = static_cast<uint8_t>(&row - detectors().data());
    };
    for (const Detector& row : detectors()) {
        if (!types.has(row.type)) continue;
        switch (row.trigger) {
            case Trigger::number:
                asks_numbers_ = true;
                for (uint32_t kind = 0; kind < number_kinds; ++kind)
                    if (may_find(row, kind)) add(numbers_[kind], row);
                break;
            case Trigger::literal: add(literals_, row); break;
            case Trigger::at_sign: add(at_signs_, row); break;
            case Trigger::colon: add(colons_, row); break;
            case Trigger::equals: add(equals_, row); break;
        }
    }
}

/// False where no answer is final yet; then none counts.
template <size_t count_max>
bool PiiScanner::ask(const Finders<count_max>& finders, Probe& probe, PendingFinds& pending, Sink sink,
                     void* context) const {
    Window& window = probe.text;
    struct Found {  // without initialisers: nearly always all of it stays unused
        Pos begin, end;
        PiiType type;
    };
    std::array<Found, count_max> found;
    uint32_t found_count = 0;
    const Detector* const rows = detectors().data();
    for (uint32_t i = 0; i < finders.count; ++i) {
        const Detector& row = rows[finders.row[i]];
        const Match match = row.find(probe);
        if (window.undecided()) return false;
        if (!match) continue;
        found[found_count++] = {match.begin, match.end, row.type};
    }
    if (found_count == 0) return true;
    const auto floor = static_cast<uint64_t>(hold_begin(window, probe.anchor));
    pending.tell_up_to(floor, [&](const PiiSpan& span) { sink(context, span); });
    for (uint32_t i = 0; i < found_count; ++i) {
        const PiiSpan span{static_cast<uint64_t>(found[i].begin), static_cast<uint64_t>(found[i].end), found[i].type};
        LOOM_ASSERT(span.begin >= floor);  // else a stream had let go of it
        pending.add(span, strictness_);
    }
    return true;
}

bool PiiScanner::ask_number(Window& window, Pos anchor, PendingFinds& pending, Sink sink, void* context) const {
    Probe probe(window, anchor);
    const bool asks = may_be_something(probe);
    if (window.undecided()) return false;
    return !asks || ask(numbers_[kind_of(probe)], probe, pending, sink, context);
}

Pos PiiScanner::walk(Window& window, Pos from, PendingFinds& pending, Sink sink, void* context) const {
    const AnchorKernel kernel = anchor_kernel();
    const uint64_t wants_numbers = asks_numbers_ ? ~uint64_t{0} : 0;
    const uint64_t wants_signs = at_signs_.count + colons_.count + equals_.count > 0 ? ~uint64_t{0} : 0;
    const uint64_t wants_literals = literals_.count > 0 ? ~uint64_t{0} : 0;
    window.begin_decision();
    const Pos end = decidable_end(window, from);
    std::optional<CustomWalk> customs;
    if (custom_ != nullptr)
        customs.emplace(*custom_, std::string_view(window.data(), static_cast<size_t>(window.size())), from, end);
    const auto tell = [&](const PiiSpan& span) { sink(context, span); };
    const auto add_custom = [&](const PiiSpan& span) {
        if (!pending.empty())
            pending.tell_up_to(static_cast<uint64_t>(hold_begin(window, static_cast<Pos>(span.begin))), tell);
        pending.add(span, strictness_);
    };
    Anchors places;
    for (Pos block = from; block < end; block += anchor_block) {
        block = next_anchors(kernel, window, block, end, places);
        uint64_t left =
            (places.numbers & wants_numbers) | (places.signs & wants_signs) | (places.literals & wants_literals);
        for (; left != 0; left &= left - 1) {
            const uint64_t bit = left & -left;
            const Pos anchor = block + std::countr_zero(left);
            if (anchor >= end) break;
            if (customs) customs->up_to(anchor, add_custom);
            bool decided = true;
            if ((places.numbers & bit) != 0) decided = ask_number(window, anchor, pending, sink, context);
            if ((places.signs & bit) != 0) {
                const char sign = window.data()[anchor];
                Probe probe(window, anchor);
                decided = ask(sign == '@' ? at_signs_ : sign == ':' ? colons_ : equals_, probe, pending, sink, context);
            }
            if (decided && (places.literals & bit) != 0 && is_fingerprint(window, anchor)) {
                Probe probe(window, anchor);
                decided = ask(literals_, probe, pending, sink, context);
            }
            if (decided) continue;
            if (customs) window.note_looks(static_cast<Pos>(customs->looks()));
            return anchor;
        }
    }
    if (customs) {
        customs->up_to(end, add_custom);
        window.note_looks(static_cast<Pos>(customs->looks()));
    }
    return end;
}

/// Custom types are asked about whole windows of their width alone.
Pos PiiScanner::decidable_end(const Window& window, Pos from) const noexcept {
    if (custom_ == nullptr || window.final()) return window.size();
    return std::max(from, window.size() - static_cast<Pos>(custom_->around()));
}

size_t PiiScanner::lookbehind() const noexcept {
    const size_t custom = custom_ == nullptr ? 0 : custom_->around();
    return std::max(static_cast<size_t>(Window::lookbehind_max), custom);
}

size_t PiiScanner::bytes_max() const noexcept {
    const size_t custom = custom_ == nullptr ? 0 : CustomTypes::run_bytes_max;
    return std::max<size_t>(types_.bytes_max(), custom);
}

void PiiScanner::scan_into(std::string_view text, Sink sink, void* context) const {
    Window window(text, true);
    PendingFinds pending;
    walk(window, 0, pending, sink, context);
    pending.tell_all([&](const PiiSpan& span) { sink(context, span); });
}

}  // namespace loom::guard

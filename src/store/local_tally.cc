#include "local_tally.h"

#include <algorithm>
#include <limits>

#include "loom/base/assert.h"
#include "loom/base/hash.h"

namespace loom::store {
namespace {

using tenant::LedgerLocal;

static_assert(sizeof(LocalTally) <= LedgerLog::local_bytes);

constexpr std::string_view LedgerLocal::* texts[] = {&LedgerLocal::consumer, &LedgerLocal::team, &LedgerLocal::project,
                                                     &LedgerLocal::tenant,   &LedgerLocal::tier, &LedgerLocal::route,
                                                     &LedgerLocal::model};

uint64_t kind_of(const LedgerLocal& one) noexcept {
    const uint64_t known = (one.tells_tokens ? 1u : 0u) | (one.saved >= 0 ? 2u : 0u);
    uint64_t hash = known << 32 | uint64_t{one.status} << 8 | static_cast<uint64_t>(one.exit);
    for (const auto text : texts) hash = hash64(one.*text, hash);
    return hash;
}

template <class Number>
void grow(Number& sum, Number more, Number max) noexcept {
    sum = sum > max - more ? max : sum + more;
}

/// A sum ends at the bound of its member.
void sum_up(LedgerLocal& sum, const LedgerLocal& more) noexcept {
    grow(sum.count, more.count, UINT32_MAX);
    for (const auto tokens :
         {&LedgerLocal::input_tokens, &LedgerLocal::cached_input, &LedgerLocal::output_tokens, &LedgerLocal::reasoning})
        grow(sum.*tokens, std::min(more.*tokens, tenant::ledger_tokens_max), tenant::ledger_tokens_max);
    if (sum.saved >= 0 && more.saved >= 0) grow(sum.saved, more.saved, std::numeric_limits<Money>::max());
}

/// Without its route and model; as a tenant's, without whose it is there.
LedgerLocal coarser(const LedgerLocal& one, size_t level) noexcept {
    LedgerLocal coarse = one;
    coarse.id = coarse.request = 0;
    if (level >= 1) coarse.route = coarse.model = {};
    if (level < 2) return coarse;
    coarse.consumer = tenant::ledger_others;
    coarse.team = coarse.project = coarse.tier = {};
    return coarse;
}

}  // namespace

void LocalTally::Slot::keep(const LedgerLocal& one) noexcept {
    static_assert(std::size(texts) == text_count);
    counts = one;
    char* at = bytes.data();
    for (size_t i = 0; i < text_count; ++i) {
        std::array<char, tenant::ledger_text_bytes_max> room;
        const std::string_view text = tenant::bounded_ledger_text(one.*texts[i], room);
        sizes[i] = static_cast<uint8_t>(text.size());
        at = std::copy_n(text.data(), text.size(), at);
        counts.*texts[i] = {};
    }
}

LedgerLocal LocalTally::Slot::record() const noexcept {
    LedgerLocal record = counts;
    const char* at = bytes.data();
    for (size_t i = 0; i < text_count; ++i) {
        record.*texts[i] = {at, sizes[i]};
        at += sizes[i];
    }
    return record;
}

bool LocalTally::Slot::is_of(const LedgerLocal& one) const noexcept {
    if (counts.exit != one.exit || counts.status != one.status || counts.tells_tokens != one.tells_tokens) return false;
    if ((counts.saved >= 0) != (one.saved >= 0)) return false;
    const LedgerLocal own = record();
    return std::ranges::all_of(texts, [&](const auto text) {
        std::array<char, tenant::ledger_text_bytes_max> room;
        return own.*text == tenant::bounded_ledger_text(one.*text, room);
    });
}

void LocalTally::add(const LedgerLocal& more) noexcept {
    LOOM_ASSERT(more.count > 0);
    for (size_t level = 0; level < levels_.size(); ++level) {
        if (level == 2 && more.tenant.empty()) break;
        if (add_to(levels_[level], coarser(more, level))) return;
    }
    LedgerLocal other = coarser(more, 2);
    other.tenant = {};
    add_to_others(other);
}

bool LocalTally::add_to(Level& level, const LedgerLocal& more) noexcept {
    const uint64_t hash = kind_of(more);
    for (size_t i = level.begin; i < level.begin + level.used; ++i)
        if (slots_[i].hash == hash && slots_[i].is_of(more)) return sum_up(slots_[i].counts, more), true;
    if (level.begin + level.used == level.end) return false;
    Slot& fresh = slots_[level.begin + level.used++];
    kinds_ += 1;
    fresh.hash = hash;
    fresh.keep(more);
    return true;
}

/// Tokens that are known of some are told; what has a price stands apart from what has none.
void LocalTally::add_to_others(const LedgerLocal& more) noexcept {
    LedgerLocal& other = others_[2 * static_cast<size_t>(more.exit) + (more.saved >= 0 ? 1 : 0)];
    if (other.count == 0) {
        others_used_ += 1;
        other = more;
        return;
    }
    other.tells_tokens |= more.tells_tokens;
    sum_up(other, more);
}

void LocalTally::drop_front(Level& level, size_t count) noexcept {
    if (count == 0) return;
    const auto begin = slots_.begin() + static_cast<ptrdiff_t>(level.begin);
    std::move(begin + static_cast<ptrdiff_t>(count), begin + static_cast<ptrdiff_t>(level.used), begin);
    level.used -= count;
    kinds_ -= count;
}

}  // namespace loom::store

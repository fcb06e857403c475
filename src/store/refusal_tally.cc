#include "refusal_tally.h"

#include <algorithm>
#include <cstring>

#include "loom/base/assert.h"
#include "loom/base/hash.h"

namespace loom::store {
namespace {

using tenant::LedgerLocal;

static_assert(sizeof(RefusalTally) <= LedgerLog::refused_bytes);

constexpr std::string_view LedgerLocal::* texts[] = {&LedgerLocal::consumer, &LedgerLocal::team, &LedgerLocal::project,
                                                     &LedgerLocal::tenant,   &LedgerLocal::tier, &LedgerLocal::route,
                                                     &LedgerLocal::model};

uint64_t kind_of(const LedgerLocal& refused) noexcept {
    uint64_t hash = uint64_t{refused.status} << 8 | static_cast<uint64_t>(refused.exit);
    for (const auto text : texts) hash = hash64(refused.*text, hash);
    return hash;
}

void count(LedgerLocal& record, uint32_t more) noexcept {
    record.count = record.count > UINT32_MAX - more ? UINT32_MAX : record.count + more;
}

}  // namespace

void RefusalTally::Slot::keep(const LedgerLocal& refused) noexcept {
    static_assert(std::size(texts) == text_count);
    counts = refused;
    char* at = bytes.data();
    for (size_t i = 0; i < text_count; ++i) {
        std::array<char, tenant::ledger_text_bytes_max> room;
        const std::string_view text = tenant::bounded_ledger_text(refused.*texts[i], room);
        sizes[i] = static_cast<uint8_t>(text.size());
        at = std::copy_n(text.data(), text.size(), at);
        counts.*texts[i] = {};
    }
}

LedgerLocal RefusalTally::Slot::record() const noexcept {
    LedgerLocal record = counts;
    const char* at = bytes.data();
    for (size_t i = 0; i < text_count; ++i) {
        record.*texts[i] = {at, sizes[i]};
        at += sizes[i];
    }
    return record;
}

bool RefusalTally::Slot::is_of(const LedgerLocal& refused) const noexcept {
    if (counts.exit != refused.exit || counts.status != refused.status) return false;
    const LedgerLocal own = record();
    return std::ranges::all_of(texts, [&](const auto text) {
        std::array<char, tenant::ledger_text_bytes_max> room;
        return own.*text == tenant::bounded_ledger_text(refused.*text, room);
    });
}

void RefusalTally::add(const LedgerLocal& refused) noexcept {
    LOOM_ASSERT(is_refusal(refused.exit) && refused.count > 0);
    const uint64_t hash = kind_of(refused);
    for (size_t i = 0; i < used_; ++i)
        if (slots_[i].hash == hash && slots_[i].is_of(refused)) return count(slots_[i].counts, refused.count);
    if (used_ == kinds_max) return add_to_others(refused);
    Slot& fresh = slots_[used_++];
    fresh.hash = hash;
    fresh.keep(refused);
}

void RefusalTally::add_to_others(const LedgerLocal& refused) noexcept {
    LedgerLocal& other = others_[static_cast<size_t>(refused.exit)];
    if (other.count > 0) return count(other, refused.count);
    others_used_ += 1;
    other = LedgerLocal{.time_us = refused.time_us,
                        .exit = refused.exit,
                        .status = refused.status,
                        .count = refused.count,
                        .consumer = tenant::ledger_others};
}

void RefusalTally::drop_front(size_t count) noexcept {
    if (count == 0) return;
    std::move(slots_.begin() + static_cast<ptrdiff_t>(count), slots_.begin() + static_cast<ptrdiff_t>(used_),
              slots_.begin());
    used_ -= count;
}

}  // namespace loom::store

#include "loom/tenant/address_limits.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "loom/base/crypto.h"
#include "loom/base/hash.h"

namespace loom::tenant {
namespace {

constexpr size_t network_bytes = 8;  // of an IPv6 client: a /64

void add_length(std::vector<uint64_t>& lengths, const WindowTerms& terms) {
    if (!terms.limits()) return;
    const auto at = std::ranges::lower_bound(lengths, terms.slice_ns);
    if (at == lengths.end() || *at != terms.slice_ns) lengths.insert(at, terms.slice_ns);
}

uint32_t place_in(const std::vector<uint64_t>& lengths, const WindowTerms& terms) noexcept {
    if (!terms.limits()) return 0;
    return static_cast<uint32_t>(std::ranges::lower_bound(lengths, terms.slice_ns) - lengths.begin());
}

}  // namespace

void RowWindows::add(const LimitTerms& terms) {
    add_length(requests_slice_ns, terms.requests);
    add_length(tokens_slice_ns, terms.tokens);
}

void RowWindows::place(Limit& limit) const noexcept {
    limit.requests_at = place_in(requests_slice_ns, limit.terms.requests);
    limit.tokens_at = place_in(tokens_slice_ns, limit.terms.tokens);
    if (limit.first == nullptr) return;
    limit.requests_at -= std::min(limit.requests_at, place_in(requests_slice_ns, limit.first->terms.requests));
    limit.tokens_at -= std::min(limit.tokens_at, place_in(tokens_slice_ns, limit.first->terms.tokens));
}

size_t AddressLimits::set_count_of(size_t address_count) noexcept {
    return std::bit_ceil(std::max<size_t>(1, (address_count + ways - 1) / ways));
}

AddressLimits::AddressLimits(RowWindows windows, size_t address_count)
    : set_count_(set_count_of(address_count)),
      address_count_(address_count),
      lengths_(std::move(windows)),
      requests_count_(lengths_.requests_slice_ns.size()),
      windows_count_(lengths_.count()),
      seed_(random_u64()),
      places_(std::make_unique<Place[]>(capacity())),
      windows_(std::make_unique<RateWindow[]>(capacity() * windows_count_)) {}

bool AddressLimits::fits(const RowWindows& windows, size_t address_count) const noexcept {
    return address_count == address_count_ && windows == lengths_;
}

/// A hash stands for the address: two that have the same, one in 2^64, are one.
uint64_t AddressLimits::key_of(const IpBytes& address) const noexcept {
    const size_t bytes = is_ipv4(address) ? address.size() : network_bytes;
    return std::max<uint64_t>(1, hash64({reinterpret_cast<const char*>(address.data()), bytes}, seed_));
}

LimitRow AddressLimits::row(const IpBytes& address, uint64_t now_ms) noexcept {
    return row_of(key_of(address), now_ms);
}

LimitRow AddressLimits::row(std::string_view name, std::string_view giver, uint64_t now_ms) noexcept {
    return row_of(std::max<uint64_t>(1, hash64(name, hash64(giver, seed_))), now_ms);
}

LimitRow AddressLimits::row_of(uint64_t key, uint64_t now_ms) noexcept {
    Place* const set = &places_[(key & (set_count_ - 1)) * ways];
    const auto seen = [this, now_ms](Place& place) {
        if (place.seen_ms.load(std::memory_order_relaxed) != now_ms)
            place.seen_ms.store(now_ms, std::memory_order_relaxed);
        RateWindow* const windows = windows_of(&place);
        return LimitRow{.requests = windows, .tokens = windows + requests_count_, .level = &place.level};
    };
    for (;;) {
        Place* oldest = set;
        Place* idle = nullptr;
        uint64_t idle_key = 0;
        uint64_t oldest_ms = UINT64_MAX, idle_ms = UINT64_MAX;
        for (Place* place = set; place != set + ways; ++place) {
            // In this order: whoever has taken the place for the same address meanwhile is seen by its key.
            const uint64_t seen_ms = place->seen_ms.load(std::memory_order_acquire);
            const uint64_t its_key = place->key.load(std::memory_order_acquire);
            if (its_key == key) return seen(*place);
            if (seen_ms < oldest_ms) {
                oldest = place;
                oldest_ms = seen_ms;
            }
            if (seen_ms >= idle_ms || place->level.concurrent.load(std::memory_order_acquire) != 0) continue;
            idle = place;
            idle_ms = seen_ms;
            idle_key = its_key;
        }
        if (idle == nullptr) return seen(*oldest);
        if (!idle->key.compare_exchange_strong(idle_key, key, std::memory_order_acq_rel)) continue;
        RateWindow* const windows = windows_of(idle);
        for (size_t i = 0; i < windows_count_; ++i) windows[i].clear();
        idle->level.burst.refill();
        return seen(*idle);
    }
}

size_t AddressLimits::size() const noexcept {
    return static_cast<size_t>(std::count_if(places_.get(), places_.get() + capacity(), [](const Place& place) {
        return place.key.load(std::memory_order_relaxed) != 0;
    }));
}

uint64_t AddressLimits::memory_bytes() const noexcept {
    return capacity() * (sizeof(Place) + windows_count_ * sizeof(RateWindow));
}

}  // namespace loom::tenant

#include "loom/tenant/lockout.h"

#include <algorithm>

#include "loom/base/crypto.h"
#include "loom/base/hash.h"

namespace loom::tenant {
namespace {

constexpr size_t network_bytes = 8;  // of an IPv6 client: a /64
constexpr uint64_t locked_bit = uint64_t{1} << 31;
constexpr uint64_t count_max = locked_bit - 1;

constexpr uint64_t word_of(uint64_t second, bool locked, uint64_t count) noexcept {
    return second << 32 | (locked ? locked_bit : 0) | std::min(count, count_max);
}
constexpr uint64_t second_of(uint64_t word) noexcept { return word >> 32; }
constexpr bool is_locked(uint64_t word) noexcept { return (word & locked_bit) != 0; }
constexpr uint64_t count_of(uint64_t word) noexcept { return word & count_max; }

}  // namespace

Lockout::Lockout(const LockoutTerms& terms)
    : terms_(terms), seed_(random_u64()), places_(std::make_unique<Place[]>(address_count)) {}

uint64_t Lockout::key_of(const IpBytes& address) const noexcept {
    const size_t bytes = is_ipv4(address) ? address.size() : network_bytes;
    return std::max<uint64_t>(1, hash64({reinterpret_cast<const char*>(address.data()), bytes}, seed_));
}

Lockout::Place* Lockout::set_of(uint64_t key) const noexcept { return &places_[key % (address_count / ways) * ways]; }

Lockout::Place* Lockout::find(uint64_t key) const noexcept {
    Place* const set = set_of(key);
    Place* const found =
        std::find_if(set, set + ways, [key](const Place& p) { return p.key.load(std::memory_order_acquire) == key; });
    return found == set + ways ? nullptr : found;
}

uint32_t Lockout::left_s(const IpBytes& address, uint64_t now_s) const noexcept {
    if (is_quiet()) return 0;
    const Place* const place = find(key_of(address));
    if (place == nullptr) return 0;
    const uint64_t word = place->word.load(std::memory_order_relaxed);
    if (!is_locked(word) || second_of(word) <= now_s) return 0;
    return static_cast<uint32_t>(second_of(word) - now_s);
}

/// Its own, or one that is taken from another. Two shards that take one place at once: the second one looks again.
Lockout::Place& Lockout::take(uint64_t key, uint64_t now_s) noexcept {
    for (;;) {
        if (Place* const own = find(key)) return *own;
        Place* const set = set_of(key);
        const auto weight = [now_s](const Place& place) {  // the least goes
            const uint64_t word = place.word.load(std::memory_order_relaxed);
            const bool locked = is_locked(word) && second_of(word) > now_s;
            return place.key.load(std::memory_order_relaxed) == 0
                       ? 0
                       : second_of(word) + 1 + (locked ? locked_bit << 1 : 0);
        };
        Place* const least = std::min_element(
            set, set + ways, [&weight](const Place& a, const Place& b) { return weight(a) < weight(b); });
        uint64_t before = least->key.load(std::memory_order_relaxed);
        uint64_t word = least->word.load(std::memory_order_relaxed);
        if (!least->key.compare_exchange_strong(before, key, std::memory_order_acq_rel)) continue;
        // Unless another shard has counted in it already.
        if (before != 0) least->word.compare_exchange_strong(word, word_of(now_s, false, 0), std::memory_order_relaxed);
        if (before == 0) noted_.fetch_add(1, std::memory_order_relaxed);
        return *least;
    }
}

bool Lockout::note_failure(const IpBytes& address, uint64_t now_s) noexcept {
    if (terms_.failures == 0) return false;
    Place& place = take(key_of(address), now_s);
    uint64_t word = place.word.load(std::memory_order_relaxed);
    for (;;) {
        const bool locked = is_locked(word) && second_of(word) > now_s;
        if (locked) return false;  // who was on the way already
        const bool counts = !is_locked(word) && now_s - second_of(word) < terms_.window_s;
        const uint64_t count = (counts ? count_of(word) : 0) + 1;
        const bool too_many = count >= terms_.failures;
        const uint64_t next = too_many ? word_of(now_s + terms_.time_s, true, count)
                                       : word_of(counts ? second_of(word) : now_s, false, count);
        if (place.word.compare_exchange_weak(word, next, std::memory_order_relaxed)) return too_many;
    }
}

}  // namespace loom::tenant

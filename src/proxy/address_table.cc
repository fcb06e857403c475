#include "address_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "loom/base/assert.h"
#include "loom/base/crypto.h"
#include "loom/base/hash.h"

namespace loom::proxy {
namespace {

constexpr size_t slots_min = 64;

}  // namespace

AddressTable::AddressTable() : seed_(random_u64()) {}

AddressTable::Key AddressTable::key_of(const net::PeerAddress& peer) noexcept {
    Key key;
    std::memcpy(&key.high, peer.ip.data(), sizeof key.high);
    if (peer.family == AF_INET) std::memcpy(&key.low, peer.ip.data() + sizeof key.high, sizeof key.low);
    return key;
}

size_t AddressTable::home_of(const Key& key) const noexcept {
    return hash64({reinterpret_cast<const char*>(&key), sizeof key}, seed_) & (slots_.size() - 1);
}

size_t AddressTable::find(const Key& key) const noexcept {
    size_t at = home_of(key);
    while (slots_[at].connections > 0 && slots_[at].key != key) at = (at + 1) & (slots_.size() - 1);
    return at;
}

bool AddressTable::take(const net::PeerAddress& peer, uint32_t connections_max) {
    const Key key = key_of(peer);
    if (count_of(peer) >= connections_max) return false;
    if (2 * (address_count_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[find(key)];
    if (slot.connections == 0) address_count_ += 1;
    slot.key = key;
    slot.connections += 1;
    return true;
}

void AddressTable::give_back(const net::PeerAddress& peer) noexcept {
    LOOM_ASSERT(!slots_.empty());
    const size_t at = find(key_of(peer));
    LOOM_ASSERT(slots_[at].connections > 0);
    slots_[at].connections -= 1;
    if (slots_[at].connections == 0) free_slot(at);
}

uint32_t AddressTable::count_of(const net::PeerAddress& peer) const noexcept {
    return slots_.empty() ? 0 : slots_[find(key_of(peer))].connections;
}

/// Closes the gap, so that no search ends before what it looks for and no slot is lost to a marker.
void AddressTable::free_slot(size_t hole) noexcept {
    const size_t mask = slots_.size() - 1;
    address_count_ -= 1;
    for (size_t at = (hole + 1) & mask; slots_[at].connections > 0; at = (at + 1) & mask) {
        const size_t distance = (at - home_of(slots_[at].key)) & mask;
        if (distance < ((at - hole) & mask)) continue;  // its home is behind the hole
        slots_[hole] = std::exchange(slots_[at], {});
        hole = at;
    }
    slots_[hole] = {};
}

void AddressTable::grow() {
    const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(std::max(slots_min, 2 * slots_.size())));
    for (const Slot& slot : before)
        if (slot.connections > 0) slots_[find(slot.key)] = slot;
}

uint64_t AddressTable::memory_bytes_max(uint64_t connection_count) noexcept {
    const uint64_t slots = std::max<uint64_t>(slots_min, std::bit_ceil(2 * connection_count));
    return (slots + slots / 2) * sizeof(Slot);  // and the half as large one that it grew out of
}

}  // namespace loom::proxy

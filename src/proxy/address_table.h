// How many connections each client's address has on a shard, for limit.connections_per_address.
#pragma once

#include <cstdint>
#include <vector>

#include "loom/net/address.h"

namespace loom::proxy {

/// Open addressing with linear probing; an address is in it while it has a connection, so the table is bounded by the
/// connections that are counted. One IPv6 client owns a /64 and may come from any address in it: that is what is
/// counted there. IPv4 counts whole, v4-mapped or not.
class AddressTable {
  public:
    AddressTable();

    /// Counts one more connection; false, with nothing counted, when the address has `connections_max` of them.
    [[nodiscard]] bool take(const net::PeerAddress& peer, uint32_t connections_max);
    /// One that was taken has ended.
    void give_back(const net::PeerAddress& peer) noexcept;

    [[nodiscard]] uint32_t count_of(const net::PeerAddress& peer) const noexcept;
    [[nodiscard]] size_t address_count() const noexcept { return address_count_; }
    /// The most that so many connections make it take, while it grows.
    [[nodiscard]] static uint64_t memory_bytes_max(uint64_t connection_count) noexcept;

  private:
    /// The network's bytes in two halves: an IPv4 address is v4-mapped, and of IPv6 the second half is 0.
    struct Key {
        uint64_t high = 0;
        uint64_t low = 0;
        friend bool operator==(const Key&, const Key&) noexcept = default;
    };
    struct Slot {
        Key key;
        uint32_t connections = 0;  // 0: free
    };

    [[nodiscard]] static Key key_of(const net::PeerAddress& peer) noexcept;
    [[nodiscard]] size_t home_of(const Key& key) const noexcept;
    /// Where the key is, or the free slot where it would go.
    [[nodiscard]] size_t find(const Key& key) const noexcept;
    void grow();
    void free_slot(size_t hole) noexcept;

    std::vector<Slot> slots_;  // a power of two, never more than half full; none before the first is taken
    size_t address_count_ = 0;
    uint64_t seed_;  // an attacker who owns many /64 must not know which of them collide
};

}  // namespace loom::proxy

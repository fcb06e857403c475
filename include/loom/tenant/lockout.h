// Who guesses at keys: an address that has failed too often is not asked for a while.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "loom/base/ip.h"

namespace loom::tenant {

struct LockoutTerms {
    uint32_t failures = 0;  // within `window_s` that lead to it; 0: nobody is locked out
    uint32_t window_s = 60;
    uint32_t time_s = 60;  // how long it lasts
    friend bool operator==(const LockoutTerms&, const LockoutTerms&) = default;
};

/// Failures are counted, whatever goes well between them: who has one good key guesses at others no more freely.
/// A set-associative table for all shards together: an address has its word in one of eight places. Where all are taken
/// the one whose window began first goes, and one that is locked out only when all eight are. As in AddressLimits, one
/// IPv6 client owns a /64. Any shard; no lock, and nothing from the heap.
class Lockout {
  public:
    explicit Lockout(const LockoutTerms& terms);

    [[nodiscard]] const LockoutTerms& terms() const noexcept { return terms_; }
    /// Seconds until this address is asked again; 0: it may be. now_s  of a clock that never goes back.
    [[nodiscard]] uint32_t left_s(const IpBytes& address, uint64_t now_s) const noexcept;
    /// It has failed. True where that was one too many: it is locked out from now on.
    bool note_failure(const IpBytes& address, uint64_t now_s) noexcept;
    /// Nobody has failed of late: what there is to look at is one word.
    [[nodiscard]] bool is_quiet() const noexcept { return noted_.load(std::memory_order_relaxed) == 0; }

    static constexpr size_t address_count = 8192;
    [[nodiscard]] static constexpr uint64_t memory_bytes() noexcept { return address_count * sizeof(Place); }

  private:
    /// The word: a second, when the window began or the lock ends; a bit for locked; a count.
    struct alignas(16) Place {
        std::atomic<uint64_t> key{0};  // a hash of the address that has it; 0: free
        std::atomic<uint64_t> word{0};
    };
    static constexpr size_t ways = 8;
    [[nodiscard]] uint64_t key_of(const IpBytes& address) const noexcept;
    [[nodiscard]] Place* set_of(uint64_t key) const noexcept;
    [[nodiscard]] Place* find(uint64_t key) const noexcept;
    [[nodiscard]] Place& take(uint64_t key, uint64_t now_s) noexcept;

    const LockoutTerms terms_;
    const uint64_t seed_;  // nobody may know which addresses fall together
    std::unique_ptr<Place[]> places_;
    std::atomic<uint32_t> noted_{0};  // places that were ever taken
};

}  // namespace loom::tenant

// What has been taken by each client's address. As many rows as a configuration says, for all shards together.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "loom/base/ip.h"
#include "loom/tenant/limit.h"

namespace loom::tenant {

/// Which windows the rows of a table have: one for each length that a limit counts in, whose slices are these, the
/// shortest first.
struct RowWindows {
    std::vector<uint64_t> requests_slice_ns;
    std::vector<uint64_t> tokens_slice_ns;

    RowWindows() = default;
    /// Of a limit in one window of each kind.
    RowWindows(const LimitTerms& terms)  // NOLINT: as the windows that it is
        : requests_slice_ns{terms.requests.slice_ns}, tokens_slice_ns{terms.tokens.slice_ns} {}
    /// Those of these terms too, as far as they limit.
    void add(const LimitTerms& terms);
    /// Where this limit counts in such a row: requests_at and tokens_at. Its windows, and its first's, were added.
    void place(Limit& limit) const noexcept;
    [[nodiscard]] size_t count() const noexcept { return requests_slice_ns.size() + tokens_slice_ns.size(); }
    bool operator==(const RowWindows&) const = default;
};

/// A set-associative table: an address has its row in one of eight places. Where all are taken it gets the row of the
/// one that came the longest ago and has no request under way, and what that one had taken is forgotten; where each has
/// one under way, it shares the oldest's. One IPv6 client owns a /64 and may come from any address in it: that is what
/// is counted. IPv4 counts whole, v4-mapped or not.
class AddressLimits {
  public:
    AddressLimits(RowWindows windows, size_t address_count);

    [[nodiscard]] bool fits(const RowWindows& windows, size_t address_count) const noexcept;
    /// Its row, which is there as long as this table is: its windows as they were asked for, those of requests and
    /// those of tokens one behind the other (Limit::row_in). Any shard.
    [[nodiscard]] LimitRow row(const IpBytes& address, uint64_t now_ms) noexcept;
    /// The same of somebody who is known by a name, and by who gave it.
    [[nodiscard]] LimitRow row(std::string_view name, std::string_view giver, uint64_t now_ms) noexcept;
    /// Addresses that have a row now.
    [[nodiscard]] size_t size() const noexcept;
    [[nodiscard]] size_t capacity() const noexcept { return set_count_ * ways; }
    [[nodiscard]] uint64_t memory_bytes() const noexcept;

  private:
    struct alignas(64) Place {
        std::atomic<uint64_t> key{0};  // a hash of the address that has it; 0: free
        std::atomic<uint64_t> seen_ms{0};
        LimitLevel level;
    };
    static constexpr size_t ways = 8;
    [[nodiscard]] static size_t set_count_of(size_t address_count) noexcept;
    [[nodiscard]] uint64_t key_of(const IpBytes& address) const noexcept;
    [[nodiscard]] LimitRow row_of(uint64_t key, uint64_t now_ms) noexcept;
    [[nodiscard]] RateWindow* windows_of(const Place* place) const noexcept {
        return windows_.get() + static_cast<size_t>(place - places_.get()) * windows_count_;
    }

    const size_t set_count_;  // a power of two
    const size_t address_count_;
    const RowWindows lengths_;
    const size_t requests_count_;  // windows of a row
    const size_t windows_count_;
    const uint64_t seed_;  // an attacker who owns many /64 must not know which of them fall together
    std::unique_ptr<Place[]> places_;
    std::unique_ptr<RateWindow[]> windows_;  // a place's together
};

}  // namespace loom::tenant

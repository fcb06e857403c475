// What no provider was asked for, of one shard, summed by kind until it is written (loom/store/ledger_log.h says when).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "loom/store/ledger_log.h"
#include "loom/tenant/ledger_record.h"

namespace loom::store {

/// Of fixed size; no allocation. A kind is whose, for which route and model, how it ended, and whether its tokens and
/// its price are known. Kinds that have no room are summed without route and model; then by tenant, as consumer
/// ledger_others; then by how they ended alone. So who makes many of them takes the others' detail, and nothing else.
class LocalTally {
  public:
    /// Texts are copied.
    void add(const tenant::LedgerLocal& more) noexcept;
    [[nodiscard]] bool empty() const noexcept { return kinds_ == 0 && others_used_ == 0; }

    /// Gives each kind to `put`, which says whether it has taken it: what it has not stays, and so does what is behind.
    template <class Put>
    void take_out(Put&& put) noexcept {
        for (Level& level : levels_) {
            size_t done = 0;
            while (done < level.used && put(slots_[level.begin + done].record())) done += 1;
            drop_front(level, done);
            if (level.used > 0) return;
        }
        for (tenant::LedgerLocal& other : others_) {
            if (other.count == 0) continue;
            if (!put(other)) return;
            other.count = 0;
            others_used_ -= 1;
        }
    }

  private:
    static constexpr size_t text_count = 7;
    /// One kind, with its texts: its record borrows nothing, so that a slot can be moved.
    struct Slot {
        uint64_t hash = 0;
        tenant::LedgerLocal counts;  // without texts
        std::array<uint8_t, text_count> sizes{};
        std::array<char, text_count * tenant::ledger_text_bytes_max> bytes;

        void keep(const tenant::LedgerLocal& one) noexcept;
        [[nodiscard]] tenant::LedgerLocal record() const noexcept;
        [[nodiscard]] bool is_of(const tenant::LedgerLocal& one) const noexcept;
    };
    /// Some of the slots, for kinds that are told apart as far.
    struct Level {
        size_t begin, end;
        size_t used = 0;
    };
    [[nodiscard]] bool add_to(Level& level, const tenant::LedgerLocal& more) noexcept;
    void add_to_others(const tenant::LedgerLocal& more) noexcept;
    void drop_front(Level& level, size_t count) noexcept;

    static constexpr size_t by_consumer_at = LedgerLog::local_kinds_max;
    static constexpr size_t by_tenant_at = by_consumer_at + LedgerLog::local_coarse_max;
    static constexpr size_t slot_count = by_tenant_at + LedgerLog::local_coarse_max;

    std::array<Level, 3> levels_{Level{0, by_consumer_at}, Level{by_consumer_at, by_tenant_at},
                                 Level{by_tenant_at, slot_count}};
    size_t kinds_ = 0;
    size_t others_used_ = 0;
    std::array<Slot, slot_count> slots_;
    std::array<tenant::LedgerLocal, 2 * tenant::ledger_local_exit_count> others_ =
        none();  // by exit and price; count 0: none

    static std::array<tenant::LedgerLocal, 2 * tenant::ledger_local_exit_count> none() noexcept {
        std::array<tenant::LedgerLocal, 2 * tenant::ledger_local_exit_count> all;
        for (tenant::LedgerLocal& one : all) one.count = 0;
        return all;
    }
};

}  // namespace loom::store

// Refusals of a shard, counted by kind until they are written (loom/store/ledger_log.h says when).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "loom/store/ledger_log.h"
#include "loom/tenant/ledger_record.h"

namespace loom::store {

/// Of fixed size; no allocation.
class RefusalTally {
  public:
    static constexpr size_t kinds_max = LedgerLog::refused_kinds_max;

    /// One more of its kind; of a kind that has no room, one more of its reason. Texts are copied.
    void add(const tenant::LedgerLocal& refused) noexcept;
    [[nodiscard]] bool empty() const noexcept { return used_ == 0 && others_used_ == 0; }

    /// Gives each kind to `put`, which says whether it has taken it: what it has not stays, and so does what is behind.
    template <class Put>
    void take_out(Put&& put) noexcept {
        size_t done = 0;
        while (done < used_ && put(slots_[done].record())) done += 1;
        drop_front(done);
        if (used_ > 0) return;
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

        void keep(const tenant::LedgerLocal& refused) noexcept;
        [[nodiscard]] tenant::LedgerLocal record() const noexcept;
        [[nodiscard]] bool is_of(const tenant::LedgerLocal& refused) const noexcept;
    };
    void drop_front(size_t count) noexcept;
    void add_to_others(const tenant::LedgerLocal& refused) noexcept;

    size_t used_ = 0;
    size_t others_used_ = 0;
    std::array<Slot, kinds_max> slots_;
    std::array<tenant::LedgerLocal, tenant::ledger_local_exit_count> others_ = none();  // by exit; count 0: none

    static std::array<tenant::LedgerLocal, tenant::ledger_local_exit_count> none() noexcept {
        std::array<tenant::LedgerLocal, tenant::ledger_local_exit_count> all;
        for (tenant::LedgerLocal& one : all) one.count = 0;
        return all;
    }
};

}  // namespace loom::store

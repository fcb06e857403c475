// Which leases of shared limits a Loom draws, when, and how much ahead of what it uses. It asks nobody itself: whoever
// owns it carries draws to the store and grants back, and tells the time.
//
// How much ahead: what the last half second's rate would take in the next, or what was just refused; while there is
// nothing to do a small part of what is left, or what was refused in the last minutes, so that the first who comes
// finds something. Never more than half of what is left, unless a single request needs it, so that the last of a limit
// is where it is used. Where nothing is left for others and one Loom has more than its share of a window, it lowers its
// lease by an eighth of what is above, now and then: whoever is hungry takes that, and where nobody does it is drawn
// again.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "loom/tenant/budget.h"
#include "loom/tenant/lease.h"
#include "loom/tenant/rate_window.h"

namespace loom::tenant {

/// One limit that is shared: where it is counted, and the name by which all Looms know it. A window, or a period of a
/// budget; both have been told to share.
struct SharedLimit {
    std::string key;     // of a budget without its period's number
    uint64_t limit = 0;  // not 0
    /// What counts while the store is lost: the limit, by what was used here alone, or the lease that is there.
    bool fails_open = false;
    std::shared_ptr<RateWindow> window;  // null: it is a budget
    WindowTerms terms;
    uint64_t window_ms = 0;
    std::shared_ptr<BudgetMeters> meters;
    BudgetUnit unit = BudgetUnit::tokens;
    BudgetPeriod period = BudgetPeriod::day;
};

/// Of one thread. Times are monotonic milliseconds, and seconds of UTC.
class LeaseBook {
  public:
    struct Now {
        uint64_t ms = 0;
        int64_t unix_s = 0;
    };
    struct Facts {
        uint64_t limits = 0;
        uint64_t draws = 0;     // leases that were drawn or renewed
        uint64_t unmet = 0;     // given less than was asked for
        uint64_t failures = 0;  // batches without an answer
        uint64_t losses = 0;
        bool lost = false;
    };

    /// start  a number that no other start of a Loom has: 52 bits at random.
    explicit LeaseBook(uint64_t start) : start_(start & BudgetMeter::units_max), random_(start | 1) {}

    /// Of the configuration in force, in place of those before. What is there still goes on as it was.
    void use(std::vector<SharedLimit> limits, Now now);
    /// What is to be asked of the store now; nothing while a batch is under way. What a draw gives back is not to be
    /// had here from this moment on, whether the store hears of it or not.
    [[nodiscard]] std::vector<LeaseDraw> draw(Now now);
    /// To the last batch, as many as it had draws, in their order.
    void granted(std::span<const LeaseGrant> grants, Now now);
    /// It had no answer: the store may have taken it or not.
    void failed(Now now);
    /// The store was away: it hears of all leases at once.
    void hurry(Now now) noexcept;
    /// From now on draws only give back. Nothing more is taken by leases.
    void stop() noexcept { stopping_ = true; }
    /// After stop: all is told.
    [[nodiscard]] bool done() const noexcept;
    /// A batch is under way.
    [[nodiscard]] bool busy() const noexcept { return !batch_.empty(); }
    [[nodiscard]] Facts facts() const noexcept;

    static constexpr uint64_t look_ms = 50;      // between two looks of the owner
    static constexpr size_t batch_max = 256;     // draws at once
    static constexpr size_t walk_max = 16'384;   // limits in one look
    static constexpr uint64_t lost_ms = 1'000;   // without an answer: the store is lost
    static constexpr uint64_t hold_ms = 30'000;  // a window's lease is good so long after its last draw
    static constexpr uint64_t margin_ms = 10'000;
    static constexpr uint64_t beat_max_ms = 2'000;          // between two draws of a lease that nothing happens to
    static constexpr uint64_t period_slack_ms = 3'600'000;  // a clock may be off by so much

  private:
    struct Entry {
        explicit Entry(SharedLimit limit) : what(std::move(limit)) {}
        SharedLimit what;
        uint16_t number = 0;   // of a budget's period
        uint64_t granted = 0;  // the lease, as far as the store has told: it has no less for us
        uint64_t usable = 0;   // of it, what may be taken here: with what the others have no more than the limit
        uint64_t others = 0;
        uint64_t looms = 1;
        uint64_t last_used = 0;
        uint64_t looked_ms = 0;
        double rate = 0;  // units a millisecond, of late
        uint64_t active_until_ms = 0;
        uint64_t need = 0;  // the most that was just refused
        uint64_t need_until_ms = 0;
        uint64_t lacked = 0;  // what was refused last, however long ago in this period
        uint64_t usual = 0;   // of what is refused, which is expected again; it fades
        uint64_t usual_at_ms = 0;
        uint64_t full_since_ms = 0;    // it does not do, and the limit has no more; 0: not so
        uint64_t hungry_since_ms = 0;  // and there is something, not enough for who needs it
        uint64_t yield_until_ms = 0;
        uint64_t share_at_ms = 0;  // when it next lowers itself to its share
        uint64_t share_pause_ms = 0;
        uint64_t share_until_ms = 0;  // and how long it stays there
        uint64_t share_cap = 0;
        uint64_t share_others = 0;  // what the others had then
        uint64_t asked = 0;
        uint64_t sent_ms = 0;
        uint16_t sent_number = 0;   // of the period that was asked for
        uint64_t good_from_ms = 0;  // the last draw that was answered was sent then; 0: none
        uint64_t next_ms = 0;       // it is drawn then, whatever happens
        uint64_t not_before_ms = 0;
        uint64_t beat_ms = 0;
        uint64_t pause_ms = 0;
        bool open = false;     // the limit alone counts
        bool told = false;     // the store has heard of a lease, or may have
        bool leaving = false;  // no configuration has it any more
        bool under_way = false;
    };

    [[nodiscard]] static PeriodNumbers numbers_of(Now now) noexcept { return period_numbers(now.unix_s); }
    [[nodiscard]] static Lease& lease_of(const Entry& entry) noexcept;
    [[nodiscard]] static uint64_t used_of(const Entry& entry, Now now) noexcept;
    static uint64_t set_lease(Entry& entry, Now now, uint64_t units) noexcept;
    static void begin_period(Entry& entry, Now now) noexcept;
    static void lower(Entry& entry, Now now) noexcept;
    void look_at(Entry& entry, Now now, uint64_t used) noexcept;
    [[nodiscard]] static uint64_t ahead_of(const Entry& entry, Now now, uint64_t used) noexcept;
    [[nodiscard]] bool is_due(const Entry& entry, Now now, uint64_t used, uint64_t ahead) const noexcept;
    [[nodiscard]] LeaseDraw draw_of(Entry& entry, Now now, uint64_t used, uint64_t ahead) noexcept;
    void take_grant(Entry& entry, const LeaseGrant& grant, Now now) noexcept;
    void note_room(Entry& entry, uint64_t used, Now now) noexcept;
    static void share_out(Entry& entry, bool full, Now now) noexcept;
    static void expire(Entry& entry, Now now) noexcept;
    void note_loss(Now now) noexcept;
    void lose(Entry& entry, Now now) noexcept;
    [[nodiscard]] uint64_t random() noexcept;

    std::vector<std::unique_ptr<Entry>> entries_;
    std::vector<Entry*> batch_;                 // the draws under way
    std::vector<std::unique_ptr<Entry>> left_;  // gone from entries_ while under way
    size_t at_ = 0;                             // the next to be looked at
    uint64_t start_;
    uint64_t sequence_ = 0;
    uint64_t random_;
    uint64_t trouble_since_ms_ = 0;  // the first draw since the last answer; 0: none
    uint64_t retry_at_ms_ = 0;
    uint64_t retry_pause_ms_ = 0;
    bool settled_ = true;
    bool stopping_ = false;
    Facts facts_;
};

}  // namespace loom::tenant

// What may be spent by the calendar: tokens and money in a day, a week, a month of UTC. What a request is expected to
// take is held when it is admitted, and what it took is booked when it is over, in the period in which it is over: what
// is held and spent together is never more than the limit by what was admitted, on however many threads.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "loom/base/hash.h"
#include "loom/base/limit_scope.h"
#include "loom/base/money.h"
#include "loom/tenant/lease.h"

namespace loom::tenant {

/// Weeks begin on Mondays (ISO 8601).
enum class BudgetPeriod : uint8_t { day, week, month };
inline constexpr size_t budget_period_count = 3;
inline constexpr std::array budget_periods = {BudgetPeriod::day, BudgetPeriod::week, BudgetPeriod::month};
inline constexpr std::array<std::string_view, budget_period_count> budget_period_names = {"day", "week", "month"};

[[nodiscard]] constexpr std::string_view budget_period_name(BudgetPeriod period) noexcept {
    return budget_period_names[static_cast<size_t>(period)];
}

/// Seconds since 1970 UTC: the first of a period, and the first of the next.
struct PeriodSpan {
    int64_t begin_s;
    int64_t end_s;
};
[[nodiscard]] PeriodSpan period_span(BudgetPeriod period, int64_t unix_s) noexcept;

/// The number of each period that a time is in.
using PeriodNumbers = std::array<uint16_t, budget_period_count>;
[[nodiscard]] PeriodNumbers period_numbers(int64_t unix_s) noexcept;

/// Units in each period; 0: there is no limit.
using BudgetTerms = std::array<uint64_t, budget_period_count>;

/// Of money, 10^-9 of a currency's unit, rounded up.
[[nodiscard]] uint64_t budget_units(Money money) noexcept;
[[nodiscard]] Money money_of_budget_units(uint64_t units) noexcept;

/// How much of one thing, tokens or money, has been taken in the periods at hand. Shared by all shards; it counts in
/// all periods, limited or not, so that a limit that a reload brings knows what was before.
class BudgetMeter {
  public:
    static constexpr int unit_bits = 52;
    static constexpr uint64_t units_max = (uint64_t{1} << unit_bits) - 1;  // 4.5 million of a currency's unit

    /// now  the periods that are at hand: older ones are over.
    explicit BudgetMeter(const PeriodNumbers& now) noexcept;

    /// What a request has taken, and in which periods.
    struct Hold {
        uint64_t units = 0;
        PeriodNumbers numbers{};
    };

    /// Takes so many in all periods, or in none: then the period whose limit leaves no room, the longest of them. None
    /// is always to be had.
    [[nodiscard]] std::optional<BudgetPeriod> take(const BudgetTerms& terms, const PeriodNumbers& now, uint64_t units,
                                                   Hold& hold) noexcept;
    /// The same for more of them: the hold grows. False where there is no room.
    [[nodiscard]] bool extend(const BudgetTerms& terms, const PeriodNumbers& now, uint64_t units, Hold& hold) noexcept;
    /// So many of what it has grown by are there again.
    void shrink(uint64_t units, Hold& hold) noexcept;
    /// It is over, and took so many: what of the hold was not used is there again, what is more is booked, over the
    /// limit too. In a period that has begun since, all of it is booked. Of a hold of nothing too.
    void settle(const PeriodNumbers& now, uint64_t used, Hold& hold) noexcept;

    /// Held and spent in the period at hand.
    [[nodiscard]] uint64_t used(BudgetPeriod period, const PeriodNumbers& now) const noexcept;
    /// What was spent before this process; before anybody takes.
    void restore(BudgetPeriod period, const PeriodNumbers& now, uint64_t spent) noexcept;
    /// True for the first who says of this period that so much of this limit, in percent, is reached. Of another limit
    /// nothing has been said: after a reload that changes it all is told again.
    [[nodiscard]] bool tell(BudgetPeriod period, const PeriodNumbers& now, uint64_t limit, uint8_t share) noexcept;
    /// The same of a request that was refused, which says nothing of how much is reached.
    [[nodiscard]] bool tell_refused(BudgetPeriod period, const PeriodNumbers& now, uint64_t limit) noexcept;

    /// Other Looms share its limits: from now on no more is taken than leases allow, which begin at nothing in each
    /// period. Before anybody takes; again is nothing.
    void share();
    /// Null: they are this Loom's alone.
    [[nodiscard]] Lease* lease(BudgetPeriod period) const noexcept {
        return leases_ == nullptr ? nullptr : &(*leases_)[static_cast<size_t>(period)];
    }
    /// Of the one thread that draws. No more is taken beyond so many in this period from now on. Returns what the store
    /// may be told: no less than what is used. Lease::open: the limit alone counts.
    uint64_t set_lease(BudgetPeriod period, const PeriodNumbers& now, uint64_t units) noexcept;
    /// With what other Looms have of it.
    [[nodiscard]] uint64_t used_of_all(BudgetPeriod period, const PeriodNumbers& now) const noexcept;
    /// Why so much more is not to be had, where it is shared and the limit itself has room for it. What is known of
    /// another period says nothing.
    [[nodiscard]] LeaseLack lack(BudgetPeriod period, const PeriodNumbers& now, uint64_t units) const noexcept;
    /// That may be taken in all: the limit, or what the lease allows.
    [[nodiscard]] uint64_t room(BudgetPeriod period, const PeriodNumbers& now, uint64_t limit) const noexcept;

  private:
    // Each word: its period's number above, its units in unit_bits below.
    [[nodiscard]] bool add(size_t period, uint16_t number, uint64_t units, uint64_t limit, uint16_t& in) noexcept;
    void give_back(size_t period, uint16_t number, uint64_t units) noexcept;
    [[nodiscard]] uint64_t room_of(size_t period, uint16_t number, uint64_t limit) const noexcept;
    [[nodiscard]] bool is_of(size_t period, const PeriodNumbers& now) const noexcept;
    template <class Next>
    bool note_told(BudgetPeriod period, const PeriodNumbers& now, uint64_t limit, Next&& next) noexcept;

    std::array<std::atomic<uint64_t>, budget_period_count> words_;
    std::array<std::atomic<uint64_t>, budget_period_count> told_{};  // a period's number, a limit's digest, told marks
    std::unique_ptr<std::array<Lease, budget_period_count>> leases_;
};

struct BudgetMeters {
    explicit BudgetMeters(const PeriodNumbers& now) noexcept : tokens(now), money(now) {}
    BudgetMeter tokens;
    BudgetMeter money;
};

enum class BudgetUnit : uint8_t { tokens, money };

/// One budget of a configuration. Immutable, but for its meters, which it shares with those before it.
struct Budget {
    LimitScope scope = LimitScope::consumer;  // any but ip and tier: what a tier allows is each consumer's own
    std::string name;                         // of whom or what; "" for global
    std::string key;                          // what stands before its numbers in the conf
    BudgetTerms tokens{};
    BudgetTerms money{};
    std::string tier_key;  // and before those that are its consumer's tier's
    // By unit and period: the number is the tier's.
    std::array<std::array<bool, budget_period_count>, 2> of_tier{};
    std::vector<uint8_t> alerts;  // percent, ascending
    std::shared_ptr<BudgetMeters> meters;

    [[nodiscard]] bool any() const noexcept { return tokens != BudgetTerms{} || money != BudgetTerms{}; }
    [[nodiscard]] const BudgetTerms& terms(BudgetUnit unit) const noexcept {
        return unit == BudgetUnit::tokens ? tokens : money;
    }
    [[nodiscard]] bool is_of_tier(BudgetUnit unit, BudgetPeriod period) const noexcept {
        return of_tier[static_cast<size_t>(unit)][static_cast<size_t>(period)];
    }
    /// Where the number stands: "token_accounting.tier.gold", before ".daily_limit".
    [[nodiscard]] const std::string& key_of(BudgetUnit unit, BudgetPeriod period) const noexcept {
        return is_of_tier(unit, period) ? tier_key : key;
    }
    /// Whose number it is: a consumer's may be its tier's.
    [[nodiscard]] LimitScope scope_of(BudgetUnit unit, BudgetPeriod period) const noexcept {
        return is_of_tier(unit, period) ? LimitScope::tier : scope;
    }
    [[nodiscard]] BudgetMeter& meter(BudgetUnit unit) const noexcept {
        return unit == BudgetUnit::tokens ? meters->tokens : meters->money;
    }
};

/// Who refused, and when it pays to come again.
struct BudgetRefusal {
    const Budget* of = nullptr;  // null: nobody
    BudgetUnit unit = BudgetUnit::tokens;
    BudgetPeriod period = BudgetPeriod::day;
    int64_t wait_s = 0;  // until the period ends
    /// Anything but spent: it is shared, and this Loom's part of it does not do, though it may have room.
    LeaseLack lack = LeaseLack::spent;
};

/// Which of its limits is reached, the longest period's; nothing where something is left of each.
[[nodiscard]] std::optional<BudgetRefusal> spent_of(const Budget& budget, int64_t unix_s) noexcept;

/// What a meter is told when a limit is spent: more than any share.
inline constexpr uint8_t spent_share = 101;

/// A share of a limit that is reached, told once in its period.
struct BudgetAlert {
    const Budget* of;
    BudgetUnit unit;
    BudgetPeriod period;
    uint8_t share;  // percent
};

/// What one request holds of the budgets that it is under. Whoever has one settles it at the end; the budgets outlive
/// it.
class BudgetHolds {
  public:
    static constexpr size_t budgets_max = 7;  // consumer, team, project, tenant, route, model, global

    /// Holds so much of it. False where that is not to be had: nothing is held of any then.
    [[nodiscard]] bool enter(const Budget& budget, int64_t unix_s, uint64_t tokens, Money money,
                             BudgetRefusal& why) noexcept;
    /// More of each, or nothing of any: then one of them has no room.
    [[nodiscard]] bool extend(int64_t unix_s, uint64_t tokens, Money money) noexcept;
    /// What keeps it from so much more is a lease that is being drawn, and no limit.
    [[nodiscard]] bool awaits_lease(int64_t unix_s, uint64_t tokens, Money money) const noexcept;
    /// Of one of them nothing is left that this Loom has not used or others have, as it was last told.
    [[nodiscard]] bool none_is_left(int64_t unix_s) const noexcept;
    /// It is over, and took so much. Again is nothing.
    void settle(int64_t unix_s, uint64_t tokens, Money money) noexcept;
    /// What was taken without a hold. Where nothing was held of any.
    void charge(const Budget& budget, int64_t unix_s, uint64_t tokens, Money money) noexcept;
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

    /// Calls `tell` for each share that is reached and that nobody has told of in its period; before settle or after.
    template <class Tell>
    void each_alert(int64_t unix_s, Tell&& tell) const;

  private:
    struct Held {
        const Budget* of;
        BudgetMeter::Hold tokens;
        BudgetMeter::Hold money;
    };
    std::array<Held, budgets_max> held_{};
    size_t count_ = 0;
    size_t entered_ = 0;  // also after settle
};

/// The highest share of this limit that is reached and untold, told with this call; 0: none.
[[nodiscard]] uint8_t reached_share(const Budget& budget, BudgetUnit unit, BudgetPeriod period,
                                    const PeriodNumbers& now) noexcept;

template <class Tell>
void BudgetHolds::each_alert(int64_t unix_s, Tell&& tell) const {
    const PeriodNumbers now = period_numbers(unix_s);
    for (size_t i = 0; i < entered_; ++i) {
        if (held_[i].of->alerts.empty()) continue;
        for (const BudgetUnit unit : {BudgetUnit::tokens, BudgetUnit::money})
            for (const BudgetPeriod period : budget_periods)
                if (const uint8_t share = reached_share(*held_[i].of, unit, period, now); share != 0)
                    tell(BudgetAlert{held_[i].of, unit, period, share});
    }
}

/// The meters of a process, found again by a reload. A row lives as long as a configuration that names it. Of the
/// thread that builds configurations.
class BudgetTable {
  public:
    /// Of a thing that is new here: what was spent of it in a period, as the ledger knows it.
    struct Spent {
        uint64_t tokens = 0;
        Money money = 0;
    };
    using SpentIn = std::function<Spent(LimitScope scope, std::string_view name, PeriodSpan span)>;

    /// Whom to ask of rows that are new; nobody: they begin empty.
    void ask_of(SpentIn spent_in) { spent_in_ = std::move(spent_in); }
    [[nodiscard]] std::shared_ptr<BudgetMeters> meters(LimitScope scope, std::string_view name, int64_t unix_s);

  private:
    SpentIn spent_in_;
    std::unordered_map<std::string, std::weak_ptr<BudgetMeters>, StringHash, std::equal_to<>> rows_;
};

}  // namespace loom::tenant

#include "loom/tenant/budget.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "loom/base/assert.h"

namespace loom::tenant {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

constexpr int64_t day_s = 86'400;
constexpr int64_t monday_offset = 3;  // days from a Monday to 1970-01-01, a Thursday
constexpr uint16_t number_mask = (1u << (64 - BudgetMeter::unit_bits)) - 1;
constexpr Money money_per_unit = 1'000;
constexpr int told_bits = 8;
constexpr uint64_t refused_mark = 1u << (told_bits - 1);  // above the share

constexpr int64_t floor_div(int64_t a, int64_t b) noexcept { return a / b - (a % b < 0 ? 1 : 0); }

constexpr uint64_t word_of(uint16_t number, uint64_t units) noexcept {
    return uint64_t{number} << BudgetMeter::unit_bits | units;
}
constexpr uint16_t number_of(uint64_t word) noexcept { return static_cast<uint16_t>(word >> BudgetMeter::unit_bits); }
constexpr uint64_t units_of(uint64_t word) noexcept { return word & BudgetMeter::units_max; }

/// Of which limit something was told: enough of it to tell it from another.
constexpr uint64_t digest_of(uint64_t limit) noexcept {
    constexpr uint64_t golden_ratio = 0x9e37'79b9'7f4a'7c15;
    return (limit * golden_ratio) >> (64 - BudgetMeter::unit_bits + told_bits);
}

/// Does a period begin with this number where that one was at hand? A clock that lags behind another's, by the last
/// period at most, counts as that one; one that is farther off was set, and what it says now is the time.
constexpr bool is_later(uint16_t number, uint16_t than) noexcept {
    const unsigned ahead = static_cast<unsigned>(number - than) & number_mask;
    return ahead != 0 && ahead != number_mask;
}

constexpr uint64_t saturated(uint64_t units, uint64_t more) noexcept {
    return more > BudgetMeter::units_max - units ? BudgetMeter::units_max : units + more;
}

std::chrono::year_month_day date_of(int64_t unix_s) noexcept { return sys_days(days(floor_div(unix_s, day_s))); }

int64_t seconds_of(sys_days day) noexcept { return int64_t{day.time_since_epoch().count()} * day_s; }

int64_t week_of(int64_t unix_s) noexcept { return floor_div(floor_div(unix_s, day_s) + monday_offset, 7); }

}  // namespace

PeriodSpan period_span(BudgetPeriod period, int64_t unix_s) noexcept {
    switch (period) {
        case BudgetPeriod::day: {
            const int64_t begin = floor_div(unix_s, day_s) * day_s;
            return {begin, begin + day_s};
        }
        case BudgetPeriod::week: {
            const int64_t begin = (week_of(unix_s) * 7 - monday_offset) * day_s;
            return {begin, begin + 7 * day_s};
        }
        case BudgetPeriod::month: break;
    }
    const std::chrono::year_month_day date = date_of(unix_s);
    const std::chrono::year_month month = date.year() / date.month();
    const std::chrono::year_month next = month + std::chrono::months(1);
    return {seconds_of(sys_days(month / 1)), seconds_of(sys_days(next / 1))};
}

PeriodNumbers period_numbers(int64_t unix_s) noexcept {
    const std::chrono::year_month_day date = date_of(unix_s);
    const int64_t month = int64_t{int{date.year()}} * 12 + unsigned{date.month()};
    const auto number = [](int64_t n) { return static_cast<uint16_t>(n & number_mask); };
    return {number(floor_div(unix_s, day_s)), number(week_of(unix_s)), number(month)};
}

uint64_t budget_units(Money money) noexcept {
    if (money <= 0) return 0;
    const uint64_t units = static_cast<uint64_t>(money / money_per_unit) + (money % money_per_unit != 0 ? 1 : 0);
    return std::min(units, BudgetMeter::units_max);
}

Money money_of_budget_units(uint64_t units) noexcept {
    return static_cast<Money>(std::min(units, BudgetMeter::units_max)) * money_per_unit;
}

BudgetMeter::BudgetMeter(const PeriodNumbers& now) noexcept {
    for (size_t i = 0; i < budget_period_count; ++i) {
        words_[i].store(word_of(now[i], 0), std::memory_order_relaxed);
        told_[i].store(word_of(now[i], 0), std::memory_order_relaxed);
    }
}

/// limit  0: none.      in  the number of the period in which it counts.
bool BudgetMeter::add(size_t period, uint16_t number, uint64_t units, uint64_t limit, uint16_t& in) noexcept {
    uint64_t word = words_[period].load(std::memory_order_relaxed);
    for (;;) {
        const bool is_new = is_later(number, number_of(word));
        const uint64_t before = is_new ? 0 : units_of(word);
        in = is_new ? number : number_of(word);
        const uint64_t room = room_of(period, in, limit);
        if (limit != 0 && units != 0 && (before > room || units > room - before)) return false;
        if (!words_[period].compare_exchange_weak(word, word_of(in, saturated(before, units)),
                                                  std::memory_order_seq_cst, std::memory_order_relaxed))
            continue;
        if (leases_ == nullptr || limit == 0 || room_of(period, in, limit) >= room) return true;
        give_back(period, in, units);  // the lease was lowered meanwhile
        word = words_[period].load(std::memory_order_relaxed);
    }
}

void BudgetMeter::share() {
    if (leases_ == nullptr) leases_ = std::make_unique<std::array<Lease, budget_period_count>>();
}

/// That may be taken in all in the period of this number. A lease of another period is none.
uint64_t BudgetMeter::room_of(size_t period, uint16_t number, uint64_t limit) const noexcept {
    if (leases_ == nullptr) [[likely]]
        return limit;
    const uint64_t lease = (*leases_)[period].granted.load(std::memory_order_seq_cst);
    if (lease == Lease::open) return limit;
    return number_of(lease) == number ? std::min(limit, units_of(lease)) : 0;
}

uint64_t BudgetMeter::room(BudgetPeriod period, const PeriodNumbers& now, uint64_t limit) const noexcept {
    const auto i = static_cast<size_t>(period);
    const uint16_t at_hand = number_of(words_[i].load(std::memory_order_relaxed));
    return room_of(i, is_later(now[i], at_hand) ? now[i] : at_hand, limit);
}

/// The lease is written before what is used is read, as a take reads it after it has taken (lease.h).
uint64_t BudgetMeter::set_lease(BudgetPeriod period, const PeriodNumbers& now, uint64_t units) noexcept {
    const auto i = static_cast<size_t>(period);
    std::atomic<uint64_t>& granted = (*leases_)[i].granted;
    if (units == Lease::open) {
        granted.store(Lease::open, std::memory_order_seq_cst);
        return units;
    }
    units = std::min(units, units_max - 1);  // which with any number is not `open`
    granted.store(word_of(now[i], units), std::memory_order_seq_cst);
    const uint64_t word = words_[i].load(std::memory_order_seq_cst);
    return number_of(word) == now[i] ? std::max(units, units_of(word)) : units;
}

/// The lease that is there is one of the period at hand, or stands open.
bool BudgetMeter::is_of(size_t period, const PeriodNumbers& now) const noexcept {
    const uint64_t lease = (*leases_)[period].granted.load(std::memory_order_acquire);
    if (lease == Lease::open) return true;
    const uint16_t at_hand = number_of(words_[period].load(std::memory_order_relaxed));
    return number_of(lease) == (is_later(now[period], at_hand) ? now[period] : at_hand);
}

LeaseLack BudgetMeter::lack(BudgetPeriod period, const PeriodNumbers& now, uint64_t units) const noexcept {
    if (leases_ == nullptr) return LeaseLack::spent;
    const auto i = static_cast<size_t>(period);
    const bool known = is_of(i, now);
    const LeaseLack why = (*leases_)[i].lack_of(units);
    return why == LeaseLack::spent && !known ? LeaseLack::drawing : why;
}

uint64_t BudgetMeter::used_of_all(BudgetPeriod period, const PeriodNumbers& now) const noexcept {
    const uint64_t here = used(period, now);
    const auto i = static_cast<size_t>(period);
    if (leases_ == nullptr || !is_of(i, now)) return here;
    return saturated(here, std::min((*leases_)[i].others.load(std::memory_order_relaxed), units_max));
}

void BudgetMeter::give_back(size_t period, uint16_t number, uint64_t units) noexcept {
    uint64_t word = words_[period].load(std::memory_order_relaxed);
    do {
        if (number_of(word) != number) return;  // over
    } while (!words_[period].compare_exchange_weak(
        word, word_of(number, units_of(word) - std::min(units, units_of(word))), std::memory_order_relaxed));
}

std::optional<BudgetPeriod> BudgetMeter::take(const BudgetTerms& terms, const PeriodNumbers& now, uint64_t units,
                                              Hold& hold) noexcept {
    LOOM_ASSERT(hold.units == 0);
    units = std::min(units, units_max);
    // A look first: what is taken and given back again would keep others out meanwhile.
    for (size_t i = budget_period_count; i-- > 0;) {
        if (terms[i] == 0 || units == 0) continue;
        const auto period = static_cast<BudgetPeriod>(i);
        const uint64_t before = used(period, now);
        const uint64_t most = room(period, now, terms[i]);
        if (before <= most && units <= most - before) continue;
        if (leases_ != nullptr) (*leases_)[i].want(units);
        return period;
    }
    // The longest first: who is told of its end comes back no sooner than it pays.
    for (size_t i = budget_period_count; i-- > 0;) {
        if (add(i, now[i], units, terms[i], hold.numbers[i])) continue;
        if (leases_ != nullptr) (*leases_)[i].want(units);
        for (size_t taken = i + 1; taken < budget_period_count; ++taken) give_back(taken, hold.numbers[taken], units);
        return static_cast<BudgetPeriod>(i);
    }
    hold.units = units;
    return std::nullopt;
}

bool BudgetMeter::extend(const BudgetTerms& terms, const PeriodNumbers& now, uint64_t units, Hold& hold) noexcept {
    Hold more;
    if (take(terms, now, units, more)) return false;
    for (size_t i = 0; i < budget_period_count; ++i) {
        if (more.numbers[i] == hold.numbers[i]) continue;
        // A period has begun since: what was held before counts in it from now on, limit or not.
        uint16_t in;
        (void)add(i, now[i], hold.units, 0, in);
        hold.numbers[i] = more.numbers[i];
    }
    hold.units = saturated(hold.units, more.units);
    return true;
}

void BudgetMeter::shrink(uint64_t units, Hold& hold) noexcept {
    units = std::min(units, hold.units);
    for (size_t i = 0; i < budget_period_count; ++i) give_back(i, hold.numbers[i], units);
    hold.units -= units;
}

void BudgetMeter::settle(const PeriodNumbers& now, uint64_t used, Hold& hold) noexcept {
    const uint64_t held = std::exchange(hold.units, 0);
    used = std::min(used, units_max);
    for (size_t i = 0; i < budget_period_count; ++i) {
        uint64_t word = words_[i].load(std::memory_order_relaxed);
        uint64_t next;
        do {
            const bool is_new = is_later(now[i], number_of(word));
            const uint16_t number = is_new ? now[i] : number_of(word);
            const uint64_t all = is_new ? 0 : units_of(word);
            // What was held is in the word only where its period is still at hand.
            const uint64_t others = number == hold.numbers[i] ? all - std::min(held, all) : all;
            next = word_of(number, saturated(others, used));
        } while (!words_[i].compare_exchange_weak(word, next, std::memory_order_relaxed));
    }
    hold.numbers = now;
}

uint64_t BudgetMeter::used(BudgetPeriod period, const PeriodNumbers& now) const noexcept {
    const auto i = static_cast<size_t>(period);
    const uint64_t word = words_[i].load(std::memory_order_relaxed);
    return is_later(now[i], number_of(word)) ? 0 : units_of(word);
}

void BudgetMeter::restore(BudgetPeriod period, const PeriodNumbers& now, uint64_t spent) noexcept {
    const auto i = static_cast<size_t>(period);
    words_[i].store(word_of(now[i], std::min(spent, units_max)), std::memory_order_relaxed);
}

/// next  the marks after this one, of those that are there; the same: it was told.
template <class Next>
bool BudgetMeter::note_told(BudgetPeriod period, const PeriodNumbers& now, uint64_t limit, Next&& next) noexcept {
    const auto i = static_cast<size_t>(period);
    constexpr uint64_t marks_mask = (uint64_t{1} << told_bits) - 1;
    uint64_t told = told_[i].load(std::memory_order_relaxed);
    uint64_t mine;
    do {
        if (number_of(told) != now[i] && !is_later(now[i], number_of(told))) return false;
        const bool is_same = number_of(told) == now[i] && units_of(told) >> told_bits == digest_of(limit);
        const uint64_t marks = is_same ? told & marks_mask : 0;
        const uint64_t more = next(marks);
        if (more == marks) return false;
        mine = word_of(now[i], digest_of(limit) << told_bits | more);
    } while (!told_[i].compare_exchange_weak(told, mine, std::memory_order_relaxed));
    return true;
}

bool BudgetMeter::tell(BudgetPeriod period, const PeriodNumbers& now, uint64_t limit, uint8_t share) noexcept {
    return note_told(period, now, limit, [share](uint64_t marks) {
        return (marks & refused_mark) | std::max<uint64_t>(marks & ~refused_mark, share);
    });
}

bool BudgetMeter::tell_refused(BudgetPeriod period, const PeriodNumbers& now, uint64_t limit) noexcept {
    return note_told(period, now, limit, [](uint64_t marks) { return marks | refused_mark; });
}

uint8_t reached_share(const Budget& budget, BudgetUnit unit, BudgetPeriod period, const PeriodNumbers& now) noexcept {
    const uint64_t limit = budget.terms(unit)[static_cast<size_t>(period)];
    if (limit == 0) return 0;
    BudgetMeter& meter = budget.meter(unit);
    const unsigned __int128 used = meter.used_of_all(period, now);
    for (auto share = budget.alerts.rbegin(); share != budget.alerts.rend(); ++share)
        if (used * 100 >= static_cast<unsigned __int128>(limit) * *share)
            return meter.tell(period, now, limit, *share) ? *share : 0;
    return 0;
}

namespace {

/// Why so much more of it is not to be had.
LeaseLack lack_of(const Budget& budget, BudgetUnit unit, BudgetPeriod period, const PeriodNumbers& now,
                  uint64_t units) noexcept {
    const BudgetMeter& meter = budget.meter(unit);
    const uint64_t limit = budget.terms(unit)[static_cast<size_t>(period)];
    const uint64_t used = meter.used(period, now);
    if (used > limit || units > limit - used) return LeaseLack::spent;
    return meter.lack(period, now, units);
}

}  // namespace

bool BudgetHolds::enter(const Budget& budget, int64_t unix_s, uint64_t tokens, Money money,
                        BudgetRefusal& why) noexcept {
    LOOM_ASSERT(count_ < budgets_max);
    const PeriodNumbers now = period_numbers(unix_s);
    Held held{.of = &budget, .tokens = {}, .money = {}};
    const auto refused = [&](BudgetUnit unit, BudgetPeriod period) {
        const uint64_t units = unit == BudgetUnit::tokens ? tokens : budget_units(money);
        why = {&budget, unit, period, period_span(period, unix_s).end_s - unix_s,
               lack_of(budget, unit, period, now, units)};
        settle(unix_s, 0, 0);
        entered_ = 0;
        return false;
    };
    if (const auto period = budget.meters->tokens.take(budget.tokens, now, tokens, held.tokens))
        return refused(BudgetUnit::tokens, *period);
    if (const auto period = budget.meters->money.take(budget.money, now, budget_units(money), held.money)) {
        budget.meters->tokens.settle(now, 0, held.tokens);
        return refused(BudgetUnit::money, *period);
    }
    held_[count_++] = held;
    entered_ = count_;
    return true;
}

void BudgetHolds::charge(const Budget& budget, int64_t unix_s, uint64_t tokens, Money money) noexcept {
    LOOM_ASSERT(count_ == 0 && entered_ < budgets_max);
    const PeriodNumbers now = period_numbers(unix_s);
    BudgetMeter::Hold none;
    budget.meters->tokens.settle(now, tokens, none);
    budget.meters->money.settle(now, budget_units(money), none);
    held_[entered_++].of = &budget;
}

std::optional<BudgetRefusal> spent_of(const Budget& budget, int64_t unix_s) noexcept {
    const PeriodNumbers now = period_numbers(unix_s);
    for (const BudgetUnit unit : {BudgetUnit::tokens, BudgetUnit::money})
        for (size_t i = budget_period_count; i-- > 0;) {
            const auto period = static_cast<BudgetPeriod>(i);
            const uint64_t limit = budget.terms(unit)[i];
            if (limit == 0) continue;
            const BudgetMeter& meter = budget.meter(unit);
            if (meter.used(period, now) < meter.room(period, now, limit)) continue;
            if (Lease* const lease = meter.lease(period)) lease->want(1);
            return BudgetRefusal{&budget, unit, period, period_span(period, unix_s).end_s - unix_s,
                                 lack_of(budget, unit, period, now, 1)};
        }
    return std::nullopt;
}

bool BudgetHolds::awaits_lease(int64_t unix_s, uint64_t tokens, Money money) const noexcept {
    const PeriodNumbers now = period_numbers(unix_s);
    bool awaits = false;
    for (size_t i = 0; i < count_; ++i)
        for (const BudgetUnit unit : {BudgetUnit::tokens, BudgetUnit::money})
            for (const BudgetPeriod period : budget_periods) {
                const Budget& budget = *held_[i].of;
                const uint64_t limit = budget.terms(unit)[static_cast<size_t>(period)];
                const uint64_t units = unit == BudgetUnit::tokens ? tokens : budget_units(money);
                const BudgetMeter& meter = budget.meter(unit);
                if (limit == 0 || units == 0) continue;
                const uint64_t used = meter.used(period, now);
                const uint64_t most = meter.room(period, now, limit);
                if (used <= most && units <= most - used) continue;
                if (lack_of(budget, unit, period, now, units) != LeaseLack::drawing) return false;
                awaits = true;
            }
    return awaits;
}

bool BudgetHolds::none_is_left(int64_t unix_s) const noexcept {
    const PeriodNumbers now = period_numbers(unix_s);
    for (size_t i = 0; i < count_; ++i)
        for (const BudgetUnit unit : {BudgetUnit::tokens, BudgetUnit::money})
            for (const BudgetPeriod period : budget_periods) {
                const uint64_t limit = held_[i].of->terms(unit)[static_cast<size_t>(period)];
                if (limit != 0 && held_[i].of->meter(unit).used_of_all(period, now) >= limit) return true;
            }
    return false;
}

bool BudgetHolds::extend(int64_t unix_s, uint64_t tokens, Money money) noexcept {
    const PeriodNumbers now = period_numbers(unix_s);
    const uint64_t units = budget_units(money);
    for (size_t i = 0; i < count_; ++i) {
        Held& held = held_[i];
        const bool has_tokens = held.of->meters->tokens.extend(held.of->tokens, now, tokens, held.tokens);
        if (has_tokens && held.of->meters->money.extend(held.of->money, now, units, held.money)) continue;
        if (has_tokens) held.of->meters->tokens.shrink(tokens, held.tokens);
        for (size_t given = 0; given < i; ++given) {
            held_[given].of->meters->tokens.shrink(tokens, held_[given].tokens);
            held_[given].of->meters->money.shrink(units, held_[given].money);
        }
        return false;
    }
    return true;
}

void BudgetHolds::settle(int64_t unix_s, uint64_t tokens, Money money) noexcept {
    const PeriodNumbers now = period_numbers(unix_s);
    for (size_t i = 0; i < count_; ++i) {
        held_[i].of->meters->tokens.settle(now, tokens, held_[i].tokens);
        held_[i].of->meters->money.settle(now, budget_units(money), held_[i].money);
    }
    count_ = 0;
}

std::shared_ptr<BudgetMeters> BudgetTable::meters(LimitScope scope, std::string_view name, int64_t unix_s) {
    std::string identity = std::string(limit_scope_name(scope)) + ":" + std::string(name);
    std::erase_if(rows_, [](const auto& row) { return row.second.expired(); });
    std::weak_ptr<BudgetMeters>& row = rows_[std::move(identity)];
    if (auto known = row.lock()) return known;
    const PeriodNumbers now = period_numbers(unix_s);
    auto made = std::make_shared<BudgetMeters>(now);
    for (const BudgetPeriod period : budget_periods) {
        const Spent spent = spent_in_ ? spent_in_(scope, name, period_span(period, unix_s)) : Spent{};
        made->tokens.restore(period, now, spent.tokens);
        made->money.restore(period, now, budget_units(spent.money));
    }
    row = made;
    return made;
}

}  // namespace loom::tenant

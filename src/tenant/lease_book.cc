#include "loom/tenant/lease_book.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "loom/base/assert.h"

namespace loom::tenant {
namespace {

constexpr uint64_t horizon_ms = 500;        // so long a lease is to last
constexpr uint64_t active_ms = 1'000;       // after its last use a limit is one that is used
constexpr uint64_t need_ms = 2'500;         // who was refused comes again in a second
constexpr uint64_t usual_half_ms = 60'000;  // and its like some time later
constexpr uint64_t beat_first_ms = 250;
constexpr uint64_t pause_first_ms = 50;  // after a draw that was given less than it asked for
constexpr uint64_t pause_max_ms = 400;
constexpr uint64_t spent_after_ms = 4'000;  // others would have given back by then what they do not use
constexpr uint64_t hungry_ms = 300;
constexpr uint64_t yield_min_ms = 200, yield_more_ms = 800;
constexpr uint64_t share_first_ms = 1'000;
constexpr uint64_t share_max_ms = 8'000;
constexpr uint64_t share_hold_ms = 900;  // longer than anybody's pause
constexpr uint64_t retry_first_ms = 100;
constexpr uint64_t retry_max_ms = 1'000;

}  // namespace

uint64_t LeaseBook::random() noexcept {  // xorshift64*
    random_ ^= random_ >> 12;
    random_ ^= random_ << 25;
    random_ ^= random_ >> 27;
    return (random_ * 0x2545'f491'4f6c'dd1d) >> 32;
}

Lease& LeaseBook::lease_of(const Entry& entry) noexcept {
    if (entry.what.window != nullptr) return *entry.what.window->lease();
    BudgetMeters& meters = *entry.what.meters;
    return *(entry.what.unit == BudgetUnit::tokens ? meters.tokens : meters.money).lease(entry.what.period);
}

uint64_t LeaseBook::used_of(const Entry& entry, Now now) noexcept {
    const SharedLimit& what = entry.what;
    if (what.window != nullptr) return what.window->used(what.terms, now.ms);
    const BudgetMeter& meter = what.unit == BudgetUnit::tokens ? what.meters->tokens : what.meters->money;
    return meter.used(what.period, numbers_of(now));
}

/// What may be taken here, and what the store may be told.
uint64_t LeaseBook::set_lease(Entry& entry, Now now, uint64_t units) noexcept {
    const SharedLimit& what = entry.what;
    if (what.window != nullptr) return what.window->set_lease(what.terms, now.ms, units);
    BudgetMeter& meter = what.unit == BudgetUnit::tokens ? what.meters->tokens : what.meters->money;
    return meter.set_lease(what.period, numbers_of(now), units);
}

void LeaseBook::use(std::vector<SharedLimit> limits, Now now) {
    std::unordered_map<std::string, std::unique_ptr<Entry>> known;
    for (std::unique_ptr<Entry>& entry : entries_) {
        std::unique_ptr<Entry>& place = known[entry->what.key];
        if (place != nullptr)  // those that leave stand behind the others
            left_.push_back(std::move(entry));
        else
            place = std::move(entry);
    }
    entries_.clear();
    std::unordered_set<std::string_view> keys;
    for (SharedLimit& limit : limits) {
        LOOM_ASSERT(limit.limit != 0);
        LOOM_ASSERT(keys.insert(limit.key).second);  // two would each believe that they have all of one lease
    }
    for (SharedLimit& limit : limits) {
        const auto it = known.find(limit.key);
        const bool same = it != known.end() && it->second != nullptr && it->second->what.window == limit.window &&
                          it->second->what.meters == limit.meters;
        if (same) {
            entries_.push_back(std::move(it->second));
            entries_.back()->what = std::move(limit);
            entries_.back()->leaving = false;
            entries_.back()->next_ms = now.ms;
            continue;
        }
        // Of a row that is gone nobody counts anything any more: its lease is the new one's to change.
        if (it != known.end() && it->second != nullptr) it->second->told = false;
        entries_.push_back(std::make_unique<Entry>(std::move(limit)));
        lower(*entries_.back(), now);  // the row may be older than this, and have what another lease has left
        if (facts_.lost) lose(*entries_.back(), now);
    }
    for (auto& [key, entry] : known)
        if (entry != nullptr) {
            entry->leaving = true;
            left_.push_back(std::move(entry));
        }
    // Those that leave stand behind, and give back what they have.
    for (std::unique_ptr<Entry>& entry : left_) entries_.push_back(std::move(entry));
    left_.clear();
    at_ = 0;
}

/// Nothing is to be had by it.
void LeaseBook::lower(Entry& entry, Now now) noexcept {
    entry.granted = entry.usable = 0;
    (void)set_lease(entry, now, 0);
}

/// A budget's new period has a lease of its own, which nobody has drawn yet.
void LeaseBook::begin_period(Entry& entry, Now now) noexcept {
    if (entry.what.window != nullptr) return;
    const uint16_t number = numbers_of(now)[static_cast<size_t>(entry.what.period)];
    if (number == entry.number && entry.looked_ms != 0) return;
    entry.number = number;
    entry.granted = entry.usable = entry.others = entry.last_used = entry.full_since_ms = entry.good_from_ms = 0;
    entry.lacked = 0;
    entry.looms = 1;
    entry.told = false;
    entry.next_ms = entry.not_before_ms = now.ms;
    Lease& lease = lease_of(entry);
    lease.others.store(0, std::memory_order_relaxed);
    if (lease.lack.load(std::memory_order_relaxed) == LeaseLack::spent)
        lease.lack.store(LeaseLack::drawing, std::memory_order_relaxed);
    if (!entry.open) (void)set_lease(entry, now, 0);
}

/// What has happened since the last look.
void LeaseBook::look_at(Entry& entry, Now now, uint64_t used) noexcept {
    const uint64_t passed = now.ms - std::exchange(entry.looked_ms, now.ms);
    const uint64_t more = used > entry.last_used ? used - entry.last_used : 0;
    entry.last_used = used;
    if (passed > 0) {
        double rate = static_cast<double>(more) / static_cast<double>(passed);
        if (entry.what.window != nullptr)  // where as much goes by as comes
            rate = std::max(rate, static_cast<double>(used) / static_cast<double>(entry.what.window_ms));
        entry.rate = std::max(rate, entry.rate * 0.8);
    }
    if (more > 0) entry.active_until_ms = now.ms + active_ms;
    if (const uint64_t wanted = lease_of(entry).wanted.exchange(0, std::memory_order_relaxed); wanted != 0) {
        entry.need = now.ms < entry.need_until_ms ? std::max(entry.need, wanted) : wanted;
        entry.need_until_ms = now.ms + need_ms;
        entry.lacked = entry.need;
        if (wanted >= entry.usual) {
            entry.usual = wanted;
            entry.usual_at_ms = now.ms;
        }
        entry.active_until_ms = now.ms + active_ms;
    }
    if (now.ms >= entry.need_until_ms) entry.need = entry.hungry_since_ms = 0;
    if (now.ms - entry.usual_at_ms < usual_half_ms) return;
    entry.usual /= 2;
    entry.usual_at_ms = now.ms;
}

/// Beyond what is used.
uint64_t LeaseBook::ahead_of(const Entry& entry, Now now, uint64_t used) noexcept {
    if (entry.leaving || now.ms < entry.yield_until_ms) return 0;
    const uint64_t taken = used + entry.others;
    const uint64_t left = entry.what.limit > taken ? entry.what.limit - taken : 0;
    const uint64_t half = entry.looms <= 1 ? left : (left + 1) / 2;
    const uint64_t keep = entry.looms <= 1          ? left - left / 8
                          : left >= 2 * entry.looms ? std::max<uint64_t>(1, left / (entry.looms + 1))
                                                    : 0;
    uint64_t ahead = std::max(keep, std::min(entry.usual, left / 2));
    if (now.ms < entry.active_until_ms) {
        const auto soon = static_cast<uint64_t>(entry.rate * static_cast<double>(horizon_ms)) + 1;
        ahead = std::max(std::min(entry.need, left), std::min(half, std::max(ahead, soon)));
    }
    if (now.ms >= entry.share_until_ms) return ahead;
    return std::min(ahead, entry.share_cap > used ? entry.share_cap - used : 0);
}

bool LeaseBook::is_due(const Entry& entry, Now now, uint64_t used, uint64_t ahead) const noexcept {
    if (entry.leaving) return entry.told;
    if (now.ms < entry.not_before_ms) return false;
    if (now.ms >= entry.next_ms) return true;
    if (entry.open) return false;
    const uint64_t spare = entry.granted > used ? entry.granted - used : 0;
    if (spare < ahead && (2 * spare <= ahead || spare < entry.need)) return true;
    return spare > 2 * ahead;
}

/// Lowered first, then told.
LeaseDraw LeaseBook::draw_of(Entry& entry, Now now, uint64_t used, uint64_t ahead) noexcept {
    const SharedLimit& what = entry.what;
    LeaseDraw draw{.key = what.key, .limit = what.limit};
    uint64_t want = used + ahead;
    const bool lowers = !entry.open && want <= entry.granted;
    if (lowers) {
        entry.usable = std::min(want, entry.usable);
        want = entry.granted = set_lease(entry, now, entry.usable);
    }
    draw.floor = used_of(entry, now);
    // Until the answer comes more may be taken, as far as the lease goes: all of it is kept for that.
    if (!lowers && !entry.open) draw.floor = std::max(draw.floor, entry.usable);
    draw.want = std::max(want, draw.floor);
    // Who is hungry is there for the others, with nothing too.
    if (entry.need != 0 && !entry.leaving) draw.want = std::max<uint64_t>(draw.want, 1);
    if (what.window != nullptr) {
        draw.ttl_ms = hold_ms + what.window_ms + what.window_ms / RateWindow::slice_count + margin_ms;
        draw.of_start = true;
    } else {
        draw.key += ':' + std::to_string(entry.number);
        const int64_t left_s = period_span(what.period, now.unix_s).end_s - now.unix_s;
        draw.ttl_ms = static_cast<uint64_t>(left_s) * 1'000 + period_slack_ms;
    }
    draw.start = start_;
    draw.sequence = ++sequence_;
    entry.asked = draw.want;
    entry.sent_ms = now.ms;
    entry.sent_number = entry.number;
    entry.under_way = entry.told = true;
    return draw;
}

std::vector<LeaseDraw> LeaseBook::draw(Now now) {
    note_loss(now);
    std::vector<LeaseDraw> draws;
    if (stopping_)
        for (std::unique_ptr<Entry>& entry : entries_) entry->leaving = true;
    if (!batch_.empty())  // nobody has to answer for a period to begin, or a lease to be too old
        for (std::unique_ptr<Entry>& entry : entries_) {
            begin_period(*entry, now);
            expire(*entry, now);
        }
    if (!batch_.empty() || entries_.empty()) return draws;
    const size_t count = std::min(entries_.size(), walk_max);
    for (size_t i = 0; i < count && draws.size() < batch_max; ++i) {
        at_ = at_ + 1 < entries_.size() ? at_ + 1 : 0;
        Entry& entry = *entries_[at_];
        begin_period(entry, now);
        const uint64_t used = used_of(entry, now);
        look_at(entry, now, used);
        expire(entry, now);
        const uint64_t ahead = ahead_of(entry, now, used);
        if (now.ms < retry_at_ms_ || !is_due(entry, now, used, ahead)) continue;
        draws.push_back(draw_of(entry, now, used, ahead));
        batch_.push_back(&entry);
    }
    std::erase_if(entries_, [](const auto& entry) { return entry->leaving && !entry->told && !entry->under_way; });
    if (!draws.empty() && trouble_since_ms_ == 0) trouble_since_ms_ = std::max<uint64_t>(1, now.ms);
    return draws;
}

void LeaseBook::granted(std::span<const LeaseGrant> grants, Now now) {
    LOOM_ASSERT(grants.size() == batch_.size());
    const bool settled = std::ranges::all_of(grants, [](const LeaseGrant& one) { return one.settled; });
    // It may have forgotten everything meanwhile, and hears of all leases before it gives of what it believes is left.
    if (retry_pause_ms_ != 0 || (!settled && settled_)) hurry(now);
    settled_ = settled;
    trouble_since_ms_ = retry_at_ms_ = retry_pause_ms_ = 0;
    if (std::exchange(facts_.lost, false))
        for (std::unique_ptr<Entry>& entry : entries_)
            if (!entry->leaving) lease_of(*entry).lack.store(LeaseLack::drawing, std::memory_order_relaxed);
    for (size_t i = 0; i < grants.size(); ++i) take_grant(*batch_[i], grants[i], now);
    batch_.clear();
}

void LeaseBook::hurry(Now now) noexcept {
    retry_at_ms_ = 0;
    for (std::unique_ptr<Entry>& entry : entries_) entry->next_ms = entry->not_before_ms = now.ms;
}

void LeaseBook::take_grant(Entry& entry, const LeaseGrant& grant, Now now) noexcept {
    entry.under_way = false;
    facts_.draws += 1;
    if (grant.granted < entry.asked) facts_.unmet += 1;
    if (entry.leaving) {
        entry.told = false;
        return;
    }
    // The period may have ended meanwhile: this is another one's lease.
    if (entry.what.window == nullptr &&
        (entry.sent_number != entry.number || numbers_of(now)[static_cast<size_t>(entry.what.period)] != entry.number))
        return;
    const bool known = entry.good_from_ms != 0;
    if (!grant.settled && entry.what.fails_open && (entry.open || !known)) {
        entry.open = true;
        (void)set_lease(entry, now, Lease::open);
        entry.next_ms = entry.not_before_ms = now.ms + beat_first_ms;
        return;
    }
    const uint64_t granted = grant.settled ? grant.granted : std::min(grant.granted, entry.open ? 0 : entry.granted);
    entry.open = false;
    entry.granted = granted;
    // A floor may have in it what a take has added and is about to give back: it shall not find room for that here
    // while others have it.
    entry.usable = std::min(granted, entry.what.limit - std::min(entry.what.limit, grant.others));
    (void)set_lease(entry, now, entry.usable);
    const bool same = grant.others == entry.others;
    entry.others = grant.others;
    entry.looms = std::max<uint64_t>(1, grant.looms);
    entry.good_from_ms = std::max<uint64_t>(1, entry.sent_ms);
    lease_of(entry).others.store(grant.others, std::memory_order_relaxed);
    const uint64_t used = used_of(entry, now);
    const uint64_t spare = entry.usable > used ? entry.usable - used : 0;
    const bool is_short = spare == 0 || spare < entry.need;
    const bool unmet = grant.granted < entry.asked || !grant.settled;
    entry.pause_ms = unmet ? std::clamp(entry.pause_ms * 2, pause_first_ms, pause_max_ms) : 0;
    entry.not_before_ms = now.ms + entry.pause_ms;
    const bool rests = same && !unmet && !(is_short && entry.need != 0);
    entry.beat_ms = rests ? std::clamp(entry.beat_ms * 2, beat_first_ms, beat_max_ms) : beat_first_ms;
    entry.next_ms = now.ms + entry.beat_ms;
    note_room(entry, used, now);
}

/// Where the limit has no more beyond what is used here and what the others have, and that stays so, it is spent for
/// requests of such a size; before that others may give back. What this Loom lets go for a while is not room.
void LeaseBook::note_room(Entry& entry, uint64_t used, Now now) noexcept {
    const uint64_t least = std::max<uint64_t>(1, entry.lacked);
    const uint64_t spare = entry.usable > used ? entry.usable - used : 0;
    const bool full = used + entry.others + least > entry.what.limit;
    if (!full)
        entry.full_since_ms = 0;
    else if (entry.full_since_ms == 0)
        entry.full_since_ms = std::max<uint64_t>(1, now.ms);
    const bool spent = full && (entry.others == 0 || now.ms - entry.full_since_ms >= spent_after_ms);
    Lease& lease = lease_of(entry);
    // Where there is nothing at all, it is so for the smallest too.
    lease.spent_from.store(used + entry.others < entry.what.limit ? least : 1, std::memory_order_relaxed);
    lease.lack.store(spent ? LeaseLack::spent : LeaseLack::drawing, std::memory_order_relaxed);
    if (entry.what.window != nullptr) share_out(entry, full, now);
    // Two may have half of what either needs: one of them lets go for a while.
    if (!full || spare == 0 || entry.need == 0) {
        entry.hungry_since_ms = 0;
    } else if (entry.hungry_since_ms == 0) {
        entry.hungry_since_ms = std::max<uint64_t>(1, now.ms);
    } else if (now.ms - entry.hungry_since_ms >= hungry_ms && (random() & 1) != 0) {
        entry.yield_until_ms = now.ms + yield_min_ms + random() % yield_more_ms;
        entry.hungry_since_ms = 0;
    }
}

/// Of a window that others may be hungry for: less often where they were not.
void LeaseBook::share_out(Entry& entry, bool full, Now now) noexcept {
    const uint64_t share = entry.what.limit / entry.looms;
    if (now.ms < entry.share_until_ms) return;
    if (entry.share_until_ms != 0) {  // did anybody take it?
        const bool taken = entry.others > entry.share_others;
        entry.share_pause_ms = taken ? share_first_ms : std::min(2 * entry.share_pause_ms, share_max_ms);
        entry.share_at_ms = now.ms + entry.share_pause_ms;
        entry.share_until_ms = 0;
    }
    if (!full || entry.looms <= 1 || entry.granted <= share || now.ms < entry.share_at_ms) return;
    entry.share_pause_ms = std::max(entry.share_pause_ms, share_first_ms);
    entry.share_cap = entry.granted - std::max<uint64_t>(1, (entry.granted - share) / 8);
    entry.share_others = entry.others;
    entry.share_until_ms = now.ms + share_hold_ms + entry.what.window_ms / RateWindow::slice_count;
}

void LeaseBook::failed(Now now) {
    facts_.failures += 1;
    for (Entry* const entry : batch_) {
        entry->under_way = false;
        entry->next_ms = now.ms;
    }
    batch_.clear();
    retry_pause_ms_ = std::clamp(retry_pause_ms_ * 2, retry_first_ms, retry_max_ms);
    retry_at_ms_ = now.ms + retry_pause_ms_ / 2 + random() % (retry_pause_ms_ / 2 + 1);
    note_loss(now);
}

void LeaseBook::note_loss(Now now) noexcept {
    if (facts_.lost || trouble_since_ms_ == 0 || now.ms - trouble_since_ms_ < lost_ms) return;
    facts_.lost = true;
    facts_.losses += 1;
    for (std::unique_ptr<Entry>& entry : entries_) lose(*entry, now);
}

void LeaseBook::lose(Entry& entry, Now now) noexcept {
    if (entry.leaving) return;
    if (entry.what.fails_open) {
        entry.open = true;
        (void)set_lease(entry, now, Lease::open);
    } else {
        lease_of(entry).lack.store(LeaseLack::lost, std::memory_order_relaxed);
    }
}

/// A window's lease that the store has not heard of for long is others' soon: nothing more is taken by it.
void LeaseBook::expire(Entry& entry, Now now) noexcept {
    if (entry.what.window == nullptr || entry.open || entry.good_from_ms == 0) return;
    if (now.ms - entry.good_from_ms < hold_ms) return;
    lower(entry, now);
}

bool LeaseBook::done() const noexcept {
    return batch_.empty() && std::ranges::none_of(entries_, [](const auto& entry) { return entry->told; });
}

LeaseBook::Facts LeaseBook::facts() const noexcept {
    Facts facts = facts_;
    facts.limits = entries_.size();
    return facts;
}

}  // namespace loom::tenant

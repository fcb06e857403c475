#include "usage_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "asking.h"
#include "loom/base/clock.h"
#include "loom/base/crypto.h"

namespace loom::app {
namespace {

using store::MonthOfLoom;
using store::RedisReply;

constexpr uint64_t us_per_day = uint64_t{86'400} * 1'000'000;
constexpr uint64_t all_months_interval_ms = 3'600'000;  // older months change where a Loom comes back
constexpr size_t recent_months = 2;
constexpr uint64_t displaced_again_ms = 3'600'000;
constexpr uint64_t complete_rounds = 3;  // of the interval: what is older is told as not whole

store::UsageDay today() { return static_cast<store::UsageDay>(wall_us() / us_per_day); }

/// Newest first.
std::deque<std::string> shared_months() {
    std::deque<std::string> months;
    for (store::UsageDay day = store::usage_shared_since(today()); day <= today(); ++day)
        if (std::string month = store::usage_month(day); months.empty() || months.front() != month)
            months.push_front(std::move(month));
    return months;
}

}  // namespace

UsageExchange::UsageExchange(io::Shard& shard, upstream::RedisClient& client, store::UsageStore& usage,
                             std::string prefix, uint64_t interval_ms, Notice notice)
    : shard_(shard),
      client_(client),
      usage_(usage),
      prefix_(std::move(prefix)),
      start_(fmt::format("{:016x}", random_u64())),
      interval_ms_(interval_ms),
      notice_(std::move(notice)) {
    home_->shard = &shard;
    home_->exchange = this;
}

UsageExchange::~UsageExchange() {
    stop();
    round_.unlink();
    end_.unlink();
}

void UsageExchange::stop() noexcept {
    stopped_ = over_ = true;
    round_.disarm();
    end_.disarm();
    home_->exchange = nullptr;
    const std::lock_guard lock(home_->mutex);
    home_->shard = nullptr;
}

void UsageExchange::store_changed(bool up) noexcept {
    if (stopped_ || is_twin_) return;
    if (up && !running_) shard_.timers().arm(round_, 0);
    if (up) all_months_at_ms_ = 0;
}

void UsageExchange::on_round(io::Timer& timer) noexcept { static_cast<Round&>(timer).exchange.begin(); }

void UsageExchange::on_end(io::Timer& timer) noexcept {
    UsageExchange& exchange = static_cast<End&>(timer).exchange;
    if (exchange.over_) return;
    exchange.end_.disarm();
    exchange.notice_("it ends before all its sums are told: what is missing is told by its next start");
    exchange.over_ = true;
}

void UsageExchange::finish_telling(uint64_t timeout_ms) noexcept {
    if (last_ || over_) return;
    last_ = true;
    if (is_twin_ || stopped_) {
        over_ = true;
        return;
    }
    shard_.timers().arm(end_, timeout_ms);
    running_ = false;
    round_number_ += 1;  // what is under way is of no use any more
    begin();
}

template <class T>
store::UsageStore::Answer<T> UsageExchange::here(void (UsageExchange::*then)(T)) {
    return [home = home_, number = round_number_, then](std::expected<T, std::string> answer) {
        const std::lock_guard lock(home->mutex);
        if (home->shard == nullptr) return;
        home->shard->mailbox().post([home, number, then, answer = std::move(answer)]() mutable {
            UsageExchange* const exchange = home->exchange;
            if (exchange == nullptr || exchange->round_number_ != number) return;
            if (answer) return (exchange->*then)(std::move(*answer));
            exchange->tell(answer.error());
            exchange->finish(false);
        });
    };
}

void UsageExchange::ask(std::string command, void (UsageExchange::*then)(RedisReply)) {
    client_.ask(std::move(command), [this, number = round_number_, then](Result<RedisReply> reply) {
        if (stopped_ || round_number_ != number) return;
        if (!reply) return finish(false);  // the client has told
        (this->*then)(std::move(*reply));
    });
}

void UsageExchange::ask_script(std::function<std::string(bool)> command, void (UsageExchange::*then)(RedisReply)) {
    std::string by_name = command(false);
    client_.ask(std::move(by_name), [this, number = round_number_, then,
                                     command = std::move(command)](Result<RedisReply> reply) {
        if (stopped_ || round_number_ != number) return;
        if (!reply) return finish(false);
        const bool forgotten = reply->is_error() && store::redis_fault(reply->text) == store::RedisFault::no_script;
        if (forgotten) return ask(command(true), then);
        (this->*then)(std::move(*reply));
    });
}

void UsageExchange::tell(std::string text) {
    if (text == told_) return;
    told_ = text;
    notice_(std::move(text));
}

/// An error reply of one command ends the round; the next tries again.
bool UsageExchange::refused(const RedisReply& reply) {
    if (!reply.is_error()) return false;
    tell(fmt::format("sums are not shared: {} ({})", store::redis_fault_text(store::redis_fault(reply.text)),
                     store::redis_error_text(reply.text)));
    finish(false);
    return true;
}

void UsageExchange::begin() {
    if (stopped_ || is_twin_ || running_) return;
    if (!client_.up()) return last_ ? on_end(end_) : shard_.timers().arm(round_, interval_ms_);
    running_ = true;
    faulty_ = false;
    round_number_ += 1;
    began_wall_us_ = wall_us();
    months_.clear();
    behind_.clear();
    if (known_read_) return look_what_is_shipped();
    usage_.known_of_others(here(&UsageExchange::take_known));
}

void UsageExchange::take_known(std::vector<MonthOfLoom> known) {
    for (MonthOfLoom& one : known)
        known_[{std::move(one.loom), std::move(one.month)}] = {
            .generation = std::move(one.generation), .revision = one.revision, .kept = std::nullopt};
    known_read_ = true;
    look_what_is_shipped();
}

void UsageExchange::look_what_is_shipped() {
    ask(store::shipped_command(prefix_, usage_.loom_id()), &UsageExchange::take_shipped);
}

/// The store's word counts: one that has lost all knows nothing of this Loom, and is told everything again.
void UsageExchange::take_shipped(RedisReply reply) {
    if (refused(reply)) return;
    auto shipped = store::read_shipped(reply);
    if (!shipped) {
        tell(fmt::format("sums are not shared: {} ({}usage:loom:{}); delete that key", shipped.error().what, prefix_,
                         usage_.loom_id()));
        return finish(false);
    }
    if (!claimed_) return begin_shipping(std::move(*shipped));
    if (!*shipped) {
        claimed_ = false;
        return ship_from(0);
    }
    if ((*shipped)->start != start_) return take_displaced(**shipped);
    ship_from((*shipped)->revision);
}

/// Two processes, or a store that was brought back from a copy, which happens once and knows nothing newer. Nothing is
/// renumbered for it: two that outgrow each other would never end.
void UsageExchange::take_displaced(const store::ShippedUsage& shipped) {
    const uint64_t now_ms = shard_.timers().now_ms();
    const bool again = displaced_at_ms_ != 0 && now_ms - displaced_at_ms_ < displaced_again_ms;
    if (again || shipped.generation != own_generation_ || shipped.revision > own_revision_)
        return end_sharing(
            fmt::format("another Loom has this one's id ({}), since its state.directory is a copy of this one's or "
                        "this one's of its: this one tells and fetches no sums any more; stop both, give the copy "
                        "an empty state.directory, and start them again",
                        usage_.loom_id()));
    displaced_at_ms_ = std::max<uint64_t>(now_ms, 1);
    claimed_ = false;
    ship_from(shipped.revision);
}

void UsageExchange::begin_shipping(std::optional<store::ShippedUsage> shipped) {
    usage_.begin_shipping(std::move(shipped), here(&UsageExchange::take_start));
}

void UsageExchange::take_start(store::ShippingStart start) {
    if (start.absurd) {
        tell(
            fmt::format("sums are not shared: the store's number of this Loom is none that it can have come to; "
                        "delete the key {}usage:loom:{}",
                        prefix_, usage_.loom_id()));
        return finish(false);
    }
    if (start.anew)
        tell(
            "the store knows later sums of this Loom than usage.db has, which was brought back from a copy, lost some "
            "or was made anew: what it has is told anew");
    ship_from(start.after);
}

void UsageExchange::end_sharing(std::string why) {
    is_twin_ = true;
    tell(std::move(why));
    finish(false);
}

void UsageExchange::ship_from(uint64_t revision) {
    page_ = {};
    page_.last_revision = revision;
    usage_.changes_after(revision, here(&UsageExchange::take_changes));
}

void UsageExchange::take_changes(store::UsageChanges changes) {
    const uint64_t shipped = page_.last_revision;
    own_revision_ = changes.last_revision;
    own_generation_ = changes.generation;
    if (changes.rows.empty() && claimed_) {
        if (last_) return finish(true);
        return list_months(shipped);
    }
    const bool is_claim = changes.rows.empty();
    page_ = std::move(changes);
    if (is_claim) {
        page_.month = store::usage_month(today());
        page_.last_revision = shipped;
    }
    ask_script(
        [this](bool with_script) { return store::ship_command(prefix_, usage_.loom_id(), start_, page_, with_script); },
        &UsageExchange::took_page);
}

void UsageExchange::took_page(RedisReply reply) {
    if (refused(reply)) return;
    if (reply.type != RedisReply::Type::integer || reply.integer != 1) {
        tell(
            fmt::format("sums are not shared: {} Looms have told some of {} already; give each a state.directory "
                        "that outlives its process",
                        store::usage_month_looms, page_.month));
        return finish(false);
    }
    claimed_ = true;
    rows_shipped_ += page_.rows.size();
    ship_from(page_.rows.empty() ? page_.last_revision : page_.rows.back().revision);
}

/// All of them once an hour, when those too old to be told go.
void UsageExchange::list_months(uint64_t shipped) {
    months_ = shared_months();
    const uint64_t now_ms = shard_.timers().now_ms();
    if (now_ms < all_months_at_ms_) {
        months_.resize(std::min(months_.size(), recent_months));
        return list_next_month();
    }
    all_months_at_ms_ = now_ms + all_months_interval_ms;
    shipped_ = shipped;
    std::erase_if(known_, [this](const auto& one) { return one.first.second < months_.back(); });
    usage_.forget_others(store::usage_shared_since(today()), here(&UsageExchange::forgot));
}

void UsageExchange::forgot(bool) { usage_.counts_until(shipped_, here(&UsageExchange::take_counts)); }

/// Is what was shipped still there?
void UsageExchange::take_counts(std::vector<store::CountOfMonth> counts) {
    counts_ = std::move(counts);
    if (counts_.empty()) return list_next_month();
    ask_script(
        [this](bool with_script) { return store::count_command(prefix_, usage_.loom_id(), counts_, with_script); },
        &UsageExchange::take_counted);
}

void UsageExchange::take_counted(RedisReply reply) {
    if (refused(reply)) return;
    const auto month = store::month_with_holes(counts_, reply);
    if (!month) {
        tell(month.error().what);
        return finish(false);
    }
    if (month->empty()) return list_next_month();
    tell(fmt::format("the store has dropped sums of {}, which are told anew: it needs maxmemory-policy noeviction",
                     *month));
    ship_from(0);
}

void UsageExchange::list_next_month() {
    if (months_.empty()) return fetch_next();
    ask(store::month_command(prefix_, months_.front()), &UsageExchange::take_month);
}

void UsageExchange::take_month(RedisReply reply) {
    if (refused(reply)) return;
    auto looms = store::read_month(months_.front(), reply);
    if (!looms) {
        tell(looms.error().what);
        return finish(false);
    }
    if (2 * looms->size() != reply.items.size() || looms->size() > store::usage_month_looms) {
        tell(fmt::format("sums of some Looms in {} cannot be read and are not counted: do all Looms have one version?",
                         months_.front()));
        faulty_ = true;
        looms->resize(std::min(looms->size(), store::usage_month_looms));
    }
    months_.pop_front();
    for (MonthOfLoom& one : *looms) {
        if (one.loom == usage_.loom_id()) continue;
        const auto known = known_.find({one.loom, one.month});
        if (known == known_.end() && known_.size() + behind_.size() >= known_max) {
            tell(
                "sums of more Looms were told than can be; those that came last are not counted. Each start without a "
                "state.directory is another Loom");
            faulty_ = true;
            continue;
        }
        const bool is_known = known != known_.end() && known->second.generation == one.generation;
        if (is_known && known->second.kept) faulty_ = true;
        if (!is_known || known->second.revision < one.revision) behind_.push_back(std::move(one));
    }
    list_next_month();
}

void UsageExchange::fetch_next() {
    if (behind_.empty()) return finish(!faulty_);
    const MonthOfLoom& of = behind_.front();
    Known& known = fetching();
    if (known.generation != of.generation) known = {.generation = of.generation, .revision = 0, .kept = std::nullopt};
    since_ = known.revision;
    fetch_page();
}

void UsageExchange::fetch_page() {
    ask_script([this](bool with_script) { return store::fetch_command(prefix_, behind_.front(), since_, with_script); },
               &UsageExchange::take_fetched);
}

/// What was listed is what was told as a whole: rows behind it are left from another generation, or come with the next
/// round.
void UsageExchange::take_fetched(RedisReply reply) {
    if (refused(reply)) return;
    const MonthOfLoom& of = behind_.front();
    auto fetched = store::read_fetched(of.month, reply);
    if (!fetched) {
        tell(fetched.error().what);
        return finish(false);
    }
    Known& known = fetching();
    if (fetched->unreadable > 0) {
        tell(
            fmt::format("{} of another Loom's sums in {} cannot be read and are not counted: do all Looms have one "
                        "version?",
                        fetched->unreadable, of.month));
        if (!known.kept) known.kept = fetched->unreadable_at - 1;
        faulty_ = true;
    }
    if (fetched->whole && fetched->last_revision < of.revision && fetched->last_revision <= since_) {
        tell(
            fmt::format("sums of another Loom in {} are listed and not there: the store has dropped keys (it needs "
                        "maxmemory-policy noeviction); they are missing until that Loom tells them again",
                        of.month));
        faulty_ = true;
        behind_.pop_front();
        return fetch_next();
    }
    rows_fetched_ += fetched->rows.size();
    fetched_whole_ = fetched->whole || fetched->last_revision >= of.revision;
    since_ = std::min(fetched->last_revision, of.revision);
    MonthOfLoom page = of;
    page.revision = known.kept.value_or(since_);
    usage_.take_others(std::move(page), std::move(fetched->rows), here(&UsageExchange::kept_page));
}

void UsageExchange::kept_page(uint64_t left_out) {
    Known& known = fetching();
    if (left_out > 0) {
        tell(fmt::format("a Loom has told too many sums in {}: some are not counted", behind_.front().month));
        if (!known.kept) known.kept = known.revision;
        faulty_ = true;
    }
    known.revision = since_;
    if (!fetched_whole_) return fetch_page();
    if (since_ < behind_.front().revision) faulty_ = true;
    behind_.pop_front();
    fetch_next();
}

void UsageExchange::finish(bool whole) {
    running_ = false;
    round_number_ += 1;  // what is under way is of no use any more
    months_.clear();
    behind_.clear();
    page_ = {};
    if (stopped_) return;
    if (last_) {
        if (!whole) return on_end(end_);
        over_ = true;
        return end_.disarm();
    }
    if (is_twin_) return;
    if (whole) {
        whole_wall_us_ = began_wall_us_;
        whole_ms_ = shard_.timers().now_ms();
        told_.clear();
    }
    shard_.timers().arm(round_, jittered_ms(interval_ms_));
}

void UsageExchange::add_facts(observe::SharedStoreFacts& facts) const {
    facts.rows_shipped = rows_shipped_;
    facts.rows_fetched = rows_fetched_;
    std::set<std::string_view> looms;
    for (const auto& [of, known] : known_) looms.insert(of.first);
    facts.looms = looms.size() + 1;
    facts.told_until_s = whole_wall_us_ / 1'000'000;
    facts.complete =
        facts.up && whole_ms_ != 0 && shard_.timers().now_ms() - whole_ms_ <= complete_rounds * interval_ms_;
}

}  // namespace loom::app

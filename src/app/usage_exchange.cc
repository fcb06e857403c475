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
}

void UsageExchange::stop() noexcept {
    stopped_ = true;
    round_.disarm();
    home_->exchange = nullptr;
    const std::lock_guard lock(home_->mutex);
    home_->shard = nullptr;
}

void UsageExchange::store_changed(bool up) noexcept {
    if (stopped_) return;
    if (up && !running_) shard_.timers().arm(round_, 0);
    if (up) all_months_at_ms_ = 0;
}

void UsageExchange::on_round(io::Timer& timer) noexcept { static_cast<Round&>(timer).exchange.begin(); }

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
    if (stopped_ || running_) return;
    if (!client_.up()) return shard_.timers().arm(round_, interval_ms_);
    running_ = true;
    round_number_ += 1;
    began_wall_us_ = wall_us();
    if (known_read_) return look_what_is_shipped();
    usage_.known_of_others(here(&UsageExchange::take_known));
}

void UsageExchange::take_known(std::vector<MonthOfLoom> known) {
    for (MonthOfLoom& one : known) known_[{std::move(one.loom), std::move(one.month)}] = one.revision;
    known_read_ = true;
    look_what_is_shipped();
}

void UsageExchange::look_what_is_shipped() {
    ask(store::shipped_command(prefix_, usage_.loom_id()), &UsageExchange::take_shipped);
}

/// The store's word counts: one that has lost all knows nothing of this Loom, and is told everything again.
void UsageExchange::take_shipped(RedisReply reply) {
    if (refused(reply)) return;
    const auto shipped = store::read_shipped(reply);
    if (shipped && shipped->start != start_ && claimed_)
        tell(
            fmt::format("another Loom has this one's id ({}), most often by a copy of usage.db: both count as one, and "
                        "limits are theirs together twice; stop it, and move its usage.db away",
                        usage_.loom_id()));
    if (!shipped || shipped->start != start_) claimed_ = false;
    ship_from(shipped ? shipped->revision : 0);
}

void UsageExchange::ship_from(uint64_t revision) {
    page_ = {};
    page_.last_revision = revision;
    usage_.changes_after(revision, here(&UsageExchange::take_changes));
}

void UsageExchange::take_changes(store::UsageChanges changes) {
    const uint64_t shipped = page_.last_revision;
    if (changes.last_revision < shipped) {
        tell(
            fmt::format("the store knows later sums of this Loom than usage.db has, which was brought back from a "
                        "copy or lost some: what it has is told anew"));
        return usage_.outgrow(shipped, here(&UsageExchange::outgrown));
    }
    if (changes.rows.empty() && claimed_) {
        months_ = shared_months();
        const uint64_t now_ms = shard_.timers().now_ms();
        if (now_ms < all_months_at_ms_)
            months_.resize(std::min(months_.size(), recent_months));
        else
            all_months_at_ms_ = now_ms + all_months_interval_ms;
        return list_next_month();
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

void UsageExchange::outgrown(bool) { ship_from(0); }

void UsageExchange::took_page(RedisReply reply) {
    if (refused(reply)) return;
    claimed_ = true;
    rows_shipped_ += page_.rows.size();
    ship_from(page_.rows.empty() ? page_.last_revision : page_.rows.back().revision);
}

void UsageExchange::list_next_month() {
    if (months_.empty()) return fetch_next();
    ask(store::month_command(prefix_, months_.front()), &UsageExchange::take_month);
}

void UsageExchange::take_month(RedisReply reply) {
    if (refused(reply)) return;
    auto looms = store::read_month(months_.front(), reply);
    months_.pop_front();
    if (!looms) {
        tell(looms.error().what);
        return finish(false);
    }
    for (MonthOfLoom& one : *looms) {
        if (one.loom == usage_.loom_id()) continue;
        const auto known = known_.find({one.loom, one.month});
        if (known == known_.end() && known_.size() + behind_.size() >= known_max) {
            tell(
                "sums of more Looms were told than can be; those that came last are not counted. Each start without a "
                "state.directory is another Loom");
            continue;
        }
        if (known == known_.end() || known->second < one.revision) behind_.push_back(std::move(one));
    }
    list_next_month();
}

void UsageExchange::fetch_next() {
    if (behind_.empty()) return finish(true);
    fetching_ = behind_.front();
    const auto known = known_.find({fetching_.loom, fetching_.month});
    const uint64_t since = known == known_.end() ? 0 : known->second;
    ask_script([this, since](bool with_script) { return store::fetch_command(prefix_, fetching_, since, with_script); },
               &UsageExchange::take_fetched);
}

void UsageExchange::take_fetched(RedisReply reply) {
    if (refused(reply)) return;
    auto fetched = store::read_fetched(fetching_.month, reply);
    if (!fetched) {
        tell(fetched.error().what);
        return finish(false);
    }
    if (fetched->unreadable > 0)
        tell(
            fmt::format("{} of another Loom's sums in {} cannot be read and are not counted: do all Looms have one "
                        "version?",
                        fetched->unreadable, fetching_.month));
    rows_fetched_ += fetched->rows.size();
    fetched_whole_ = fetched->whole;
    if (!fetched_whole_ || fetched->last_revision > fetching_.revision) fetching_.revision = fetched->last_revision;
    usage_.take_others(fetching_, std::move(fetched->rows), here(&UsageExchange::kept_page));
}

void UsageExchange::kept_page(bool) {
    known_[{fetching_.loom, fetching_.month}] = fetching_.revision;
    if (fetched_whole_) behind_.pop_front();
    fetch_next();
}

void UsageExchange::finish(bool whole) {
    running_ = false;
    round_number_ += 1;  // what is under way is of no use any more
    months_.clear();
    behind_.clear();
    page_ = {};
    if (stopped_) return;
    if (whole) {
        whole_wall_us_ = began_wall_us_;
        whole_ms_ = shard_.timers().now_ms();
    }
    shard_.timers().arm(round_, jittered_ms(interval_ms_));
}

void UsageExchange::add_facts(observe::SharedStoreFacts& facts) const {
    facts.rows_shipped = rows_shipped_;
    facts.rows_fetched = rows_fetched_;
    std::set<std::string_view> looms;
    for (const auto& [of, revision] : known_) looms.insert(of.first);
    facts.looms = looms.size() + 1;
    facts.told_until_s = whole_wall_us_ / 1'000'000;
    facts.complete =
        facts.up && whole_ms_ != 0 && shard_.timers().now_ms() - whole_ms_ <= complete_rounds * interval_ms_;
}

}  // namespace loom::app

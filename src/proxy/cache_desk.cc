#include "cache_desk.h"

#include <algorithm>

#include "cache_visit.h"
#include "loom/base/clock.h"
#include "loom/base/crypto.h"
#include "loom/proxy/semantic_cache.h"

namespace loom::proxy {
namespace {

constexpr size_t buckets_of_step = 128;  // swept, or told of, in one turn of the loop

}  // namespace

CacheShards::CacheShards(uint32_t count) : CacheShards(count, random_u64()) {}

CacheShards::CacheShards(uint32_t count, uint64_t seed) : seed_(seed), places_(count) {}

CacheShards::~CacheShards() = default;

std::string CacheShards::purge(cache::Purge what) {
    {
        const std::lock_guard lock(mutex_);
        if (purges_.size() == purges_kept) purges_.erase(purges_.begin());
        const uint64_t number = last_purge_.load(std::memory_order_relaxed) + 1;
        purges_.push_back({number, std::move(what)});
        last_purge_.store(number, std::memory_order_release);
    }
    for (Place& place : places_)  // who is asked nothing frees it all the same
        place.mailbox->post([&place] {
            if (place.desk != nullptr) place.desk->take_purges();
        });
    if (semantic_ != nullptr) semantic_->wake();
    return on_purge_ ? on_purge_() : std::string();
}

void CacheShards::ask_piece(uint32_t shard, size_t at, OnPiece done) {
    Place& place = places_[shard];
    place.mailbox->post([&place, at, done = std::move(done)]() mutable {
        done(place.desk != nullptr ? place.desk->piece_at(at) : Piece());
    });
}

void CacheShards::restore(uint32_t shard, std::vector<cache::KeptAnswer> answers, uint64_t purges_seen,
                          OnRestored done) {
    Place& place = places_[shard];
    place.mailbox->post([&place, purges_seen, answers = std::move(answers), done = std::move(done)]() mutable {
        done(place.desk != nullptr ? place.desk->restore(std::move(answers), purges_seen) : Restored());
    });
}

void CacheShards::tell_left(const std::function<void(const cache::KeptAnswer&)>& tell) {
    const uint64_t now_ms = monotonic_ns() / 1'000'000;
    for (Place& place : places_) {
        if (place.left == nullptr) continue;
        if (last_purge() != place.left_purges_seen)
            for (cache::Purge& what : purges_since(place.left_purges_seen)) place.left->purge(std::move(what));
        size_t at = 0;
        do
            at = place.left->tell_piece(at, buckets_of_step, now_ms,
                                        [&tell](const cache::Key& key, const cache::AnswerPtr& answer, uint32_t asked) {
                                            tell({.key = key, .answer = answer, .asked = asked});
                                        });
        while (at != 0);
        place.left.reset();
    }
}

std::vector<cache::Purge> CacheShards::purges_since(uint64_t seen) {
    const std::lock_guard lock(mutex_);
    std::vector<cache::Purge> found;
    if (purges_.empty() || purges_.front().number > seen + 1) {
        found.emplace_back();
        return found;
    }
    for (const NumberedPurge& one : purges_)
        if (one.number > seen) found.push_back(one.what);
    return found;
}

CacheShards::Totals CacheShards::totals() const noexcept {
    Totals sum;
    for (const Place& place : places_) {
        sum.entries += place.entries.load(std::memory_order_relaxed);
        sum.bytes += place.bytes.load(std::memory_order_relaxed);
        sum.stored += place.stored.load(std::memory_order_relaxed);
        sum.evicted += place.evicted.load(std::memory_order_relaxed);
        sum.not_admitted += place.not_admitted.load(std::memory_order_relaxed);
        sum.expired += place.expired.load(std::memory_order_relaxed);
        sum.purged += place.purged.load(std::memory_order_relaxed);
    }
    return sum;
}

CacheDesk::CacheDesk(io::Shard& shard, observe::ShardMetrics& metrics, CacheShards& shards, uint32_t index)
    : shard_(shard), metrics_(metrics), shards_(shards), index_(index), purges_seen_(shards.last_purge()) {
    CacheShards::Place& place = shards_.places_[index];
    place.desk = this;
    place.open.store(true, std::memory_order_relaxed);
}

CacheDesk::~CacheDesk() {
    CacheShards::Place& place = shards_.places_[index_];
    place.open.store(false, std::memory_order_relaxed);
    place.desk = nullptr;
    if (shards_.keeps_left_) {
        place.left_purges_seen = purges_seen_;
        place.left = std::move(store_);
    }
    sweep_.unlink();
}

void CacheDesk::on_new_plan(const CachePlan* terms) {
    const auto count = static_cast<uint64_t>(shards_.places_.size());
    const uint64_t part = terms == nullptr ? 0 : terms->bytes_max / count;
    if (part == bytes_part_ && (store_ != nullptr) == (terms != nullptr)) return;
    bytes_part_ = part;
    if (store_ != nullptr) {
        store_->purge({});
        leaving_.push_back(std::move(store_));
        shard_.schedule_next_tick(sweep_);
    }
    if (terms != nullptr) store_ = std::make_unique<cache::ExactStore>(part);
    tell_counts();
}

CacheTicketPtr CacheDesk::begin(const cache::Key& key, std::string scope) const {
    auto ticket = std::make_shared<CacheTicket>();
    ticket->key = key;
    ticket->scope = std::move(scope);
    ticket->home = index_;
    ticket->purges_seen = shards_.last_purge();
    return ticket;
}

/// Here, or by letter: then `what` gets the owner's desk, if there still is one.
template <class Do>
void CacheDesk::at_owner(uint32_t owner, Do what) {
    if (owner == index_) return what(*this);
    CacheShards::Place& place = shards_.places_[owner];
    place.mailbox->post([&place, what = std::move(what)]() mutable {
        if (place.desk != nullptr) what(*place.desk);
    });
}

bool CacheDesk::ask(const CacheTicketPtr& ticket) {
    const uint32_t owner = shards_.owner_of(ticket->key);
    if (owner == index_) return serve(ticket);
    if (!shards_.places_[owner].open.load(std::memory_order_relaxed)) return true;  // a miss, which leads nobody
    at_owner(owner, [ticket](CacheDesk& desk) {
        if (desk.serve(ticket)) desk.send_home(ticket);
    });
    return false;
}

void CacheDesk::put(const CacheTicketPtr& ticket, cache::AnswerPtr answer) {
    at_owner(shards_.owner_of(ticket->key),
             [ticket, answer = std::move(answer)](CacheDesk& desk) mutable { desk.keep(ticket, std::move(answer)); });
}

void CacheDesk::give_up(const CacheTicketPtr& ticket) {
    at_owner(shards_.owner_of(ticket->key), [ticket](CacheDesk& desk) { desk.end_flight(ticket, nullptr); });
}

void CacheDesk::share(const CacheTicketPtr& ticket, LikeAnswer like) {
    at_owner(shards_.owner_of(ticket->key), [ticket, like = std::move(like)](CacheDesk& desk) {
        desk.take_purges();
        const bool is_purged = ticket->purges_seen != desk.purges_seen_;
        desk.end_flight(ticket, nullptr, is_purged ? LikeAnswer{} : like);
    });
}

void CacheDesk::take_purges() {
    if (shards_.last_purge() == purges_seen_) return;
    const uint64_t last = shards_.last_purge();
    for (cache::Purge& what : shards_.purges_since(purges_seen_))
        if (store_ != nullptr) store_->purge(std::move(what));
    purges_seen_ = last;
    shard_.schedule_next_tick(sweep_);
}

CacheShards::Piece CacheDesk::piece_at(size_t at) {
    take_purges();
    CacheShards::Piece piece;
    piece.is_there = store_ != nullptr;
    if (store_ == nullptr) return piece;
    piece.next = store_->tell_piece(at, buckets_of_step, shard_.timers().now_ms(),
                                    [&piece](const cache::Key& key, const cache::AnswerPtr& answer, uint32_t asked) {
                                        piece.answers.push_back({.key = key, .answer = answer, .asked = asked});
                                    });
    return piece;
}

CacheShards::Restored CacheDesk::restore(std::vector<cache::KeptAnswer> answers, uint64_t purges_seen) {
    take_purges();
    CacheShards::Restored done;
    done.is_there = store_ != nullptr;
    if (store_ == nullptr) return done;
    std::vector<cache::Purge> purges;
    if (purges_seen != purges_seen_) purges = shards_.purges_since(purges_seen);
    for (cache::KeptAnswer& one : answers) {
        const bool is_purged =
            std::ranges::any_of(purges, [&one](const cache::Purge& what) { return what.meets(one.key, *one.answer); });
        done.purged += is_purged ? 1 : 0;
        if (!is_purged && store_->restore(one.key, std::move(one.answer), one.asked)) done.kept += 1;
    }
    tell_counts();
    return done;
}

/// As its owner. False: it waits for another one's answer, or no store is there to ask.
bool CacheDesk::serve(const CacheTicketPtr& ticket) {
    take_purges();
    if (store_ == nullptr) return true;
    const uint64_t now_ms = shard_.timers().now_ms();
    ticket->found = store_->find(ticket->key, ticket->scope, now_ms);
    tell_counts();
    if (ticket->found != nullptr && now_ms < ticket->found->fresh_until_ms) return true;
    if (!ticket->joins) return true;
    if (const auto flight = flights_.find(ticket->key); flight != flights_.end()) {
        if (flight->second.followers.size() >= followers_max) return true;
        flight->second.followers.push_back(ticket);
        return false;
    }
    if (flights_.size() >= flights_max) return true;
    flights_.emplace(ticket->key, Flight{.leader = ticket, .followers = {}});
    ticket->leads = true;
    return true;
}

void CacheDesk::keep(const CacheTicketPtr& ticket, cache::AnswerPtr answer) {
    take_purges();
    const bool is_purged = ticket->purges_seen != purges_seen_;
    if (store_ != nullptr && !is_purged) {
        store_->put(ticket->key, answer);
        tell_counts();
    }
    end_flight(ticket, is_purged ? nullptr : answer);
}

void CacheDesk::end_flight(const CacheTicketPtr& leader, const cache::AnswerPtr& answer, const LikeAnswer& like) {
    const auto found = flights_.find(leader->key);
    if (found == flights_.end() || found->second.leader != leader) return;
    const Flight flight = std::move(found->second);
    flights_.erase(found);
    for (const CacheTicketPtr& one : flight.followers) {
        if (answer != nullptr && one->scope == answer->scope) {
            one->found = answer;
            one->is_joined = true;
        }
        if (like.answer != nullptr && one->like_scope == like.scope) one->like = like;
        send_home(one);
    }
}

void CacheDesk::send_home(const CacheTicketPtr& ticket) {
    CacheShards::Place& home = shards_.places_[ticket->home];
    const auto arrive = [ticket, &home] {
        if (ticket->visit != nullptr) return ticket->visit->on_answer();
        if (ticket->leads && home.desk != nullptr) home.desk->give_up(ticket);  // it has not waited for this
    };
    if (ticket->home == index_) return arrive();
    home.mailbox->post(arrive);
}

void CacheDesk::on_sweep(io::Runnable& work) noexcept {
    CacheDesk& desk = static_cast<Sweep&>(work).desk;
    const uint64_t now_ms = desk.shard_.timers().now_ms();
    bool more = desk.store_ != nullptr && desk.store_->sweep(buckets_of_step, now_ms);
    if (!desk.leaving_.empty()) {
        if (!desk.leaving_.back()->sweep(buckets_of_step, now_ms)) desk.leaving_.pop_back();
        more |= !desk.leaving_.empty();
    }
    desk.tell_counts();
    if (more) desk.shard_.schedule_next_tick(work);
}

void CacheDesk::tell_counts() noexcept {
    const cache::StoreCounts counts = store_ != nullptr ? store_->counts() : cache::StoreCounts{};
    CacheShards::Place& place = shards_.places_[index_];
    const auto tell = [](std::atomic<uint64_t>& to, uint64_t value) { to.store(value, std::memory_order_relaxed); };
    tell(place.entries, counts.entries);
    tell(place.bytes, counts.bytes);
    tell(place.stored, counts.stored);
    tell(place.evicted, counts.evicted);
    tell(place.not_admitted, counts.not_admitted);
    tell(place.expired, counts.expired);
    tell(place.purged, counts.purged);
    metrics_.cache_entries.set(counts.entries);
    metrics_.cache_bytes.set(counts.bytes);
}

}  // namespace loom::proxy

#include "loom/proxy/semantic_cache.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "loom/base/clock.h"
#include "loom/proxy/embedding_plan.h"

namespace loom::proxy {
namespace {

constexpr std::chrono::seconds expiry_interval{1};
constexpr float rounding = 1e-5f;  // the same text is not always quite 1

constexpr uint64_t us_per_ms = 1'000;
constexpr uint64_t ns_per_us = 1'000;

uint64_t now_ms() noexcept { return monotonic_ns() / (us_per_ms * ns_per_us); }

size_t bytes_of(const SemanticPut& put) noexcept {
    const size_t vector_bytes = put.vector != nullptr ? put.vector->size() * sizeof(float) : 0;
    return put.entry.text.capacity() + put.entry.scope.capacity() + cache::entry_bytes(*put.entry.answer) +
           vector_bytes + sizeof put;
}

uint64_t embedder_of(const SemanticPlan* terms) noexcept {
    return terms != nullptr && terms->embedding != nullptr ? terms->embedding->identity : 0;
}

}  // namespace

SemanticCache::SemanticCache(CacheShards& shards, std::unique_ptr<const cache::Embedder> embedder) noexcept
    : shards_(shards), embedder_(std::move(embedder)) {}

SemanticCache::~SemanticCache() { stop(); }

void SemanticCache::set_terms(std::shared_ptr<const SemanticPlan> terms) {
    if (terms == nullptr && !thread_.joinable()) return;
    asks_provider_.store(embedder_of(terms.get()) != 0, std::memory_order_relaxed);
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        new_terms_ = std::move(terms);
    }
    something_.notify_one();
    if (thread_.joinable()) return;
    if (embedder_ == nullptr) embedder_ = cache::make_lexical_embedder();
    // Signals are the main thread's.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    {
        const std::lock_guard lock(mutex_);
        running_ = true;
    }
    thread_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void SemanticCache::stop() noexcept {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    something_.notify_one();
    if (thread_.joinable()) thread_.join();
}

bool SemanticCache::ask(SemanticTicketPtr ticket) {
    {
        const std::lock_guard lock(mutex_);
        // Where the line is so long that it would come up too late, nobody is made to wait for that.
        const bool in_time = questions_.size() * step_us_ < wait_ms_max * us_per_ms / 2;
        if (!stopping_ && in_time && questions_.size() < questions_max) {
            questions_.push_back(std::move(ticket));
            ticket = nullptr;
        }
    }
    if (ticket != nullptr) {
        note_late();
        return false;
    }
    something_.notify_one();
    return true;
}

void SemanticCache::put(SemanticPut put) {
    const size_t bytes = bytes_of(put);
    bool taken = false;
    {
        const std::lock_guard lock(mutex_);
        const bool has_room = puts_.empty() || (puts_.size() < puts_max && put_bytes_ + bytes <= put_bytes_max);
        taken = !stopping_ && has_room;
        if (taken) {
            put_bytes_ += bytes;
            puts_.push_back(std::move(put));
        }
    }
    if (taken)
        something_.notify_one();
    else
        put_dropped_.fetch_add(1, std::memory_order_relaxed);
}

void SemanticCache::wake() noexcept {
    {
        const std::lock_guard lock(mutex_);
        purge_waits_ = true;
    }
    something_.notify_one();
}

/// Terms first, so that nothing is answered by those that are over; questions before what is to be kept, since somebody
/// waits for them, but not for ever.
SemanticCache::Work SemanticCache::wait_for_work(uint64_t step_us) {
    Work work;
    std::unique_lock lock(mutex_);
    step_us_ = step_us;
    something_.wait_for(lock, expiry_interval, [this] {
        return stopping_ || new_terms_ || purge_waits_ || !questions_.empty() || !puts_.empty() || !jobs_.empty();
    });
    purge_waits_ = false;
    work.stops = stopping_;
    if (new_terms_) {
        work.has_terms = true;
        work.terms = std::move(*new_terms_);
        new_terms_.reset();
        return work;
    }
    const bool has_others = !puts_.empty() || !jobs_.empty();
    if (!questions_.empty() && (!has_others || questions_in_row_ < questions_per_put)) {
        questions_in_row_ = has_others ? questions_in_row_ + 1 : 0;
        work.question = std::move(questions_.front());
        questions_.pop_front();
    } else if (!jobs_.empty()) {  // one at a time: whoever has asked gives the next when it has heard of the last
        questions_in_row_ = 0;
        work.job = std::move(jobs_.front());
        jobs_.pop_front();
    } else if (!puts_.empty()) {
        questions_in_row_ = 0;
        work.put = std::move(puts_.front());
        puts_.pop_front();
        put_bytes_ -= bytes_of(*work.put);
    }
    return work;
}

void SemanticCache::run() {
    pthread_setname_np(pthread_self(), "loom-semantic");
    uint64_t step_us = 0;
    for (;;) {
        Work work = wait_for_work(step_us);
        if (work.stops) return keeps_left_ ? keep_left(std::move(work)) : void();
        const bool is_step = work.question != nullptr || work.put;
        const uint64_t begun_ns = monotonic_ns();
        do_work(work);
        tell_counts();
        if (is_step) step_us = (7 * step_us + (monotonic_ns() - begun_ns) / ns_per_us) / 8;
    }
}

void SemanticCache::do_work(Work& work) {
    if (work.has_terms) take_terms(std::move(work.terms));
    take_purges();
    const uint64_t now = now_ms();
    expire(now);
    if (work.question != nullptr) {
        const bool is_late = now >= work.question->asked_ms + wait_ms_max;
        if (is_late || work.question->is_forgotten.load(std::memory_order_relaxed)) return;  // nobody waits for it
        answer(*work.question, now);
        send_home(std::move(work.question));
    } else if (work.put) {
        keep(std::move(*work.put), now);
    } else if (work.job) {
        work.job();
    }
}

/// What waits, at the end, when nobody asks any more.
void SemanticCache::keep_left(Work first) {
    const uint64_t end_ms = now_ms() + rest_ms_max;
    first.question = nullptr;
    first.job = nullptr;
    do_work(first);
    while (now_ms() < end_ms) {
        Work next;
        {
            const std::lock_guard lock(mutex_);
            if (puts_.empty()) break;
            next.put = std::move(puts_.front());
            puts_.pop_front();
        }
        do_work(next);
    }
    tell_counts();
}

void SemanticCache::give_job(std::move_only_function<void()> job) {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_ || !running_) return;
        jobs_.push_back(std::move(job));
    }
    something_.notify_one();
}

void SemanticCache::ask_piece(cache::SemanticIndex::Cursor at, OnPiece done) {
    give_job([this, at, done = std::move(done)]() mutable { done(piece_at(at)); });
}

void SemanticCache::restore(cache::EmbedderMark embedder, std::vector<cache::KeptEntry> entries, uint64_t purges_seen,
                            OnRestored done) {
    give_job([this, embedder = std::move(embedder), entries = std::move(entries), purges_seen,
              done = std::move(done)]() mutable { done(take_back(embedder, std::move(entries), purges_seen)); });
}

SemanticCache::Piece SemanticCache::piece_at(cache::SemanticIndex::Cursor at) {
    take_purges();
    Piece piece;
    piece.is_there = terms_ != nullptr;
    if (terms_ == nullptr) return piece;
    piece.embedder = mark();
    if (index_ == nullptr) return piece;
    piece.next = at;
    piece.has_more = index_->tell_piece(
        piece.next, entries_of_piece, now_ms(),
        [&piece](const cache::Key& partition, const cache::SemanticEntry& entry, std::span<const float> vector) {
            piece.entries.push_back({.partition = partition, .entry = entry, .vector = {vector.begin(), vector.end()}});
        });
    return piece;
}

/// Who makes vectors now. A model in the process is known by what it makes of some texts, whatever its file is called.
const cache::EmbedderMark& SemanticCache::mark() {
    constexpr std::string_view texts[] = {"How do I reset my password?", "The quick brown fox jumps over the lazy dog.",
                                          "Translate this contract into German, please."};
    if (embedder_in_force() != 0)
        mark_ = {.identity = embedder_in_force(), .dimensions = static_cast<uint32_t>(dimensions_), .probe = {}};
    else if (mark_.identity != 0 || mark_.probe.empty())
        mark_ = {.identity = 0, .dimensions = static_cast<uint32_t>(embedder_->dimensions()), .probe = {}};
    if (mark_.identity != 0 || !mark_.probe.empty()) return mark_;
    for (const std::string_view text : texts) {
        std::vector<float> vector(mark_.dimensions);
        embedder_->embed(text, vector);
        mark_.probe.insert(mark_.probe.end(), vector.begin(), vector.end());
    }
    return mark_;
}

SemanticCache::Restored SemanticCache::take_back(const cache::EmbedderMark& embedder,
                                                 std::vector<cache::KeptEntry> entries, uint64_t purges_seen) {
    Restored done{.is_there = terms_ != nullptr};
    if (terms_ == nullptr) return done;
    done.is_other_embedder = !mark().is_like(embedder);
    if (done.is_other_embedder) return done;
    std::vector<cache::Purge> purges;
    if (purges_seen != purges_seen_) purges = shards_.purges_since(purges_seen);
    const uint64_t now = now_ms();
    for (cache::KeptEntry& one : entries) {
        const bool is_purged = std::ranges::any_of(
            purges, [&one](const cache::Purge& what) { return what.meets(one.entry.key, *one.entry.answer); });
        const uint64_t age_ms = one.entry.answer->age_ms(now);
        const uint64_t good_ms = terms_->ttl_ms - std::min(terms_->ttl_ms, age_ms);
        one.entry.fresh_until_ms = std::min(one.entry.fresh_until_ms, now + good_ms);
        const bool is_over = one.entry.fresh_until_ms <= now;
        done.purged += is_purged ? 1 : 0;
        done.over += !is_purged && is_over ? 1 : 0;
        if (is_purged || is_over) continue;
        if (index_ == nullptr) begin_index(one.vector.size());
        if (one.vector.size() != dimensions_ || index_->has(one.partition, one.entry.key)) continue;
        const uint64_t stored_before = index_->counts().stored;
        index_->put(one.partition, std::move(one.entry), one.vector, now);
        done.kept += static_cast<uint32_t>(index_->counts().stored - stored_before);
    }
    return done;
}

/// However much there is to do.
void SemanticCache::expire(uint64_t now_ms) {
    constexpr uint64_t interval_ms = std::chrono::milliseconds(expiry_interval).count();
    if (index_ == nullptr || now_ms - expired_ms_ < interval_ms) return;
    expired_ms_ = now_ms;
    index_->expire(now_ms);
}

void SemanticCache::take_terms(std::shared_ptr<const SemanticPlan> terms) {
    const bool stays = terms != nullptr && terms_ != nullptr && terms->bytes_max == terms_->bytes_max &&
                       terms->ttl_ms == terms_->ttl_ms && embedder_of(terms.get()) == embedder_in_force();
    terms_ = std::move(terms);
    if (stays) return;
    index_.reset();
    // How long a provider's vectors are, the first one tells.
    if (terms_ != nullptr && embedder_in_force() == 0) begin_index(embedder_->dimensions());
}

uint64_t SemanticCache::embedder_in_force() const noexcept { return embedder_of(terms_.get()); }

void SemanticCache::begin_index(size_t dimensions) {
    dimensions_ = dimensions;
    newest_ms_ = 0;
    index_ = std::make_unique<cache::SemanticIndex>(cache::SemanticIndex::Options{
        .dimensions = dimensions, .bytes_max = terms_->bytes_max, .ttl_ms = terms_->ttl_ms});
}

void SemanticCache::take_purges() {
    const uint64_t last = shards_.last_purge();
    if (last == purges_seen_) return;
    for (const cache::Purge& what : shards_.purges_since(purges_seen_))
        if (index_ != nullptr) index_->purge(what);
    purges_seen_ = last;
}

/// Null: there is nothing in the text that could be compared, or its vector is another embedder's than the one in
/// force.
cache::VectorPtr SemanticCache::vector_of(std::string_view text, const cache::VectorPtr& given,
                                          uint64_t embedder) const {
    if (terms_ == nullptr || embedder != embedder_in_force()) return nullptr;
    if (given != nullptr || embedder != 0) return given;
    auto made = std::make_shared<std::vector<float>>(embedder_->dimensions());
    embedder_->embed(text, *made);
    const bool says_nothing = std::ranges::all_of(*made, [](float one) { return one == 0; });
    return says_nothing ? nullptr : made;
}

void SemanticCache::answer(SemanticTicket& ticket, uint64_t now_ms) {
    ticket.vector = vector_of(ticket.text, ticket.vector, ticket.embedder);
    if (ticket.vector == nullptr) return;
    lookups_.add();
    if (index_ == nullptr || ticket.vector->size() != dimensions_) return;
    const auto hits = index_->nearest(ticket.partition, ticket.scope, *ticket.vector, now_ms, ticket.stored_from_ms);
    if (hits.empty()) return;
    const float nearest = std::clamp(hits.front().similarity, 0.0f, 1.0f);
    nearest_.record(observe::similarity_bounds, static_cast<uint64_t>(std::lround(nearest * 1000)));
    for (const cache::SemanticHit& hit : hits) {
        if (hit.similarity + rounding < ticket.similarity_min) return;
        const cache::VetoReason reason = cache::veto(ticket.text, hit.entry->text);
        if (reason != cache::VetoReason::none) {
            vetoes_[static_cast<size_t>(reason)].add();
            continue;
        }
        if (terms_->only_counts) return would_hit_.add();
        ticket.found = hit.entry->answer;
        ticket.found_key = hit.entry->key;
        ticket.similarity = std::min(hit.similarity, 1.0f);
        return;
    }
}

void SemanticCache::send_home(SemanticTicketPtr ticket) {
    CacheShards::Place& home = shards_.places_[ticket->home];
    home.mailbox->post([ticket = std::move(ticket)] {
        if (ticket->asker != nullptr) ticket->asker->on_semantic_answer();
    });
}

void SemanticCache::keep(SemanticPut put, uint64_t now_ms) {
    if (put.purges_seen != purges_seen_) return;
    const cache::VectorPtr vector = vector_of(put.entry.text, put.vector, put.embedder);
    if (vector == nullptr) return;
    // A provider that answers vectors of another length under the same name has another model there. One of before,
    // that a shard still knew or that has waited for its answer, does not bring the old one back.
    const bool is_other = index_ != nullptr && vector->size() != dimensions_;
    if (is_other && put.made_ms <= newest_ms_) return;
    if (index_ == nullptr || is_other) begin_index(vector->size());
    newest_ms_ = std::max(newest_ms_, put.made_ms);
    put.entry.fresh_until_ms = std::min(put.entry.fresh_until_ms, now_ms + terms_->ttl_ms);
    index_->put(put.partition, std::move(put.entry), *vector, now_ms);
}

void SemanticCache::tell_counts() noexcept {
    const cache::SemanticCounts counts = index_ != nullptr ? index_->counts() : cache::SemanticCounts{};
    entries_.set(static_cast<int64_t>(counts.entries));
    bytes_.set(static_cast<int64_t>(counts.bytes));
    stored_.set(static_cast<int64_t>(counts.stored));
    evicted_.set(static_cast<int64_t>(counts.evicted));
    expired_.set(static_cast<int64_t>(counts.expired));
    purged_.set(static_cast<int64_t>(counts.purged));
    too_large_.set(static_cast<int64_t>(counts.too_large));
}

SemanticCache::Totals SemanticCache::totals() const noexcept {
    const auto value = [](const Gauge& gauge) { return static_cast<uint64_t>(gauge.value()); };
    return {.entries = value(entries_),
            .bytes = value(bytes_),
            .stored = value(stored_),
            .evicted = value(evicted_),
            .expired = value(expired_),
            .purged = value(purged_),
            .too_large = value(too_large_)};
}

observe::SemanticCacheFacts SemanticCache::facts() const {
    const Totals sums = totals();
    observe::SemanticCacheFacts facts{.entries = sums.entries,
                                      .bytes = sums.bytes,
                                      .lookups = lookups_.value(),
                                      .late = late_.load(std::memory_order_relaxed),
                                      .would_hit = would_hit_.value(),
                                      .put_dropped = put_dropped_.load(std::memory_order_relaxed)};
    for (size_t i = 0; i < facts.nearest.size(); ++i) facts.nearest[i] = nearest_.bucket(i);
    facts.nearest_sum = nearest_.sum();
    for (size_t i = 1; i < vetoes_.size(); ++i)
        facts.vetoes.push_back(
            {.reason = cache::veto_reason_name(static_cast<cache::VetoReason>(i)), .count = vetoes_[i].value()});
    constexpr std::array<std::string_view, embedding_result_count> results = {
        "known", "joined", "answered", "late", "refused", "unusable", "failed", "resting", "busy", "barred"};
    if (asks_provider_.load(std::memory_order_relaxed))
        for (size_t i = 0; i < results.size(); ++i)
            facts.embeddings.push_back({results[i], embeddings_[i].load(std::memory_order_relaxed)});
    return facts;
}

}  // namespace loom::proxy

// Answers to nearly the same requests: their index, on a thread of its own, which any shard asks and fills by message.
//
// What is too much for it is a miss: a question that finds the line full, or that nobody waits for any more when it
// comes up, is not looked at. No shard ever searches, or waits for who does.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "loom/base/histogram.h"
#include "loom/base/money.h"
#include "loom/cache/embedder.h"
#include "loom/cache/semantic_index.h"
#include "loom/cache/veto.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/cache_shards.h"
#include "loom/proxy/plan.h"

namespace loom::proxy {

/// Who has asked, on its own shard.
class SemanticAsker {
  public:
    virtual void on_semantic_answer() noexcept = 0;
    /// What its text's vector has cost, where a provider has made it for this one.
    virtual void on_embedding_cost(Money) noexcept {}

  protected:
    ~SemanticAsker() = default;
};

/// One question, shared by who asks and the thread that answers. What the thread writes is the asker's when it has come
/// home.
struct SemanticTicket {
    cache::Key partition;  // of the request without its last text
    std::string scope;
    std::string text;
    uint64_t embedder = 0;  // EmbeddingPlan::identity of who has made its vector; 0: the thread does
    float similarity_min = 1;
    uint64_t stored_from_ms = 0;  // older answers will not do
    uint32_t home = 0;            // the asker's shard
    uint64_t asked_ms = 0;
    std::atomic<bool> is_forgotten = false;  // the asker's: nobody waits for it, so it need not be looked at
    cache::VectorPtr vector;                 // null: the thread makes it, and then it is the asker's
    // the thread's, then the asker's
    cache::AnswerPtr found;
    cache::Key found_key;  // of the request that it is the answer to
    float similarity = 0;
    // of the asker's shard alone
    SemanticAsker* asker = nullptr;  // null: nobody waits for it any more
};
using SemanticTicketPtr = std::shared_ptr<SemanticTicket>;

/// An answer that is to be found by its question.
struct SemanticPut {
    cache::Key partition;
    cache::SemanticEntry entry;
    uint64_t embedder = 0;     // as the ticket's
    cache::VectorPtr vector;   // null: the thread makes it
    uint64_t made_ms = 0;      // when a provider had made it: one of another length counts only if it is the newest
    uint64_t purges_seen = 0;  // when its request began: what was purged meanwhile is not kept
};

/// What becomes of a text whose vector a request wants of a provider.
enum class EmbeddingResult : uint8_t {
    known,     // of an equal text before
    joined,    // an equal text was on its way
    answered,  // the provider has made it, in time
    late,      // it was not there in time
    refused,   // the provider's answer is an error
    unusable,  // … or holds no such vector
    failed,    // there was none, or no way to ask
    resting,   // it was not asked: it has failed of late
    busy,      // … or as many texts were on their way as may be
    barred,    // … or the text must not go there
};
inline constexpr size_t embedding_result_count = 10;

/// One for the process. It is stopped when the shards have ended, and outlives them.
class SemanticCache {
  public:
    /// embedder  that makes vectors where no provider does; null: texts are compared by their words.
    SemanticCache(CacheShards& shards, std::unique_ptr<const cache::Embedder> embedder) noexcept;
    ~SemanticCache();  // stop()
    SemanticCache(const SemanticCache&) = delete;

    /// Of the main thread. terms  null: nothing is kept any more, and nothing found. The same size and time keep what
    /// there is. The thread begins with the first terms.
    void set_terms(std::shared_ptr<const SemanticPlan> terms);
    /// Questions are not taken any more, and the thread is at its end.
    void stop() noexcept;
    /// Before its thread begins: what waits to be kept when it stops is kept still, as far as rest_ms_max reaches.
    void keep_what_is_left() noexcept { keeps_left_ = true; }

    // Any thread.
    /// False: no answer follows. Else ticket->asker's does, on its shard, unless it has been taken out.
    [[nodiscard]] bool ask(SemanticTicketPtr ticket);
    /// Not kept where there is no room in the line, where it was purged, or where there is nothing in its text. It is
    /// found for the time in force at most, whatever was in force when its request came.
    void put(SemanticPut put);
    /// There is a purge, which it is to take now (CacheShards::purge).
    void wake() noexcept;
    void note_late() noexcept { late_.fetch_add(1, std::memory_order_relaxed); }
    void note_embedding(EmbeddingResult result) noexcept {
        embeddings_[static_cast<size_t>(result)].fetch_add(1, std::memory_order_relaxed);
    }

    struct Totals {
        uint64_t entries = 0, bytes = 0, stored = 0, evicted = 0, expired = 0, purged = 0, too_large = 0;
    };
    /// As the thread has told last.
    [[nodiscard]] Totals totals() const noexcept;
    /// For the exposition.
    [[nodiscard]] observe::SemanticCacheFacts facts() const;

    // For who keeps what is there over a restart; on a thread that is no shard's.
    struct Piece {
        bool is_there = false;  // something is kept
        cache::EmbedderMark embedder;
        std::vector<cache::KeptEntry> entries;
        bool has_more = false;
        cache::SemanticIndex::Cursor next;  // where to go on
    };
    using OnPiece = std::move_only_function<void(Piece)>;
    /// A part of what is there; done is called on the index's thread, between questions, or destroyed uncalled where
    /// that has not begun, or is over.
    void ask_piece(cache::SemanticIndex::Cursor at, OnPiece done);
    /// The same at once, when it has been stopped.
    [[nodiscard]] Piece piece_at(cache::SemanticIndex::Cursor at);
    struct Restored {
        bool is_there = false;           // something is kept
        bool is_other_embedder = false;  // than the one in force: nothing of it is
        uint32_t kept = 0;
        uint32_t purged = 0;  // since they were read
        uint32_t over = 0;    // by the time to live in force
    };
    using OnRestored = std::move_only_function<void(Restored)>;
    /// Likewise. What has come since stays in their place.
    /// embedder     that has made their vectors.
    /// purges_seen  CacheShards::last_purge() when they were read, or before.
    void restore(cache::EmbedderMark embedder, std::vector<cache::KeptEntry> entries, uint64_t purges_seen,
                 OnRestored done);

    static constexpr uint64_t wait_ms_max = 100;              // for an answer; later it is a miss
    static constexpr size_t text_bytes_max = 8 * 1024;        // of a question
    static constexpr size_t questions_max = 512;              // that wait; fewer where answers take long
    static constexpr size_t puts_max = 1024;                  // that wait
    static constexpr size_t put_bytes_max = size_t{8} << 20;  // of their texts and answers; a larger one waits alone
    static constexpr size_t questions_per_put = 4;            // that go before one that is to be kept
    static constexpr size_t entries_of_piece = 32;            // looked at between two questions
    static constexpr uint64_t rest_ms_max = 500;              // for what waits to be kept at the end
    /// What all that wait take, and what is being kept.
    /// entry_bytes  the largest answer's.      vector_bytes  a text's.
    [[nodiscard]] static constexpr uint64_t line_bytes_max(uint64_t entry_bytes, uint64_t vector_bytes = 0) noexcept {
        return put_bytes_max + questions_max * (2 * text_bytes_max + vector_bytes) + 2 * entry_bytes;
    }

  private:
    /// What the thread is to do next.
    struct Work {
        bool stops = false;
        bool has_terms = false;  // others than before
        std::shared_ptr<const SemanticPlan> terms;
        SemanticTicketPtr question;
        std::optional<SemanticPut> put;
        std::move_only_function<void()> job;
    };
    void run();
    void keep_left(Work first);
    void give_job(std::move_only_function<void()> job);
    [[nodiscard]] const cache::EmbedderMark& mark();
    [[nodiscard]] Restored take_back(const cache::EmbedderMark& embedder, std::vector<cache::KeptEntry> entries,
                                     uint64_t purges_seen);
    [[nodiscard]] Work wait_for_work(uint64_t step_us);
    void do_work(Work& work);
    void expire(uint64_t now_ms);
    void take_terms(std::shared_ptr<const SemanticPlan> terms);
    void take_purges();
    void answer(SemanticTicket& ticket, uint64_t now_ms);
    void send_home(SemanticTicketPtr ticket);
    void keep(SemanticPut put, uint64_t now_ms);
    [[nodiscard]] uint64_t embedder_in_force() const noexcept;
    [[nodiscard]] cache::VectorPtr vector_of(std::string_view text, const cache::VectorPtr& given,
                                             uint64_t embedder) const;
    void begin_index(size_t dimensions);
    void tell_counts() noexcept;

    CacheShards& shards_;
    std::unique_ptr<const cache::Embedder> embedder_;  // there before the thread begins

    std::mutex mutex_;
    std::condition_variable something_;
    std::deque<SemanticTicketPtr> questions_;
    uint64_t step_us_ = 0;  // that a question or an answer to be kept has taken of late
    std::deque<SemanticPut> puts_;
    size_t put_bytes_ = 0;
    std::deque<std::move_only_function<void()>> jobs_;
    size_t questions_in_row_ = 0;  // taken while something else was to be done
    std::optional<std::shared_ptr<const SemanticPlan>> new_terms_;
    bool purge_waits_ = false;
    bool stopping_ = false;
    bool running_ = false;  // the thread has begun
    bool keeps_left_ = false;
    std::thread thread_;

    // Of the thread alone.
    std::shared_ptr<const SemanticPlan> terms_;
    std::unique_ptr<cache::SemanticIndex> index_;
    size_t dimensions_ = 0;     // of index_
    cache::EmbedderMark mark_;  // of who makes its vectors, by terms_; of no dimensions until somebody asks
    uint64_t newest_ms_ = 0;    // SemanticPut::made_ms of the newest vector that has come into it
    uint64_t expired_ms_ = 0;   // when it was last looked for what is over
    uint64_t purges_seen_ = 0;

    // Written by the thread, read by anyone.
    Gauge entries_, bytes_, stored_, evicted_, expired_, purged_, too_large_;
    Counter lookups_, would_hit_;
    std::array<Counter, cache::veto_reason_count> vetoes_;
    BoundedHistogram<observe::similarity_bound_count> nearest_;
    // Written by shards too.
    std::atomic<uint64_t> late_{0}, put_dropped_{0};
    std::array<std::atomic<uint64_t>, embedding_result_count> embeddings_{};
    std::atomic<bool> asks_provider_{false};  // by the terms in force
};

}  // namespace loom::proxy

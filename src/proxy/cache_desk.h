// A shard's part of the cache: the entries that it owns, who asks for the same at once, and the way to the other
// shards' desks.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "loom/io/shard.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/cache_shards.h"
#include "loom/proxy/plan.h"

namespace loom::proxy {

class CacheVisit;

/// What was found for a request among the answers to nearly the same ones.
struct LikeAnswer {
    cache::AnswerPtr answer;  // null: nothing
    std::string scope;        // whose it is
    cache::Key key;           // of the request that it is the answer to
    float similarity = 0;
};

/// One question, shared by who asks and who owns the key. What the owner writes is the asker's when it has come home.
struct CacheTicket {
    cache::Key key;
    std::string scope;
    std::string like_scope;  // whose answers to nearly the same it may be given
    uint32_t home = 0;       // the asker's shard
    bool joins = false;      // it may wait for the same request that is under way
    // the owner's, then the asker's
    cache::AnswerPtr found;  // it may be stale
    bool leads = false;      // others may wait for this one: put() or give_up() is owed
    bool is_joined = false;  // it has waited, and found what another one has asked for
    LikeAnswer like;         // … or what that one was given, which is the answer to nearly the same
    // of the asker's shard alone
    CacheVisit* visit = nullptr;  // null: nobody waits for it any more
    uint64_t purges_seen = 0;     // when it began
};
using CacheTicketPtr = std::shared_ptr<CacheTicket>;

class CacheDesk {
  public:
    CacheDesk(io::Shard& shard, observe::ShardMetrics& metrics, CacheShards& shards, uint32_t index);
    ~CacheDesk();
    CacheDesk(const CacheDesk&) = delete;

    /// terms  null: nothing is kept any more. The same size keeps what there is.
    void on_new_plan(const CachePlan* terms);
    [[nodiscard]] uint64_t seed() const noexcept { return shards_.seed(); }
    [[nodiscard]] uint32_t index() const noexcept { return index_; }
    /// Who knows answers to nearly the same; null: nobody.
    [[nodiscard]] SemanticCache* semantic() const noexcept { return shards_.semantic(); }
    [[nodiscard]] CacheTicketPtr begin(const cache::Key& key, std::string scope) const;

    /// True: the answer is in the ticket. False: visit->on_answer() follows, unless the owner is gone.
    [[nodiscard]] bool ask(const CacheTicketPtr& ticket);
    /// The answer to the ticket's question. Not kept where it was purged meanwhile.
    void put(const CacheTicketPtr& ticket, cache::AnswerPtr answer);
    /// The ticket's question was answered with this: who waits for it gets the same. It is not kept.
    void share(const CacheTicketPtr& ticket, LikeAnswer like);
    /// There will be none from this one: who waits for it goes on alone.
    void give_up(const CacheTicketPtr& ticket);

    /// Of what this shard owns (CacheShards::ask_piece, restore).
    [[nodiscard]] CacheShards::Piece piece_at(size_t at);
    [[nodiscard]] CacheShards::Restored restore(std::vector<cache::KeptAnswer> answers, uint64_t purges_seen);

    static constexpr uint64_t answer_ms_max = 250;  // that another shard takes; later it is a miss
    static constexpr size_t flights_max = 4096;     // requests that others wait for, or could
    static constexpr size_t followers_max = 1024;   // of one

  private:
    struct Flight {
        CacheTicketPtr leader;
        std::vector<CacheTicketPtr> followers;
    };
    struct KeyHash {
        size_t operator()(const cache::Key& key) const noexcept { return key.low; }
    };
    struct Sweep : io::Runnable {
        explicit Sweep(CacheDesk& d) : Runnable(&CacheDesk::on_sweep), desk(d) {}
        CacheDesk& desk;
    };
    static void on_sweep(io::Runnable& work) noexcept;

    template <class Do>
    void at_owner(uint32_t owner, Do what);
    void take_purges();
    [[nodiscard]] bool serve(const CacheTicketPtr& ticket);
    void keep(const CacheTicketPtr& ticket, cache::AnswerPtr answer);
    void end_flight(const CacheTicketPtr& leader, const cache::AnswerPtr& answer, const LikeAnswer& like = {});
    void send_home(const CacheTicketPtr& ticket);
    void tell_counts() noexcept;

    friend class CacheShards;
    io::Shard& shard_;
    observe::ShardMetrics& metrics_;
    CacheShards& shards_;
    const uint32_t index_;
    uint64_t bytes_part_ = 0;
    std::unique_ptr<cache::ExactStore> store_;
    std::vector<std::unique_ptr<cache::ExactStore>> leaving_;  // freed in steps
    std::unordered_map<cache::Key, Flight, KeyHash> flights_;
    uint64_t purges_seen_ = 0;
    Sweep sweep_{*this};
};

}  // namespace loom::proxy

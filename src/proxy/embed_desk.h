// Where a shard has texts made into vectors by a provider (semantic_cache.embedding.provider), for requests that wait
// for it, and for no longer than their conf says.
//
// It asks on the shard itself, as IntrospectionDesk does and for the same reasons: a client waits. Its connections are
// its own, so that an embedder that hangs holds none of those that answers come over. Everything is bounded: texts on
// their way, their time, answers, and the table of vectors that are known. A provider that fails again and again rests.
#pragma once

#include <cstring>
#include <list>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loom/base/crypto.h"
#include "loom/base/list.h"
#include "loom/base/money.h"
#include "loom/base/owner_slots.h"
#include "loom/io/shard.h"
#include "loom/proxy/embedding_plan.h"
#include "loom/proxy/rate_limit_plan.h"
#include "loom/proxy/semantic_cache.h"

namespace loom::proxy {

class Services;

/// Who pays for a vector, as the ledger knows it. Views, for the call.
struct EmbedPayer {
    std::string_view consumer, team, project, tenant, tier, route;
    OwnerSlots owners;
    RateLimitPlan::Budgets budgets{};  // that it is under
};

struct Embedded {
    cache::VectorPtr vector;  // null: there is none, or not in time
    uint64_t made_ms = 0;     // by the shard's clock
    Money cost = 0;           // for who asked; 0: nothing, another pays, or no price is known
};

struct EmbedWaiterTag;
/// Who waits for a vector. Its end takes it out of the line; the provider is asked to the end all the same, and the
/// budgets of who asked hear of what that has cost.
class EmbedWaiter : public ListLink<EmbedWaiterTag> {
  public:
    virtual ~EmbedWaiter() = default;
    /// Once, within EmbeddingPlan::timeout_ms; inside ask() where it turns out there that nothing can be sent.
    virtual void on_embedded(const Embedded& embedded) noexcept = 0;

  private:
    friend class EmbedDesk;
    bool pays_ = false;  // it asked, and did not join another
};

/// Lives on one shard and is used from its loop alone.
class EmbedDesk {
  public:
    EmbedDesk(Services& services, net::NameService& names);
    ~EmbedDesk();  // idle() first, where it was asked
    EmbedDesk(const EmbedDesk&) = delete;

    /// Where nothing changes of who is asked and how, all stays: connections, a rest, what is known. Else what the
    /// provider of the plan before is asked is answered still, and nothing more is asked of it.
    void on_new_plan(const Plan& plan);

    struct Asked {
        cache::VectorPtr vector;  // it is known; null: `waiter` is in the line and hears of it, or there is none
        uint64_t made_ms = 0;     // when that was answered, by the shard's clock
    };
    /// Equal texts of one scope that are asked for at once are asked for once; so is one that is late, as long as its
    /// call runs: there is no vector then.
    /// terms  of the plan that the request began with; where another one is in force, there is no vector.
    /// scope  whose texts these are: what is known of another's is never told.
    [[nodiscard]] Asked ask(const EmbeddingPlan& terms, SemanticCache& counts, std::string_view scope,
                            std::string_view text, const EmbedPayer& payer, EmbedWaiter& waiter);

    /// Ends what runs: nobody waits any more.
    void close() noexcept;
    [[nodiscard]] bool idle() noexcept;

    static constexpr size_t jobs_max = 32;                      // texts on their way
    static constexpr size_t answer_bytes_beside = 8 * 1024;     // of an answer, beside its numbers
    static constexpr size_t number_bytes_max = 32;              // each on a line of its own, and indented
    static constexpr size_t known_bytes_max = size_t{4} << 20;  // of vectors that are known
    static constexpr uint64_t refusal_kept_ms = 60'000;         // that a text is not asked for which was refused
    static constexpr uint32_t failures_max = 3;                 // in a row; then it rests
    static constexpr uint32_t refusals_max = 3;                 // of texts in a row; from then on they are failures
    static constexpr uint64_t rest_ms_min = 1'000, rest_ms_max = 30'000, told_rest_ms_max = 60'000;

  private:
    class Source;
    /// By the hash of whose it is and of the text; what was wanted last stays longest.
    class Known {
      public:
        struct Entry {
            Sha256 key{};
            cache::VectorPtr vector;         // null: the provider does not take this text
            uint64_t made_ms = 0;            // when it was answered
            uint64_t until_ms = UINT64_MAX;  // of one that is not taken
        };
        [[nodiscard]] const Entry* find(const Sha256& key, uint64_t now_ms);
        void put(const Sha256& key, Entry entry);
        void clear() noexcept;

      private:
        struct KeyHash {
            size_t operator()(const Sha256& key) const noexcept {
                size_t first;
                std::memcpy(&first, key.data(), sizeof first);
                return first;
            }
        };
        [[nodiscard]] static size_t bytes_of(const Entry& entry) noexcept;
        void drop(std::list<Entry>::iterator entry) noexcept;
        std::list<Entry> entries_;  // newest first
        std::unordered_map<Sha256, std::list<Entry>::iterator, KeyHash> places_;
        size_t bytes_ = 0;
    };
    void learn(const Sha256& key, cache::VectorPtr vector);
    void sweep() noexcept;

    Services& services_;
    net::NameService& names_;
    Known known_;
    size_t dimensions_ = 0;                         // of those that are known
    std::unique_ptr<Source> source_;                // null: nobody is asked
    std::vector<std::unique_ptr<Source>> leaving_;  // of plans before
    bool closed_ = false;
};

}  // namespace loom::proxy

// This Loom's sums told to others through the shared store, and theirs fetched, in rounds: what has changed since is
// shipped, then what others have changed is fetched, page by page. Beside the requests, and without a wait: the store
// is asked over the loop, usage.db on its own thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "loom/io/shard.h"
#include "loom/observe/metrics.h"
#include "loom/store/usage_store.h"
#include "loom/upstream/redis_client.h"

namespace loom::app {

class UsageExchange {
  public:
    /// prefix  key_prefix.   notice  a line for the log.   All but `prefix` outlive this.
    using Notice = std::function<void(std::string)>;
    UsageExchange(io::Shard& shard, upstream::RedisClient& client, store::UsageStore& usage, std::string prefix,
                  uint64_t interval_ms, Notice notice);
    ~UsageExchange();
    UsageExchange(const UsageExchange&) = delete;

    /// The store answers again, or does not any more.
    void store_changed(bool up) noexcept;
    void stop() noexcept;
    void add_facts(observe::SharedStoreFacts& facts) const;

    static constexpr size_t known_max = 20'000;  // Looms and their months, each for each

  private:
    /// What an answer of the ledger's thread finds the exchange by, empty once it has gone.
    struct Home {
        std::mutex mutex;
        io::Shard* shard = nullptr;         // under the mutex
        UsageExchange* exchange = nullptr;  // of the shard's thread
    };
    struct Round : io::Timer {
        explicit Round(UsageExchange& e) : Timer(&UsageExchange::on_round), exchange(e) {}
        UsageExchange& exchange;
    };
    static void on_round(io::Timer& timer) noexcept;
    /// `then` of an answer of the round at hand; one of a round before is passed over.
    template <class T>
    [[nodiscard]] store::UsageStore::Answer<T> here(void (UsageExchange::*then)(T));
    void ask(std::string command, void (UsageExchange::*then)(store::RedisReply));
    /// With the script's text where the store has forgotten it.
    void ask_script(std::function<std::string(bool)> command, void (UsageExchange::*then)(store::RedisReply));

    void begin();
    void take_known(std::vector<store::MonthOfLoom> known);
    void look_what_is_shipped();
    void take_shipped(store::RedisReply reply);
    void ship_from(uint64_t revision);
    void take_changes(store::UsageChanges changes);
    void took_page(store::RedisReply reply);
    void outgrown(bool);
    void list_next_month();
    void take_month(store::RedisReply reply);
    void fetch_next();
    void take_fetched(store::RedisReply reply);
    void kept_page(bool);
    void finish(bool whole);
    [[nodiscard]] bool refused(const store::RedisReply& reply);
    void tell(std::string text);

    io::Shard& shard_;
    upstream::RedisClient& client_;
    store::UsageStore& usage_;
    std::string prefix_;
    std::string start_;  // a name for this process
    uint64_t interval_ms_;
    Notice notice_;
    std::shared_ptr<Home> home_ = std::make_shared<Home>();
    Round round_{*this};
    uint64_t round_number_ = 0;
    bool running_ = false;
    bool stopped_ = false;
    bool known_read_ = false;
    bool claimed_ = false;  // the store knows this start of the Loom
    uint64_t all_months_at_ms_ = 0;
    store::UsageChanges page_;               // being shipped
    std::deque<std::string> months_;         // to be listed
    std::deque<store::MonthOfLoom> behind_;  // to be fetched
    store::MonthOfLoom fetching_;            // with the revision that was listed
    bool fetched_whole_ = false;
    std::map<std::pair<std::string, std::string>, uint64_t> known_;  // loom and month → how far it is known
    std::string told_;
    uint64_t rows_shipped_ = 0;
    uint64_t rows_fetched_ = 0;
    uint64_t whole_wall_us_ = 0;  // when the last whole round began
    uint64_t began_wall_us_ = 0;
    uint64_t whole_ms_ = 0;
};

}  // namespace loom::app

// This Loom's sums told to others through the shared store, and theirs fetched, in rounds: what has changed since is
// shipped, then what others have changed is fetched, page by page. Beside the requests, and without a wait: the store
// is asked over the loop, usage.db on its own thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
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
    static constexpr size_t known_max = 20'000;   // Looms and their months, each for each
    static constexpr uint64_t known_bytes = 256;  // of each
    UsageExchange(const UsageExchange&) = delete;

    /// The store answers again, or does not any more.
    void store_changed(bool up) noexcept;
    /// One last round, of what is to be told alone; then told_all(). At the latest when a command's time is over.
    void finish_telling(uint64_t timeout_ms) noexcept;
    [[nodiscard]] bool told_all() const noexcept { return over_; }
    void stop() noexcept;
    void add_facts(observe::SharedStoreFacts& facts) const;

  private:
    /// What an answer of the ledger's thread finds the exchange by, empty once it has gone.
    struct Home {
        std::mutex mutex;
        io::Shard* shard = nullptr;         // under the mutex
        UsageExchange* exchange = nullptr;  // of the shard's thread
    };
    struct End : io::Timer {
        explicit End(UsageExchange& e) : Timer(&UsageExchange::on_end), exchange(e) {}
        UsageExchange& exchange;
    };
    struct Round : io::Timer {
        explicit Round(UsageExchange& e) : Timer(&UsageExchange::on_round), exchange(e) {}
        UsageExchange& exchange;
    };
    static void on_end(io::Timer& timer) noexcept;
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
    /// Another process has told under this one's id since this one did.
    void take_displaced(const store::ShippedUsage& shipped);
    void begin_shipping(std::optional<store::ShippedUsage> shipped);
    void take_start(store::ShippingStart start);
    void end_sharing(std::string why);
    void ship_from(uint64_t revision);
    void take_changes(store::UsageChanges changes);
    void took_page(store::RedisReply reply);
    void list_months(uint64_t shipped);
    void forgot(bool);
    void take_counts(std::vector<store::CountOfMonth> counts);
    void take_counted(store::RedisReply reply);
    void list_next_month();
    void take_month(store::RedisReply reply);
    void fetch_next();
    void fetch_page();
    void take_fetched(store::RedisReply reply);
    void kept_page(uint64_t left_out);
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
    End end_{*this};
    uint64_t round_number_ = 0;
    bool running_ = false;
    bool stopped_ = false;
    bool known_read_ = false;
    bool claimed_ = false;  // the store knows this start of the Loom
    bool is_twin_ = false;  // another Loom has this one's id: nothing is told any more
    bool last_ = false;     // the round is the last one
    bool over_ = false;     // and has ended
    bool faulty_ = false;   // something of this round is not as it should be
    uint64_t displaced_at_ms_ = 0;
    uint64_t own_revision_ = 0;  // the last of usage.db, as it was seen
    std::string own_generation_;
    uint64_t all_months_at_ms_ = 0;
    store::UsageChanges page_;  // being shipped
    uint64_t shipped_ = 0;      // all up to here
    std::vector<store::CountOfMonth> counts_;
    std::deque<std::string> months_;         // to be listed
    std::deque<store::MonthOfLoom> behind_;  // to be fetched
    uint64_t since_ = 0;                     // of the first of these: fetched so far
    bool fetched_whole_ = false;
    /// How far a Loom's month is known.
    struct Known {
        std::string generation;
        uint64_t revision = 0;
        std::optional<uint64_t> kept;  // where rows behind it are missing: the next start begins there
    };
    using OfLoom = std::pair<std::string, std::string>;  // and the month
    [[nodiscard]] Known& fetching() { return known_[{behind_.front().loom, behind_.front().month}]; }
    std::map<OfLoom, Known> known_;
    std::string told_;
    uint64_t rows_shipped_ = 0;
    uint64_t rows_fetched_ = 0;
    uint64_t whole_wall_us_ = 0;  // when the last whole round began
    uint64_t began_wall_us_ = 0;
    uint64_t whole_ms_ = 0;
};

}  // namespace loom::app

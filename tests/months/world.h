// A Loom's ledger, budgets and limits through more than a year, on a calendar that a test turns: the real meters, logs,
// segments, sums and what restores them, without sockets. Requests come in bursts and over borders of days, weeks and
// months, streams outgrow what was held, the process is killed with a write half done, and comes back by what is on the
// disk. model.h says what must be there.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "../sim/random.h"
#include "../sim/sim_ring.h"
#include "loom/store/ledger_log.h"
#include "loom/store/usage_store.h"
#include "loom/tenant/budget.h"
#include "loom/tenant/limit.h"
#include "model.h"

namespace loom::months {

struct WorldResult {
    std::vector<std::string> complaints;  // the first few; none: all is as it must be
    uint64_t requests = 0, refused = 0, attempts = 0, extensions = 0, stopped = 0, overdrawn = 0;
    uint64_t kills = 0, restarts = 0, reloads = 0, lost = 0, torn = 0, checks = 0;
    uint64_t over_midnight = 0;  // settled in another day than they were admitted in
    int days = 0;
};

class World {
  public:
    /// requests  about so many, over `days` days from the middle of December 2023.
    World(uint64_t seed, uint64_t requests, int days);
    ~World();
    [[nodiscard]] WorldResult run();

  private:
    static constexpr size_t shard_count = 2;

    struct Owner {
        std::string consumer, team, tenant;
        [[nodiscard]] std::string team_key() const { return tenant.empty() ? team : tenant + "/" + team; }
    };
    struct ModelMeters {
        ModelMeter tokens, money;
    };
    struct BudgetPair {
        tenant::Budget real;
        std::shared_ptr<ModelMeters> model;
    };
    /// As a plan has them; requests keep the one that they began with.
    struct Config {
        std::list<BudgetPair> budgets;
        std::vector<std::vector<BudgetPair*>> of_owner;
    };
    /// What counts of a window, told by the clock alone.
    struct Taken {
        uint64_t ms, units, flight;
    };
    struct Window {
        tenant::Limit limit;
        std::deque<Taken> taken;
    };
    struct ModelHolds {
        ModelMeter::Hold tokens, money;
    };
    struct Flight {
        uint64_t number = 0;
        size_t owner = 0, shard = 0;
        std::shared_ptr<Config> config;
        tenant::BudgetHolds holds;
        std::vector<ModelHolds> model_holds;
        tenant::Admission admission;
        uint64_t attempt_id = 0, first_id = 0;
        std::string model, provider;
        int64_t price_in = -1, price_out = -1;  // of the attempt at hand
        uint64_t input = 0, expected_output = 0, output = 0, target = 0;
        uint64_t held_tokens = 0;
        uint64_t spent_tokens = 0;  // of attempts before
        int64_t spent_cost = 0;
        int64_t begun_s = 0;
    };
    struct Written {
        ModelLedger::Attempt attempt;
        Booked booked;
        bool settled = false, intent_there = false;
    };
    struct Shard {
        sim::SimShard sim;
        std::unique_ptr<store::LedgerLog> log;
    };

    // One start of Loom.
    void begin_life();
    void end_life(bool killed);
    void kill();
    void restart();
    std::string copy_as_killed();
    void tear_writes(const std::string& directory);

    // Time.
    void pass_time();
    [[nodiscard]] int64_t wall_s() const { return start_s_ + at_s_ + skew_s_; }
    [[nodiscard]] uint64_t now_ms() const { return 1'000'000 + static_cast<uint64_t>(at_s_) * 1'000; }

    // What is configured.
    std::shared_ptr<Config> draw_config();
    tenant::BudgetTerms draw_terms(uint64_t of_day);
    void reload();
    std::shared_ptr<ModelMeters> model_meters(LimitScope scope, const std::string& name);
    void draw_leases();

    // Requests.
    void begin_request();
    [[nodiscard]] bool admit_by_rate(Flight& flight);
    [[nodiscard]] bool hold_budgets(Flight& flight, int64_t cost);
    void begin_attempt(Flight& flight);
    void go_on(std::list<Flight>::iterator flight);
    [[nodiscard]] bool extend(Flight& flight);
    [[nodiscard]] bool extend_budgets(Flight& flight, uint64_t tokens);
    void extend_rate(Flight& flight);
    void fail_over(Flight& flight);
    void finish(std::list<Flight>::iterator flight, bool stopped);
    void settle_attempt(Flight& flight, tenant::LedgerExit exit, uint64_t input, uint64_t output, int64_t cost);
    void leave_rate(Flight& flight, uint64_t used);

    // The disk.
    void write_some(size_t shard);
    void drain();
    void note_written(std::string_view bytes);

    // The judge.
    void check_budgets(const Config& config, const char* when);
    void check_pair(const BudgetPair& pair, const char* when);
    void check_sums();
    void check_groups(store::UsageDimension by, const char* name, int64_t from, int64_t to,
                      const std::string* consumer);
    void check_projection();
    void check_window(Window& window, const char* when);
    void age_segments();
    void complain(std::string what);

    sim::Random random_;
    Calendar calendar_;
    uint64_t requests_max_;
    int64_t start_s_, end_s_;
    int64_t at_s_ = 0, skew_s_ = 0;
    bool shared_;  // budgets are under leases

    std::vector<Owner> owners_;
    std::string directory_;
    std::unique_ptr<store::UsageStore> store_;
    std::vector<std::unique_ptr<Shard>> shards_;
    std::unique_ptr<tenant::BudgetTable> table_;
    std::map<std::string, std::weak_ptr<ModelMeters>> model_rows_;
    std::shared_ptr<Config> config_;
    std::vector<Window> windows_;  // by owner
    std::list<Flight> flights_;
    std::unordered_map<uint64_t, Written> written_;  // attempts of this life, until their settlement is there
    ModelLedger ledger_;
    uint64_t flight_number_ = 0;
    int life_ = 0;
    WorldResult result_;
};

}  // namespace loom::months

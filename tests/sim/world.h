// The whole proxy on a ring, a network and a clock made of memory, with clients and upstreams around it: one seed, one
// run, and what must be true of every run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client.h"
#include "loom/observe/access_log.h"
#include "loom/observe/metrics.h"
#include "scraper.h"
#include "sim_proxy.h"
#include "upstream_host.h"

namespace loom::sim {

struct WorldOptions {
    uint64_t seed = 1;
    size_t client_count = 8;
    size_t cases_per_client = 20;
    size_t ahead_max = 0;  // requests that a client sends before their turn
    SimProxyOptions proxy;
    uint32_t reload = 0;           // per mille, of a turn
    uint32_t upstream_closes = 0;  // per mille, of an idle connection
    uint32_t wall_jumps = 0;       // per mille, of a turn: somebody sets the wall's clock
    bool scraped = false;
    uint64_t drain_after_turns = UINT64_MAX;
    bool log = true;
    Faults faults;
    Temper temper;
};

/// For whoever replays a seed.
[[nodiscard]] std::string describe(const WorldOptions& options);

/// Everything of a run drawn from its seed: kind ones and unkind ones.
[[nodiscard]] WorldOptions draw_world(uint64_t seed);

struct WorldResult {
    std::vector<std::string> complaints;  // none: the run was as it must be
    uint64_t exchange_count = 0;
    uint64_t hedge_count = 0;  // of them, asked of two providers
    uint64_t completion_count = 0;
    uint64_t turn_count = 0;
    uint64_t fingerprint = 0;  // of what every client saw: the same seed gives the same
};

class World final : CaseBook {
  public:
    explicit World(const WorldOptions& options);
    ~World();
    World(const World&) = delete;

    /// Asks this instead of cases of its own drawing: each inner list is a client.
    void script(std::vector<std::vector<Case>> clients);
    [[nodiscard]] WorldResult run();
    [[nodiscard]] const Case& judged(size_t number) const noexcept { return *cases_[number]; }

  private:
    Case* find(std::string_view id) override;
    void complain(const std::string& what) override;
    [[nodiscard]] bool wall_showed(uint64_t first_us, uint64_t last_us, uint64_t from_ns,
                                   uint64_t to_ns) const override {
        return proxy_->ring().wall().showed(first_us, last_us, from_ns, to_ns);
    }

    void draw_cases();
    void turn();
    [[nodiscard]] bool everyone_done() const;
    [[nodiscard]] uint64_t step_actors();
    void check_waits();
    void check_memory();
    void finish();
    void check_counts();
    void check_log(const std::string& log);
    void check_log_time(const Case& c, std::string_view line);
    [[nodiscard]] JudgeContext context() const noexcept;

    WorldOptions options_;
    Random random_;
    WorldResult result_;
    std::vector<std::unique_ptr<Case>> cases_;
    Network network_;
    observe::Metrics metrics_{1};
    int log_fd_ = -1;
    std::unique_ptr<observe::AccessLog> log_;
    UpstreamHost provider_;
    UpstreamHost web_;
    Scraper scraper_;
    std::unique_ptr<SimProxy> proxy_;
    std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace loom::sim

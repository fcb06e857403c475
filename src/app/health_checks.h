// Active health checks: each instance of a provider that the conf says so of is asked now and then, off the way of
// requests, for something that costs nothing. What comes of it is in the instance's row, where choosing looks.
//
// One that fails twice in a row gets no requests, until it does well again; its breaker is told too, which a check that
// does well helps to close. Between the two, a second passes, not an interval.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "asking.h"
#include "loom/io/shard.h"
#include "loom/net/resolver.h"
#include "loom/proxy/plan.h"
#include "loom/upstream/client.h"

namespace loom::app {

/// One instance, and how it is asked.
struct HealthTarget {
    std::string name;  // for the log: "openai", or "openai/2" of several instances
    std::shared_ptr<route::TargetState> row;
    std::shared_ptr<const route::ProviderControl> control;  // one that is disabled is not asked
    route::BreakerOptions breaker;
    upstream::ClientOptions client;
    std::string path;         // "/v1/models"
    Secret lines;             // who asks
    bool any_answer = false;  // there is nothing to ask for, or nobody to ask as: whoever answers at all is well
    bool by_conf = false;     // the path is the conf's: it is there, or something is wrong
    uint64_t interval_ms = 30'000;
};

/// Of a plan's instances.
[[nodiscard]] std::vector<HealthTarget> health_targets(const proxy::Plan& plan);
/// What asking one takes at worst, in bytes.
[[nodiscard]] uint64_t health_check_bytes_max();

/// What an answer says of who gave it: nothing where it is well, else a literal.
[[nodiscard]] const char* health_fault(const HealthTarget& target, const Result<upstream::ClientAnswer>& answer);

/// Lives on one shard and is used from its loop alone. An instance is never asked twice at once.
class HealthChecks {
  public:
    HealthChecks(io::Shard& shard, net::NameService& names);
    ~HealthChecks();  // idle() first
    HealthChecks(const HealthChecks&) = delete;

    /// In place of those before; what nobody checks any more is neither well nor unwell.
    void use(std::vector<HealthTarget> targets);
    /// Asks nothing any more.
    void stop() noexcept;
    [[nodiscard]] bool idle() noexcept;

    static constexpr uint32_t failures_max = 1;         // in a row, that change nothing
    static constexpr uint64_t confirmation_ms = 1'000;  // after the first failure
    static constexpr uint64_t first_within_ms = 1'000;  // of a start: not all at once

  private:
    class Probe;

    io::Shard& shard_;
    net::NameService& names_;
    Askers<Probe> probes_;
};

}  // namespace loom::app

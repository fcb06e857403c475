// The proxy of one shard, as app/shard_thread.cc would start it, on a network made of memory.
#pragma once

#include <memory>
#include <vector>

#include "loom/io/shard.h"
#include "loom/observe/access_log.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/listener.h"
#include "loom/proxy/services.h"
#include "network_ring.h"

namespace loom::sim {

/// Names of a network that is not there.
class SimNames final : public net::NameService {
  public:
    SimNames(Random& random, const Faults& faults) noexcept : random_(random), faults_(faults) {}
    void resolve(std::string host, uint16_t port, Done done) override;
    /// Answers what was asked, now or later. True when something was answered.
    bool step();
    [[nodiscard]] bool busy() const noexcept { return !questions_.empty(); }

  private:
    struct Question {
        uint16_t port;
        Done done;
    };
    Random& random_;
    const Faults& faults_;
    std::vector<Question> questions_;
};

struct SimProxyOptions {
    uint16_t buffer_count = 16;
    uint32_t buffer_bytes = 4096;
    bool incremental_buffers = false;
    uint32_t connections_max = 60'000;
    uint32_t stream_buffer_bytes = 64 * 1024;
    uint32_t keepalive_ms = 0;  // of the models' route; 0: drawn, and mostly none
    bool tls_clients = false;
    bool tls_upstreams = false;
    bool fails_over = false;      // a second provider has the model too, at the same place
    bool holds = false;           // and the start of a stream waits
    bool hedges = false;          // and is asked beside the first, where that is slow; only where it fails over
    bool limits_clients = false;  // by limits so wide that nobody is refused: what is taken comes home
};

/// With an admin listener, which has services of its own, as in the process.
/// Routes: /v1/* to the provider of the model `m`, or the echo of the model `echo`; /plain/* to a web server.
class SimProxy {
  public:
    static constexpr uint16_t provider_port = 8001;
    static constexpr uint16_t web_port = 8002;
    static constexpr uint64_t longest_wait_ns = 300'000'000'000;  // beyond every timeout of the plan together

    /// log  null for none.
    SimProxy(Network& network, const SimProxyOptions& options, observe::Metrics& metrics, observe::ShardAccessLog* log);

    /// One turn of the shard; the actors have nothing to do before `actors_next_ns`, or at once.
    void turn(uint64_t actors_next_ns);
    /// A plan like the last, and different, by the mailbox.
    void reload();
    void drain();
    [[nodiscard]] bool draining() const noexcept { return draining_; }
    /// The admin listener was not told to stop: whoever knocks there is answered whole.
    [[nodiscard]] bool admin_open() const noexcept { return admin_open_; }
    /// Everyone has gone: everything comes home, `one_turn` after the other, in the order of app's Server::drain. Who
    /// watches the drain sees it through, and is cut off at its end. False: something did not, and the process cannot
    /// go on.
    template <class Turn>
    [[nodiscard]] bool bring_home(Turn&& one_turn) {
        if (!draining_) drain();
        const uint64_t until_ns = ring().now_ns() + longest_wait_ns;
        while (services_->client_count() > 0 && ring().now_ns() < until_ns) one_turn();
        services_->close_all();
        const uint64_t home_until_ns = until_ns + longest_wait_ns;
        while (!clients_home() && ring().now_ns() < home_until_ns) one_turn();
        admin_open_ = false;
        admin_listener_->stop();
        admin_services_->begin_drain();
        admin_services_->close_all();
        while (!home() && ring().now_ns() < home_until_ns) one_turn();
        return home();
    }
    /// After bring_home: the shard ends. Returns what is left of its resources, in words; empty: nothing.
    [[nodiscard]] std::string close();

    [[nodiscard]] io::Shard& shard() noexcept { return shard_; }
    [[nodiscard]] NetworkRing& ring() noexcept { return *ring_; }
    [[nodiscard]] proxy::Services& services() noexcept { return *services_; }

  private:
    [[nodiscard]] bool clients_home() const noexcept { return listener_->stopped() && services_->idle(); }
    [[nodiscard]] bool home() const noexcept {
        return clients_home() && admin_listener_->stopped() && admin_services_->idle();
    }
    void open_admin();
    [[nodiscard]] std::shared_ptr<const proxy::Plan> make_plan();

    void add_failover(proxy::Plan& plan, route::CatalogueOptions& catalogue);
    void add_limits(proxy::Plan& plan);

    SimProxyOptions options_;
    route::TargetTable targets_;
    tenant::LimitTable limits_;
    std::vector<std::shared_ptr<tenant::LimitLevel>> limit_levels_;
    Random& random_;
    observe::Metrics& metrics_;
    io::Shard shard_;
    NetworkRing* ring_ = nullptr;
    SimNames names_;
    std::unique_ptr<proxy::Services> services_;
    std::unique_ptr<proxy::ProxyListener> listener_;
    std::unique_ptr<proxy::Services> admin_services_;
    std::unique_ptr<proxy::ProxyListener> admin_listener_;
    uint64_t generation_ = 0;
    bool draining_ = false;
    bool admin_open_ = true;
};

}  // namespace loom::sim

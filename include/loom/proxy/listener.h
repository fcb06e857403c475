// A listener of the proxy on one shard: sockets become client connections.
#pragma once

#include <memory>
#include <string>

#include "loom/net/listener.h"
#include "loom/net/tls_context.h"
#include "loom/proxy/plan.h"
#include "loom/proxy/services.h"

namespace loom::proxy {

/// What a connection must know of where it came in. Lives as long as the shard's services.
struct ListenerPlan {
    std::string name;
    LocalHandler local;                    // set: an admin listener, which answers everything itself
    bool discards = false;                 // nobody is there: see proxy/mirror.cc, and
    bool hedges = false;                   // proxy/hedge.cc
    std::shared_ptr<net::TlsContext> tls;  // set: https. This shard's alone; connections keep the one they began with
};

/// Accepts on `fd` (owned) for `services`, with back-pressure at the limit of connections.
class ProxyListener {
  public:
    ProxyListener(Services& services, ListenerPlan plan, int fd);
    ~ProxyListener() { LOOM_ASSERT(parked_.empty()); }
    ProxyListener(const ProxyListener&) = delete;
    void start() { listener_.start(); }
    void stop() {
        close_parked();
        listener_.stop();
    }
    [[nodiscard]] bool is_admin() const noexcept { return plan_.local != nullptr; }
    [[nodiscard]] bool stopped() const noexcept { return listener_.stopped(); }
    [[nodiscard]] const std::string& name() const noexcept { return plan_.name; }
    /// For handshakes from now on. A listener speaks TLS from its start or not at all.
    void set_tls(std::shared_ptr<net::TlsContext> context) {
        LOOM_ASSERT(plan_.tls != nullptr && context != nullptr);
        plan_.tls = std::move(context);
    }
    void set_ticket_keys(const net::TlsTicketKeys& keys) {
        if (plan_.tls != nullptr) plan_.tls->set_ticket_keys(keys);
    }
    /// There may be room again.
    void make_room();

  private:
    void on_accept(int client_fd);
    void close_parked() noexcept;

    Services& services_;
    ListenerPlan plan_;
    net::Listener listener_;
    std::vector<Arrival> parked_;  // accepted in the same go as the last that there was room for
};

}  // namespace loom::proxy

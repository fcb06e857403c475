// What is soaked: a Loom with a plain and a TLS listener, an upstream that always stands, one that flaps, one behind a
// plain route; and what an operator and fate do to them.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <string>

#include "../net/tls_certificates.h"
#include "../wire/fixture.h"
#include "ledger.h"

namespace loom::soak {

inline constexpr std::string_view steady_model = "gpt-4o";
inline constexpr std::string_view flapping_model = "flap-1";
inline constexpr std::string_view hasty_model = "hasty-1";  // the steady upstream, with short timeouts

/// Lines of access logs by status, counted while they are rotated away.
struct LogCount {
    uint64_t lines = 0;
    uint64_t malformed = 0;
    std::map<int, uint64_t> by_status;
};

class Site {
  public:
    Site(uint32_t shard_count, Ledger& ledger);
    ~Site();
    Site(const Site&) = delete;

    [[nodiscard]] uint16_t port() const { return loom_->port(); }
    [[nodiscard]] uint16_t tls_port() const { return tls_port_; }
    /// A context is of one thread.
    [[nodiscard]] std::unique_ptr<net::TlsContext> client_context() const;
    wire::LoomProcess& loom() { return *loom_; }
    [[nodiscard]] const FaultWindows& flaps() const { return flaps_; }

    /// The flapping upstream ends all its connections, in the middle of whatever it says, and refuses new ones.
    void stop_flapping();
    void restart_flapping();
    /// Another generation of the conf: header, limits and timeouts change.
    void reload(std::mt19937_64& random);
    /// Moves the access log away, has Loom open a new one, and counts the old one.
    void rotate_log();
    void scrape();
    /// Ends the upstreams: what is left of their connections in Loom has to go.
    void stop_upstreams();
    /// With what stands in the file now; once, at the end.
    [[nodiscard]] const LogCount& count_log();
    [[nodiscard]] uint64_t reload_count() const { return generation_; }

  private:
    void issue_certificate();
    void count_file(const std::string& path);

    Ledger& ledger_;
    FaultWindows flaps_;
    wire::ScriptedUpstream steady_;
    wire::ScriptedUpstream web_;
    std::unique_ptr<wire::ScriptedUpstream> flapping_;
    uint16_t flapping_port_ = 0;
    uint16_t tls_port_ = 0;
    net::test::Authority authority_;
    wire::Conf conf_;
    std::unique_ptr<wire::LoomProcess> loom_;
    LogCount log_count_;
    uint64_t generation_ = 0;
    std::string certificates_;  // the directory
};

}  // namespace loom::soak

// From the conf file's keys to what each folder takes: the one place that reads keys and fills Options.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anomaly_watch.h"
#include "loom/config/config.h"
#include "loom/io/shard.h"
#include "loom/net/listener.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/plan.h"
#include "loom/store/resource_register.h"
#include "loom/store/usage_store.h"
#include "loom/store/vault.h"
#include "shared_store.h"
#include "tls_files.h"

namespace loom::app {

/// A plan for the shards, its names given their slots in the metrics. The configuration has passed its checks; what
/// only shows here (two consumers with one key, a CA file that cannot be read) is returned as messages. What is known
/// of its providers is found again in `targets`, what was taken of clients' limits in `limits`. Blocks on files.
[[nodiscard]] std::expected<std::shared_ptr<const proxy::Plan>, std::vector<std::string>> build_plan(
    const config::Config& config, observe::Metrics& metrics, TlsFiles& files, route::TargetTable& targets,
    tenant::LimitTable& limits, uint64_t generation);

struct ListenerOptions {
    std::string name;
    net::Address address;
    bool tls = false;
    bool share_address = false;  // with other processes
};

/// `plan` with the TLS and credentials files of its upstreams as they are now, and all else as it was. `config` needs
/// no secrets.
[[nodiscard]] std::expected<std::shared_ptr<const proxy::Plan>, std::vector<std::string>> renew_tls(
    const proxy::Plan& plan, const config::Config& config, TlsFiles& files, uint64_t generation);

/// On what terms TLS is spoken with an upstream.
/// prefix  "provider.X.tls.".   Errors  a text that names the key.
[[nodiscard]] std::expected<upstream::TlsTerms, std::string> tls_terms(const config::Config& config,
                                                                       const std::string& prefix, TlsFiles& files);

/// What is fixed from start to stop.
struct ServerOptions {
    uint32_t shard_count = 1;
    bool pin = true;
    io::ShardOptions shard;
    net::ListenOptions listen;
    std::vector<ListenerOptions> listeners;
    uint64_t ticket_rotation_ms = 0;
    uint64_t watch_interval_ms = 0;  // of TLS files; 0: never
    std::string admin_listen;        // "off": none
    bool admin_share_address = false;
    std::string admin_token, admin_read_token;
    store::ResourceRegister::Options resources;
    std::optional<store::StateKey> state_key;          // of resources.directory
    bool issues_keys = false;                          // in resources.directory
    std::optional<store::UsageStore::Options> ledger;  // nothing: nothing is booked
    bool ledger_refuses = false;                       // nobody is served while it cannot be written
    std::optional<SharedStoreOptions> shared_store;    // that several Looms have; its TLS terms come with the plan
    std::optional<AnomalyWatchOptions> anomaly;        // nothing: nobody looks for sudden changes
    std::optional<uint64_t> cache_snapshot_ms;         // so often what the cache keeps is written; nothing: never
    std::string log_path, audit_path;                  // "off": none
    std::string model_path;  // of the sentence model that prompts are compared by; "": by their words
    double log_sample = 1.0;
    std::string log_level;

    /// The admin's own thread serves a scrape now and then.
    [[nodiscard]] io::ShardOptions admin_shard() const noexcept {
        return {.ring_entries = 64, .buffer_count = 16, .buffer_bytes = 4096, .features = shard.features};
    }
};

[[nodiscard]] std::expected<ServerOptions, std::vector<std::string>> build_server_options(const config::Config& config);

}  // namespace loom::app

#include "server.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>

#include "check.h"
#include "cli.h"
#include "keys.h"
#include "loom/admin/api.h"
#include "loom/base/clock.h"
#include "loom/observe/log.h"
#include "plan_builder.h"
#include "shard_thread.h"

namespace loom::app {
namespace {

using observe::log_error;
using observe::log_info;
using observe::log_warn;

constexpr uint32_t admin_ring_entries = 64;
constexpr uint16_t admin_buffer_count = 16;
constexpr uint32_t admin_buffer_bytes = 4096;

/// Everything that lives from start to stop. Members die in the reverse order: shards before what they use.
class Server {
  public:
    explicit Server(ServerOptions options) : options_(std::move(options)), metrics_(options_.shard_count) {}

    /// Errors are logged; the exit status says which.
    int start(const config::Config& config);
    void reload(const StartArguments& arguments);
    /// Lets what runs come to its end, within timeout.drain; another of `signals` meanwhile breaks it off.
    void drain(const sigset_t& signals);

  private:
    [[nodiscard]] bool raise_descriptor_limit();
    [[nodiscard]] bool open_listeners(ShardThread& shard, uint32_t index);
    /// The admin has a thread and a ring of its own: what it renders keeps no request waiting.
    [[nodiscard]] bool open_admin(std::shared_ptr<const proxy::Plan> plan);
    observe::ProcessFacts facts() const;

    ServerOptions options_;
    observe::Metrics metrics_;
    TrustStore trusts_;
    std::unique_ptr<observe::AccessLog> log_;
    std::unique_ptr<net::Resolver> resolver_;
    std::vector<std::unique_ptr<ShardThread>> shards_;
    std::unique_ptr<ShardThread> admin_;
    std::vector<int> unix_fds_;
    uint64_t generation_ = 1;
    std::atomic<uint64_t> reloads_{0};
    std::atomic<uint64_t> reload_failures_{0};
    std::atomic<bool> draining_{false};
};

bool Server::raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    limit.rlim_cur = limit.rlim_max;
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

int Server::start(const config::Config& config) {
    const auto features = io::probe_features(options_.shard.features);
    if (!features) {
        log_error("cannot start: {}", io::explain_refusal(features.error().sys_errno));
        return exit_config;
    }
    options_.shard.features = *features;
    if (!raise_descriptor_limit()) log_warn("the limit of descriptors could not be raised");
    auto log = observe::AccessLog::open(
        {.path = options_.log_path, .sample = options_.log_sample, .shard_count = options_.shard_count});
    if (!log) {
        log_error("cannot open the access log {}: {}", options_.log_path, std::strerror(log.error().sys_errno));
        return exit_config;
    }
    log_ = std::move(*log);
    auto resolver = net::Resolver::start({});
    if (!resolver) {
        log_error("cannot start the resolver: {}", resolver.error().what);
        return exit_internal;
    }
    resolver_ = std::move(*resolver);
    const auto plan = build_plan(config, metrics_, trusts_, generation_);
    if (!plan) {
        for (const std::string& message : plan.error()) log_error("{}", message);
        return exit_config;
    }
    for (uint32_t index = 0; index < options_.shard_count; ++index) {
        io::ShardOptions shard = options_.shard;
        shard.core = options_.pin ? static_cast<int>(index) : -1;
        shards_.push_back(
            std::make_unique<ShardThread>(index, options_.shard_count, shard, *resolver_, metrics_.shard(index),
                                          log_->shard(index)));
        if (!open_listeners(*shards_.back(), index)) return exit_config;
    }
    if (!open_admin(*plan)) return exit_config;
    for (const auto& shard : shards_) {
        const auto started = shard->start(*plan);
        if (started) continue;
        log_error("cannot start a shard: {}", io::explain_refusal(started.error().sys_errno));
        return exit_config;
    }
    for (const ListenerOptions& listener : options_.listeners)
        log_info("serving {} on {} with {} shard{}", listener.name, listener.address.to_string(), options_.shard_count,
                 options_.shard_count == 1 ? "" : "s");
    if (options_.admin_listen != "off") log_info("admin on {}", options_.admin_listen);
    return exit_ok;
}

bool Server::open_listeners(ShardThread& shard, uint32_t index) {
    for (size_t i = 0; i < options_.listeners.size(); ++i) {
        const ListenerOptions& listener = options_.listeners[i];
        const bool shared = listener.address.is_unix() && index > 0;  // a path can be bound once: shards share it
        Result<int> fd =
            shared ? Result<int>(::dup(unix_fds_[i])) : net::open_listener(listener.address, options_.listen);
        if (!fd) {
            log_error("cannot listen on {} (listener.{}.address): {}", listener.address.to_string(), listener.name,
                      std::strerror(fd.error().sys_errno));
            return false;
        }
        if (index == 0) unix_fds_.push_back(*fd);
        shard.add_listener({.name = listener.name}, *fd);
    }
    return true;
}

bool Server::open_admin(std::shared_ptr<const proxy::Plan> plan) {
    if (options_.admin_listen == "off" || options_.admin_listen.empty()) return true;
    const auto address = net::Address::parse(options_.admin_listen);
    const auto fd = address ? net::open_listener(*address, options_.listen) : std::unexpected(address.error());
    if (!fd) {
        log_error("cannot listen on {} (admin.listen): {}", options_.admin_listen,
                  fd.error().sys_errno != 0 ? std::strerror(fd.error().sys_errno) : fd.error().what);
        return false;
    }
    admin::ApiOptions api{.token = options_.admin_token,
                          .health_path = "/healthz",
                          .metrics = &metrics_,
                          .facts = [this] { return facts(); },
                          .ready = [this] { return !draining_.load(); }};
    const io::ShardOptions small{.ring_entries = admin_ring_entries,
                                 .buffer_count = admin_buffer_count,
                                 .buffer_bytes = admin_buffer_bytes,
                                 .features = options_.shard.features};
    admin_ = std::make_unique<ShardThread>(options_.shard_count, 1, small, *resolver_, metrics_.admin(), nullptr);
    admin_->add_listener({.name = "admin", .local = admin::make_api(std::move(api))}, *fd);
    const auto started = admin_->start(std::move(plan));
    if (!started) log_error("cannot start the admin: {}", io::explain_refusal(started.error().sys_errno));
    return started.has_value();
}

observe::ProcessFacts Server::facts() const {
    return {.now_us = monotonic_ns() / 1000,
            .access_log_written = log_->written(),
            .access_log_dropped = log_->dropped(),
            .access_log_write_errors = log_->write_errors(),
            .config_reloads = reloads_.load(),
            .config_reload_failures = reload_failures_.load()};
}

/// Reads the files anew. Whatever is wrong with them, the plan in force stays.
void Server::reload(const StartArguments& arguments) {
    log_->reopen();
    const config::Schema schema(all_keys());
    auto loaded = config::load(arguments.conf_path, arguments.overrides, schema, config::system_source());
    add_checks(loaded);
    for (const auto& diagnostic : loaded.diagnostics) log_warn("{}", config::to_string(diagnostic));
    Result<void> done = fail(Errc::bad_conf, Side::internal, "the configuration has errors");
    if (loaded.config != nullptr) {
        const auto plan = build_plan(*loaded.config, metrics_, trusts_, generation_ + 1);
        if (plan) {
            for (const auto& shard : shards_) shard->set_plan(*plan);
            if (admin_) admin_->set_plan(*plan);
            done = {};
        } else {
            for (const std::string& message : plan.error()) log_error("{}", message);
        }
    }
    if (!done) {
        reload_failures_ += 1;
        log_error("reload refused: {}; the old configuration stays in force", done.error().what);
        return;
    }
    generation_ += 1;
    reloads_ += 1;
    log_info("reloaded: generation {}", generation_);
}

void Server::drain(const sigset_t& signals) {
    draining_ = true;
    log_info("draining; a second signal breaks off what still runs");
    for (const auto& shard : shards_) shard->drain();
    const auto running = [](const auto& shard) { return !shard->finished(); };
    while (std::ranges::any_of(shards_, running)) {
        constexpr timespec look_again{.tv_sec = 0, .tv_nsec = 20'000'000};
        const int signal = ::sigtimedwait(&signals, nullptr, &look_again);
        if (signal != SIGTERM && signal != SIGINT) continue;
        log_info("breaking off what still runs");
        for (const auto& shard : shards_) shard->cut();
    }
    for (const auto& shard : shards_) shard->join();
    if (admin_) {  // who watches the drain sees it through
        admin_->drain();
        admin_->cut();
        admin_->join();
    }
    resolver_->stop();
    for (const ListenerOptions& listener : options_.listeners)
        if (listener.address.is_unix()) ::unlink(listener.address.unix_path().c_str());
    log_->flush();
    log_info("stopped");
}

observe::LogLevel log_level(std::string_view name) {
    if (name == "debug") return observe::LogLevel::debug;
    if (name == "warn") return observe::LogLevel::warn;
    if (name == "error") return observe::LogLevel::error;
    return observe::LogLevel::info;
}

}  // namespace

int run_server(std::shared_ptr<const config::Config> config, const StartArguments& arguments) {
    auto options = build_server_options(*config);
    if (!options) {
        for (const std::string& message : options.error()) log_error("{}", message);
        return exit_config;
    }
    observe::set_log_level(log_level(options->log_level));
    ::prctl(PR_SET_DUMPABLE, 0);  // keys of providers are in memory: no core dump, no ptrace by other processes

    // Signals are taken by this thread alone, one after the other; shards never see them.
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);

    Server server(std::move(*options));
    const int started = server.start(*config);
    config.reset();
    if (started != exit_ok) return started;
    for (;;) {
        int signal = 0;
        if (sigwait(&signals, &signal) != 0) continue;
        if (signal != SIGHUP) break;
        server.reload(arguments);
    }
    server.drain(signals);
    return exit_ok;
}

}  // namespace loom::app

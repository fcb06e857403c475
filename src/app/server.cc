#include "server.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <thread>

#include "answer_cache.h"
#include "check/check.h"
#include "cli.h"
#include "issued_keys.h"
#include "keys/keys.h"
#include "listener_tls.h"
#include "logs.h"
#include "loom/admin/api.h"
#include "loom/admin/providers.h"
#include "loom/base/clock.h"
#include "loom/observe/log.h"
#include "plan/builder.h"
#include "plan/identity.h"
#include "plan/made.h"
#include "plan/sharing.h"
#include "shard_thread.h"
#include "shown_certificates.h"
#include "spent.h"
#include "state_command.h"

namespace loom::app {
namespace {

using observe::log_error;
using observe::log_info;
using observe::log_warn;

constexpr uint64_t ns_per_ms = 1'000'000;
constexpr uint64_t us_per_s = 1'000'000;
constexpr uint64_t day_ms = 24ull * 3600 * 1000;

observe::LogLevel log_level(std::string_view name) {
    if (name == "debug") return observe::LogLevel::debug;
    if (name == "warn") return observe::LogLevel::warn;
    if (name == "error") return observe::LogLevel::error;
    return observe::LogLevel::info;
}

/// Everything that lives from start to stop. Members die in the reverse order: shards before what they use.
class Server {
  public:
    explicit Server(ServerOptions options)
        : options_(std::move(options)), metrics_(options_.shard_count), main_thread_(::pthread_self()) {}
    ~Server() {
        stop_answering();
        cache_.join();
    }

    /// Errors are logged; the exit status says which.
    int start(std::shared_ptr<const config::Config> config);
    void reload(const StartArguments& arguments);
    /// Keys of consumers have been made, or have ended: they are put in force, or out of it.
    void take_issued_keys();
    /// Lets what runs come to its end, within timeout.drain; another of `signals` meanwhile breaks it off.
    void drain(const sigset_t& signals);
    /// When there is something to do that no signal asks for, monotonic; nothing when there never is.
    [[nodiscard]] std::optional<uint64_t> next_chore_ms() const;
    /// Renewed TLS files are picked up, ticket keys changed, certificates that end soon told of, as far as it is time.
    void do_chores();

  private:
    [[nodiscard]] bool raise_descriptor_limit();
    /// Nothing after an error in the log, which names the address, its key and a remedy.
    [[nodiscard]] std::optional<int> open_listener(const net::Address& address, const std::string& prefix,
                                                   const char* word, net::Claim claim) const;
    [[nodiscard]] bool open_listeners(ShardThread& shard, uint32_t index);
    /// The admin has a thread and a ring of its own: what it renders, fetches and checks keeps no request
    /// waiting.
    [[nodiscard]] bool open_admin(std::shared_ptr<const proxy::Plan> plan);
    [[nodiscard]] bool listen_as_admin();
    /// On the admin's thread.
    observe::ProcessFacts facts() const;
    using PlanOrFaults = std::expected<std::shared_ptr<const proxy::Plan>, std::vector<std::string>>;
    [[nodiscard]] bool take_plan(const PlanOrFaults& plan, const std::shared_ptr<const config::Config>& config);
    /// The state.directory, by its key where there is one. Faults are in the log.
    [[nodiscard]] bool open_state();
    /// The register of ids, once a plan has families that store things. Faults are in the log.
    [[nodiscard]] bool open_register();
    /// The ledger, where the conf wants one: what former starts have left is made good. Faults are in the log.
    [[nodiscard]] bool open_ledger();
    /// Keys that were made over the admin listener, where the conf lets them be. Faults are in the log.
    [[nodiscard]] bool open_issued_keys();
    /// On what terms TLS is spoken with the store that Looms share. Faults are in the log.
    [[nodiscard]] bool trust_shared_store();
    [[nodiscard]] std::shared_ptr<const proxy::Plan> with_issued_keys(std::shared_ptr<const proxy::Plan> plan,
                                                                      const config::Config& config);
    void schedule_key_end();
    void end_keys();
    void note_keys_in_force();
    void stop_answering() noexcept;
    void put_in_force();
    /// The first who comes finds leases of what is shared, where the store answers.
    void await_leases() const;
    void share_limits_in_force();
    /// What the admin's thread asks of its own: for tokens, and how providers do.
    void keep_asking();
    void tell_what_waits_for_a_start() const;
    void schedule_chores();
    void renew();
    void warn_of_certificates() const;

    ServerOptions options_;
    const config::Schema schema_{all_keys()};  // outlives the configuration
    // Without secrets: of clients' keys the plan has the hashes.
    std::shared_ptr<const config::Config> started_with_;
    std::shared_ptr<const config::Config> config_;  // in force: renewed files are read by it
    std::shared_ptr<const proxy::Plan> plan_;       // in force
    observe::Metrics metrics_;
    TlsFiles files_;
    std::vector<JwtSource> jwt_sources_;  // of plan_
    route::TargetTable targets_;
    tenant::LimitTable limits_;
    ListenerTls listener_tls_;
    ShownCertificates certificates_;
    pthread_t main_thread_;
    uint64_t issued_version_ = 0;  // of the keys in plan_
    uint64_t watch_at_ms_ = UINT64_MAX;
    uint64_t rotate_at_ms_ = UINT64_MAX;
    uint64_t warn_at_ms_ = UINT64_MAX;
    uint64_t key_ends_at_ms_ = UINT64_MAX;
    std::optional<int64_t> key_ends_s_;  // the next of the issued keys
    Logs logs_;
    std::unique_ptr<net::Resolver> resolver_;
    store::StateHold state_hold_;
    store::VaultPtr vault_;  // null: state.directory is not encrypted
    std::unique_ptr<store::ResourceRegister> register_;
    std::unique_ptr<store::UsageStore> usage_;
    admin::ReportDesk reports_;  // reads usage_
    AnswerCache cache_;          // outlives the shards and their mailboxes
    std::unique_ptr<IssuedKeys> issued_keys_;
    std::deque<tenant::AlertRing> alert_rings_;     // by shard
    std::deque<std::atomic<uint64_t>> keys_taken_;  // by shard: the state of the issued keys that it goes by
    std::unique_ptr<AnomalyWatch> anomalies_;       // null: nobody looks for sudden changes
    std::vector<std::unique_ptr<ShardThread>> shards_;
    std::unique_ptr<ShardThread> admin_;
    std::vector<int> unix_fds_;
    uint64_t generation_ = 1;
    std::atomic<uint64_t> reloads_{0};
    std::atomic<uint64_t> reload_failures_{0};
    std::atomic<bool> serving_ = false;  // every shard has its ring and accepts
    std::atomic<bool> draining_{false};
};

bool Server::raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    limit.rlim_cur = limit.rlim_max;
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

int Server::start(std::shared_ptr<const config::Config> config) {
    config_ = started_with_ = config::without_secrets(*config);
    const auto features = io::probe_features(options_.shard.features);
    if (!features) {
        log_error("cannot start: {}", io::explain_refusal(features.error().sys_errno));
        return exit_config;
    }
    options_.shard.features = *features;
    if (!raise_descriptor_limit()) log_warn("the limit of descriptors could not be raised");
    if (!logs_.open(options_)) return exit_config;
    auto resolver = net::Resolver::start({});
    if (!resolver) {
        log_error("cannot start the resolver: {}", resolver.error().what);
        return exit_internal;
    }
    resolver_ = std::move(*resolver);
    if (!open_state() || !open_ledger() || !open_issued_keys()) return exit_config;
    if (options_.anomaly) anomalies_ = std::make_unique<AnomalyWatch>(*options_.anomaly, vault_, options_.shard_count);
    if (options_.shared_store) limits_.share();
    files_.begin(TlsFiles::Fault::refuse);
    const PlanOrFaults plan = build_plan(*config, metrics_, files_, targets_, limits_, generation_);
    config.reset();
    if (!take_plan(plan, config_) || !trust_shared_store()) return exit_config;
    if (!cache_.open(options_, vault_)) return exit_config;  // before anybody is let in
    for (uint32_t index = 0; index < options_.shard_count; ++index) {
        io::ShardOptions shard = options_.shard;
        shard.core = options_.pin ? static_cast<int>(index) : -1;
        shards_.push_back(std::make_unique<ShardThread>(index, options_.shard_count, shard, *resolver_,
                                                        metrics_.shard(index), logs_.of_shard(index)));
        shards_.back()->set_register(register_.get());
        shards_.back()->keep_cache(cache_.shards());
        shards_.back()->put_alerts_into(alert_rings_.emplace_back());
        if (anomalies_ != nullptr) shards_.back()->put_activity_into(anomalies_->ring(index));
        if (usage_ != nullptr) shards_.back()->keep_ledger(usage_->channel(index), options_.ledger_refuses);
        if (!open_listeners(*shards_.back(), index)) return exit_config;
    }
    cache_.put_in_force(*plan_);
    if (!open_admin(plan_)) return exit_config;
    keep_asking();
    await_leases();
    for (const auto& shard : shards_) {
        const auto started = shard->start(plan_);
        if (started) continue;
        log_error("cannot start a shard: {}", io::explain_refusal(started.error().sys_errno));
        return exit_config;
    }
    cache_.begin(*plan_);
    serving_ = true;
    for (const ListenerOptions& listener : options_.listeners)
        log_info("serving {} on {} with {} shard{}", listener.name, listener.address.to_string(), options_.shard_count,
                 options_.shard_count == 1 ? "" : "s");
    if (options_.admin_listen != "off") log_info("admin on {}", options_.admin_listen);
    files_.watch();
    schedule_chores();
    return exit_ok;
}

/// All or nothing: what the configuration and its files say, for the shards; errors go to the log.
bool Server::take_plan(const PlanOrFaults& plan, const std::shared_ptr<const config::Config>& config) {
    std::vector<std::string> https;
    for (const ListenerOptions& listener : options_.listeners)
        if (listener.tls) https.push_back(listener.name);
    const auto messages = listener_tls_.read(config, https, files_);
    for (const std::string& message : messages) log_error("{}", message);
    if (!plan)
        for (const std::string& message : plan.error()) log_error("{}", message);
    if (!plan || !messages.empty()) return false;
    if ((*plan)->keeps_any() && !open_register()) return false;
    plan_ = with_issued_keys(*plan, *config);
    std::vector<std::string> told;  // when the plan was built
    jwt_sources_ = jwt_sources(*config, files_, told);
    for (const proxy::ProviderPlan& provider : plan_->providers) provider.control->configure(provider.weight);
    certificates_.set(certificates_shown(listener_tls_, *plan_));
    return true;
}

bool Server::open_state() {
    auto opened = open_state_of(options_);
    if (!opened) {
        log_error("{}", opened.error());
        return false;
    }
    state_hold_ = std::move(opened->hold);
    vault_ = std::move(opened->vault);
    options_.resources.vault = vault_;
    if (options_.ledger && !options_.ledger->directory.empty()) options_.ledger->vault = vault_;
    return true;
}

bool Server::open_register() {
    if (register_ != nullptr) return true;
    auto opened = store::ResourceRegister::open(options_.resources);
    if (opened) {
        register_ = std::move(*opened);
        return true;
    }
    log_error("the register of ids cannot be opened: {}", opened.error());
    return false;
}

bool Server::open_ledger() {
    if (!options_.ledger) return true;
    auto opened = store::UsageStore::open(*options_.ledger);
    if (opened) {
        usage_ = std::move(*opened);
        limits_.budgets().ask_of([this](LimitScope scope, std::string_view name, tenant::PeriodSpan span) {
            return spent_in(*usage_, scope, name, span);
        });
        return true;
    }
    log_error("the ledger cannot be opened (token_accounting.enabled): {}", opened.error());
    return false;
}

bool Server::open_issued_keys() {
    if (!options_.issues_keys) return true;
    auto opened =
        IssuedKeys::open(options_.resources.directory, vault_, [this] { ::pthread_kill(main_thread_, SIGUSR1); });
    if (opened) {
        issued_keys_ = std::move(*opened);
        keys_taken_.resize(options_.shard_count);
        return true;
    }
    log_error("keys cannot be read (auth.issued_keys): {}", opened.error());
    return false;
}

bool Server::trust_shared_store() {
    if (!options_.shared_store || !options_.shared_store->redis.endpoint.tls) return true;
    auto terms = tls_terms(*config_, redis_tls_prefix, files_);
    if (!terms) {
        log_error("{}", terms.error());
        return false;
    }
    options_.shared_store->redis.endpoint.terms = std::move(*terms);
    return true;
}

std::shared_ptr<const proxy::Plan> Server::with_issued_keys(std::shared_ptr<const proxy::Plan> plan,
                                                            const config::Config& config) {
    if (issued_keys_ == nullptr) return plan;
    const int64_t now_s = wall_clock_s();
    const IssuedKeys::Good good = issued_keys_->good_at(now_s);
    auto with = std::make_shared<proxy::Plan>(*plan);
    fill_made(config, *with, good, metrics_, targets_, limits_);
    issued_keys_->note_counts(
        {.limits = config.boolean("rate_limit.enabled"), .budgets = config.boolean("token_accounting.enabled")});
    issued_version_ = good.version;
    key_ends_s_ = issued_keys_->next_end(now_s);
    schedule_key_end();
    return with;
}

/// No later than in a minute, since the clock of the wall may be set.
void Server::schedule_key_end() {
    constexpr uint64_t look_again_ms = 60'000;
    const uint64_t now_us = wall_us();
    const uint64_t end_us = static_cast<uint64_t>(key_ends_s_.value_or(0)) * us_per_s;
    const uint64_t left_ms = end_us > now_us ? (end_us - now_us) / 1000 + 1 : 0;
    key_ends_at_ms_ = key_ends_s_ ? monotonic_ns() / ns_per_ms + std::min(left_ms, look_again_ms) : UINT64_MAX;
}

/// By a plan that differs in these alone, so that sessions hear of a key that has ended.
void Server::take_issued_keys() {
    if (issued_keys_ == nullptr) return;
    auto renewed = std::make_shared<proxy::Plan>(*plan_);
    renewed->generation = generation_ + 1;
    plan_ = with_issued_keys(std::move(renewed), *config_);
    generation_ += 1;
    for (const auto& shard : shards_) shard->set_plan(plan_, listener_tls_.make_contexts());
    if (admin_) admin_->set_plan(plan_, {});
    share_limits_in_force();
    for (size_t i = 0; i < shards_.size(); ++i)
        shards_[i]->after_all([this, i, version = issued_version_] {
            keys_taken_[i].store(version);
            note_keys_in_force();
        });
}

/// On any shard's thread, or the main one. A shard that has finished, in a drain, asks for no key any more.
void Server::note_keys_in_force() {
    uint64_t version = UINT64_MAX;
    for (size_t i = 0; i < shards_.size(); ++i)
        if (!shards_[i]->finished()) version = std::min(version, keys_taken_[i].load());
    issued_keys_->note_in_force(version);
}

/// Those whose answers go to the shards' mailboxes, which must still be there.
void Server::stop_answering() noexcept {
    if (register_ != nullptr) register_->stop();
    cache_.stop();
}

void Server::put_in_force() {
    generation_ += 1;
    cache_.put_in_force(*plan_);
    for (const auto& shard : shards_) shard->set_register(register_.get());
    for (const auto& shard : shards_) shard->set_plan(plan_, listener_tls_.make_contexts());
    if (admin_) admin_->set_plan(plan_, {});
    if (admin_ || open_admin(plan_)) keep_asking();
    files_.watch();
}

std::optional<int> Server::open_listener(const net::Address& address, const std::string& prefix, const char* word,
                                         net::Claim claim) const {
    const auto fd = net::open_listener(address, options_.listen, claim);
    if (fd) return *fd;
    const int number = fd.error().sys_errno;
    std::string remedy;
    if (number == EADDRINUSE && address.is_ip())
        remedy = fmt::format(
            "; stop who listens there, choose another, or set {}.share_address = on to listen beside it", prefix);
    log_error("cannot listen on {} ({}.{}): {}{}", address.to_string(), prefix, word, std::strerror(number), remedy);
    return std::nullopt;
}

void Server::keep_asking() {
    if (anomalies_ != nullptr) anomalies_->tell_webhook(plan_->alerts != nullptr);
    if (!admin_) return;
    admin_->set_google_accounts(files_.google_accounts());
    admin_->set_health_targets(health_targets(*plan_));
    admin_->set_jwt_sources(jwt_sources_);
    admin_->set_alert_plan(plan_->alerts);
    share_limits_in_force();
}

/// Of each plan, also where consumers that are made over the API alone have changed: what is shared and not drawn has
/// no room.
void Server::share_limits_in_force() {
    if (!admin_ || !options_.shared_store) return;
    admin_->set_shared_limits(plan_->rate_limits != nullptr ? plan_->rate_limits->shared
                                                            : std::vector<tenant::SharedLimit>());
}

void Server::await_leases() const {
    constexpr timespec look_again{.tv_sec = 0, .tv_nsec = 5'000'000};
    constexpr int looks_max = 200;
    if (!options_.shared_store || !admin_) return;
    for (int i = 0; i < looks_max && !admin_->leases_begun(); ++i) ::nanosleep(&look_again, nullptr);
}

bool Server::open_listeners(ShardThread& shard, uint32_t index) {
    const TlsContexts tls = listener_tls_.make_contexts();
    for (size_t i = 0; i < options_.listeners.size(); ++i) {
        const ListenerOptions& listener = options_.listeners[i];
        const bool shared = listener.address.is_unix() && index > 0;  // a path can be bound once: shards share it
        const net::Claim claim = index > 0 || listener.share_address ? net::Claim::joined : net::Claim::alone;
        const auto fd = shared ? std::optional(::dup(unix_fds_[i]))
                               : open_listener(listener.address, "listener." + listener.name, "address", claim);
        if (fd && *fd < 0)
            log_error("cannot share {} among the shards: {}", listener.address.to_string(), std::strerror(errno));
        if (!fd || *fd < 0) return false;
        if (index == 0) unix_fds_.push_back(*fd);
        shard.add_listener({.name = listener.name, .tls = listener.tls ? tls.at(listener.name) : nullptr}, *fd);
    }
    return true;
}

bool Server::open_admin(std::shared_ptr<const proxy::Plan> plan) {
    const bool listens = options_.admin_listen != "off" && !options_.admin_listen.empty();
    const bool checks_health = std::ranges::any_of(
        plan->providers, [](const proxy::ProviderPlan& one) { return one.health_check != nullptr; });
    const bool fetches_keys = std::ranges::any_of(plan->jwt, [](const proxy::JwtPlan& one) { return one.source != 0; });
    const bool asks = checks_health || fetches_keys || plan->alerts != nullptr || !files_.google_accounts().empty() ||
                      options_.shared_store;
    if (!listens && !asks) return true;
    admin_ = std::make_unique<ShardThread>(options_.shard_count, 1, options_.admin_shard(), *resolver_,
                                           metrics_.admin(), observe::ShardLogs{});
    admin_->keep_google_tokens([this](const proxy::AccessTokensPtr& tokens) {
        for (const auto& shard : shards_) shard->set_access_tokens(tokens);
    });
    admin_->keep_jwt_keys([this](const proxy::JwtKeySetsPtr& keys) {
        for (const auto& shard : shards_) shard->set_jwt_keys(keys);
    });
    admin_->keep_health_checks();
    std::vector<tenant::AlertRing*> rings;
    for (tenant::AlertRing& ring : alert_rings_) rings.push_back(&ring);
    if (anomalies_ != nullptr) rings.push_back(&anomalies_->alerts());
    admin_->keep_alerts(std::move(rings));
    if (options_.shared_store) admin_->keep_shared_store(*options_.shared_store, *usage_);
    if (listens && !listen_as_admin()) return false;
    const auto started = admin_->start(std::move(plan));
    if (started) return true;
    log_error("cannot start the admin: {}", io::explain_refusal(started.error().sys_errno));
    admin_.reset();
    return false;
}

bool Server::listen_as_admin() {
    const auto address = net::Address::parse(options_.admin_listen);
    if (!address) {
        log_error("cannot listen on {} (admin.listen): {}", options_.admin_listen, address.error().what);
        return false;
    }
    const auto fd = open_listener(*address, "admin", "listen",
                                  options_.admin_share_address ? net::Claim::joined : net::Claim::alone);
    if (!fd) return false;
    admin::ApiOptions api{.read_token = options_.admin_read_token,
                          .token = options_.admin_token,
                          .health_path = "/healthz",
                          .metrics = &metrics_,
                          .facts = [this] { return facts(); },
                          .ready = [this] { return serving_.load() && !draining_.load(); },
                          .plan = [this] { return admin_->plan(); },
                          .usage = {.usage = usage_.get(),
                                    .reports = &reports_,
                                    .directory = options_.ledger ? options_.ledger->directory : "",
                                    .vault = options_.ledger ? options_.ledger->vault : nullptr},
                          .shared_store = [this] { return admin_->shared_store_facts(); },
                          .cache = &cache_.shards(),
                          .keys = issued_keys_.get(),
                          .consumers = issued_keys_.get()};
    admin_->add_listener({.name = "admin", .local = admin::make_api(std::move(api))}, *fd);
    return true;
}

observe::ProcessFacts Server::facts() const {
    return {.now_us = monotonic_ns() / 1000,
            .access_log = logs_.access_facts(),
            .audit_log = logs_.audit_facts(),
            .config_reloads = reloads_.load(),
            .config_reload_failures = reload_failures_.load(),
            .tls_renewals = certificates_.renewal_count(),
            .tls_renewal_failures = files_.failure_count(),
            .certificates = certificates_.ends(),
            .access_tokens = admin_->token_facts(),
            .jwt_keys = admin_->jwt_key_facts(),
            .alerts = admin_->alert_facts(),
            .ledgers_failing = usage_ != nullptr ? std::optional(usage_->failing_count()) : std::nullopt,
            .anomalies = anomalies_ != nullptr ? std::optional(anomalies_->facts()) : std::nullopt,
            .leases = admin_->lease_facts(),
            .shared_store = admin_->shared_store_facts(),
            .providers = admin::provider_health(*admin_->plan(), monotonic_ns() / ns_per_ms),
            .semantic_cache = cache_.semantic_facts(*admin_->plan()),
            .cache_snapshots = cache_.snapshot_facts()};
}

/// Reads the files anew. Whatever is wrong with them, the plan in force stays.
void Server::reload(const StartArguments& arguments) {
    logs_.reopen();
    auto loaded = config::load(arguments.conf_path, arguments.overrides, schema_, config::system_source());
    add_checks(loaded);
    for (const auto& diagnostic : loaded.diagnostics) log_warn("{}", config::to_string(diagnostic));
    files_.begin(TlsFiles::Fault::refuse);
    const auto named = loaded.config != nullptr ? config::without_secrets(*loaded.config) : nullptr;
    if (!named || !take_plan(build_plan(*loaded.config, metrics_, files_, targets_, limits_, generation_ + 1), named)) {
        reload_failures_ += 1;
        log_error("reload refused: the configuration has errors; the old configuration stays in force");
        return;
    }
    put_in_force();
    config_ = named;
    observe::set_log_level(log_level(config_->text("log.level")));
    schedule_chores();
    reloads_ += 1;
    tell_what_waits_for_a_start();
    log_info("reloaded: generation {}", generation_);
}

void Server::tell_what_waits_for_a_start() const {
    for (const std::string& key : config::changed_keys(*started_with_, *config_, KeyChange::restart))
        log_warn("{} has changed and takes effect with the next start", key);
    for (const ListenerOptions& listener : options_.listeners)
        if (config_->has(fmt::format("listener.{}.address", listener.name)) &&
            speaks_tls(*config_, listener.name) != listener.tls)
            log_warn("listener.{}: that it speaks {} takes effect with the next start", listener.name,
                     listener.tls ? "http" : "https");
}

void Server::schedule_chores() {
    const uint64_t now_ms = monotonic_ns() / ns_per_ms;
    const bool watches = options_.watch_interval_ms > 0 && files_.watches_any();
    watch_at_ms_ = watches ? now_ms + options_.watch_interval_ms : UINT64_MAX;
    const bool serves_tls = std::ranges::any_of(options_.listeners, &ListenerOptions::tls);
    if (serves_tls && rotate_at_ms_ == UINT64_MAX) rotate_at_ms_ = now_ms + options_.ticket_rotation_ms;
    // Start and reload have just warned, by the configuration's checks.
    warn_at_ms_ = certificates_.any() ? now_ms + day_ms : UINT64_MAX;
}

void Server::warn_of_certificates() const {
    for (const std::string& line : certificates_.warnings(wall_clock_s())) log_warn("{}", line);
}

std::optional<uint64_t> Server::next_chore_ms() const {
    const uint64_t next_ms = std::min({watch_at_ms_, rotate_at_ms_, warn_at_ms_, key_ends_at_ms_});
    return next_ms == UINT64_MAX ? std::nullopt : std::optional(next_ms);
}

void Server::do_chores() {
    const uint64_t now_ms = monotonic_ns() / ns_per_ms;
    if (now_ms >= watch_at_ms_) {
        watch_at_ms_ = now_ms + options_.watch_interval_ms;
        if (files_.changed()) renew();
    }
    if (now_ms >= warn_at_ms_) {
        warn_at_ms_ = now_ms + day_ms;
        warn_of_certificates();
    }
    end_keys();
    if (now_ms < rotate_at_ms_) return;
    rotate_at_ms_ = now_ms + options_.ticket_rotation_ms;
    listener_tls_.rotate_ticket_keys();
    for (const auto& shard : shards_) shard->set_ticket_keys(listener_tls_.ticket_keys());
}

/// Issued keys whose time is over.
void Server::end_keys() {
    if (monotonic_ns() / ns_per_ms < key_ends_at_ms_) return;
    if (wall_clock_s() >= key_ends_s_.value_or(INT64_MAX))
        take_issued_keys();
    else
        schedule_key_end();
}

/// The plan in force, with its TLS files as they are now. One that cannot be used leaves the old in force; it is looked
/// at again when it changes.
void Server::renew() {
    files_.begin(TlsFiles::Fault::keep);
    if (take_plan(renew_tls(*plan_, *config_, files_, generation_ + 1), config_)) {
        put_in_force();
        log_info("credentials or TLS files have changed and were read: generation {}", generation_);
        warn_of_certificates();
    } else {
        files_.watch();
        files_.tell_failure("credentials or TLS files have changed and cannot be used; the old ones stay in force");
    }
}

void Server::drain(const sigset_t& signals) {
    draining_ = true;
    cache_.begin_end();
    log_info("draining; a second signal breaks off what still runs");
    for (const auto& shard : shards_) shard->drain();
    const auto running = [](const auto& shard) { return !shard->finished(); };
    while (std::ranges::any_of(shards_, running)) {
        constexpr timespec look_again{.tv_sec = 0, .tv_nsec = 20'000'000};
        const int signal = ::sigtimedwait(&signals, nullptr, &look_again);
        if (signal == SIGUSR1) take_issued_keys();
        end_keys();
        if (issued_keys_ != nullptr) note_keys_in_force();
        if (signal != SIGTERM && signal != SIGINT) continue;
        log_info("breaking off what still runs");
        for (const auto& shard : shards_) shard->cut();
    }
    for (const auto& shard : shards_) shard->join();
    stop_answering();
    if (anomalies_ != nullptr) anomalies_->stop();
    if (admin_) {  // who watches the drain sees it through
        admin_->drain();
        admin_->cut();
        admin_->join();
    }
    reports_.stop();
    if (usage_ != nullptr) usage_->stop();
    resolver_->stop();
    for (const ListenerOptions& listener : options_.listeners)
        if (listener.address.is_unix()) ::unlink(listener.address.unix_path().c_str());
    logs_.flush();
    // The last, since it takes as long as the disk does: a further signal ends it.
    cache_.end([&signals, ends = false]() mutable {
        constexpr timespec at_once{};
        const int signal = ::sigtimedwait(&signals, nullptr, &at_once);
        ends |= signal == SIGTERM || signal == SIGINT;
        return ends;
    });
    log_info("stopped");
}

/// The signal, or 0 when `until_ms` has come.
int wait_for_signal(const sigset_t& signals, std::optional<uint64_t> until_ms) {
    for (;;) {
        const uint64_t now_ms = monotonic_ns() / ns_per_ms;
        if (until_ms && *until_ms <= now_ms) return 0;
        const uint64_t left_ms = until_ms ? *until_ms - now_ms : 0;
        const timespec wait{.tv_sec = static_cast<time_t>(left_ms / 1000),
                            .tv_nsec = static_cast<long>(left_ms % 1000 * ns_per_ms)};
        const int signal = until_ms ? ::sigtimedwait(&signals, nullptr, &wait) : ::sigwaitinfo(&signals, nullptr);
        if (signal > 0) return signal;
    }
}

}  // namespace

int run_server(std::shared_ptr<const config::Config> config, const StartArguments& arguments) {
    auto options = build_server_options(*config);
    if (!options) {
        for (const std::string& message : options.error()) log_error("{}", message);
        return exit_config;
    }
    observe::set_log_level(log_level(options->log_level));

    // Signals are taken by this thread alone, one after the other; shards never see them.
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);  // a file that may grow no more is an error of its write

    Server server(std::move(*options));
    const int started = server.start(std::move(config));
    if (started != exit_ok) return started;
    for (;;) {
        const int signal = wait_for_signal(signals, server.next_chore_ms());
        if (signal == 0)
            server.do_chores();
        else if (signal == SIGHUP)
            server.reload(arguments);
        else if (signal == SIGUSR1)
            server.take_issued_keys();
        else
            break;
    }
    server.drain(signals);
    return exit_ok;
}

}  // namespace loom::app

#include "shard_thread.h"

#include <unistd.h>

#include <future>

#include "loom/base/alloc_counter.h"

namespace loom::app {
namespace {

constexpr uint64_t housekeeping_ms = 1'000;

}  // namespace

class StartSignal {
  public:
    void tell(Result<void> result) { promise_.set_value(result); }
    Result<void> wait() { return promise_.get_future().get(); }

  private:
    std::promise<Result<void>> promise_;
};

ShardThread::ShardThread(uint32_t index, uint32_t shard_count, const io::ShardOptions& options, net::Resolver& resolver,
                         observe::ShardMetrics& metrics, observe::ShardLogs logs)
    : shard_count_(shard_count), shard_(index, options), resolver_(resolver), metrics_(metrics), logs_(logs) {}

ShardThread::~ShardThread() {
    if (thread_.joinable()) {
        drain();
        join();
    }
    for (const auto& [plan, fd] : pending_) ::close(fd);
}

void ShardThread::add_listener(proxy::ListenerPlan plan, int fd) { pending_.emplace_back(std::move(plan), fd); }

Result<void> ShardThread::start(std::shared_ptr<const proxy::Plan> plan) {
    StartSignal started;
    thread_ = std::thread([this, plan = std::move(plan), &started]() mutable { run(std::move(plan), started); });
    const auto result = started.wait();
    if (!result) thread_.join();
    return result;
}

void ShardThread::run(std::shared_ptr<const proxy::Plan> plan, StartSignal& started) {
    const auto opened = shard_.open();
    if (!opened) return started.tell(opened);
    count_allocations_of_this_thread(true);
    services_ = std::make_unique<proxy::Services>(shard_, resolver_, metrics_, logs_, shard_count_);
    services_->set_register(register_);
    if (ledger_channel_ != nullptr) {
        ledger_ = std::make_unique<store::LedgerLog>(shard_, *ledger_channel_);
        services_->set_ledger(ledger_.get(), ledger_refuses_);
    }
    if (cache_ != nullptr) services_->set_cache(*cache_);
    services_->set_alerts(own_ring_);
    services_->set_plan(std::move(plan));
    if (deliver_tokens_) google_tokens_ = std::make_unique<GoogleTokens>(shard_, resolver_, deliver_tokens_);
    if (deliver_jwt_keys_) jwt_keys_ = std::make_unique<JwtKeyFetcher>(shard_, resolver_, deliver_jwt_keys_);
    if (checks_health_) health_checks_ = std::make_unique<HealthChecks>(shard_, resolver_);
    if (!told_rings_.empty()) alerts_ = std::make_unique<AlertWebhook>(shard_, resolver_, told_rings_);
    if (shared_usage_ != nullptr) begin_sharing();
    services_->on_room([this] {
        for (const auto& listener : listeners_) listener->make_room();
    });
    for (auto& [listener, fd] : pending_) {
        listeners_.push_back(std::make_unique<proxy::ProxyListener>(*services_, std::move(listener), fd));
        listeners_.back()->start();
    }
    pending_.clear();
    shard_.timers().arm(housekeeping_, housekeeping_ms);
    started.tell({});
    shard_.run([this] { return idle(); },
               [this](uint64_t turn_ns) {
                   metrics_.loop_turn(turn_ns);
                   services_->note_turn(turn_ns);
               });
    housekeeping_.disarm();
    housekeeping_.unlink();
    listeners_.clear();
    google_tokens_.reset();
    jwt_keys_.reset();
    health_checks_.reset();
    alerts_.reset();
    leases_.reset();
    shared_store_.reset();
    services_.reset();
    ledger_.reset();
    shard_.close();
    finished_.store(true, std::memory_order_release);
}

bool ShardThread::idle() {
    for (const auto& listener : listeners_)
        if (!listener->stopped()) return false;
    if (google_tokens_ != nullptr && !google_tokens_->idle()) return false;
    if (jwt_keys_ != nullptr && !jwt_keys_->idle()) return false;
    if (health_checks_ != nullptr && !health_checks_->idle()) return false;
    if (alerts_ != nullptr && !alerts_->idle()) return false;
    if (shared_store_ != nullptr && !sharing_over()) return false;
    return services_->idle() && (ledger_ == nullptr || ledger_->finish());
}

/// What is left of leases is given back and what was settled last is told, then the store is left.
bool ShardThread::sharing_over() {
    if (!store_stopped_) shared_store_->finish_telling();
    if (!leases_->idle() || !shared_store_->told_all()) return false;
    if (!std::exchange(store_stopped_, true)) shared_store_->stop();
    return shared_store_->idle();
}

void ShardThread::begin_sharing() {
    shared_store_ = std::make_unique<SharedStore>(shard_, resolver_, shared_options_, *shared_usage_);
    leases_ = std::make_unique<LeasePump>(shard_, [this](std::vector<tenant::LeaseDraw> draws, LeasePump::Drawn done) {
        shared_store_->draw(std::move(draws), std::move(done));
    });
    shared_store_->on_change([this](bool up) {
        if (up) leases_->on_store_up();
    });
}

void ShardThread::set_shared_limits(std::vector<tenant::SharedLimit> limits) {
    shard_.mailbox().post([this, limits = std::move(limits)]() mutable {
        if (leases_ != nullptr && !shard_.stopping()) leases_->use(std::move(limits));
    });
}

std::optional<observe::LeaseFacts> ShardThread::lease_facts() const {
    return leases_ == nullptr ? std::nullopt : std::optional(leases_->facts());
}

void ShardThread::set_plan(std::shared_ptr<const proxy::Plan> plan, TlsContexts tls) {
    shard_.mailbox().post([this, plan = std::move(plan), tls = std::move(tls)]() mutable {
        services_->set_plan(std::move(plan));
        for (const auto& listener : listeners_)
            if (const auto found = tls.find(listener->name()); found != tls.end()) listener->set_tls(found->second);
    });
}

void ShardThread::set_register(store::ResourceRegister* resources) {
    if (!thread_.joinable()) {
        register_ = resources;
        return;
    }
    shard_.mailbox().post([this, resources] {
        if (services_ != nullptr) services_->set_register(resources);
    });
}

void ShardThread::keep_cache(proxy::CacheShards& cache) {
    cache_ = &cache;
    cache.set_mailbox(shard_.index(), shard_.mailbox());
}

void ShardThread::after_all(std::function<void()> then) { shard_.mailbox().post(std::move(then)); }

void ShardThread::set_ticket_keys(const net::TlsTicketKeys& keys) {
    shard_.mailbox().post([this, keys] {
        for (const auto& listener : listeners_) listener->set_ticket_keys(keys);
    });
}

void ShardThread::set_access_tokens(proxy::AccessTokensPtr tokens) {
    shard_.mailbox().post(
        [this, tokens = std::move(tokens)]() mutable { services_->set_access_tokens(std::move(tokens)); });
}

void ShardThread::set_jwt_keys(proxy::JwtKeySetsPtr keys) {
    shard_.mailbox().post([this, keys = std::move(keys)]() mutable {
        if (services_ != nullptr) services_->set_jwt_keys(std::move(keys));
    });
}

void ShardThread::set_jwt_sources(std::vector<JwtSource> sources) {
    shard_.mailbox().post([this, sources = std::move(sources)]() mutable {
        if (!shard_.stopping()) jwt_keys_->use(std::move(sources));
    });
}

void ShardThread::set_google_accounts(std::vector<GoogleAccountPtr> accounts) {
    shard_.mailbox().post([this, accounts = std::move(accounts)]() mutable {
        if (!shard_.stopping()) google_tokens_->use(std::move(accounts));
    });
}

void ShardThread::set_health_targets(std::vector<HealthTarget> targets) {
    shard_.mailbox().post([this, targets = std::move(targets)]() mutable {
        if (!shard_.stopping()) health_checks_->use(std::move(targets));
    });
}

void ShardThread::set_alert_plan(std::shared_ptr<const proxy::AlertPlan> plan) {
    shard_.mailbox().post([this, plan = std::move(plan)]() mutable {
        if (!shard_.stopping()) alerts_->use(std::move(plan));
    });
}

std::optional<observe::AlertFacts> ShardThread::alert_facts() const {
    return alerts_ == nullptr ? std::nullopt : alerts_->facts();
}

std::optional<observe::SharedStoreFacts> ShardThread::shared_store_facts() const {
    return shared_store_ == nullptr ? std::nullopt : std::optional(shared_store_->facts());
}

std::vector<observe::AccessTokenFacts> ShardThread::token_facts() const {
    return google_tokens_ == nullptr ? std::vector<observe::AccessTokenFacts>() : google_tokens_->facts();
}

std::vector<observe::JwtKeyFacts> ShardThread::jwt_key_facts() const {
    return jwt_keys_ == nullptr ? std::vector<observe::JwtKeyFacts>() : jwt_keys_->facts();
}

void ShardThread::drain() {
    shard_.mailbox().post([this] {
        for (const auto& listener : listeners_) listener->stop();
        services_->begin_drain();
        if (google_tokens_ != nullptr) google_tokens_->stop();
        if (jwt_keys_ != nullptr) jwt_keys_->stop();
        if (health_checks_ != nullptr) health_checks_->stop();
        if (alerts_ != nullptr) alerts_->stop();
        if (leases_ != nullptr) leases_->stop();
        shard_.stop();
    });
}

void ShardThread::cut() {
    shard_.mailbox().post([this] {
        if (services_ != nullptr) services_->close_all();
    });
}

void ShardThread::join() { thread_.join(); }

void ShardThread::on_housekeeping(io::Timer& timer) noexcept {
    ShardThread& shard = static_cast<Housekeeping&>(timer).shard;
    shard.publish_loop_stats();
    shard.shard_.timers().arm(timer, housekeeping_ms);
}

/// The loop's own counters become metrics once a second, off the request path.
void ShardThread::publish_loop_stats() noexcept {
    const io::LoopStats& stats = shard_.stats();
    const auto told = [](Counter& counter, uint64_t now, uint64_t& before) {
        counter.add(now - before);
        before = now;
    };
    told(metrics_.ring_enters, stats.ticks.load(std::memory_order_relaxed), ticks_told_);
    told(metrics_.ring_completions, stats.completions.load(std::memory_order_relaxed), completions_told_);
    told(metrics_.ring_no_buffers, stats.buffer_starvations.load(std::memory_order_relaxed), starvations_told_);
    told(metrics_.ring_cq_overflows, shard_.ring().overflow_count(), overflows_told_);
    metrics_.buffers_leased.set(shard_.buffers().leased_count());
}

}  // namespace loom::app

// One shard and its thread: started, given plans, drained and joined by the main thread.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "alert_webhook.h"
#include "google_tokens.h"
#include "health_checks.h"
#include "jwt_keys.h"
#include "lease_pump.h"
#include "listener_tls.h"
#include "loom/proxy/cache_shards.h"
#include "loom/proxy/listener.h"
#include "loom/proxy/services.h"
#include "shared_store.h"

namespace loom::app {

class ShardThread {
  public:
    /// shard_count  among which limits are divided.     logs  outlive it
    ShardThread(uint32_t index, uint32_t shard_count, const io::ShardOptions& options, net::Resolver& resolver,
                observe::ShardMetrics& metrics, observe::ShardLogs logs);
    /// A thread that was started has been joined, or is drained here.
    ~ShardThread();
    ShardThread(const ShardThread&) = delete;

    /// Before start. Owns `fd`.
    void add_listener(proxy::ListenerPlan plan, int fd);
    /// Before start: this thread fetches access tokens beside what it serves.
    void keep_google_tokens(GoogleTokens::Deliver deliver) { deliver_tokens_ = std::move(deliver); }
    /// Before start: this thread fetches issuers' keys.
    void keep_jwt_keys(JwtKeyFetcher::Deliver deliver) { deliver_jwt_keys_ = std::move(deliver); }
    /// Before start: this thread checks how providers do.
    void keep_health_checks() { checks_health_ = true; }
    /// Before start: this thread tells these events.
    void keep_alerts(std::vector<tenant::AlertRing*> rings) { told_rings_ = std::move(rings); }
    /// Before start: this thread keeps the store that several Looms share. The sums outlive it.
    void keep_shared_store(SharedStoreOptions options, store::UsageStore& usage) {
        shared_options_ = std::move(options);
        shared_usage_ = &usage;
    }
    /// Before start: where this shard's own events go.
    void put_alerts_into(tenant::AlertRing& ring) noexcept { own_ring_ = &ring; }
    /// Runs the shard; returns when its ring is open and its listeners accept, or why they cannot.
    [[nodiscard]] Result<void> start(std::shared_ptr<const proxy::Plan> plan);
    /// tls  this shard's own, for its https listeners.
    void set_plan(std::shared_ptr<const proxy::Plan> plan, TlsContexts tls);
    /// Before a plan that needs it. It outlives the thread, or is stopped first.
    void set_register(store::ResourceRegister* resources);
    /// Before start: what its requests take is written to this ledger, which outlives the thread.
    void keep_ledger(store::LedgerChannel& channel, bool refuses) noexcept {
        ledger_channel_ = &channel;
        ledger_refuses_ = refuses;
    }
    /// Before start: this shard owns its part of the cache, which outlives the thread.
    void keep_cache(proxy::CacheShards& cache);
    /// Calls it on the shard's thread, behind all that it was given before. Never where the shard has finished.
    void after_all(std::function<void()> then);
    void set_ticket_keys(const net::TlsTicketKeys& keys);
    void set_access_tokens(proxy::AccessTokensPtr tokens);
    void set_jwt_keys(proxy::JwtKeySetsPtr keys);
    /// Of a thread that keeps issuers' keys.
    void set_jwt_sources(std::vector<JwtSource> sources);
    /// Of a thread that keeps tokens.
    void set_google_accounts(std::vector<GoogleAccountPtr> accounts);
    /// Of a thread that keeps health checks.
    void set_health_targets(std::vector<HealthTarget> targets);
    /// Of a thread that tells events.
    void set_alert_plan(std::shared_ptr<const proxy::AlertPlan> plan);
    /// Of a thread that keeps the store that several Looms share.
    void set_shared_limits(std::vector<tenant::SharedLimit> limits);
    /// Leases have been drawn, or there is nobody to draw them of. From any thread.
    [[nodiscard]] bool leases_begun() const noexcept { return leases_ == nullptr || leases_->has_begun(); }
    /// The plan in force. On its own thread.
    [[nodiscard]] std::shared_ptr<const proxy::Plan> plan() const { return services_->shared_plan(); }
    /// The same, on its own thread.
    [[nodiscard]] std::vector<observe::AccessTokenFacts> token_facts() const;
    [[nodiscard]] std::vector<observe::JwtKeyFacts> jwt_key_facts() const;
    [[nodiscard]] std::optional<observe::AlertFacts> alert_facts() const;
    [[nodiscard]] std::optional<observe::SharedStoreFacts> shared_store_facts() const;
    [[nodiscard]] std::optional<observe::LeaseFacts> lease_facts() const;
    /// Stops accepting and ends when everything came home.
    void drain();
    /// Breaks off what still runs. While it drains.
    void cut();
    /// The shard's thread has nothing left to do.
    [[nodiscard]] bool finished() const noexcept { return finished_.load(std::memory_order_acquire); }
    void join();

  private:
    struct Housekeeping : io::Timer {
        explicit Housekeeping(ShardThread& s) : Timer(&ShardThread::on_housekeeping), shard(s) {}
        ShardThread& shard;
    };
    static void on_housekeeping(io::Timer& timer) noexcept;
    void run(std::shared_ptr<const proxy::Plan> plan, class StartSignal& started);
    void publish_loop_stats() noexcept;
    [[nodiscard]] bool idle();
    void begin_sharing();
    [[nodiscard]] bool sharing_over();

    uint32_t shard_count_;
    io::Shard shard_;
    net::Resolver& resolver_;
    observe::ShardMetrics& metrics_;
    observe::ShardLogs logs_;
    std::vector<std::pair<proxy::ListenerPlan, int>> pending_;
    std::unique_ptr<proxy::Services> services_;
    store::ResourceRegister* register_ = nullptr;  // before the start
    store::LedgerChannel* ledger_channel_ = nullptr;
    bool ledger_refuses_ = false;
    proxy::CacheShards* cache_ = nullptr;
    std::unique_ptr<store::LedgerLog> ledger_;
    std::vector<std::unique_ptr<proxy::ProxyListener>> listeners_;
    GoogleTokens::Deliver deliver_tokens_;
    std::unique_ptr<GoogleTokens> google_tokens_;
    JwtKeyFetcher::Deliver deliver_jwt_keys_;
    std::unique_ptr<JwtKeyFetcher> jwt_keys_;
    bool checks_health_ = false;
    std::unique_ptr<HealthChecks> health_checks_;
    std::vector<tenant::AlertRing*> told_rings_;
    std::unique_ptr<AlertWebhook> alerts_;
    tenant::AlertRing* own_ring_ = nullptr;
    SharedStoreOptions shared_options_;
    store::UsageStore* shared_usage_ = nullptr;  // null: nothing is shared
    std::unique_ptr<SharedStore> shared_store_;
    std::unique_ptr<LeasePump> leases_;  // of shared_store_
    bool store_stopped_ = false;
    Housekeeping housekeeping_{*this};
    uint64_t ticks_told_ = 0;
    uint64_t completions_told_ = 0;
    uint64_t starvations_told_ = 0;
    uint64_t overflows_told_ = 0;
    std::atomic<bool> finished_{false};
    std::thread thread_;
};

}  // namespace loom::app

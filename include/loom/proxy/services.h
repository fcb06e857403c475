// What a shard lends to its exchanges: the plan in force, pools, readers, counters, the log.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loom/http/head_parser.h"
#include "loom/http/sigv4.h"
#include "loom/io/shard.h"
#include "loom/llm/event_texts.h"
#include "loom/llm/realtime.h"
#include "loom/llm/request.h"
#include "loom/llm/resource_reader.h"
#include "loom/llm/stream_reader.h"
#include "loom/llm/translate.h"
#include "loom/llm/usage.h"
#include "loom/net/resolver.h"
#include "loom/observe/access_log.h"
#include "loom/observe/metrics.h"
#include "loom/observe/shard_logs.h"
#include "loom/proxy/access_token.h"
#include "loom/proxy/plan.h"
#include "loom/store/ledger_log.h"
#include "loom/store/resource_register.h"
#include "loom/tenant/alert.h"
#include "loom/upstream/pool.h"

namespace loom::proxy {

class ClientConnection;
struct ClientTag;
struct ListenerPlan;
class AddressTable;
class BodyBudget;
class CacheDesk;
class CacheShards;
class IntrospectionDesk;
class Overload;
class TokenDesk;
class WaitingLine;

/// Whether a connection counts against limit.connections_per_address: `free` ones do not.
enum class AddressShare : uint8_t { free, counted, exceeded };

/// A client's socket before anything was spent on it. Its share is counted from here on, also while it waits for room.
struct Arrival {
    int fd = -1;
    net::PeerAddress peer;
    AddressShare share = AddressShare::free;
};

/// A pool with its counters; shared by the plans that name the same place.
struct PoolEntry final : upstream::PoolWatch {
    PoolEntry(io::Shard& shard, net::NameService& names, observe::ShardMetrics& shard_metrics, uint16_t label,
              const upstream::EndpointOptions& options, std::shared_ptr<net::TlsContext> tls_context,
              io::BufferPool* plain)
        : metrics(shard_metrics),
          label_ix(label),
          tls(std::move(tls_context)),
          pool(shard, names, *this, options, {.context = tls.get(), .plain = plain}) {}

    void on_connected() noexcept override;
    void on_reused() noexcept override;
    void on_stale() noexcept;
    void on_connect_failed(Errc why) noexcept override;
    void on_level(int idle_delta, int busy_delta) noexcept override;
    void on_tls_open(bool resumed, uint64_t duration_ns) noexcept override;
    void on_tls_failed(std::string_view text, bool in_handshake) noexcept override;
    void on_tls_given_up() noexcept override;

    observe::ShardMetrics& metrics;
    uint16_t label_ix;
    uint32_t plans = 0;  // that use it
    std::shared_ptr<net::TlsContext>
        tls;                // shared by this shard's pools on the same terms, and so is its session cache
    std::string tls_fault;  // what was logged last
    uint64_t tls_fault_ms = 0;
    upstream::Pool pool;
};

/// One shard's hold on one plan: an exchange keeps the plan it began with, however long its stream runs.
struct PlanUse {
    std::shared_ptr<const Plan> plan;
    struct InstanceUse {
        PoolEntry* pool = nullptr;                  // null for echo
        std::unique_ptr<http::SigV4Signer> signer;  // null where nothing is signed
    };
    std::vector<std::vector<InstanceUse>> instances;  // by provider
    std::vector<PoolEntry*> route_pools;              // of plain routes, else null
    std::vector<route::Turn> turns;                   // by the catalogue's sets
    uint32_t exchanges = 0;
};

class Services {
  public:
    Services(io::Shard& shard, net::NameService& names, observe::ShardMetrics& metrics, observe::ShardLogs logs,
             uint32_t shard_count);
    ~Services();
    Services(const Services&) = delete;

    /// Takes effect for exchanges that begin from now on.
    void set_plan(std::shared_ptr<const Plan> plan);
    [[nodiscard]] PlanUse* use_plan() noexcept {
        current_->exchanges += 1;
        return current_;
    }
    void leave_plan(PlanUse* use) noexcept;
    /// In place of those before.
    void set_access_tokens(AccessTokensPtr tokens) noexcept { access_tokens_ = std::move(tokens); }
    /// Null while none has come. Good until the next tick.
    [[nodiscard]] const AccessToken* access_token(uint64_t account) const noexcept;
    [[nodiscard]] const Plan& plan() const noexcept { return *current_->plan; }
    /// Where tokens of clients are looked at.
    [[nodiscard]] TokenDesk& tokens() noexcept { return *tokens_; }
    /// Where issuers are asked about tokens.
    [[nodiscard]] IntrospectionDesk& introspections() noexcept { return *introspections_; }
    /// In place of those before.
    void set_jwt_keys(JwtKeySetsPtr keys);
    /// Must be there, and not stopped, as long as exchanges of a plan that keeps_any() run.
    void set_register(store::ResourceRegister* resources) noexcept { register_ = resources; }
    [[nodiscard]] store::ResourceRegister* resource_register() const noexcept { return register_; }

    /// Of this shard; null: nothing is written down. refuses  whether nobody is served while it does not write.
    void set_ledger(store::LedgerLog* ledger, bool refuses) noexcept {
        ledger_ = ledger;
        refuses_without_ledger_ = refuses;
    }
    [[nodiscard]] store::LedgerLog* ledger() const noexcept { return ledger_; }
    [[nodiscard]] bool ledger_refuses() const noexcept { return refuses_without_ledger_ && ledger_->failing(); }

    /// Where this shard's events go; null: nowhere.
    void set_alerts(tenant::AlertRing* alerts) noexcept { alerts_ = alerts; }
    /// Where the plan in force has events told.
    void tell(const tenant::Alert& alert) noexcept;

    /// This shard's part of the cache; before the first plan. `shards` outlives this.
    void set_cache(CacheShards& shards);
    /// Null: nobody has set it.
    [[nodiscard]] CacheDesk* cache() noexcept { return cache_.get(); }

    [[nodiscard]] std::shared_ptr<const Plan> shared_plan() const { return current_->plan; }

    [[nodiscard]] io::Shard& shard() noexcept { return shard_; }
    [[nodiscard]] observe::ShardMetrics& metrics() noexcept { return metrics_; }
    [[nodiscard]] observe::ShardAccessLog* log() noexcept { return logs_.access; }
    [[nodiscard]] observe::ShardAuditLog* audit_log() noexcept { return logs_.audit; }

    /// For TLS records that came in several reads, of both sides; made at the first need.
    [[nodiscard]] io::BufferPool& tls_buffers();
    static constexpr uint16_t tls_buffer_count = 64;         // of TLS records that came in several reads
    static constexpr uint32_t tls_buffer_bytes = 16 * 1024;  // the most that a record holds
    static constexpr size_t tls_pool_bytes = size_t{tls_buffer_count} * tls_buffer_bytes;

    // Scratch of the call at hand: nothing in it survives a wait.
    http::RequestHead request_head;
    http::ResponseHead response_head;
    llm::RequestReader request_reader;
    llm::StreamReader stream_reader;
    llm::UsageReader usage_reader;
    llm::RealtimeReader realtime_reader;
    llm::TranslateScratch translate_scratch;
    llm::EventScratch event_scratch;
    std::string upstream_path;
    llm::ResourceReader resource_reader;
    std::unique_ptr<llm::TokenCounter> token_counter;  // once a plan has tokenizers

    route::Random random;
    route::RetryBudget retries;
    route::RetryBudget hedges{route::hedge_budget};
    uint32_t hedge_count = 0;    // requests that two providers are asked
    uint32_t mirror_count = 0;   // copies of requests under way
    uint64_t mirror_credit = 0;  // of MirrorPlan::whole_share: what the next one's share is added to

    /// "Sun, 06 Nov 1994 08:49:37 GMT", renewed when the second changes.
    [[nodiscard]] std::string_view date() noexcept;
    /// Microseconds since 1970 at this tick: the monotonic clock, set by the wall's ten times a second.
    [[nodiscard]] uint64_t wall_now_us() noexcept;
    [[nodiscard]] int64_t unix_now_s() noexcept { return static_cast<int64_t>(wall_now_us() / 1'000'000); }
    /// 32 hexadecimal digits, unlike any other of this process and hard to guess.
    [[nodiscard]] std::array<char, 32> new_request_id() noexcept;

    // Connections of clients on this shard.
    void add_client(ClientConnection& client) noexcept;
    void remove_client(ClientConnection& client) noexcept;
    [[nodiscard]] uint32_t client_count() const noexcept { return client_count_; }
    /// limit.connections, this shard's part of it; on the admin's, which has a thread of its own, a few.
    [[nodiscard]] bool has_room_for_client(const ListenerPlan& listener) const noexcept;
    static constexpr uint32_t admin_connections_max = 64;
    /// Looks who has come in by `fd`, which it takes over. Nothing, and the socket closed, where the peer has reset its
    /// connection before it was accepted, and over its address's part of limit.connections_per_address. An arrival's
    /// share is given back by remove_client, or by dismiss. Free are unix sockets' peers, the admin's, and proxies
    /// (forwarded.trust), behind which many clients stand. Those of before the limit was switched on are not counted.
    [[nodiscard]] std::optional<Arrival> welcome(const ListenerPlan& listener, int fd);
    /// Closes one that never became a client.
    void dismiss(const Arrival& arrival) noexcept;
    /// This shard's part of limit.bodies_in_memory.
    [[nodiscard]] BodyBudget& bodies() noexcept { return *bodies_; }
    /// Of requests whose providers are at their limits.
    [[nodiscard]] WaitingLine& line() noexcept { return *line_; }
    /// The loop has turned; at the end of each turn.
    void note_turn(uint64_t turn_ns) noexcept;
    /// Is a request of this class refused, since the shard has too much to do?
    [[nodiscard]] bool sheds(uint8_t priority) noexcept;
    /// Called when there is room again after there was none.
    void on_room(std::function<void()> tell) { tell_room_ = std::move(tell); }
    /// No new exchanges: idle clients are closed, others when their answer is out; after `drain_ms` all are.
    void begin_drain();
    [[nodiscard]] bool draining() const noexcept { return draining_; }
    /// Ends these too.
    void close_all() noexcept;
    /// Every client, exchange and upstream connection has come home.
    [[nodiscard]] bool idle() const noexcept;

    uint32_t exchange_count = 0;

  private:
    using Clients = List<ClientConnection, ClientTag>;
    struct DrainLimit : io::Timer {
        explicit DrainLimit(Services& s) : Timer(&Services::on_drain_limit), services(s) {}
        Services& services;
    };
    static void on_drain_limit(io::Timer& timer) noexcept;
    [[nodiscard]] std::shared_ptr<net::TlsContext> tls_for(const upstream::TlsTerms& terms);
    PoolEntry* pool_for(const upstream::EndpointOptions& options, uint16_t label_ix);
    void retire(PlanUse& use);
    [[nodiscard]] AddressShare take_share(const ListenerPlan& listener, const net::PeerAddress& peer);
    void tell_flood(const net::PeerAddress& peer, uint32_t connections);
    void sweep_pools();

    io::Shard& shard_;
    net::NameService& names_;
    observe::ShardMetrics& metrics_;
    observe::ShardLogs logs_;
    uint32_t shard_count_;
    std::unique_ptr<io::BufferPool> tls_buffers_;
    std::vector<std::unique_ptr<PoolEntry>> pools_;
    std::vector<std::unique_ptr<PlanUse>> uses_;
    PlanUse* current_ = nullptr;
    AccessTokensPtr access_tokens_;
    store::ResourceRegister* register_ = nullptr;
    store::LedgerLog* ledger_ = nullptr;
    tenant::AlertRing* alerts_ = nullptr;
    bool refuses_without_ledger_ = false;
    std::unique_ptr<Clients> clients_;
    uint32_t client_count_ = 0;
    std::unique_ptr<AddressTable> addresses_;
    std::unique_ptr<BodyBudget> bodies_;
    std::unique_ptr<WaitingLine> line_;
    std::unique_ptr<Overload> overload_;
    std::unique_ptr<TokenDesk> tokens_;
    std::unique_ptr<IntrospectionDesk> introspections_;
    std::unique_ptr<CacheDesk> cache_;
    uint64_t flood_told_until_ms_ = 0;
    std::function<void()> tell_room_;
    bool draining_ = false;
    DrainLimit drain_limit_{*this};
    std::array<char, 29> date_text_{};
    uint64_t date_second_ = 0;
    uint64_t wall_base_us_ = 0;
    uint64_t wall_base_ns_ = 0;
    uint64_t id_state_[2];
};

}  // namespace loom::proxy

// What several Looms share in one Redis or Valkey: leases of limits, and the sums of what was used. Beside the
// requests: it lives on the admin's thread, and whoever serves never waits for it.
//
// Leases are drawn by one script (store/lease_script.h). Sums are each Loom's own: its usage.db stays the truth of what
// it has settled, and what is shipped are absolute values under this Loom's id, row by row in the order of their
// change. So nothing is counted twice, and a Redis that has lost everything is filled again. The others' rows are
// fetched into usage.db beside the own ones, where /ai/usage reads them: it asks no Redis, and still knows them when
// Redis is lost.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "loom/base/result.h"
#include "loom/io/shard.h"
#include "loom/net/resolver.h"
#include "loom/observe/metrics.h"
#include "loom/store/usage_store.h"
#include "loom/tenant/lease.h"
#include "loom/upstream/redis_client.h"
#include "usage_exchange.h"

namespace loom::app {

struct SharedStoreOptions {
    upstream::RedisOptions redis;
    std::string key_prefix;              // "loom:tokens:"
    uint64_t usage_interval_ms = 2'000;  // between two looks at what there is to ship and to fetch
};

class SharedStore {
  public:
    /// usage  shares its sums (UsageStore::Options::shared), and outlives this.
    SharedStore(io::Shard& shard, net::NameService& names, SharedStoreOptions options, store::UsageStore& usage);
    ~SharedStore();  // idle() first
    SharedStore(const SharedStore&) = delete;

    /// As many grants as draws, in their order; or nothing is known: a draw may have been taken or not.
    using Drawn = std::move_only_function<void(Result<std::vector<tenant::LeaseGrant>>)>;
    /// Draws leases for this Loom, one batch at a time, all of it in one round trip. `done` is called once, from the
    /// loop and never inside this call; it may draw again. A draw that gives back (want below the lease at hand) counts
    /// from now on, whether its answer comes or not: no more than `want` may be spent from this call on. One that is
    /// asked for more leaves the lease at hand good until its answer.
    /// draws   at most draws_max; floor up to want, ttl_ms above 0. want of 0 lets the lease go. Units above
    ///         lease_units_max count as that many.
    /// Errors  exhausted: a batch is under way.   cancelled: stop().
    ///         unreachable, refused, timed_out, closed, reset, tls_failed, unauthenticated, bad_message, io (the store
    ///         has refused the script): the store is lost; the next draw may be tried at once, and fails at once while
    ///         the connection pauses.
    void draw(std::vector<tenant::LeaseDraw> draws, Drawn done);
    static constexpr size_t draws_max = 1'024;
    static constexpr uint64_t lease_units_max = uint64_t{1} << 52;  // exact in the script's numbers

    /// The connection is there and has answered.
    [[nodiscard]] bool up() const noexcept;
    /// Called when up() changes, from the loop.
    void on_change(std::function<void(bool up)> told);

    /// What was settled since the last round is told, within a command's time; then told_all(). Nothing settles any
    /// more.
    void finish_telling() noexcept { exchange_->finish_telling(options_.redis.timeout_ms); }
    [[nodiscard]] bool told_all() const noexcept { return exchange_->told_all(); }
    /// Ends what runs. Nothing may be drawn afterwards.
    void stop() noexcept;
    [[nodiscard]] bool idle() const noexcept;
    [[nodiscard]] observe::SharedStoreFacts facts() const;
    /// What it takes at worst, in bytes.
    [[nodiscard]] static uint64_t memory_bytes_max(const SharedStoreOptions& options);

  private:
    struct Batch;
    void ask(bool with_script);
    void take(Result<store::RedisReply> reply, bool with_script);
    void refused(store::RedisFault fault, std::string_view text);
    void finish(Result<void> result);

    io::Shard& shard_;
    SharedStoreOptions options_;
    std::string loom_id_;
    std::function<void(bool)> told_;
    upstream::RedisClient client_;
    std::unique_ptr<Batch> batch_;
    std::unique_ptr<UsageExchange> exchange_;
    std::string told_refusal_;
};

}  // namespace loom::app

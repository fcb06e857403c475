// What Loom counts. Each shard writes a slab of its own, with plain loads and stores and without a lookup or an
// allocation; the exposition adds the slabs up when someone asks.
//
// Labels are bounded by construction: a provider or a model gets its slot when a configuration is built, by name, and
// keeps it for the life of the process, so counters stay monotonic over reloads. Slot 0 is `other`, where all that
// exceeds a bound is counted, as is every model name that only a client knows.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/assert.h"
#include "loom/base/auth_failure.h"
#include "loom/base/content_category.h"
#include "loom/base/guard_result.h"
#include "loom/base/histogram.h"
#include "loom/base/leak_kind.h"
#include "loom/base/limit_scope.h"
#include "loom/base/money.h"
#include "loom/base/owner_slots.h"
#include "loom/base/pii_type.h"

namespace loom::observe {

inline constexpr uint16_t other_slot = 0;
inline constexpr uint16_t provider_slots_max = 64;   // `other` included
inline constexpr uint16_t model_slots_max = 201;     // `other` included
inline constexpr uint16_t arm_slots_max = 65;        // of experiments; `other` included
inline constexpr uint16_t owner_slots_max = 129;     // of teams, and of tenants; `other` included
inline constexpr uint16_t guard_slots_max = 17;      // of external guards; `other` included
inline constexpr size_t owner_name_bytes_max = 260;  // one that is longer is among the others

enum class Outcome : uint8_t { success, error };
/// 499, a client that left, counts as an error of neither side, and Prometheus knows two words: error.
[[nodiscard]] constexpr Outcome outcome_of(uint16_t status) noexcept {
    return status < 400 ? Outcome::success : Outcome::error;
}

/// Where Loom's own time goes until an answer's head has left: from the request's first byte to its admission, over the
/// reading of its body, to its sending; then from the upstream's head to ours. `total` is what `x-loom-overhead-us`
/// tells.
enum class Stage : uint8_t { admit, inspect, forward, relay, total };
inline constexpr size_t stage_count = 5;

/// How an upstream connection was come by, or why not.
enum class ConnectResult : uint8_t {
    connected,
    reused,
    refused,
    timed_out,
    unreachable,
    reset,
    tls_failed,
    stale,
    exhausted
};
inline constexpr size_t connect_result_count = 9;

/// Why an attempt failed, and another provider was asked.
enum class FailoverReason : uint8_t {
    rate_limit,  // 429
    status,      // another of routing.failover.retry_codes
    connect,     // nothing was sent
    tls,
    timeout,
    reset,  // the connection ended before there was an answer
    bad_answer,
    error_event,     // inside a stream, before its first content
    credentials,     // ours for it are not at hand, or it does not take them: 401, 402
    untranslatable,  // its protocol cannot carry the request
    context_window,  // the model's is too small for the request: another model was asked
    content_policy,  // its filter of contents refused the request: the same
};
inline constexpr size_t failover_reason_count = 12;
[[nodiscard]] std::string_view failover_reason_name(FailoverReason reason) noexcept;

/// Of a request that goes by an affinity (routing.sticky): who answered it was its own provider, or another.
enum class Stickiness : uint8_t { kept, moved };
inline constexpr size_t stickiness_count = 2;
[[nodiscard]] std::string_view stickiness_name(Stickiness stickiness) noexcept;

/// What a request came to that was looked for among the answers that are kept, in the order of proxy's CacheStatus.
inline constexpr std::array<std::string_view, 5> cache_statuses = {"bypass", "miss", "hit", "stale", "semantic"};

/// On which side of Loom TLS is spoken, and how a handshake ended.
enum class TlsSide : uint8_t { client, upstream };
enum class TlsResult : uint8_t {
    full,
    resumed,
    failed,
    given_up,  // a deadline of Loom's passed, or it was shutting down
};
inline constexpr size_t tls_side_count = 2;
inline constexpr size_t tls_result_count = 4;

/// Upper bounds of similarities in thousandths, for a histogram: the nearer to the same, the finer.
inline constexpr size_t similarity_bound_count = 12;
inline constexpr std::array<uint64_t, similarity_bound_count> similarity_bounds = {500, 600, 700, 750, 800, 850,
                                                                                   900, 925, 950, 975, 990, 1000};

/// Cached is a part of input, reasoning a part of output.
struct TokenCounts {
    uint64_t input = 0;
    uint64_t output = 0;
    uint64_t cached = 0;
    uint64_t reasoning = 0;
};

inline constexpr size_t duration_bound_count = 15;
/// Microseconds: an LLM answers between milliseconds (a cache, a small model) and minutes (a reasoning one).
inline constexpr std::array<uint64_t, duration_bound_count> duration_bounds_us = {
    5'000,     10'000,    25'000,     50'000,     100'000,    250'000,     500'000,    1'000'000,
    2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000, 120'000'000, 300'000'000};
inline constexpr size_t overhead_bound_count = 14;
/// Nanoseconds: Loom's own work is a few microseconds.
inline constexpr std::array<uint64_t, overhead_bound_count> overhead_bounds_ns = {
    500,     1'000,   2'000,   5'000,     10'000,    20'000,     50'000,
    100'000, 200'000, 500'000, 1'000'000, 2'000'000, 10'000'000, 100'000'000};

inline constexpr size_t tls_bound_count = 10;
/// Microseconds: a handshake costs one of a CPU's milliseconds at most, and one or two round trips.
inline constexpr std::array<uint64_t, tls_bound_count> tls_bounds_us = {500,    1'000,  2'500,   5'000,   10'000,
                                                                        25'000, 50'000, 100'000, 500'000, 2'500'000};

using TlsHistogram = BoundedHistogram<tls_bound_count>;
using DurationHistogram = BoundedHistogram<duration_bound_count>;
using OverheadHistogram = BoundedHistogram<overhead_bound_count>;
using LatencyHistogram = Histogram<4, 32>;  // microseconds, for quantiles

/// What an affinity is worth: what the provider read of its prompt cache.
struct StickySeries {
    Counter requests, tokens_input, tokens_cached;
};

struct ProviderSeries {
    Counter tokens_input, tokens_output, tokens_cached, tokens_reasoning;
    std::array<Counter, connect_result_count> connects;
    Counter retries;  // attempts after the first
    std::array<StickySeries, stickiness_count> sticky;
    Gauge pool_idle, pool_busy;
    DurationHistogram first_token;
    LatencyHistogram latency;
    Counter latency_sum_us;
};

struct TlsSeries {
    std::array<Counter, tls_result_count> results;
    TlsHistogram duration;
};

struct ModelSeries {  // one per provider and model
    Counter success, error;
    Counter cost;  // Money; it wraps after 18 million of a currency's unit, which is as a restart
    DurationHistogram duration;
};

struct ArmSeries {  // one per arm of an experiment
    Counter success, error;
    Counter tokens_input, tokens_output;
    DurationHistogram duration;
};

struct GuardSeries {  // one per external guard
    std::array<Counter, guard_result_count> results;
    Counter blocked, would_block;  // requests; would: it is only counted
    DurationHistogram duration;    // of its answers, and of what was no answer in time
};

struct OwnerSeries {  // one per team, and per tenant
    Counter tokens_input, tokens_output, tokens_cached, tokens_reasoning;
    Counter cost;  // Money, likewise
};

/// One shard's slab. Written by the shard alone; read by anyone. Made by Metrics.
class ShardMetrics {
  public:
    // Levels of this shard. The owner of the thing counted keeps them true.
    Gauge connections_open, streams_open, exchanges_live, buffers_leased, buffers_total, body_memory_bytes;
    Gauge queue_length;    // requests that wait for a provider at its limit
    Gauge overload_level;  // in quarters of a class, see proxy/overload.h
    // Events of this shard.
    Counter connections_accepted, connections_refused, connections_over_address, connections_gone;
    Counter body_in_bytes, body_out_bytes;  // bodies between clients and Loom
    Counter stream_events;
    Counter client_cancels, stream_stalls,
        stream_breaks;  // stall: the reader was slower than the upstream; break: the upstream was gone mid-stream
    Counter ring_enters, ring_completions, ring_cq_overflows, ring_no_buffers;
    Counter timeouts;
    // Attempts after the first: nothing was sent before, it was sent and not answered (it may cost twice), or the
    // answer was an error. And those that routing.failover.retry_budget did not allow.
    Counter retries_unsent, retries_sent, retries_answered, retries_refused;
    Counter queue_full, queue_timeouts;  // refused by routing.queue: no room, or no chance to be served in time
    Counter shed;                        // refused because the shard was overloaded
    Counter limited;                     // refused, where every provider of their model was at its limit
    Counter mirrors_answered, mirrors_failed, mirrors_dropped;  // copies of requests for a shadow
    // Streams that broke behind content where routing.failover.continuation is on: another provider has told the rest,
    // none did, or there was something in them that nobody can go on with.
    Counter continuations_completed, continuations_failed, continuations_refused;
    Counter budget_alerts;  // shares of budgets that were reached
    Counter lease_short;    // refused by a limit that other Looms share, of which more was being drawn
    Counter lease_lost;     // and while the store did not answer that shares it
    // Prompts beyond their model's context: refused, sent as they are, sent without their oldest turns; and their
    // messages.
    Counter context_refused, context_flagged, context_trimmed, context_messages_dropped;
    Counter alerts_lost;       // events that a shard had no room for (alerts.*)
    Counter budget_fallbacks;  // requests that a model took in place of one that a budget did not do for
    // Requests that a second provider was asked beside the first: its answer was the client's, it was cancelled, it
    // failed, the client left. And those that were not: over the budget or the bound. untold: the one that was
    // cancelled had not said what it took.
    Counter hedges_won, hedges_lost, hedges_failed, hedges_abandoned, hedges_refused, hedges_untold;
    Gauge cache_entries, cache_bytes;                                 // of the keys that this shard owns
    Counter cache_saved_input, cache_saved_output, cache_saved_cost;  // of answers that were given again
    Counter cache_joined;   // requests that were given the answer to another one under way
    Counter ledger_lost;    // attempts that the ledger had no room for, since the disk did not take what was before
    Counter bodies_waited;  // for room in limit.bodies_in_memory

    /// An exchange that reached a provider, once, at its end. `duration_us` from the first byte of the request's head
    /// to the last of the answer.
    void request_done(uint16_t provider, uint16_t model, Outcome outcome, uint64_t duration_us) noexcept {
        ModelSeries& s = series(provider, model);
        (outcome == Outcome::success ? s.success : s.error).add();
        s.duration.record(duration_bounds_us, duration_us);
    }
    /// Any answer to a client, refusals and /healthz included; 499 for a client that left before one.
    void http_request(uint16_t status) noexcept { codes_[status < codes_.size() ? status : 0].add(); }
    void tokens(uint16_t provider, const TokenCounts& n) noexcept {
        ProviderSeries& p = provider_at(provider);
        p.tokens_input.add(n.input);
        p.tokens_output.add(n.output);
        p.tokens_cached.add(n.cached);
        p.tokens_reasoning.add(n.reasoning);
    }
    /// Of an attempt, as far as its price is known.
    void cost(uint16_t provider, uint16_t model, Money amount) noexcept {
        series(provider, model).cost.add(static_cast<uint64_t>(amount));
    }
    /// The same two, of an attempt, for the team and the tenant whose it is.
    void owner_tokens(const OwnerSlots& owners, const TokenCounts& n) noexcept {
        if (owners.team != OwnerSlots::none) add_tokens(team_at(owners.team), n);
        if (owners.tenant != OwnerSlots::none) add_tokens(tenant_at(owners.tenant), n);
    }
    void owner_cost(const OwnerSlots& owners, Money amount) noexcept {
        if (owners.team != OwnerSlots::none) team_at(owners.team).cost.add(static_cast<uint64_t>(amount));
        if (owners.tenant != OwnerSlots::none) tenant_at(owners.tenant).cost.add(static_cast<uint64_t>(amount));
    }
    /// Of a request whose provider was chosen by an affinity, once, at its end.
    void sticky(uint16_t provider, Stickiness stickiness, const TokenCounts& n) noexcept {
        StickySeries& s = provider_at(provider).sticky[static_cast<size_t>(stickiness)];
        s.requests.add();
        s.tokens_input.add(n.input);
        s.tokens_cached.add(n.cached);
    }
    /// Of a request that is in an experiment, once, at its end; beside request_done.
    void arm_done(uint16_t arm, Outcome outcome, uint64_t duration_us, const TokenCounts& n) noexcept {
        LOOM_ASSERT(arm < arm_slots_max);
        ArmSeries& s = arms_[arm];
        (outcome == Outcome::success ? s.success : s.error).add();
        s.duration.record(duration_bounds_us, duration_us);
        s.tokens_input.add(n.input);
        s.tokens_output.add(n.output);
    }
    /// A request that was looked for among the answers that are kept: which of proxy's CacheStatus it came to.
    void cache_request(size_t status) noexcept { cache_requests_[status].add(); }
    /// A request that one of its client's limits has refused: whose limit it was.
    void rate_limited(LimitScope scope) noexcept { rate_limited_[static_cast<size_t>(scope)].add(); }
    /// One that a budget has refused, likewise.
    void budget_refused(LimitScope scope) noexcept { budget_refused_[static_cast<size_t>(scope)].add(); }
    /// A request whose client was not let in.
    void auth_failed(AuthFailure why) noexcept { auth_failures_[static_cast<size_t>(why)].add(); }
    /// An issuer was asked about a token.
    void introspected(IntrospectionResult result) noexcept { introspections_[static_cast<size_t>(result)].add(); }
    /// Finds in a request, whatever became of them.
    /// series  of PiiSeries.
    void pii_told(uint8_t series, uint64_t count) noexcept { pii_told_[series].add(count); }
    void pii_detected(uint8_t series, uint64_t count) noexcept { pii_detected_[series].add(count); }
    /// A request whose texts look like an attack, whatever became of it.
    void content_detected(ContentCategory category) noexcept { content_detected_[static_cast<size_t>(category)].add(); }
    /// An answer, likewise.
    void content_told(ContentCategory category) noexcept { content_told_[static_cast<size_t>(category)].add(); }
    void injection_detected() noexcept { injections_detected_.add(); }
    /// In an answer, whatever became of it.
    void leaks_detected(LeakKind kind, uint64_t count) noexcept { leaks_[static_cast<size_t>(kind)].add(count); }
    /// Pieces of HTML in an answer, whatever became of them.
    void html_detected(uint64_t count) noexcept { html_.add(count); }
    /// A request that a guard has refused; `dry`: would have.
    void guard_blocked(GuardReason reason, bool dry) noexcept {
        (dry ? guard_would_block_ : guard_blocked_)[static_cast<size_t>(reason)].add();
    }
    /// Of one external guard.
    [[nodiscard]] GuardSeries& external_guard(uint16_t slot) noexcept {
        LOOM_ASSERT(slot < guard_slots_max);
        return external_guards_[slot];
    }
    /// Microseconds from the request's head to the first content byte sent to the client.
    void first_token(uint16_t provider, uint64_t us) noexcept {
        provider_at(provider).first_token.record(duration_bounds_us, us);
    }
    /// Microseconds from the last byte of the request sent to the head of the upstream's answer.
    void provider_latency(uint16_t provider, uint64_t us) noexcept {
        ProviderSeries& p = provider_at(provider);
        p.latency.record(us);
        p.latency_sum_us.add(us);
    }
    void overhead(Stage stage, uint64_t ns) noexcept {
        overhead_[static_cast<size_t>(stage)].record(overhead_bounds_ns, ns);
    }
    void failover(uint16_t from, uint16_t to, FailoverReason reason) noexcept {
        LOOM_ASSERT(from < provider_slots_max && to < provider_slots_max);
        failovers_[size_t{from} * provider_slots_max + to][static_cast<size_t>(reason)].add();
    }
    /// Microseconds that a request stood in line before its provider took it.
    void queue_wait(uint64_t us) noexcept { queue_wait_.record(duration_bounds_us, us); }
    /// How long one turn of the loop kept the next completion waiting.
    void loop_turn(uint64_t ns) noexcept { loop_turn_.record(overhead_bounds_ns, ns); }
    void connect(uint16_t provider, ConnectResult result) noexcept {
        provider_at(provider).connects[static_cast<size_t>(result)].add();
    }
    void retry(uint16_t provider) noexcept { provider_at(provider).retries.add(); }
    /// duration_us  of a handshake that succeeded.
    void tls_handshake(TlsSide side, TlsResult result, uint64_t duration_us = 0) noexcept {
        TlsSeries& s = tls_[static_cast<size_t>(side)];
        s.results[static_cast<size_t>(result)].add();
        if (result == TlsResult::full || result == TlsResult::resumed) s.duration.record(tls_bounds_us, duration_us);
    }
    [[nodiscard]] Gauge& pool_idle(uint16_t provider) noexcept { return provider_at(provider).pool_idle; }
    [[nodiscard]] Gauge& pool_busy(uint16_t provider) noexcept { return provider_at(provider).pool_busy; }

    // Reading, for the exposition and for tests.
    [[nodiscard]] const ProviderSeries& provider_series(uint16_t provider) const noexcept {
        return providers_[provider];
    }
    [[nodiscard]] const ModelSeries& model_series(uint16_t provider, uint16_t model) const noexcept {
        return series_[size_t{provider} * model_slots_max + model];
    }
    [[nodiscard]] const OwnerSeries& team_series(uint16_t slot) const noexcept { return teams_[slot]; }
    [[nodiscard]] const OwnerSeries& tenant_series(uint16_t slot) const noexcept { return tenants_[slot]; }
    [[nodiscard]] const ArmSeries& arm_series(uint16_t arm) const noexcept { return arms_[arm]; }
    [[nodiscard]] const OverheadHistogram& overhead_series(Stage stage) const noexcept {
        return overhead_[static_cast<size_t>(stage)];
    }
    [[nodiscard]] const OverheadHistogram& loop_turn_series() const noexcept { return loop_turn_; }
    [[nodiscard]] const DurationHistogram& queue_wait_series() const noexcept { return queue_wait_; }
    [[nodiscard]] const TlsSeries& tls_series(TlsSide side) const noexcept { return tls_[static_cast<size_t>(side)]; }
    [[nodiscard]] uint64_t failover_count(uint16_t from, uint16_t to, FailoverReason reason) const noexcept {
        return failovers_[size_t{from} * provider_slots_max + to][static_cast<size_t>(reason)].value();
    }
    [[nodiscard]] uint64_t pii_told_count(size_t series) const noexcept { return pii_told_[series].value(); }
    [[nodiscard]] uint64_t pii_detected_count(size_t series) const noexcept { return pii_detected_[series].value(); }
    [[nodiscard]] uint64_t content_detected_count(ContentCategory category) const noexcept {
        return content_detected_[static_cast<size_t>(category)].value();
    }
    [[nodiscard]] uint64_t content_told_count(ContentCategory category) const noexcept {
        return content_told_[static_cast<size_t>(category)].value();
    }
    [[nodiscard]] uint64_t leak_count(LeakKind kind) const noexcept {
        return leaks_[static_cast<size_t>(kind)].value();
    }
    [[nodiscard]] uint64_t html_count() const noexcept { return html_.value(); }
    [[nodiscard]] uint64_t injections_detected_count() const noexcept { return injections_detected_.value(); }
    [[nodiscard]] uint64_t guard_blocked_count(GuardReason reason) const noexcept {
        return guard_blocked_[static_cast<size_t>(reason)].value();
    }
    [[nodiscard]] uint64_t guard_would_block_count(GuardReason reason) const noexcept {
        return guard_would_block_[static_cast<size_t>(reason)].value();
    }
    [[nodiscard]] const GuardSeries& external_guard_series(uint16_t slot) const noexcept {
        return external_guards_[slot];
    }
    [[nodiscard]] uint64_t rate_limited_count(LimitScope scope) const noexcept {
        return rate_limited_[static_cast<size_t>(scope)].value();
    }
    [[nodiscard]] uint64_t budget_refused_count(LimitScope scope) const noexcept {
        return budget_refused_[static_cast<size_t>(scope)].value();
    }
    [[nodiscard]] uint64_t auth_failure_count_of(AuthFailure why) const noexcept {
        return auth_failures_[static_cast<size_t>(why)].value();
    }
    [[nodiscard]] uint64_t introspection_count(IntrospectionResult result) const noexcept {
        return introspections_[static_cast<size_t>(result)].value();
    }
    [[nodiscard]] uint64_t cache_request_count(size_t status) const noexcept { return cache_requests_[status].value(); }
    [[nodiscard]] uint64_t code_count(uint16_t code) const noexcept { return codes_[code].value(); }

  private:
    ProviderSeries& provider_at(uint16_t provider) noexcept {
        LOOM_ASSERT(provider < provider_slots_max);
        return providers_[provider];
    }
    OwnerSeries& team_at(uint16_t slot) noexcept {
        LOOM_ASSERT(slot < owner_slots_max);
        return teams_[slot];
    }
    OwnerSeries& tenant_at(uint16_t slot) noexcept {
        LOOM_ASSERT(slot < owner_slots_max);
        return tenants_[slot];
    }
    static void add_tokens(OwnerSeries& s, const TokenCounts& n) noexcept {
        s.tokens_input.add(n.input);
        s.tokens_output.add(n.output);
        s.tokens_cached.add(n.cached);
        s.tokens_reasoning.add(n.reasoning);
    }
    ModelSeries& series(uint16_t provider, uint16_t model) noexcept {
        LOOM_ASSERT(provider < provider_slots_max && model < model_slots_max);
        return series_[size_t{provider} * model_slots_max + model];
    }

    std::array<OverheadHistogram, stage_count> overhead_;
    OverheadHistogram loop_turn_;
    DurationHistogram queue_wait_;
    std::array<TlsSeries, tls_side_count> tls_;
    std::array<Counter, limit_scope_count> rate_limited_;
    std::array<Counter, limit_scope_count> budget_refused_;
    std::array<Counter, auth_failure_count> auth_failures_;
    std::array<Counter, introspection_result_count> introspections_;
    std::array<Counter, pii_series_count> pii_detected_, pii_told_;  // in requests, in answers
    std::array<Counter, guard_reason_count> guard_blocked_, guard_would_block_;
    Counter injections_detected_;
    std::array<GuardSeries, guard_slots_max> external_guards_;
    std::array<Counter, leak_kind_count> leaks_;
    Counter html_;
    std::array<Counter, content_category_count> content_detected_, content_told_;  // in requests, in answers
    std::array<Counter, cache_statuses.size()> cache_requests_;
    std::array<Counter, 600> codes_;  // by HTTP status; 0 for what is none
    std::array<ProviderSeries, provider_slots_max> providers_;
    std::array<ArmSeries, arm_slots_max> arms_;
    std::array<OwnerSeries, owner_slots_max> teams_, tenants_;
    // By provider left and provider asked instead; dense, as the series below.
    std::array<std::array<Counter, failover_reason_count>, size_t{provider_slots_max} * provider_slots_max> failovers_;
    // Dense, so that a series is an address and not a lookup. 2 MiB of address space; only pages that are counted in
    // take memory.
    std::array<ModelSeries, size_t{provider_slots_max} * model_slots_max> series_;
};

/// A certificate that Loom shows, and its end.
struct CertificateEnd {
    std::string owner;        // "listener.https", "provider.openai"
    std::string certificate;  // its file; certificate_label_max bytes at most
    int64_t ends_s = 0;       // seconds since 1970
};
inline constexpr size_t certificates_max = 64;  // in one exposition
inline constexpr size_t certificate_label_max = 128;

/// Of a provider whose requests carry access tokens.
struct AccessTokenFacts {
    std::string provider;
    uint64_t renewals = 0;  // that brought a token
    uint64_t failures = 0;
    uint64_t expires_s = 0;  // Unix; 0 before the first
};

/// Of an issuer of tokens whose keys are fetched.
struct JwtKeyFacts {
    std::string issuer;    // of jwt.NAME
    uint64_t fetches = 0;  // that brought a set of keys
    uint64_t failures = 0;
    uint64_t key_count = 0;  // of use, in the set at hand
};
inline constexpr size_t jwt_issuers_max = 32;  // in one exposition

/// Of events that are told to a webhook.
struct AlertFacts {
    uint64_t sent = 0;
    uint64_t failures = 0;  // attempts
    uint64_t dropped_full = 0, dropped_refused = 0, dropped_expired = 0;
    uint64_t waiting = 0;
};

/// Of who looks for sudden changes.
struct AnomalyCounts {
    static constexpr std::array<std::string_view, 6> types = {"spend",       "client_errors", "provider_errors",
                                                              "new_address", "new_model",     "unusual_hours"};
    std::array<uint64_t, types.size()> told{};
    uint64_t learning = 0, learned = 0;  // consumers
    uint64_t unwatched = 0;              // requests of consumers beyond alerts.anomaly.consumers
    uint64_t lost = 0;                   // requests that came faster than they were read
    uint64_t alerts_lost = 0;            // for which the webhook had no room
    uint64_t save_failures = 0;
};

/// Of limits that several Looms share.
struct LeaseFacts {
    uint64_t limits = 0;    // that are shared
    uint64_t draws = 0;     // of leases, that were answered
    uint64_t failures = 0;  // batches of draws that were not
    uint64_t unmet = 0;     // draws that were given less than was asked for
    uint64_t losses = 0;    // times that the store was lost
    bool lost = false;      // now
};

/// Of the store that several Looms share.
struct SharedStoreFacts {
    bool up = false;
    uint64_t answers = 0;      // commands that were answered, refusals included
    uint64_t refusals = 0;     // of these
    uint64_t failures = 0;     // of connections
    uint64_t connections = 0;  // that were greeted
    uint64_t rows_shipped = 0, rows_fetched = 0;
    uint64_t looms = 1;         // whose sums are known, this one included
    uint64_t told_until_s = 0;  // what others had told then is known, since 1970; 0: nothing was fetched yet
    bool complete = false;      // and that was just now
};

/// Of the files that keep the cache over a restart.
struct CacheSnapshotFacts {
    struct Layer {
        std::string_view layer;  // a literal
        uint64_t entries = 0, bytes = 0;
        double age_s = -1;  // below 0: there is none
        uint64_t loaded = 0, expired = 0, purged = 0, not_kept = 0;
        uint64_t refused = 0, failures = 0;
    };
    std::array<Layer, 2> layers;
};

/// Of answers to nearly the same requests, which a thread of its own keeps.
struct SemanticCacheFacts {
    uint64_t entries = 0, bytes = 0;
    uint64_t lookups = 0;      // that were answered
    uint64_t late = 0;         // that were not in time, or had no room to wait
    uint64_t would_hit = 0;    // answers that were not given, since hits are only counted (semantic_cache.shadow)
    uint64_t put_dropped = 0;  // answers that were not kept, since it had too much to do
    /// How near the nearest was, by similarity_bounds and above the last.
    std::array<uint64_t, similarity_bound_count + 1> nearest{};
    uint64_t nearest_sum = 0;
    struct Vetoes {
        std::string_view reason;  // a literal
        uint64_t count = 0;
    };
    std::vector<Vetoes> vetoes;
    struct Embeddings {
        std::string_view result;  // a literal
        uint64_t count = 0;
    };
    std::vector<Embeddings> embeddings;  // texts whose vectors a provider makes; empty: none does
};

/// How a provider does, as the requests of all shards have found it.
struct ProviderHealth {
    std::string provider;
    bool known = true;    // false: nobody watches it, and of its breaker nothing is told
    uint32_t weight = 1;  // as it is now; 0: it takes no new requests
    bool healthy = true;
    uint32_t breaker = 0;                                      // 0 closed, 1 half open, 2 open
    uint32_t open_models = 0;                                  // its models whose breakers are not closed
    std::optional<uint32_t> concurrency_limit = std::nullopt;  // in force now, where it has one
};

/// A provider's counts so far, of all shards.
struct ProviderTotals {
    uint64_t successes = 0, errors = 0;
    uint64_t retries = 0;
    uint64_t tokens_input = 0, tokens_output = 0, tokens_cached = 0;
    uint64_t answers = 0;  // whose latency was taken
    double latency_mean_us = 0, latency_p50_us = 0, latency_p95_us = 0, latency_p99_us = 0;
    uint64_t failovers_from = 0, failovers_to = 0;
    struct Sticky {
        uint64_t requests = 0, tokens_input = 0, tokens_cached = 0;
    };
    std::array<Sticky, stickiness_count> sticky;
};

/// Of a log of lines (line_log.h): lines written, lines lost, writes that failed.
struct LineLogFacts {
    uint64_t written = 0, dropped = 0, write_errors = 0;
};

/// What the process knows at the time of an exposition and no shard counts.
struct ProcessFacts {
    uint64_t now_us = 0;  // a monotonic clock, for the window of the latency quantiles
    LineLogFacts access_log, audit_log;
    uint64_t config_reloads = 0;
    uint64_t config_reload_failures = 0;
    uint64_t tls_renewals = 0;  // certificates in force that others took the place of
    uint64_t tls_renewal_failures = 0;
    std::vector<CertificateEnd> certificates;  // at most certificates_max, no two of one owner and file
    std::vector<AccessTokenFacts> access_tokens;
    std::vector<JwtKeyFacts> jwt_keys;
    std::optional<AlertFacts> alerts;              // nothing where no event is told
    std::optional<uint32_t> ledgers_failing;       // shards; nothing where there is no ledger
    std::optional<AnomalyCounts> anomalies;        // nothing where nobody looks for them
    std::optional<LeaseFacts> leases;              // nothing where no limit is shared
    std::optional<SharedStoreFacts> shared_store;  // nothing where there is none
    std::vector<ProviderHealth> providers;         // all that there are
    std::optional<SemanticCacheFacts> semantic_cache;
    std::optional<CacheSnapshotFacts> cache_snapshots;
};

/// Owns the slots' names and the slabs; lives as long as the process.
class Metrics {
  public:
    /// `version` is what loom_build_info tells; without it, this build's own.
    Metrics(uint32_t shard_count, std::string_view version);
    explicit Metrics(uint32_t shard_count);
    ~Metrics();
    Metrics(const Metrics&) = delete;

    /// The slab of a shard; its address is good for the life of this object.
    [[nodiscard]] ShardMetrics& shard(uint32_t index) noexcept { return *shards_[index]; }
    /// What the admin's thread writes. It is shown nowhere: who watches does not change what is seen.
    [[nodiscard]] ShardMetrics& admin() noexcept { return *admin_; }

    // Called when a configuration is built, from any thread.
    /// The slot of a configured name, made when new; `other_slot` once all are taken.
    [[nodiscard]] uint16_t provider(std::string_view name);
    [[nodiscard]] uint16_t model(std::string_view name);
    [[nodiscard]] uint16_t arm(std::string_view experiment, std::string_view name);
    /// Of a team, of a tenant (OwnerSlots).
    [[nodiscard]] uint16_t team(std::string_view name);
    [[nodiscard]] uint16_t tenant(std::string_view name);
    /// The series of a custom type of personal data (PiiSeries).
    [[nodiscard]] uint8_t custom_type(std::string_view name);
    /// Of an external guard.
    [[nodiscard]] uint16_t external_guard(std::string_view name);
    /// This pair can be asked for: its counters show from the start, at 0.
    void declare(uint16_t provider, uint16_t model);
    /// Adds document 000's spellings.
    void set_compat(bool on);

    /// Prometheus text format 0.0.4 of everything, summed over shards. Any thread; shards are not disturbed. Takes
    /// about 0.1 ms and up to milliseconds with hundreds of models: a service thread is the better place for it. Serve
    /// it as `text/plain; version=0.0.4; charset=utf-8`.
    [[nodiscard]] std::string expose(const ProcessFacts& facts);
    /// Any thread, likewise.
    [[nodiscard]] ProviderTotals provider_totals(uint16_t provider) const;
    /// The longest that text gets with so many providers, models, arms of experiments, and teams and tenants.
    [[nodiscard]] static size_t exposition_bytes_max(size_t provider_count, size_t model_count, size_t arm_count,
                                                     size_t owner_count) noexcept;

  private:
    friend class Exposition;
    struct SlabDeleter {
        void operator()(ShardMetrics* slab) const noexcept;
    };
    struct Window;  // former latency counts of each provider
    using Slab = std::unique_ptr<ShardMetrics, SlabDeleter>;
    static Slab make_slab();

    mutable std::mutex mutex_;  // names, declared pairs, windows: the request path never comes here
    std::vector<Slab> shards_;
    Slab admin_ = make_slab();
    std::vector<std::string> providers_{"other"};
    std::vector<std::string> models_{"other"};
    std::vector<std::pair<std::string, std::string>> arms_{{"other", "other"}};  // experiment and arm
    std::vector<std::string> teams_{"other"};
    std::vector<std::string> tenants_{"other"};
    std::vector<std::string> custom_types_{"other"};
    std::vector<std::string> external_guards_{"other"};
    std::vector<bool> declared_;
    std::vector<std::unique_ptr<Window>> windows_;
    std::string version_;
    bool compat_ = false;
};

}  // namespace loom::observe

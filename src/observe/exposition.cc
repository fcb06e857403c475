#include <cmath>

#include "anomaly_text.h"
#include "guard_exposition.h"
#include "line_log_text.h"
#include "loom/base/alloc_counter.h"
#include "loom/observe/metrics.h"
#include "owner_exposition.h"
#include "process_stat.h"
#include "semantic_cache_text.h"
#include "shard_families.h"
#include "shared_store_text.h"
#include "text_format.h"
#include "windows.h"

namespace loom::observe {
namespace {

constexpr double us_per_s = 1e6;
constexpr double ns_per_s = 1e9;
constexpr const char* stage_names[stage_count] = {"admit", "inspect", "forward", "relay", "total"};
constexpr const char* connect_result_names[connect_result_count] = {
    "connected", "reused", "refused", "timed_out", "unreachable", "reset", "tls_failed", "stale", "exhausted"};
constexpr const char* tls_side_names[tls_side_count] = {"client", "upstream"};
constexpr const char* tls_result_names[tls_result_count] = {"full", "resumed", "failed", "given_up"};
constexpr double quantiles[] = {0.5, 0.9, 0.95, 0.99};
constexpr const char* quantile_names[] = {"0.5", "0.9", "0.95", "0.99"};

}  // namespace

/// One reading of all slabs, written out family by family. Lives under the lock of Metrics.
class Exposition {
  public:
    Exposition(Metrics& metrics, const ProcessFacts& facts) : m_(metrics), facts_(facts) {}

    std::string text() {
        write_requests();
        write_durations();
        write_tokens();
        write_costs();
        write_owners_of_requests();
        write_first_tokens();
        write_latency();
        write_upstreams();
        write_failovers();
        write_stickiness();
        write_experiments();
        write_mirrors();
        write_cache();
        if (facts_.semantic_cache) write_semantic_cache(out_, *facts_.semantic_cache);
        if (facts_.cache_snapshots) write_cache_snapshots(out_, *facts_.cache_snapshots);
        write_continuations();
        write_hedges();
        write_health();
        write_tls();
        write_rate_limits();
        write_budgets();
        write_auth_failures();
        write_introspections();
        write_ledger();
        write_guards();
        write_http();
        write_overhead();
        write_shards();
        write_process();
        return out_.take();
    }

  private:
    template <class Read>
    uint64_t sum(Read read) const {
        uint64_t total = 0;
        for (const auto& shard : m_.shards_) total += static_cast<uint64_t>(read(*shard));
        return total;
    }
    template <size_t n, class Read>
    HistogramSum<n> sum_histogram(Read read) const {
        HistogramSum<n> total;
        for (const auto& shard : m_.shards_) total.add(read(*shard));
        return total;
    }
    uint64_t successes(uint16_t p, uint16_t m) const {
        return sum([=](const ShardMetrics& s) { return s.model_series(p, m).success.value(); });
    }
    uint64_t errors(uint16_t p, uint16_t m) const {
        return sum([=](const ShardMetrics& s) { return s.model_series(p, m).error.value(); });
    }
    uint64_t provider_sum(uint16_t p, Counter ProviderSeries::* member) const {
        return sum([=](const ShardMetrics& s) { return (s.provider_series(p).*member).value(); });
    }

    /// Configured providers, and `other` once it was used.
    template <class Do>
    void each_provider(Do what) const {
        for (uint16_t p = 0; p < m_.providers_.size(); ++p) {
            if (p != other_slot || requests_of(p) > 0) what(p, std::string_view(m_.providers_[p]));
        }
    }
    uint64_t requests_of(uint16_t p) const {
        uint64_t total = 0;
        for (uint16_t m = 0; m < m_.models_.size(); ++m) total += successes(p, m) + errors(p, m);
        return total;
    }
    /// Pairs that can be asked for, and those that were.
    template <class Do>
    void each_pair(Do what) const {
        for (uint16_t p = 0; p < m_.providers_.size(); ++p) {
            for (uint16_t m = 0; m < m_.models_.size(); ++m) {
                const uint64_t success = successes(p, m), error = errors(p, m);
                const bool declared = m_.declared_[size_t{p} * model_slots_max + m];
                if (declared || success + error > 0) what(p, m, success, error);
            }
        }
    }

    void write_requests() {
        out_.family("loom_ai_requests_total", "counter", "Requests that reached a provider, by their end.");
        each_pair([&](uint16_t p, uint16_t m, uint64_t success, uint64_t error) {
            const std::string_view provider = m_.providers_[p], model = m_.models_[m];
            out_.sample({{"provider", provider}, {"model", model}, {"status", "success"}}, success);
            out_.sample({{"provider", provider}, {"model", model}, {"status", "error"}}, error);
        });
    }

    void write_durations() {
        out_.family("loom_ai_request_duration_seconds", "histogram",
                    "From the first byte of a request to the last of its answer, by provider and model.");
        each_pair([&](uint16_t p, uint16_t m, uint64_t success, uint64_t error) {
            if (success + error == 0) return;
            out_.histogram({{"provider", m_.providers_[p]}, {"model", m_.models_[m]}}, duration_le_, duration(p, m),
                           us_per_s);
        });
        out_.family("loom_ai_duration_seconds", "histogram", "The same, by provider.");
        each_provider([&](uint16_t p, std::string_view name) {
            HistogramSum<duration_bound_count> total;
            for (uint16_t m = 0; m < m_.models_.size(); ++m) {
                for (const auto& shard : m_.shards_) total.add(shard->model_series(p, m).duration);
            }
            out_.histogram({{"provider", name}}, duration_le_, total, us_per_s);
        });
    }
    HistogramSum<duration_bound_count> duration(uint16_t p, uint16_t m) const {
        return sum_histogram<duration_bound_count>(
            [=](const ShardMetrics& s) -> const DurationHistogram& { return s.model_series(p, m).duration; });
    }

    void write_tokens() {
        out_.family("loom_ai_tokens_total", "counter",
                    "Tokens, by type: cached is a part of input, and reasoning a part of output.");
        each_provider([&](uint16_t p, std::string_view name) {
            const uint64_t input = provider_sum(p, &ProviderSeries::tokens_input);
            const uint64_t output = provider_sum(p, &ProviderSeries::tokens_output);
            out_.sample({{"provider", name}, {"type", "input"}}, input);
            out_.sample({{"provider", name}, {"type", "output"}}, output);
            out_.sample({{"provider", name}, {"type", "cached"}}, provider_sum(p, &ProviderSeries::tokens_cached));
            out_.sample({{"provider", name}, {"type", "reasoning"}},
                        provider_sum(p, &ProviderSeries::tokens_reasoning));
            if (!m_.compat_) return;
            out_.sample({{"provider", name}, {"type", "prompt"}}, input);
            out_.sample({{"provider", name}, {"type", "completion"}}, output);
        });
    }

    void write_costs() {
        out_.family("loom_ai_cost_total", "counter",
                    "What answered attempts have cost by the prices that are known, in their currency.");
        for (uint16_t p = 0; p < m_.providers_.size(); ++p)
            for (uint16_t m = 0; m < m_.models_.size(); ++m) {
                unsigned __int128 cost = 0;
                for (const auto& shard : m_.shards_) cost += shard->model_series(p, m).cost.value();
                // An attempt that was replaced has cost something where no request has ended.
                const bool declared = m_.declared_[size_t{p} * model_slots_max + m];
                if (!declared && cost == 0) continue;
                out_.sample({{"provider", m_.providers_[p]}, {"model", m_.models_[m]}}, MoneyText(cost).view());
            }
    }

    OwnerTotals owner_totals(uint16_t slot, const OwnerSeries& (ShardMetrics::*series)(uint16_t) const noexcept) const {
        OwnerTotals total;
        for (const auto& shard : m_.shards_) {
            const OwnerSeries& s = ((*shard).*series)(slot);
            total.tokens.input += s.tokens_input.value();
            total.tokens.output += s.tokens_output.value();
            total.tokens.cached += s.tokens_cached.value();
            total.tokens.reasoning += s.tokens_reasoning.value();
            total.cost += s.cost.value();
        }
        return total;
    }
    void write_owners_of_requests() {
        write_owners(out_, "team", "a team's consumers", m_.teams_,
                     [this](uint16_t slot) { return owner_totals(slot, &ShardMetrics::team_series); });
        write_owners(out_, "tenant", "a tenant's consumers", m_.tenants_,
                     [this](uint16_t slot) { return owner_totals(slot, &ShardMetrics::tenant_series); });
    }

    void write_first_tokens() {
        out_.family("loom_ai_time_to_first_token_seconds", "histogram",
                    "From the first byte of a request to the first content byte sent to the client.");
        each_provider([&](uint16_t p, std::string_view name) {
            const auto total = sum_histogram<duration_bound_count>(
                [=](const ShardMetrics& s) -> const DurationHistogram& { return s.provider_series(p).first_token; });
            out_.histogram({{"provider", name}}, duration_le_, total, us_per_s);
        });
    }

    void write_latency() {
        out_.family("loom_ai_provider_latency_seconds", "summary",
                    "From a request sent to the head of the provider's answer; quantiles of the last 5 to 10 minutes.");
        each_provider([&](uint16_t p, std::string_view name) {
            LatencyHistogram::Counts now;
            for (const auto& shard : m_.shards_) shard->provider_series(p).latency.add_to(now);
            auto& window = m_.windows_[p];
            if (!window) window = std::make_unique<Metrics::Window>();
            const LatencyHistogram::Counts recent = window->recent(now, facts_.now_us);
            const bool any = recent.count() > 0;
            for (size_t i = 0; i < std::size(quantiles); ++i) {
                const double value = any ? recent.quantile(quantiles[i]) / us_per_s : std::nan("");
                out_.sample({{"provider", name}, {"quantile", quantile_names[i]}}, value);
            }
            const uint64_t sum_us = provider_sum(p, &ProviderSeries::latency_sum_us);
            out_.sample({{"provider", name}}, static_cast<double>(sum_us) / us_per_s, "_sum");
            out_.sample({{"provider", name}}, now.count(), "_count");
        });
    }

    void write_upstreams() {
        out_.family("loom_upstream_pool", "gauge", "Connections to a provider, by state.");
        each_provider([&](uint16_t p, std::string_view name) {
            const auto level = [&](Gauge ProviderSeries::* member) {
                return static_cast<int64_t>(
                    sum([&](const ShardMetrics& s) { return (s.provider_series(p).*member).value(); }));
            };
            out_.sample({{"provider", name}, {"state", "idle"}}, level(&ProviderSeries::pool_idle));
            out_.sample({{"provider", name}, {"state", "busy"}}, level(&ProviderSeries::pool_busy));
        });
        out_.family("loom_upstream_connections_total", "counter",
                    "How connections to a provider were come by, or why not.");
        each_provider([&](uint16_t p, std::string_view name) {
            for (size_t i = 0; i < connect_result_count; ++i) {
                const uint64_t n = sum([&](const ShardMetrics& s) { return s.provider_series(p).connects[i].value(); });
                out_.sample({{"provider", name}, {"result", connect_result_names[i]}}, n);
            }
        });
        out_.family("loom_upstream_retries_total", "counter", "Attempts after the first.");
        each_provider([&](uint16_t p, std::string_view name) {
            out_.sample({{"provider", name}}, provider_sum(p, &ProviderSeries::retries));
        });
    }

    void write_failovers() {
        out_.family("loom_ai_failovers_total", "counter",
                    "Attempts at another provider after one had failed, and why it had.");
        const auto count = static_cast<uint16_t>(m_.providers_.size());
        for (uint16_t from = 0; from < count; ++from)
            for (uint16_t to = 0; to < count; ++to)
                for (size_t reason = 0; reason < failover_reason_count; ++reason) {
                    const auto why = static_cast<FailoverReason>(reason);
                    const uint64_t n = sum([=](const ShardMetrics& s) { return s.failover_count(from, to, why); });
                    if (n == 0) continue;
                    out_.sample({{"from", m_.providers_[from]},
                                 {"to", m_.providers_[to]},
                                 {"reason", failover_reason_name(why)}},
                                n);
                }
        out_.family("loom_ai_retries_total", "counter",
                    "Attempts after the first by what became of the one before: unsent; sent and not answered, so that "
                    "it may cost twice; answered with an error. refused: over the retry budget, and not made.");
        const auto kind = [&](std::string_view name, Counter ShardMetrics::* member) {
            out_.sample({{"kind", name}}, sum([=](const ShardMetrics& s) { return (s.*member).value(); }));
        };
        kind("unsent", &ShardMetrics::retries_unsent);
        kind("sent", &ShardMetrics::retries_sent);
        kind("answered", &ShardMetrics::retries_answered);
        kind("refused", &ShardMetrics::retries_refused);
    }

    /// Of providers that have had such requests.
    void write_stickiness() {
        const auto each = [&](auto what) {
            each_provider([&](uint16_t p, std::string_view name) {
                for (size_t i = 0; i < stickiness_count; ++i) {
                    const auto value = [&](Counter StickySeries::* member) {
                        return sum(
                            [&](const ShardMetrics& s) { return (s.provider_series(p).sticky[i].*member).value(); });
                    };
                    if (value(&StickySeries::requests) > 0)
                        what(name, stickiness_name(static_cast<Stickiness>(i)), value);
                }
            });
        };
        out_.family(
            "loom_ai_sticky_requests_total", "counter",
            "Requests that went by routing.sticky. kept: to the provider of their key; moved: to another, since "
            "that one was not well, had its load or was not the strategy's.");
        each([&](std::string_view provider, std::string_view outcome, const auto& value) {
            out_.sample({{"provider", provider}, {"outcome", outcome}}, value(&StickySeries::requests));
        });
        out_.family("loom_ai_sticky_tokens_total", "counter",
                    "Their input tokens, and those of them that were read from the provider's prompt cache.");
        each([&](std::string_view provider, std::string_view outcome, const auto& value) {
            out_.sample({{"provider", provider}, {"outcome", outcome}, {"type", "input"}},
                        value(&StickySeries::tokens_input));
            out_.sample({{"provider", provider}, {"outcome", outcome}, {"type", "cached"}},
                        value(&StickySeries::tokens_cached));
        });
    }

    void write_mirrors() {
        out_.family("loom_ai_mirrored_requests_total", "counter",
                    "Copies of requests for routing.mirror.provider. dropped: not sent, over max_in_flight, max_body, "
                    "what bodies may hold or the shadow's limit.");
        const auto result = [&](std::string_view name, Counter ShardMetrics::* member) {
            out_.sample({{"result", name}}, sum([=](const ShardMetrics& s) { return (s.*member).value(); }));
        };
        result("answered", &ShardMetrics::mirrors_answered);
        result("failed", &ShardMetrics::mirrors_failed);
        result("dropped", &ShardMetrics::mirrors_dropped);
    }

    void write_cache() {
        const auto count_of = [this](size_t status) {
            return sum([=](const ShardMetrics& s) { return s.cache_request_count(status); });
        };
        out_.family("loom_ai_cache_requests_total", "counter",
                    "Requests, by what became of them in the cache (cache.exact.enabled). bypass: they are of no kind "
                    "that is kept, or their client did not want it; stale: in place of an error; semantic: the answer "
                    "to nearly the same request.");
        for (size_t i = 0; i < cache_statuses.size(); ++i) out_.sample({{"status", cache_statuses[i]}}, count_of(i));
        out_.family("loom_ai_cache_hits_total", "counter", "Requests that were given an answer that was kept.");
        out_.sample({}, count_of(2) + count_of(3) + count_of(4));
        out_.family("loom_ai_cache_misses_total", "counter", "Requests for which none was kept.");
        out_.sample({}, count_of(1));
        const auto plain = [this](const char* name, const char* type, const char* help, auto member) {
            out_.family(name, type, help);
            out_.sample({}, sum([=](const ShardMetrics& s) { return static_cast<uint64_t>((s.*member).value()); }));
        };
        plain("loom_ai_cache_joined_total", "counter",
              "Of the hits, those that waited for the answer to the same request.", &ShardMetrics::cache_joined);
        plain("loom_ai_cache_entries", "gauge", "Answers that are kept.", &ShardMetrics::cache_entries);
        plain("loom_ai_cache_bytes", "gauge", "What they take, with their index.", &ShardMetrics::cache_bytes);
        out_.family("loom_ai_cache_saved_tokens_total", "counter",
                    "What the answers that were given again took when they were made.");
        const auto saved = [this](std::string_view type, Counter ShardMetrics::* member) {
            out_.sample({{"type", type}}, sum([=](const ShardMetrics& s) { return (s.*member).value(); }));
        };
        saved("input", &ShardMetrics::cache_saved_input);
        saved("output", &ShardMetrics::cache_saved_output);
        out_.family("loom_ai_cache_saved_cost_total", "counter",
                    "What they cost when they were made, where it is known.");
        out_.sample({}, MoneyText(sum([](const ShardMetrics& s) { return s.cache_saved_cost.value(); })).view());
    }

    void write_continuations() {
        out_.family("loom_ai_continuations_total", "counter",
                    "Streams that broke behind content (routing.failover.continuation). refused: they held what nobody "
                    "can go on with.");
        const auto result = [&](std::string_view name, Counter ShardMetrics::* member) {
            out_.sample({{"result", name}}, sum([=](const ShardMetrics& s) { return (s.*member).value(); }));
        };
        result("completed", &ShardMetrics::continuations_completed);
        result("failed", &ShardMetrics::continuations_failed);
        result("refused", &ShardMetrics::continuations_refused);
    }

    void write_hedges() {
        const auto value = [&](Counter ShardMetrics::* member) {
            return sum([=](const ShardMetrics& s) { return (s.*member).value(); });
        };
        out_.family("loom_ai_hedges_total", "counter",
                    "Requests that a second provider was asked beside a slow one. won: its answer was the client's; "
                    "lost: the first one's was; failed: it failed; abandoned: the client left before.");
        out_.sample({{"result", "won"}}, value(&ShardMetrics::hedges_won));
        out_.sample({{"result", "lost"}}, value(&ShardMetrics::hedges_lost));
        out_.sample({{"result", "failed"}}, value(&ShardMetrics::hedges_failed));
        out_.sample({{"result", "abandoned"}}, value(&ShardMetrics::hedges_abandoned));
        out_.family(
            "loom_ai_hedges_refused_total", "counter",
            "Slow requests that no second provider was asked, over routing.hedge.budget, .max_in_flight or what "
            "bodies may hold.");
        out_.sample({}, value(&ShardMetrics::hedges_refused));
        out_.family("loom_ai_hedges_untold_total", "counter",
                    "Attempts that were cancelled for another's answer before their provider had said what they took: "
                    "it may bill them, and no tokens are booked for them here.");
        out_.sample({}, value(&ShardMetrics::hedges_untold));
    }

    /// Arms that are configured, and `other` once it was used.
    void write_experiments() {
        const auto each = [&](auto what) {
            for (uint16_t arm = 0; arm < m_.arms_.size(); ++arm) {
                const auto value = [&](Counter ArmSeries::* member) {
                    return sum([&](const ShardMetrics& s) { return (s.arm_series(arm).*member).value(); });
                };
                if (arm != other_slot || value(&ArmSeries::success) + value(&ArmSeries::error) > 0)
                    what(m_.arms_[arm].first, m_.arms_[arm].second, value, arm);
            }
        };
        if (m_.arms_.size() == 1) return;
        out_.family("loom_ai_experiment_requests_total", "counter", "Requests of an experiment's arm, by their end.");
        each([&](std::string_view experiment, std::string_view arm, const auto& value, uint16_t) {
            out_.sample({{"experiment", experiment}, {"arm", arm}, {"status", "success"}}, value(&ArmSeries::success));
            out_.sample({{"experiment", experiment}, {"arm", arm}, {"status", "error"}}, value(&ArmSeries::error));
        });
        out_.family("loom_ai_experiment_tokens_total", "counter", "Tokens of an experiment's arm, by type.");
        each([&](std::string_view experiment, std::string_view arm, const auto& value, uint16_t) {
            out_.sample({{"experiment", experiment}, {"arm", arm}, {"type", "input"}}, value(&ArmSeries::tokens_input));
            out_.sample({{"experiment", experiment}, {"arm", arm}, {"type", "output"}},
                        value(&ArmSeries::tokens_output));
        });
        out_.family("loom_ai_experiment_duration_seconds", "histogram",
                    "From the first byte of a request of an experiment's arm to the last of its answer.");
        each([&](std::string_view experiment, std::string_view arm, const auto&, uint16_t ix) {
            const auto total = sum_histogram<duration_bound_count>(
                [=](const ShardMetrics& s) -> const DurationHistogram& { return s.arm_series(ix).duration; });
            out_.histogram({{"experiment", experiment}, {"arm", arm}}, duration_le_, total, us_per_s);
        });
    }

    void write_health() {
        if (facts_.providers.empty()) return;
        out_.family("loom_ai_provider_weight", "gauge",
                    "As the conf has it, or an operator (admin listener); 0: it takes no new requests.");
        for (const ProviderHealth& one : facts_.providers)
            out_.sample({{"provider", one.provider}}, uint64_t{one.weight});
        write_concurrency();
        out_.family("loom_ai_provider_health", "gauge",
                    "0: its circuit breaker is open, or its health checks fail; 1: nothing is known against it.");
        for (const ProviderHealth& one : facts_.providers)
            out_.sample({{"provider", one.provider}}, uint64_t{one.healthy});
        if (std::ranges::none_of(facts_.providers, &ProviderHealth::known)) return;
        const auto gauge = [this](std::string_view name, std::string_view help, auto value) {
            out_.family(name, "gauge", help);
            for (const ProviderHealth& one : facts_.providers)
                if (one.known) out_.sample({{"provider", one.provider}}, uint64_t{value(one)});
        };
        gauge("loom_ai_provider_breaker_state", "0 closed, 1 half open, 2 open.",
              [](const ProviderHealth& one) { return one.breaker; });
        gauge("loom_ai_provider_models_open", "Its models whose own breakers are not closed.",
              [](const ProviderHealth& one) { return one.open_models; });
    }

    void write_concurrency() {
        const auto has = [](const ProviderHealth& one) { return one.concurrency_limit.has_value(); };
        if (std::ranges::none_of(facts_.providers, has)) return;
        out_.family("loom_ai_provider_concurrency_limit", "gauge",
                    "Requests that may be under way at once: provider.X.rate_limit.concurrent_requests, or what was "
                    "learned (.adaptive).");
        for (const ProviderHealth& one : facts_.providers)
            if (has(one)) out_.sample({{"provider", one.provider}}, uint64_t{*one.concurrency_limit});
    }

    void write_tls() {
        const auto series = [](const ShardMetrics& s, size_t side) -> const TlsSeries& {
            return s.tls_series(static_cast<TlsSide>(side));
        };
        out_.family("loom_tls_handshakes_total", "counter",
                    "TLS handshakes by their end; resumed: by a session of before, without a certificate.");
        for (size_t side = 0; side < tls_side_count; ++side)
            for (size_t result = 0; result < tls_result_count; ++result)
                out_.sample({{"side", tls_side_names[side]}, {"result", tls_result_names[result]}},
                            sum([&](const ShardMetrics& s) { return series(s, side).results[result].value(); }));
        out_.family("loom_tls_handshake_seconds", "histogram",
                    "From a connection to the end of its TLS handshake, of those that succeeded.");
        for (size_t side = 0; side < tls_side_count; ++side) {
            const auto total = sum_histogram<tls_bound_count>(
                [&](const ShardMetrics& s) -> const TlsHistogram& { return series(s, side).duration; });
            out_.histogram({{"side", tls_side_names[side]}}, tls_le_, total, us_per_s);
        }
        write_certificates();
    }
    void write_certificates() {
        out_.family("loom_tls_certificate_renewals_total", "counter",
                    "Certificates in force that renewed ones took the place of; error: TLS files that changed and "
                    "cannot be used, so that the old stay.");
        out_.sample({{"result", "success"}}, facts_.tls_renewals);
        out_.sample({{"result", "error"}}, facts_.tls_renewal_failures);
        if (facts_.certificates.empty()) return;
        out_.family("loom_tls_certificate_expiry_timestamp_seconds", "gauge",
                    "When a certificate that Loom shows ends, or one of its chain, in seconds since 1970; of many the "
                    "soonest.");
        for (const CertificateEnd& one : facts_.certificates)
            out_.sample({{"owner", one.owner}, {"certificate", one.certificate}}, one.ends_s);
    }

    void write_ledger() {
        out_.family(
            "loom_ai_ledger_lost_total", "counter",
            "Attempts that token_accounting could not write down, since the disk did not take what was before.");
        out_.sample({}, sum([](const ShardMetrics& s) { return s.ledger_lost.value(); }));
    }

    void write_rate_limits() {
        out_.family("loom_ai_rate_limited_total", "counter",
                    "Requests refused by a limit of their client (rate_limit.*), by whose it was.");
        for (size_t i = 0; i < limit_scope_count; ++i) {
            const auto scope = static_cast<LimitScope>(i);
            out_.sample({{"scope", std::string(limit_scope_name(scope))}},
                        sum([=](const ShardMetrics& s) { return s.rate_limited_count(scope); }));
        }
    }

    void write_budgets() {
        out_.family("loom_ai_budget_exceeded_total", "counter",
                    "Requests refused by a limit or a budget of the calendar (token_accounting.*), by whose it was.");
        for (const LimitScope scope : {LimitScope::global, LimitScope::team, LimitScope::consumer, LimitScope::tier,
                                       LimitScope::project, LimitScope::tenant, LimitScope::route, LimitScope::model})
            out_.sample({{"scope", std::string(limit_scope_name(scope))}},
                        sum([=](const ShardMetrics& s) { return s.budget_refused_count(scope); }));
        out_.family("loom_ai_budget_alerts_total", "counter",
                    "Shares of limits and budgets that were reached (token_accounting.*.alert).");
        out_.sample({}, sum([](const ShardMetrics& s) { return s.budget_alerts.value(); }));
        out_.family("loom_ai_budget_fallbacks_total", "counter",
                    "Requests that another model took where a budget did not do for theirs (model_fallback.*.budget).");
        out_.sample({}, sum([](const ShardMetrics& s) { return s.budget_fallbacks.value(); }));
    }

    void write_auth_failures() {
        out_.family("loom_ai_auth_failures_total", "counter", "Requests whose client was not let in, by why.");
        for (size_t i = 0; i < auth_failure_count; ++i) {
            const auto why = static_cast<AuthFailure>(i);
            out_.sample({{"reason", std::string(auth_failure_name(why))}},
                        sum([=](const ShardMetrics& s) { return s.auth_failure_count_of(why); }));
        }
    }
    void write_introspections() {
        out_.family("loom_token_introspections_total", "counter", "Tokens whose issuer was asked, by what came of it.");
        for (size_t i = 0; i < introspection_result_count; ++i)
            out_.sample({{"result", std::string(introspection_result_names[i])}}, sum([i](const ShardMetrics& s) {
                            return s.introspection_count(static_cast<IntrospectionResult>(i));
                        }));
    }

    void write_guards() {
        std::vector<const ShardMetrics*> shards;
        for (const auto& shard : m_.shards_) shards.push_back(shard.get());
        observe::write_guards(out_, {.custom_types = m_.custom_types_, .external = m_.external_guards_}, shards);
    }

    void write_http() {
        out_.family("loom_http_requests_total", "counter", "Answers to clients by status; 499 for a client that left.");
        for (uint16_t code = 0; code < 600; ++code) {
            const uint64_t n = sum([=](const ShardMetrics& s) { return s.code_count(code); });
            if (n > 0) out_.sample({{"code", code == 0 ? "other" : fmt::format("{}", code)}}, n);
        }
        out_.family("loom_http_body_bytes_total", "counter", "Bytes of bodies between clients and Loom.");
        out_.sample({{"direction", "in"}}, sum([](const ShardMetrics& s) { return s.body_in_bytes.value(); }));
        out_.sample({{"direction", "out"}}, sum([](const ShardMetrics& s) { return s.body_out_bytes.value(); }));
    }

    void write_overhead() {
        out_.family("loom_overhead_seconds", "histogram", "Time spent in Loom itself per request, by stage.");
        for (size_t i = 0; i < stage_count; ++i) {
            const auto total =
                sum_histogram<overhead_bound_count>([=](const ShardMetrics& s) -> const OverheadHistogram& {
                    return s.overhead_series(static_cast<Stage>(i));
                });
            out_.histogram({{"stage", stage_names[i]}}, overhead_le_, total, ns_per_s);
        }
        out_.family("loom_loop_lag_seconds", "histogram",
                    "How long a turn of the loop kept the next completion waiting.");
        const auto lag = sum_histogram<overhead_bound_count>(
            [](const ShardMetrics& s) -> const OverheadHistogram& { return s.loop_turn_series(); });
        out_.histogram({}, overhead_le_, lag, ns_per_s);
        out_.family("loom_ai_queue_wait_seconds", "histogram",
                    "How long requests stood in routing.queue before a provider took them.");
        const auto waited = sum_histogram<duration_bound_count>(
            [](const ShardMetrics& s) -> const DurationHistogram& { return s.queue_wait_series(); });
        out_.histogram({}, duration_le_, waited, us_per_s);
    }

    void write_shards() {
        out_.single("loom_shards", "gauge", "Shards that serve.", m_.shards_.size());
        for (const ShardCounter& c : shard_counters)
            out_.single(c.name, "counter", c.help, sum([&](const ShardMetrics& s) { return (s.*c.member).value(); }));
        for (const ShardGauge& g : shard_gauges)
            out_.single(g.name, "gauge", g.help,
                        static_cast<int64_t>(sum([&](const ShardMetrics& s) { return (s.*g.member).value(); })));
    }

    void write_access_tokens() {
        if (facts_.access_tokens.empty()) return;
        out_.family("loom_access_token_renewals_total", "counter",
                    "Access tokens asked for, of providers that are asked with them.");
        for (const AccessTokenFacts& one : facts_.access_tokens) {
            out_.sample({{"provider", one.provider}, {"result", "success"}}, one.renewals);
            out_.sample({{"provider", one.provider}, {"result", "error"}}, one.failures);
        }
        out_.family("loom_access_token_expiry_timestamp_seconds", "gauge",
                    "When the access token at hand ends, since 1970; 0 before the first.");
        for (const AccessTokenFacts& one : facts_.access_tokens)
            out_.sample({{"provider", one.provider}}, one.expires_s);
    }
    void write_jwt_keys() {
        if (facts_.jwt_keys.empty()) return;
        out_.family("loom_jwt_key_fetches_total", "counter", "Sets of keys asked for, of issuers of tokens.");
        for (const JwtKeyFacts& one : facts_.jwt_keys) {
            out_.sample({{"issuer", one.issuer}, {"result", "success"}}, one.fetches);
            out_.sample({{"issuer", one.issuer}, {"result", "error"}}, one.failures);
        }
        out_.family("loom_jwt_keys", "gauge",
                    "Keys by which tokens of an issuer are verified; 0 before the first set.");
        for (const JwtKeyFacts& one : facts_.jwt_keys) out_.sample({{"issuer", one.issuer}}, one.key_count);
    }

    void write_alerts() {
        if (!facts_.alerts) return;
        const AlertFacts& a = *facts_.alerts;
        out_.single("loom_alerts_sent_total", "counter", "Events that the webhook has taken.", a.sent);
        out_.single("loom_alerts_failures_total", "counter", "Attempts to tell one that failed.", a.failures);
        out_.family("loom_alerts_dropped_total", "counter",
                    "Events that were not told: no room (full), the webhook does not take such (refused), or not in "
                    "alerts.webhook.retry_for (expired).");
        const uint64_t lost = sum([](const ShardMetrics& s) { return s.alerts_lost.value(); });
        out_.sample({{"reason", "full"}},
                    a.dropped_full + lost + (facts_.anomalies ? facts_.anomalies->alerts_lost : 0));
        out_.sample({{"reason", "refused"}}, a.dropped_refused);
        out_.sample({{"reason", "expired"}}, a.dropped_expired);
        out_.single("loom_alerts_waiting", "gauge", "Events that are still to be told.", a.waiting);
    }

    void write_process() {
        write_line_logs(out_, facts_.access_log, facts_.audit_log);
        out_.family("loom_config_reloads_total", "counter", "Configurations read after the first.");
        out_.sample({{"result", "success"}}, facts_.config_reloads);
        out_.sample({{"result", "error"}}, facts_.config_reload_failures);
        write_access_tokens();
        write_jwt_keys();
        write_alerts();
        if (facts_.ledgers_failing)
            out_.single("loom_ai_ledgers_failing", "gauge", "Shards whose ledger is not written, and waits in memory.",
                        *facts_.ledgers_failing);
        if (facts_.anomalies) write_anomalies(out_, *facts_.anomalies);
        if (facts_.leases)
            write_leases(out_, *facts_.leases,
                         {.drawing = sum([](const ShardMetrics& m) { return m.lease_short.value(); }),
                          .lost = sum([](const ShardMetrics& m) { return m.lease_lost.value(); })});
        if (facts_.shared_store) write_shared_store(out_, *facts_.shared_store);
        if constexpr (counts_allocations)
            out_.single("loom_heap_allocations_total", "counter", "Calls of the shards to the heap (a test build).",
                        counted_allocations());
        out_.family("loom_build_info", "gauge", "1, with the version as its label.");
        out_.sample({{"version", m_.version_}}, 1);
        const ProcessStat stat = read_process_stat();
        out_.single("process_resident_memory_bytes", "gauge", "Resident memory.", stat.resident_bytes);
        out_.single("process_virtual_memory_bytes", "gauge", "Virtual memory.", stat.virtual_bytes);
        out_.single("process_cpu_seconds_total", "counter", "User and system time.", stat.cpu_seconds);
        out_.single("process_start_time_seconds", "gauge", "Start of the process, in seconds since 1970.",
                    stat.start_time_seconds);
        out_.single("process_open_fds", "gauge", "File descriptors open.", stat.open_fds);
        out_.single("process_max_fds", "gauge", "File descriptors allowed.", stat.max_fds);
    }

    Metrics& m_;
    const ProcessFacts& facts_;
    const BoundTexts<tls_bound_count> tls_le_ = bound_texts(tls_bounds_us, us_per_s);
    const BoundTexts<duration_bound_count> duration_le_ = bound_texts(duration_bounds_us, us_per_s);
    const BoundTexts<overhead_bound_count> overhead_le_ = bound_texts(overhead_bounds_ns, ns_per_s);
    TextFormat out_;
};

std::string Metrics::expose(const ProcessFacts& facts) {
    const std::lock_guard lock(mutex_);
    return Exposition(*this, facts).text();
}

}  // namespace loom::observe

#include "loom/admin/providers.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "answers.h"
#include "loom/base/clock.h"

namespace loom::admin {
namespace {

using observe::ProviderHealth;
using proxy::ProviderPlan;

constexpr uint64_t ns_per_ms = 1'000'000;

/// Rows of its models, each once, however many names lead there.
std::set<const route::TargetState*> model_rows(const proxy::Plan& plan, uint16_t provider_ix) {
    std::set<const route::TargetState*> rows;
    plan.catalogue.each_candidate([&](const route::Candidate& one) {
        if (one.provider_ix == provider_ix && one.model_state != nullptr) rows.insert(one.model_state.get());
    });
    return rows;
}

ProviderHealth health_of(const proxy::Plan& plan, uint16_t provider_ix, uint64_t now_ms) {
    const ProviderPlan& provider = plan.providers[provider_ix];
    ProviderHealth health{.provider = provider.name, .known = provider.state != nullptr, .weight = provider.weight};
    if (provider.control != nullptr) health.weight = provider.control->weight();
    if (provider.state == nullptr) return health;
    const auto phase_of = [&](const route::TargetState& row) {
        const route::BreakerPhase phase = row.breaker.state().phase;
        // One whose time is over waits for a request to be its probe.
        const bool over = phase == route::BreakerPhase::open && row.breaker.admits(plan.choice.breaker, now_ms);
        return over ? route::BreakerPhase::half_open : phase;
    };
    const route::BreakerPhase phase = phase_of(*provider.state);
    health.breaker = phase == route::BreakerPhase::closed ? 0 : phase == route::BreakerPhase::half_open ? 1 : 2;
    const auto models = model_rows(plan, provider_ix);
    for (const route::TargetState* const row : models)
        if (phase_of(*row) != route::BreakerPhase::closed) health.open_models += 1;
    health.healthy = health.breaker != 2 && (models.empty() || health.open_models < models.size());
    return health;
}

/// "healthy", "degraded" (it is being tried again, or some of its models are not well), "unhealthy".
std::string_view status_of(const ProviderHealth& health) {
    if (!health.healthy) return "unhealthy";
    return health.breaker == 0 && health.open_models == 0 ? "healthy" : "degraded";
}

/// Of a time on the shards' clock, as RFC 3339 has it; null for never.
std::string time_text(uint64_t at_ms, uint64_t now_ms) {
    if (at_ms == 0) return "null";
    const int64_t ago_s = static_cast<int64_t>((now_ms - std::min(now_ms, at_ms)) / 1000);
    return fmt::format("\"{:%Y-%m-%dT%H:%M:%SZ}\"",
                       fmt::gmtime(static_cast<std::time_t>(static_cast<int64_t>(wall_us() / 1'000'000) - ago_s)));
}

route::ProviderTerms terms_of(const ProviderPlan& provider) {
    return provider.control != nullptr ? provider.control->terms()
                                       : route::ProviderTerms{.configured = provider.weight};
}

double ms_of(double us) { return us / 1000; }

std::string list(const proxy::Plan& plan, const observe::Metrics& metrics, uint64_t now_ms) {
    std::string out = "{\"providers\":[";
    for (size_t i = 0; i < plan.providers.size(); ++i) {
        const ProviderPlan& provider = plan.providers[i];
        const auto totals = metrics.provider_totals(provider.label_ix);
        const auto health = health_of(plan, static_cast<uint16_t>(i), now_ms);
        out += fmt::format(
            R"({}{{"name":{},"status":"{}","requests":{},"tokens_in":{},"tokens_out":{},"avg_latency_ms":{:.3f},{}}})",
            i == 0 ? "" : ",", quoted(provider.name), status_of(health), totals.successes + totals.errors,
            totals.tokens_input, totals.tokens_output, ms_of(totals.latency_mean_us), terms_json(terms_of(provider)));
    }
    return out + "]}";
}

/// `last_check` is the last request that told something: no requests are made to find out.
std::string health(const proxy::Plan& plan, const observe::Metrics& metrics, uint16_t provider_ix, uint64_t now_ms) {
    const ProviderPlan& provider = plan.providers[provider_ix];
    const auto health = health_of(plan, provider_ix, now_ms);
    const route::TargetState* const row = provider.state.get();
    const uint64_t succeeded_ms = row == nullptr ? 0 : row->succeeded_ms();
    const uint64_t failed_ms = row == nullptr ? 0 : row->failed_ms();
    const bool failed_last = failed_ms != 0 && failed_ms >= succeeded_ms;
    static constexpr std::string_view breakers[] = {"closed", "half_open", "open"};
    return fmt::format(
        R"({{"name":{},"status":"{}","latency_ms":{:.3f},"last_check":{},"error":{},"breaker":"{}","models_open":{}}})",
        quoted(provider.name), status_of(health), ms_of(metrics.provider_totals(provider.label_ix).latency_p50_us),
        time_text(std::max(succeeded_ms, failed_ms), now_ms), failed_last ? quoted(row->failure()) : "null",
        breakers[health.breaker], health.open_models);
}

/// What the provider's prompt cache gave to requests that routing.sticky sent here.
std::string sticky_of(const observe::ProviderTotals& totals) {
    std::string out;
    for (size_t i = 0; i < observe::stickiness_count; ++i)
        out += fmt::format(R"({}"{}":{{"requests":{},"tokens_in":{},"tokens_cached":{}}})", i == 0 ? "" : ",",
                           observe::stickiness_name(static_cast<observe::Stickiness>(i)), totals.sticky[i].requests,
                           totals.sticky[i].tokens_input, totals.sticky[i].tokens_cached);
    return out;
}

std::string stats(const proxy::Plan& plan, const observe::Metrics& metrics, uint16_t provider_ix) {
    const ProviderPlan& provider = plan.providers[provider_ix];
    const auto totals = metrics.provider_totals(provider.label_ix);
    const int64_t in_flight = provider.state == nullptr ? 0 : provider.state->in_flight.load(std::memory_order_relaxed);
    return fmt::format(
        R"({{"name":{},"requests":{},"errors":{},"retries":{},"failovers_from":{},"failovers_to":{},"in_flight":{},)"
        R"("tokens_in":{},"tokens_out":{},"tokens_cached":{},"sticky":{{{}}},"avg_latency_ms":{:.3f},)"
        R"("latency_ms":{{"p50":{:.3f},"p95":{:.3f},"p99":{:.3f}}}}})",
        quoted(provider.name), totals.successes + totals.errors, totals.errors, totals.retries, totals.failovers_from,
        totals.failovers_to, in_flight, totals.tokens_input, totals.tokens_output, totals.tokens_cached,
        sticky_of(totals), ms_of(totals.latency_mean_us), ms_of(totals.latency_p50_us), ms_of(totals.latency_p95_us),
        ms_of(totals.latency_p99_us));
}

}  // namespace

std::string terms_json(const route::ProviderTerms& terms) {
    return fmt::format(R"("weight":{},"weight_wanted":{},"weight_configured":{},"drained":{},"disabled":{})",
                       terms.weight(), terms.wanted_weight(), terms.configured, terms.drained, terms.disabled);
}

std::vector<ProviderHealth> provider_health(const proxy::Plan& plan, uint64_t now_ms) {
    std::vector<ProviderHealth> all;
    for (size_t i = 0; i < plan.providers.size(); ++i) all.push_back(health_of(plan, static_cast<uint16_t>(i), now_ms));
    return all;
}

std::optional<std::string> show_providers(const proxy::Plan& plan, const observe::Metrics& metrics,
                                          std::string_view path) {
    const uint64_t now_ms = monotonic_ns() / ns_per_ms;
    path.remove_prefix(providers_path.size());
    if (path.empty()) return list(plan, metrics, now_ms);
    path.remove_prefix(1);
    const std::string_view name = path.substr(0, path.find('/'));
    const std::string_view what = path.substr(name.size());
    const auto provider = std::ranges::find(plan.providers, name, &ProviderPlan::name);
    if (provider == plan.providers.end()) return std::nullopt;
    const auto provider_ix = static_cast<uint16_t>(provider - plan.providers.begin());
    if (what == "/health") return health(plan, metrics, provider_ix, now_ms);
    if (what == "/stats") return stats(plan, metrics, provider_ix);
    return std::nullopt;
}

}  // namespace loom::admin

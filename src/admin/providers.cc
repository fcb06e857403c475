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
    if (provider.limits != nullptr && provider.limits->concurrency() != 0)
        health.concurrency_limit = provider.limits->concurrency();
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
    const bool unwell = provider.instance_set != nullptr ? route::best_standing(*provider.instance_set, now_ms, 0, 0) ==
                                                               route::InstanceStanding::broken
                                                         : provider.state->probe.unhealthy();
    health.healthy = !unwell && health.breaker != 2 && (models.empty() || health.open_models < models.size());
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

std::string_view breaker_name(route::BreakerPhase phase) {
    if (phase == route::BreakerPhase::closed) return "closed";
    return phase == route::BreakerPhase::half_open ? "half_open" : "open";
}

std::string_view status_of(const route::InstanceSet& set, size_t index, uint64_t now_ms) {
    switch (route::standing_of(set, index, now_ms, 0)) {
        case route::InstanceStanding::well: return "healthy";
        case route::InstanceStanding::recovering: return "degraded";
        case route::InstanceStanding::resting: return "resting";
        case route::InstanceStanding::broken: return "unhealthy";
    }
    return "";
}

/// By number, as `x-loom-instance` names them; keys by their number in the file, never themselves.
std::string instances_json(const ProviderPlan& provider, uint64_t now_ms) {
    std::string out = "[";
    std::vector<std::string_view> keys;
    for (size_t i = 0; i < provider.instances.size() && provider.kind == proxy::ProviderKind::http; ++i) {
        const proxy::InstancePlan& one = provider.instances[i];
        const auto key = std::ranges::find(keys, one.key_id);
        const auto key_number = static_cast<size_t>(key - keys.begin()) + 1;
        if (key == keys.end()) keys.push_back(one.key_id);
        out += fmt::format(
            R"({}{{"instance":{},"base_url":{},"key":{})", i == 0 ? "" : ",", i + 1,
            quoted(fmt::format("{}://{}{}", one.endpoint.tls ? "https" : "http", one.authority, one.base_path)),
            key_number);
        if (provider.instance_set != nullptr) {
            const route::Instance& rows = provider.instance_set->instances[i];
            const uint64_t until_ms = rows.key->rests_until_ms();
            out += fmt::format(
                R"(,"status":"{}","in_flight":{},"breaker":"{}","place_breaker":"{}","key_rests_ms":{})",
                status_of(*provider.instance_set, i, now_ms), rows.own->in_flight.load(std::memory_order_relaxed),
                breaker_name(rows.own->breaker.state().phase), breaker_name(rows.place->breaker.state().phase),
                until_ms > now_ms ? until_ms - now_ms : 0);
            const route::ProbeRecord& checks = rows.own->probe;
            if (provider.health_check != nullptr)
                out += fmt::format(R"(,"last_check":{},"latency_ms":{:.3f},"consecutive_failures":{},"error":{})",
                                   time_text(checks.checked_ms(), now_ms), ms_of(static_cast<double>(checks.took_us())),
                                   checks.failures(), checks.fault() == nullptr ? "null" : quoted(checks.fault()));
        }
        out += '}';
    }
    return out + "]";
}

/// Under way at once, where that is limited; else null.
std::string concurrency_json(const ProviderPlan& provider) {
    if (provider.limits == nullptr || provider.limits->concurrency() == 0) return "null";
    return fmt::format(R"({{"in_flight":{},"limit":{},"adaptive":{}}})",
                       provider.limits->state->concurrent.load(std::memory_order_relaxed),
                       provider.limits->concurrency(), provider.limits->adaptive.on());
}

/// What connections to its region take, where the nearest is asked first and it is known; else null.
std::string connect_json(const proxy::Plan& plan, size_t provider_ix) {
    const route::RegionState* const region =
        plan.selection != nullptr ? plan.selection->preferred_regions.row(provider_ix) : nullptr;
    if (region == nullptr || region->connect_us() == 0) return "null";
    return fmt::format("{:.3f}", ms_of(static_cast<double>(region->connect_us())));
}

std::string list(const proxy::Plan& plan, const observe::Metrics& metrics, uint64_t now_ms) {
    std::string out = "{\"providers\":[";
    for (size_t i = 0; i < plan.providers.size(); ++i) {
        const ProviderPlan& provider = plan.providers[i];
        const auto totals = metrics.provider_totals(provider.label_ix);
        const auto health = health_of(plan, static_cast<uint16_t>(i), now_ms);
        out += fmt::format(
            R"({}{{"name":{},"status":"{}","requests":{},"tokens_in":{},"tokens_out":{},"avg_latency_ms":{:.3f},)"
            R"("concurrency":{},"connect_ms":{},{},"instances":{}}})",
            i == 0 ? "" : ",", quoted(provider.name), status_of(health), totals.successes + totals.errors,
            totals.tokens_input, totals.tokens_output, ms_of(totals.latency_mean_us), concurrency_json(provider),
            connect_json(plan, i), terms_json(terms_of(provider)), instances_json(provider, now_ms));
    }
    return out + "]}";
}

/// What was found out last: by checks where they are on, else by requests.
struct LastCheck {
    uint64_t at_ms = 0;  // 0: never
    double latency_ms = 0;
    const char* error = nullptr;
    uint32_t failures = 0;  // in a row
};

LastCheck last_of(const route::ProbeRecord& record) {
    return {.at_ms = record.checked_ms(),
            .latency_ms = ms_of(static_cast<double>(record.took_us())),
            .error = record.fault(),
            .failures = record.failures()};
}

/// Of several instances, the one that is the worst off, and of those the one that was looked at last.
LastCheck last_check(const ProviderPlan& provider, const observe::ProviderTotals& totals) {
    const route::TargetState* const row = provider.state.get();
    if (provider.health_check != nullptr && provider.instance_set == nullptr) return last_of(row->probe);
    if (provider.health_check != nullptr) {
        LastCheck worst;
        for (const route::Instance& one : provider.instance_set->instances) {
            const LastCheck last = last_of(one.own->probe);
            if (std::pair(last.failures, last.at_ms) >= std::pair(worst.failures, worst.at_ms)) worst = last;
        }
        return worst;
    }
    LastCheck last{.latency_ms = ms_of(totals.latency_p50_us)};
    if (row == nullptr) return last;
    last.at_ms = std::max(row->succeeded_ms(), row->failed_ms());
    if (row->failed_ms() != 0 && row->failed_ms() >= row->succeeded_ms()) last.error = row->failure();
    return last;
}

std::string health(const proxy::Plan& plan, const observe::Metrics& metrics, uint16_t provider_ix, uint64_t now_ms) {
    const ProviderPlan& provider = plan.providers[provider_ix];
    const auto health = health_of(plan, provider_ix, now_ms);
    const LastCheck last = last_check(provider, metrics.provider_totals(provider.label_ix));
    static constexpr std::string_view breakers[] = {"closed", "half_open", "open"};
    return fmt::format(
        R"({{"name":{},"status":"{}","latency_ms":{:.3f},"last_check":{},"error":{},"breaker":"{}","models_open":{},)"
        R"("checked":"{}","consecutive_failures":{},"instances":{}}})",
        quoted(provider.name), status_of(health), last.latency_ms, time_text(last.at_ms, now_ms),
        last.error == nullptr ? "null" : quoted(last.error), breakers[health.breaker], health.open_models,
        provider.health_check != nullptr ? "actively" : "by requests", last.failures, instances_json(provider, now_ms));
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

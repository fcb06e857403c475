#include "plan/routing.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "plan/cache.h"
#include "plan/embedding.h"
#include "plan/experiment.h"
#include "plan/fallback.h"
#include "plan/health.h"
#include "plan/hedge.h"
#include "plan/hold.h"
#include "plan/instances.h"
#include "plan/limits.h"
#include "plan/milliseconds.h"
#include "plan/mirror.h"
#include "plan/sticky.h"
#include "prices.h"

namespace loom::app {
namespace {

using config::Config;
using Messages = std::vector<std::string>;

route::Strategy strategy(std::string_view name) {
    return route::find_strategy(name).value_or(route::Strategy::priority);  // what is none was refused by its row
}

/// `<model>.strategy` below a prefix.
std::vector<std::pair<std::string, route::Strategy>> model_strategies(const Config& config, const std::string& prefix) {
    std::vector<std::pair<std::string, route::Strategy>> strategies;
    for (const std::string& model : config.names(prefix)) {
        const auto key = fmt::format("{}.{}.strategy", prefix, model);
        if (config.has(key)) strategies.emplace_back(model, strategy(config.text(key)));
    }
    return strategies;
}

/// All that the conf names, for whatever they are.
std::vector<route::Strategy> strategies_of(const Config& config, const proxy::Plan& plan) {
    std::vector<route::Strategy> all = {strategy(config.text("routing.strategy"))};
    const auto add = [&all](const auto& of_models) {
        for (const auto& [model, one] : of_models) all.push_back(one);
    };
    add(model_strategies(config, "routing.model"));
    for (const proxy::RoutePlan& route : plan.routes) {
        if (route.strategy) all.push_back(*route.strategy);
        add(route.model_strategies);
    }
    return all;
}

proxy::FailoverPlan failover(const Config& config, Messages& messages) {
    proxy::FailoverPlan plan{.enabled = config.boolean("routing.failover.enabled"),
                             .retry_sent = config.boolean("routing.failover.retry_sent"),
                             .max_retries = static_cast<uint32_t>(config.integer("routing.failover.max_retries")),
                             .budget_share = static_cast<uint32_t>(config.decimal("routing.failover.retry_budget") *
                                                                   route::RetryBudget::whole),
                             .timeout_ms = ms(config, "routing.failover.timeout"),
                             .retry_after_max_ms = ms(config, "routing.failover.retry_after_max"),
                             .backoff = {.first_ms = ms(config, "routing.failover.backoff")}};
    for (const std::string& text : config.list("routing.failover.retry_codes")) {
        uint16_t code = 0;
        const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), code);
        if (fault != std::errc() || end != text.data() + text.size() || code < 400 || code > 599)
            messages.push_back(fmt::format("routing.failover.retry_codes: '{}' is no status from 400 to 599", text));
        else
            plan.retry_codes.push_back(code);
    }
    return plan;
}

route::BreakerOptions breaker_options(const Config& config) {
    const std::string prefix = "routing.failover.circuit_breaker.";
    return {.failure_threshold = static_cast<uint32_t>(config.integer(prefix + "failure_threshold")),
            .success_threshold = static_cast<uint32_t>(config.integer(prefix + "success_threshold")),
            .timeout_ms = ms(config, prefix + "timeout"),
            .restore_ms = ms(config, prefix + "restore")};
}

route::ChoiceOptions choice_options(const Config& config) {
    route::ChoiceOptions options;
    options.latency = {.window_ms = ms(config, "routing.latency.window"),
                       .percentile = static_cast<uint32_t>(config.integer("routing.latency.percentile"))};
    options.throughput.window_ms = options.latency.window_ms;
    options.fallback_on_error = config.boolean("routing.fallback.on_error");
    options.fallback_on_rate_limit = config.boolean("routing.fallback.on_rate_limit");
    if (config.boolean("routing.failover.enabled")) options.breaker = breaker_options(config);
    return options;
}

/// A provider of the same name at another place is another target.
std::string identity_of(const proxy::ProviderPlan& provider) {
    const proxy::InstancePlan& first = provider.instances.front();
    return fmt::format("{}\n{}:{}{}", provider.name, first.endpoint.host, first.endpoint.port, first.base_path);
}

void add_provider(const Config& config, const proxy::ProviderPlan& provider, const route::ProviderPrices* prices,
                  route::CatalogueOptions& options) {
    const std::string key = fmt::format("provider.{}.models", provider.name);
    route::ProviderOptions one{.name = provider.name, .label_ix = provider.label_ix};
    if (config.has(key)) one.models = config.list(key);
    for (const auto& [model, deployment] :
         config.entries_below(fmt::format("provider.{}.deployment.", provider.name))) {
        one.deployments.emplace_back(model);
        options.mappings.push_back({std::string(model), provider.name, std::string(deployment)});
    }
    one.priority = static_cast<int32_t>(config.integer(fmt::format("provider.{}.priority", provider.name)));
    one.weight = provider.weight;
    one.control = provider.control;
    one.instances = provider.instance_set;
    one.prices = prices;
    one.state = provider.state;
    one.limits = provider.limits;
    options.providers.push_back(std::move(one));
}

}  // namespace

void fill_routing(const Config& config, proxy::Plan& plan, observe::Metrics& metrics, route::TargetTable& targets,
                  Messages& messages) {
    plan.failover = failover(config, messages);
    fill_hold(config, plan.failover);
    plan.choice = choice_options(config);
    plan.prices = read_prices(config, plan.providers, messages);
    const std::vector<route::Strategy> strategies = strategies_of(config, plan);
    const auto uses = [&strategies](route::Strategy one) {
        return std::ranges::find(strategies, one) != strategies.end();
    };
    fill_sticky(config, plan);
    const bool sticky = any_sticky(plan);
    plan.choice.load_factor = config.decimal("routing.sticky.load_factor");
    plan.choice.counts_in_flight = sticky;
    plan.hedge = hedge_plan(config);
    plan.cache = cache_plan(config);
    const bool hedges_by_time = plan.hedge != nullptr && plan.hedge->percentile != 0;
    const bool measured = uses(route::Strategy::latency) || uses(route::Strategy::throughput) || hedges_by_time;
    const auto is_plain = [](route::Strategy one) { return one == route::Strategy::priority; };
    fill_provider_limits(config, plan, targets);
    fill_queue_and_overload(config, plan);
    const bool limited = std::ranges::any_of(plan.providers, [](const auto& one) { return one.limits != nullptr; });
    const bool has_rows =
        plan.failover.enabled || limited || measured || sticky || uses(route::Strategy::least_connections);
    const bool experiments = !config.names("routing.experiment").empty();
    plan.tells_routing =
        plan.failover.enabled || limited || sticky || experiments || !std::ranges::all_of(strategies, is_plain);

    route::CatalogueOptions options;
    std::vector<std::string> identities;
    const auto active = [&plan](std::string_view name) {
        return std::ranges::any_of(plan.providers, [name](const auto& one) { return one.name == name; });
    };
    for (proxy::ProviderPlan& provider : plan.providers) {
        identities.push_back(identity_of(provider));
        provider.weight = static_cast<uint32_t>(config.integer(fmt::format("provider.{}.weight", provider.name)));
        provider.control = targets.control(provider.name, provider.weight);
        fill_instance_set(breaker_options(config), provider, targets);
        provider.health_check = health_check(config, provider);
        const bool watched = provider.health_check != nullptr || provider.instance_set != nullptr;
        if (has_rows || watched) provider.state = targets.row(identities.back(), false);
        add_provider(config, provider, &plan.prices->providers[identities.size() - 1], options);
    }
    for (const std::string& model : config.names("model_mapping"))
        for (const std::string& provider : config.names("model_mapping." + model))
            if (active(provider))
                options.mappings.push_back(
                    {model, provider, config.text(fmt::format("model_mapping.{}.{}", model, provider))});
    for (const auto& [model, provider] : config.entries_below("routing.model_route."))
        if (active(provider)) options.model_routes.push_back({std::string(model), std::string(provider)});
    for (const std::string& name : config.list("routing.providers"))
        if (active(name)) options.selection.push_back(name);
    const std::string& fallback = config.text("routing.fallback.provider");
    if (plan.failover.enabled && active(fallback)) options.fallback = fallback;
    options.strategy = strategy(config.text("routing.strategy"));
    options.model_strategies = model_strategies(config, "routing.model");
    options.model_label = [&metrics](std::string_view model) { return metrics.model(model); };
    plan.wants_prompt_tokens = limited || uses(route::Strategy::cost);
    if (plan.failover.enabled || limited || measured || uses(route::Strategy::cost))
        options.model_state = [&](const route::ProviderOptions& provider, std::string_view model) {
            const auto ix = static_cast<size_t>(&provider - options.providers.data());
            return targets.row(fmt::format("{}\n{}", identities[ix], model), measured);
        };
    auto catalogue = route::Catalogue::build(options);
    if (!catalogue) {
        messages.insert(messages.end(), catalogue.error().begin(), catalogue.error().end());
        return;
    }
    plan.catalogue = std::move(*catalogue);
    fill_fallback_models(config, plan, messages);
    fill_experiments(config, plan, metrics, messages);
    fill_mirror(config, plan, options, messages);
    fill_embedding(config, plan, metrics, messages);
}

void fill_strategies(const Config& config, proxy::RoutePlan& route) {
    const std::string prefix = fmt::format("route.{}.", route.name);
    if (config.has(prefix + "strategy")) route.strategy = strategy(config.text(prefix + "strategy"));
    route.model_strategies = model_strategies(config, prefix + "model");
}

}  // namespace loom::app

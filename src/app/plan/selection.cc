#include "plan/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "check/report.h"

namespace loom::app {
namespace {

using config::Config;
using proxy::SelectionPlan;

/// Rules may name providers that are defined and not in use: nobody's candidate has their places.
std::vector<std::string> provider_names(const Config& config, const proxy::Plan& plan) {
    std::vector<std::string> names;
    for (const proxy::ProviderPlan& provider : plan.providers) names.push_back(provider.name);
    for (const std::string& name : config.names("provider"))
        if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    return names;
}

void fill_rules(const Config& config, const proxy::Plan& plan, SelectionPlan& selection,
                std::vector<std::string>& messages) {
    auto rules = route::RoutingRules::build(rule_options(config), provider_names(config, plan));
    if (!rules) {  // the checks have told where
        for (const route::RoutingRuleFault& fault : rules.error())
            messages.push_back(fmt::format("routing.rule.{}: {}", fault.name, fault.text));
        return;
    }
    for (const std::string_view name : rules->names_of(rule::Attribute::header))
        selection.rule_headers.emplace_back(name);
    selection.rules = std::move(*rules);
}

proxy::PromptTarget prompt_target(const Config& config, const proxy::Plan& plan, const std::string& key) {
    const std::string& name = config.text(key);
    const auto provider = std::ranges::find(plan.providers, name, &proxy::ProviderPlan::name);
    if (provider != plan.providers.end()) return {.provider_ix = static_cast<int>(provider - plan.providers.begin())};
    return is_defined_provider(config, name) ? proxy::PromptTarget() : proxy::PromptTarget{.model = name};
}

void fill_prompts(const Config& config, const proxy::Plan& plan, SelectionPlan& selection) {
    selection.complexity_threshold = static_cast<float>(config.decimal("routing.complexity.threshold"));
    selection.small = prompt_target(config, plan, "routing.complexity.small");
    selection.large = prompt_target(config, plan, "routing.complexity.large");
    for (const std::string& name : config.names("routing.task"))
        if (const auto task = route::find_task(name))
            selection.tasks[static_cast<size_t>(*task)] = prompt_target(config, plan, "routing.task." + name);
    for (const std::string& model : config.names("routing.model")) {
        const std::string& strategy = config.text(fmt::format("routing.model.{}.strategy", model));
        if (strategy == "complexity" || strategy == "task")
            selection.by_prompt.emplace_back(model, *route::find_strategy(strategy));
    }
}

std::optional<route::CapabilityOptions> capability_options(const Config& config, const std::string& prefix) {
    const std::string can = prefix + "capabilities", length = prefix + "context_length";
    if (!config.has(can) && !config.has(length)) return std::nullopt;
    route::CapabilityOptions options{.context_tokens = static_cast<uint64_t>(config.integer(length))};
    if (!config.has(can)) return options;
    options.can = route::CapabilitySet{0};
    for (const std::string& name : config.list(can))
        if (const auto one = route::find_capability(name)) *options.can |= route::set_of(*one);
    return options;
}

void fill_capabilities(const Config& config, const proxy::Plan& plan, route::Capabilities& capabilities) {
    for (size_t i = 0; i < plan.providers.size(); ++i) {
        const std::string prefix = fmt::format("provider.{}.", plan.providers[i].name);
        if (const auto options = capability_options(config, prefix)) capabilities.set_provider(i, *options);
        for (const std::string& model : config.names(prefix + "model"))
            if (const auto options = capability_options(config, fmt::format("{}model.{}.", prefix, model)))
                capabilities.set_model(i, model, *options);
    }
}

route::RegionRequirement requirement(const Config& config, const std::string& key,
                                     std::span<const std::string> provider_regions) {
    const auto& regions = config.list(key);
    return {fmt::format("{} = {}", key, fmt::join(regions, ", ")), regions, provider_regions};
}

/// A provider that does not say where it is is a region of its own.
void fill_preferred_regions(const Config& config, const proxy::Plan& plan, std::span<const std::string> regions,
                            route::TargetTable& targets, SelectionPlan& selection) {
    const auto& wanted = config.list("routing.prefer_region");
    if (wanted.size() != 1 || wanted.front() != route::RegionPreference::nearest) {
        selection.preferred_regions = route::RegionPreference(wanted, regions);
        return;
    }
    std::vector<std::shared_ptr<route::RegionState>> rows;
    for (size_t i = 0; i < regions.size(); ++i)
        rows.push_back(targets.region(regions[i].empty() ? "\n" + plan.providers[i].name : regions[i]));
    selection.preferred_regions = route::RegionPreference(std::move(rows));
}

/// Of one that was made over the admin listener.
route::RegionRequirement requirement_of(const tenant::Consumer& consumer, std::span<const tenant::MadeConsumer> made,
                                        std::span<const std::string> provider_regions) {
    for (const tenant::MadeConsumer& one : made)
        if (one.consumer.name == consumer.name)
            return {fmt::format("/ai/consumers/{}: regions = {}", consumer.name, fmt::join(one.regions, ", ")),
                    one.regions, provider_regions};
    return {"", {}, provider_regions};
}

void fill_regions(const Config& config, const proxy::Plan& plan, route::TargetTable& targets, SelectionPlan& selection,
                  std::span<const tenant::MadeConsumer> made) {
    std::vector<std::string> regions;
    for (const proxy::ProviderPlan& provider : plan.providers)
        regions.push_back(config.text(fmt::format("provider.{}.region", provider.name)));
    for (const proxy::RoutePlan& route : plan.routes) {
        const auto own = fmt::format("route.{}.require_region", route.name);
        selection.route_regions.push_back(
            requirement(config, config.has(own) ? own : "routing.require_region", regions));
    }
    for (const tenant::Consumer& consumer : plan.consumers.consumers())
        selection.consumer_regions.push_back(
            consumer.made ? requirement_of(consumer, made, regions)
                          : requirement(config, fmt::format("consumer.{}.regions", consumer.name), regions));
    if (config.has("routing.prefer_region")) fill_preferred_regions(config, plan, regions, targets, selection);
    const auto is_empty = [](const route::RegionRequirement& one) { return one.empty(); };
    if (std::ranges::all_of(selection.route_regions, is_empty)) selection.route_regions.clear();
    if (std::ranges::all_of(selection.consumer_regions, is_empty)) selection.consumer_regions.clear();
}

}  // namespace

std::vector<route::RoutingRuleOptions> rule_options(const Config& config) {
    std::vector<route::RoutingRuleOptions> options;
    for (const std::string& name : config.names("routing.rule")) {
        const auto prefix = fmt::format("routing.rule.{}.", name);
        options.push_back(
            {.name = name, .when = config.text(prefix + "when"), .providers = config.list(prefix + "use")});
    }
    return options;
}

bool names_strategy(const Config& config, std::string_view strategy) {
    const auto of_models = [&](const std::string& prefix) {
        return std::ranges::any_of(config.names(prefix), [&](const std::string& model) {
            return config.text(fmt::format("{}.{}.strategy", prefix, model)) == strategy;
        });
    };
    const auto of_route = [&](const std::string& name) {
        const auto prefix = fmt::format("route.{}.", name);
        return config.text(prefix + "strategy") == strategy || of_models(prefix + "model");
    };
    return config.text("routing.strategy") == strategy || of_models("routing.model") ||
           std::ranges::any_of(config.names("route"), of_route);
}

void fill_selection(const Config& config, proxy::Plan& plan, route::TargetTable& targets,
                    std::vector<std::string>& messages, std::span<const tenant::MadeConsumer> made) {
    auto selection = std::make_shared<SelectionPlan>();
    fill_rules(config, plan, *selection, messages);
    const bool by_prompt = names_strategy(config, "complexity") || names_strategy(config, "task");
    if (by_prompt) fill_prompts(config, plan, *selection);
    fill_capabilities(config, plan, selection->capabilities);
    fill_regions(config, plan, targets, *selection, made);
    const bool narrows = by_prompt || !selection->rules.empty() || !selection->capabilities.empty() ||
                         !selection->route_regions.empty() || !selection->consumer_regions.empty() ||
                         !selection->preferred_regions.empty();
    plan.tells_routing = plan.tells_routing || narrows;
    if (narrows) plan.selection = std::move(selection);
}

}  // namespace loom::app

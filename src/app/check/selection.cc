// Checks of what narrows who may be asked: rules, prompts' targets, regions.
#include <algorithm>
#include <array>
#include <ranges>

#include "check/report.h"
#include "loom/llm/endpoint.h"
#include "loom/route/estimate.h"
#include "loom/route/proximity.h"
#include "loom/route/residency.h"
#include "plan/identity.h"
#include "plan/selection.h"

namespace loom::app {
namespace {

using config::Config;

std::vector<std::string_view> views_of(std::span<const std::string> names) { return {names.begin(), names.end()}; }

std::vector<std::string_view> tag_names(const Config& config) {
    std::vector<std::string_view> tags;
    for (const std::string& model : config.names("model_tag"))
        for (const std::string& tag : config.list("model_tag." + model)) tags.push_back(tag);
    return tags;
}

/// A rule of models' tags that could never be met is a slip of who wrote it.
void check_tags(Report& report, const std::string& when, const rule::Rule& rule) {
    if (!rule.uses().test(static_cast<size_t>(rule::Attribute::tags)) || !tag_names(report.config).empty()) return;
    report.error(when, "asks for a model's tags, and no model has any: say model_tag.MODEL = restricted");
}

/// What can be said of a consumer at all.
std::vector<std::string_view> consumer_values(const Config& config, std::string_view word) {
    std::vector<std::string_view> values;
    for (const std::string& name : config.names("consumer")) {
        const std::string& value = config.text(fmt::format("consumer.{}.{}", name, word));
        if (!value.empty() && std::ranges::find(values, value) == values.end()) values.push_back(value);
    }
    return values;
}

std::vector<std::string_view> endpoint_names() {
    std::vector<std::string_view> names;
    for (uint8_t i = 0; i < static_cast<uint8_t>(llm::Endpoint::unknown); ++i) {
        const auto endpoint = static_cast<llm::Endpoint>(i);
        if (llm::is_inspected(endpoint) || llm::is_passthrough(endpoint)) names.push_back(llm::endpoint_name(endpoint));
    }
    return names;
}

std::vector<std::string_view> task_names() {
    std::vector<std::string_view> names;
    for (uint8_t i = 0; i < route::task_count; ++i) names.push_back(route::task_name(static_cast<route::Task>(i)));
    return names;
}

/// Where nobody has such a value a rule may still ask for it: consumers may come.
std::vector<rule::KnownValues> known_values(const Config& config) {
    using enum rule::Attribute;
    std::vector<rule::KnownValues> known = {
        {.attribute = endpoint, .values = endpoint_names()},
        {.attribute = rule::Attribute::route, .values = views_of(config.names("route"))},
        {.attribute = consumer, .values = views_of(config.names("consumer"))},
        {.attribute = tenant, .values = consumer_values(config, "tenant")},
        {.attribute = team, .values = consumer_values(config, "team")},
        {.attribute = project, .values = consumer_values(config, "project")},
        {.attribute = tier, .values = consumer_values(config, "tier")},
        {.attribute = task, .values = task_names()},
        {.attribute = tags, .values = tag_names(config)}};
    // Tokens may say more than the conf.
    const bool any_tier = any_issuer_says(config, "tier_claim"), any_team = any_issuer_says(config, "team_claim");
    const bool any_consumer = any_issuer_says(config, "unknown_consumers", "refuse");
    const bool any_at_all = makes_consumers(config);
    std::erase_if(known, [&](const rule::KnownValues& one) {
        const bool of_consumer = one.attribute == consumer || one.attribute == tenant || one.attribute == team ||
                                 one.attribute == project || one.attribute == tier;
        return (any_at_all && of_consumer) || one.values.empty() || (any_tier && one.attribute == tier) ||
               (any_team && one.attribute == team) || (any_consumer && one.attribute == consumer);
    });
    return known;
}

bool has_metadata(const Config& config, std::string_view name) {
    return std::ranges::any_of(config.names("consumer"), [&](const std::string& consumer) {
        return config.has(fmt::format("consumer.{}.metadata.{}", consumer, name));
    });
}

/// Claims are of tokens, and of consumers' metadata.
void check_claims(Report& report, const std::string& key) {
    const auto rule = rule::Rule::compile(report.config.text(key));
    if (!rule || !rule->uses().test(static_cast<size_t>(rule::Attribute::claim))) return;
    const bool may_come = has_issuers(report.config) || makes_consumers(report.config) || !report.complete;
    for (const std::string_view name : rule->names_of(rule::Attribute::claim)) {
        if (!may_come && !has_metadata(report.config, name))
            report.error(key, fmt::format("nobody has the claim '{}': no tokens are taken, and no consumer has such "
                                          "metadata; set consumer.NAME.metadata.{}, define jwt.NAME.issuer or "
                                          "introspection.NAME.url, or ask for consumer, tenant, team, project, tier or "
                                          "roles",
                                          config::printable(std::string(name)), config::printable(std::string(name))));
        if (const auto path = tenant::parse_claim_path(name); !path)
            report.error(key, fmt::format("claim '{}': {}", config::printable(std::string(name)), path.error().what));
    }
}

void check_access_rules(Report& report) {
    const Config& config = report.config;
    for (const std::string& name : config.names("access.rule")) {
        const auto when = fmt::format("access.rule.{}.when", name), action = fmt::format("access.rule.{}.action", name);
        const auto place = config.place_of_name("access.rule", name);
        if (!config.has(action)) report.missing(place, action, "is missing: allow or deny");
        if (!config.has(when)) {
            report.missing(place, when, "is missing; say which requests are meant, such as \"intern\" in roles");
            continue;
        }
        const auto rule = rule::Rule::compile(config.text(when), known_values(config));
        if (!rule) {
            for (const rule::Fault& fault : rule.error())
                report.error(when, fmt::format("column {}: {}", fault.column, fault.text));
            continue;
        }
        if (const char* const fault = access_fault(*rule, config.text(action) == "allow")) report.error(when, fault);
        check_claims(report, when);
        check_tags(report, when, *rule);
    }
}

void check_rules(Report& report) {
    const Config& config = report.config;
    for (const std::string& name : config.names("routing.rule")) {
        const auto prefix = fmt::format("routing.rule.{}.", name);
        const auto place = config.place_of_name("routing.rule", name);
        if (!config.has(prefix + "when"))
            report.missing(place, prefix + "when",
                           "is missing; say which requests are meant, such as header.x-team == \"legal\"");
        if (!config.has(prefix + "use"))
            report.missing(place, prefix + "use", "is missing; name a provider, or several, the preferred one first");
        check_claims(report, prefix + "when");
        if (const auto rule = rule::Rule::compile(config.text(prefix + "when")))
            check_tags(report, prefix + "when", *rule);
    }
    const auto providers = config.names("provider");
    const auto rules = route::RoutingRules::build(rule_options(config), providers, known_values(config));
    if (rules) return;
    for (const route::RoutingRuleFault& fault : rules.error()) {
        const bool when = fault.part == route::RoutingRuleFault::Part::when;
        const auto key = fmt::format("routing.rule.{}.{}", fault.name, when ? "when" : "use");
        if (!config.has(key)) continue;  // that was said
        if (when)
            report.error(key, fmt::format("column {}: {}", fault.column, fault.text));
        else if (report.complete)
            report.error(key, fault.text);
    }
}

/// Does anybody take it: by name, by a pattern, by a mapping or as any model?
bool is_known_model(const Config& config, std::string_view model) {
    if (std::ranges::find(config.names("model_mapping"), model) != config.names("model_mapping").end()) return true;
    const auto covers = [model](std::string_view listed) {
        if (listed.ends_with('*')) return model.starts_with(listed.substr(0, listed.size() - 1));
        return listed == model;
    };
    return std::ranges::any_of(config.names("provider"), [&](const std::string& provider) {
        const bool named = model.starts_with(provider) && model.size() > provider.size() &&
                           (model[provider.size()] == '/' || model[provider.size()] == ':');
        const auto models = fmt::format("provider.{}.models", provider);
        const auto deployments = config.entries_below(fmt::format("provider.{}.deployment.", provider));
        const bool deployed = std::ranges::any_of(deployments, [&](const auto& one) { return one.first == model; });
        const bool any = !config.has(models) && deployments.empty();
        return named || deployed || any || std::ranges::any_of(config.list(models), covers);
    });
}

void check_prompt_target(Report& report, const std::string& key, bool used, const char* strategy) {
    if (!report.config.has(key)) return;
    const std::string& name = report.config.text(key);
    if (!is_defined_provider(report.config, name) && !is_known_model(report.config, name))
        report.missing(report.config.place(key), key,
                       fmt::format("'{}' is neither a provider nor a model that any provider has; add it to "
                                   "provider.NAME.models",
                                   config::printable(name)));
    if (!used && report.complete)
        report.warning(key,
                       fmt::format("is taken by nobody: set routing.strategy = {0}, or routing.model.NAME.strategy "
                                   "= {0}",
                                   strategy));
}

void check_prompts(Report& report) {
    const Config& config = report.config;
    const bool by_complexity = names_strategy(config, "complexity"), by_task = names_strategy(config, "task");
    const bool sizes = config.has("routing.complexity.small") || config.has("routing.complexity.large");
    if (by_complexity && !sizes)
        report.missing({config.path()}, "routing.complexity.small",
                       "is missing, and so is .large: the strategy complexity needs a model or a provider for one of "
                       "them at least");
    if (by_task && config.names("routing.task").empty())
        report.missing({config.path()}, "routing.task",
                       "there is none: the strategy task needs a model or a provider for one task at least, such as "
                       "routing.task.code = gpt-4.1");
    check_prompt_target(report, "routing.complexity.small", by_complexity, "complexity");
    check_prompt_target(report, "routing.complexity.large", by_complexity, "complexity");
    for (const std::string& name : config.names("routing.task")) {
        const auto key = "routing.task." + name;
        if (!route::find_task(name))
            report.add(
                config.place_of_name("routing.task", name), true, key,
                fmt::format("'{}' is no task; there are {}", config::printable(name), fmt::join(task_names(), ", ")));
        check_prompt_target(report, key, by_task, "task");
    }
}

bool is_region(std::string_view text) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    };
    return !text.empty() && std::ranges::all_of(text, fits);
}

/// A requirement that nobody meets refuses everything.
void check_requirement(Report& report, const std::string& key) {
    const Config& config = report.config;
    if (!config.has(key)) return;
    const auto& regions = config.list(key);
    if (regions.empty()) return report.error(key, "names no region; take the line away where none is required");
    const auto lies = [&](const std::string& region) {
        return std::ranges::any_of(config.names("provider"), [&](const std::string& provider) {
            return route::lies_in(config.text(fmt::format("provider.{}.region", provider)), region);
        });
    };
    size_t empty_count = 0;
    for (const std::string& region : regions) {
        if (!is_region(region))
            report.error(key, fmt::format("'{}' is no region's name, such as eu-west-1", config::printable(region)));
        if (lies(region) || !report.complete) continue;
        empty_count += 1;
        if (regions.size() > 1)
            report.warning(key, fmt::format("no provider lies in '{}'; set provider.NAME.region", region));
    }
    if (empty_count == regions.size())
        report.missing(config.place(key), key,
                       fmt::format("no provider lies in {}, so every request would be refused; set "
                                   "provider.NAME.region",
                                   fmt::join(regions, " or ")));
}

/// A wish that nobody meets changes nothing.
void check_preferred_regions(Report& report) {
    const Config& config = report.config;
    const std::string key = "routing.prefer_region";
    if (!config.has(key)) return;
    const auto& regions = config.list(key);
    if (regions.empty()) return report.error(key, "names no region; take the line away where none is preferred");
    const bool nearest = std::ranges::find(regions, route::RegionPreference::nearest) != regions.end();
    if (nearest && regions.size() > 1)
        return report.error(key,
                            "'nearest' stands alone: regions are preferred by their names or by how near they are");
    if (nearest) return;
    for (const std::string& region : regions) {
        const auto lies = [&](const std::string& provider) {
            return route::lies_in(config.text(fmt::format("provider.{}.region", provider)), region);
        };
        if (!is_region(region))
            report.error(key, fmt::format("'{}' is no region's name, such as eu-west-1", config::printable(region)));
        else if (report.complete && std::ranges::none_of(config.names("provider"), lies))
            report.warning(key, fmt::format("no provider lies in '{}'; set provider.NAME.region", region));
    }
}

void check_regions(Report& report) {
    const Config& config = report.config;
    for (const std::string& name : config.names("provider")) {
        const auto key = fmt::format("provider.{}.region", name);
        if (config.has(key) && !is_region(config.text(key)))
            report.error(key, "expected a region's name, such as eu-west-1");
    }
    check_requirement(report, "routing.require_region");
    check_preferred_regions(report);
    for (const std::string& name : config.names("route")) {
        const auto key = fmt::format("route.{}.require_region", name);
        if (config.has(key) && !config.boolean(fmt::format("route.{}.ai_gateway", name)))
            report.error(key, fmt::format("a plain route has one upstream, and no providers to choose from: it is for "
                                          "route.{}.ai_gateway = on",
                                          name));
        check_requirement(report, key);
    }
    for (const std::string& name : config.names("consumer"))
        check_requirement(report, fmt::format("consumer.{}.regions", name));
}

}  // namespace

void check_selection(Report& report) {
    check_rules(report);
    check_access_rules(report);
    check_prompts(report);
    check_regions(report);
}

}  // namespace loom::app

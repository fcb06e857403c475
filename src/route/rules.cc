#include "loom/route/rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "loom/base/edit_distance.h"

namespace loom::route {
namespace {

using Part = RoutingRuleFault::Part;

constexpr size_t slips_max = 3;

std::string unknown_provider(std::string_view name, std::span<const std::string> providers) {
    std::string_view best;
    size_t best_distance = slips_max + 1;
    for (const std::string& provider : providers) {
        const size_t distance = edit_distance(name, provider, best_distance);
        if (distance >= best_distance) continue;
        best = provider;
        best_distance = distance;
    }
    if (best.empty()) return fmt::format("no provider '{}' is defined", name);
    return fmt::format("no provider '{}' is defined, did you mean '{}'?", name, best);
}

/// Reads one rule after the other, and notes what is wrong with each.
class Builder {
  public:
    Builder(std::span<const std::string> providers, std::span<const rule::KnownValues> known)
        : providers_(providers), known_(known) {}

    std::optional<RoutingRule> read(const RoutingRuleOptions& options) {
        const size_t faults_before = faults.size();
        auto when = rule::Rule::compile(options.when, known_);
        if (!when)
            for (rule::Fault& fault : when.error())
                faults.push_back({options.name, Part::when, fault.column, std::move(fault.text)});
        std::vector<uint16_t> providers = read_providers(options);
        if (faults.size() > faults_before) return std::nullopt;
        return RoutingRule{options.name, std::move(*when), std::move(providers)};
    }

    std::vector<RoutingRuleFault> faults;

  private:
    std::vector<uint16_t> read_providers(const RoutingRuleOptions& options) {
        std::vector<uint16_t> found;
        if (options.providers.empty())
            faults.push_back({options.name, Part::use, 1, "the rule leads to nobody; name a provider, or several"});
        for (const std::string& name : options.providers) {
            const auto provider = std::ranges::find(providers_, name);
            if (provider == providers_.end())
                faults.push_back({options.name, Part::use, 1, unknown_provider(name, providers_)});
            else
                found.push_back(static_cast<uint16_t>(provider - providers_.begin()));
        }
        return found;
    }

    std::span<const std::string> providers_;
    std::span<const rule::KnownValues> known_;
};

}  // namespace

std::expected<RoutingRules, std::vector<RoutingRuleFault>> RoutingRules::build(
    std::span<const RoutingRuleOptions> options, std::span<const std::string> providers,
    std::span<const rule::KnownValues> known) {
    RoutingRules rules;
    Builder builder(providers, known);
    for (const RoutingRuleOptions& one : options) {
        auto read = builder.read(one);
        if (!read) continue;
        rules.uses_ |= read->when.uses();
        rules.rules_.push_back(std::move(*read));
    }
    if (!builder.faults.empty()) return std::unexpected(std::move(builder.faults));
    return rules;
}

std::optional<size_t> RoutingRules::find(const rule::Facts& facts) const noexcept {
    for (size_t i = 0; i < rules_.size(); ++i)
        if (rules_[i].when.known_to_hold(facts)) return i;
    return std::nullopt;
}

std::vector<std::string_view> RoutingRules::names_of(rule::Attribute attribute) const {
    std::vector<std::string_view> names;
    for (const RoutingRule& rule : rules_)
        for (const std::string_view name : rule.when.names_of(attribute))
            if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    return names;
}

std::bitset<candidates_max> unfit_for(const RoutingRule& rule, std::span<const Candidate> candidates) noexcept {
    std::bitset<candidates_max> unfit;
    for (size_t i = 0; i < candidates.size(); ++i)
        unfit[i] = std::ranges::find(rule.providers, candidates[i].provider_ix) == rule.providers.end();
    return unfit;
}

}  // namespace loom::route

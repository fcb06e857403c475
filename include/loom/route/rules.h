// Routing rules: the first one, in the conf's order, that a request is known to meet says which providers may take it.
#pragma once

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/route/catalogue.h"
#include "loom/rule/rule.h"

namespace loom::route {

struct RoutingRuleOptions {  // routing.rule.<name>.when, .use
    std::string name;
    std::string when;
    std::vector<std::string> providers;
};

/// What is wrong with one of them.
struct RoutingRuleFault {
    enum class Part : uint8_t { when, use };
    std::string name;  // the rule's
    Part part = Part::when;
    uint32_t column = 1;  // in its text, from 1
    std::string text;
};

struct RoutingRule {
    std::string name;
    rule::Rule when;
    std::vector<uint16_t> providers;  // into the catalogue's

    [[nodiscard]] bool leads_to(size_t provider_ix) const noexcept {
        return std::ranges::find(providers, provider_ix) != providers.end();
    }
};

/// Immutable: part of a configuration snapshot.
class RoutingRules {
  public:
    RoutingRules() = default;
    /// providers  all that there are, in the catalogue's order.
    /// Errors     of every rule, in their order: one that cannot be compiled, that leads to nobody, or to a provider
    /// that is
    ///            not there, with the nearest that is.
    [[nodiscard]] static std::expected<RoutingRules, std::vector<RoutingRuleFault>> build(
        std::span<const RoutingRuleOptions> options, std::span<const std::string> providers,
        std::span<const rule::KnownValues> known = {});

    [[nodiscard]] bool empty() const noexcept { return rules_.empty(); }
    [[nodiscard]] size_t size() const noexcept { return rules_.size(); }
    [[nodiscard]] const RoutingRule& operator[](size_t index) const noexcept { return rules_[index]; }

    /// Which rule the request meets; nothing where none is known to. A rule that asks for what nobody has said is
    /// passed over: what has to hold of such requests too is a rule of its own, with has(). No allocation.
    [[nodiscard]] std::optional<size_t> find(const rule::Facts& facts) const noexcept;

    /// What any of them asks for, and under which names: what no rule asks for need not be kept of a request.
    [[nodiscard]] const rule::AttributeSet& uses() const noexcept { return uses_; }
    [[nodiscard]] std::vector<std::string_view> names_of(rule::Attribute attribute) const;

  private:
    std::vector<RoutingRule> rules_;
    rule::AttributeSet uses_;
};

/// The candidates that a rule does not lead to, by their place. All of them where the model is nobody's that it names:
/// such a request is refused, since a rule may be there to keep it from the others.
[[nodiscard]] std::bitset<candidates_max> unfit_for(const RoutingRule& rule,
                                                    std::span<const Candidate> candidates) noexcept;

}  // namespace loom::route

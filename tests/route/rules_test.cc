// Which rule a request meets, and whom it leads to.
#include "loom/route/rules.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "../rule/fact_table.h"

namespace loom::route {
namespace {

using enum rule::Attribute;

const std::vector<std::string> providers = {"openai", "anthropic", "local"};

RoutingRules rules_of(std::vector<RoutingRuleOptions> options) {
    auto rules = RoutingRules::build(options, providers);
    if (!rules) ADD_FAILURE() << rules.error().front().text;
    return rules ? std::move(*rules) : RoutingRules();
}

TEST(RoutingRules, TheFirstThatIsKnownToHold) {
    const RoutingRules rules = rules_of({{"legal", R"(header.x-team == "legal" && tokens > 8000)", {"anthropic"}},
                                         {"cheap", R"(tier == "free")", {"local"}},
                                         {"long", "tokens > 8k", {"openai", "anthropic"}}});
    rule::FactTable facts;
    EXPECT_FALSE(rules.find(facts)) << "nothing is known, so nothing is met";
    facts.number(prompt_tokens, 9000);
    EXPECT_EQ(rules.find(facts), 2u) << "the first two ask for what nobody has said";
    facts.text(tier, "free");
    EXPECT_EQ(rules.find(facts), 1u);
    facts.text(header, "legal", "x-team");
    EXPECT_EQ(rules.find(facts), 0u) << "in the conf's order";
    facts.number(prompt_tokens, 10).text(tier, "paid");
    EXPECT_FALSE(rules.find(facts));
    EXPECT_TRUE(RoutingRules().empty());
    EXPECT_FALSE(RoutingRules().find(facts));
}

TEST(RoutingRules, LeadToTheirProvidersAlone) {
    const RoutingRules rules = rules_of({{"eu", "stream", {"local", "anthropic"}}});
    std::vector<Candidate> candidates(4);
    for (size_t i = 0; i < candidates.size(); ++i) candidates[i].provider_ix = static_cast<uint16_t>(i % 3);
    const auto unfit = unfit_for(rules[0], candidates);
    EXPECT_EQ(unfit.to_ullong(), 0b1001u) << "openai's two";
    EXPECT_EQ(unfit_for(rules[0], std::span(candidates).first(1)).count(), 1u) << "nobody is left, and that is said";
}

TEST(RoutingRules, TellWhatHasToBeKeptOfARequest) {
    const RoutingRules rules = rules_of({{"a", "header.x-team == \"x\" or header.b == \"y\"", {"local"}},
                                         {"b", "header.X-Team == \"z\" and complexity > 50%", {"local"}}});
    EXPECT_EQ(rules.names_of(header), (std::vector<std::string_view>{"x-team", "b"}));
    EXPECT_TRUE(rules.uses().test(static_cast<size_t>(complexity)));
    EXPECT_FALSE(rules.uses().test(static_cast<size_t>(task)));
}

TEST(RoutingRules, RefuseAllThatIsWrongAtOnce) {
    const std::vector<RoutingRuleOptions> options = {{"a", "modle == \"x\"", {"opnai"}},
                                                     {"b", "stream", {}},
                                                     {"c", "stream", {"local", "somebody"}},
                                                     {"d", "stream", {"local"}}};
    const auto rules = RoutingRules::build(options, providers);
    ASSERT_FALSE(rules);
    const auto& faults = rules.error();
    ASSERT_EQ(faults.size(), 4u);
    EXPECT_EQ(faults[0].name, "a");
    EXPECT_EQ(faults[0].part, RoutingRuleFault::Part::when);
    EXPECT_EQ(faults[0].column, 1u);
    EXPECT_EQ(faults[1].text, "no provider 'opnai' is defined, did you mean 'openai'?");
    EXPECT_EQ(faults[1].part, RoutingRuleFault::Part::use);
    EXPECT_EQ(faults[2].name, "b");
    EXPECT_EQ(faults[3].text, "no provider 'somebody' is defined");
}

TEST(RoutingRules, KnowTheValuesThatThereAre) {
    const std::vector<rule::KnownValues> known = {{tier, {"free", "paid"}}};
    const std::vector<RoutingRuleOptions> options = {{"a", "tier == \"fre\"", {"local"}}};
    EXPECT_FALSE(RoutingRules::build(options, providers, known));
    EXPECT_TRUE(RoutingRules::build(options, providers));
}

}  // namespace
}  // namespace loom::route

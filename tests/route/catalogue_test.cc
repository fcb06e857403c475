#include "loom/route/catalogue.h"

#include <gtest/gtest.h>

#include <memory>

namespace loom::route {
namespace {

using Models = std::vector<std::string>;

ProviderOptions provider(std::string name, std::optional<Models> models, int priority = 0, uint32_t weight = 1) {
    ProviderOptions p;
    p.name = std::move(name);
    p.models = std::move(models);
    p.priority = priority;
    p.weight = weight;
    return p;
}

Catalogue catalogue_of(const CatalogueOptions& options) {
    auto built = Catalogue::build(options);
    EXPECT_TRUE(built) << (built ? "" : built.error().front());
    return std::move(*built);
}

/// "openai anthropic=claude-3": the candidates in order, with their names where those differ.
std::string candidates(const CatalogueOptions& options, std::string_view model) {
    const Catalogue catalogue = catalogue_of(options);
    std::string out;
    for (const Candidate& c : catalogue.find(model)) {
        if (!out.empty()) out += ' ';
        out += options.providers[c.provider_ix].name;
        if (c.renamed) out += "=" + c.upstream_model;
    }
    return out;
}

TEST(Candidates, AreTheProvidersThatListTheModelInFileOrder) {
    const CatalogueOptions o{.providers = {provider("openai", Models{"gpt-4", "gpt-4o"}),
                                           provider("anthropic", Models{"claude-3"}),
                                           provider("azure", Models{"gpt-4"})}};
    EXPECT_EQ(candidates(o, "gpt-4"), "openai azure");
    EXPECT_EQ(candidates(o, "claude-3"), "anthropic");
    EXPECT_EQ(candidates(o, "gpt-5"), "");
    EXPECT_EQ(candidates(o, "gpt-4o-mini"), "") << "a name is no prefix";
}

TEST(Catalogue, ACopyStandsByItself) {
    auto original = std::make_unique<Catalogue>(catalogue_of(
        {.providers = {provider("a-provider-with-a-long-name", Models{"gpt-4", "a-model-with-a-long-name"}),
                       provider("b", Models{"gpt-4"})}}));
    const Catalogue copy = *original;
    original.reset();
    ASSERT_EQ(copy.models().size(), 2u);
    for (const ListedModel& model : copy.models()) {
        EXPECT_EQ(model.owned_by, "a-provider-with-a-long-name");
        EXPECT_FALSE(copy.find(model.id).empty());
    }
    EXPECT_EQ(copy.find("gpt-4").size(), 2u);
}

TEST(Candidates, TheLowestPriorityNumberGoesFirst) {
    const CatalogueOptions o{
        .providers = {provider("c", Models{"m"}, 2), provider("a", Models{"m"}, 1), provider("b", Models{"m"}, 1)}};
    EXPECT_EQ(candidates(o, "m"), "a b c");
}

TEST(Candidates, AProviderWithoutAListTakesAnyModel) {
    const CatalogueOptions o{.providers = {provider("openai", Models{"gpt-4"}), provider("local", std::nullopt)}};
    EXPECT_EQ(candidates(o, "gpt-4"), "openai local");
    EXPECT_EQ(candidates(o, "whatever"), "local");
}

TEST(Candidates, DeploymentsAreTheListOfAProviderWithoutOne) {
    CatalogueOptions o{.providers = {provider("azure", std::nullopt)}};
    o.providers[0].deployments = {"gpt-4"};
    EXPECT_EQ(candidates(o, "gpt-4"), "azure");
    EXPECT_EQ(candidates(o, "gpt-4o"), "");
}

TEST(Candidates, AMappingMakesOneAndNamesTheModelThere) {
    const CatalogueOptions o{
        .providers = {provider("openai", Models{"gpt-4"}), provider("anthropic", Models{"claude-3-opus"}),
                      provider("azure", Models{})},
        .mappings = {
            {"gpt-4", "openai", "gpt-4-turbo"}, {"gpt-4", "anthropic", "claude-3-opus"}, {"gpt-4", "azure", "gpt-4"}}};
    EXPECT_EQ(candidates(o, "gpt-4"), "openai=gpt-4-turbo anthropic=claude-3-opus azure")
        << "the same name is no renaming";
    EXPECT_EQ(candidates(o, "gpt-4-turbo"), "") << "the name there is not a name here";
}

TEST(Candidates, AnAliasIsAModelOfItsOwn) {
    const CatalogueOptions o{
        .providers = {provider("openai", Models{"gpt-3.5-turbo"}), provider("anthropic", Models{})},
        .mappings = {{"fast", "openai", "gpt-3.5-turbo"}, {"fast", "anthropic", "claude-3-haiku"}}};
    EXPECT_EQ(candidates(o, "fast"), "openai=gpt-3.5-turbo anthropic=claude-3-haiku");
}

TEST(Candidates, ASelectionPicksAndOrders) {
    const CatalogueOptions o{.providers = {provider("a", Models{"m"}, 1), provider("b", Models{"m", "only-b"}, 2),
                                           provider("c", Models{"m"}, 3)},
                             .selection = {"c", "a"}};
    EXPECT_EQ(candidates(o, "m"), "c a");
    EXPECT_EQ(candidates(o, "only-b"), "");
}

TEST(Candidates, AModelRouteGoesFirstAndTheOthersStayForFailover) {
    const CatalogueOptions o{.providers = {provider("a", Models{"m"}, 1), provider("b", Models{"m"}, 2)},
                             .model_routes = {{"m", "b"}}};
    EXPECT_EQ(candidates(o, "m"), "b a");
}

TEST(Candidates, AModelRouteNeedsNoListing) {
    const CatalogueOptions o{.providers = {provider("a", Models{"x"}), provider("b", Models{"y"})},
                             .model_routes = {{"m", "b"}}};
    EXPECT_EQ(candidates(o, "m"), "b");
}

TEST(Candidates, TheDefaultRouteTakesUnknownModelsUnderTheirName) {
    const CatalogueOptions o{.providers = {provider("a", Models{"x"}), provider("b", Models{"y"})},
                             .model_routes = {{"default", "b"}}};
    EXPECT_EQ(candidates(o, "never-heard-of"), "b");
    EXPECT_EQ(candidates(o, "x"), "a");
    const Catalogue catalogue = catalogue_of(o);
    EXPECT_EQ(catalogue.find("never-heard-of")[0].upstream_model, "");
    EXPECT_FALSE(catalogue.find("never-heard-of")[0].renamed);
}

TEST(Candidates, TheDefaultGoesBeforeProvidersOfAnyModel) {
    const CatalogueOptions o{.providers = {provider("any", std::nullopt), provider("b", Models{"y"})},
                             .model_routes = {{"default", "b"}}};
    EXPECT_EQ(candidates(o, "unknown"), "b any");
}

TEST(Candidates, APatternCoversWhatBeginsWithIt) {
    const CatalogueOptions o{.providers = {provider("openai", Models{"gpt-*"}), provider("azure", Models{"gpt-4*"}),
                                           provider("x", Models{"gpt-4-x"})}};
    EXPECT_EQ(candidates(o, "gpt-3.5"), "openai");
    EXPECT_EQ(candidates(o, "gpt-4o"), "openai azure") << "the longest pattern, and those that cover it";
    EXPECT_EQ(candidates(o, "gpt-4-x"), "openai azure x")
        << "a name before any pattern, with the patterns that cover it";
    EXPECT_EQ(candidates(o, "gpt"), "");
}

TEST(Candidates, AMappingOfAPatternRenamesWhatItCovers) {
    const CatalogueOptions o{.providers = {provider("a", Models{"gpt-4o"})}, .mappings = {{"gpt-*", "a", "llama-3"}}};
    EXPECT_EQ(candidates(o, "gpt-5"), "a=llama-3");
    EXPECT_EQ(candidates(o, "gpt-4o"), "a=llama-3");
}

TEST(Candidates, ADrainedProviderTakesNothingButItsModelsStayKnown) {
    const CatalogueOptions o{.providers = {provider("a", Models{"m", "only-a"}, 1, 0), provider("b", Models{"m"}, 2)}};
    EXPECT_EQ(candidates(o, "m"), "b");
    const Catalogue catalogue = catalogue_of(o);
    EXPECT_TRUE(catalogue.find("only-a").empty());
    EXPECT_TRUE(catalogue.known("only-a"));
    EXPECT_FALSE(catalogue.known("unknown"));
    EXPECT_EQ(catalogue.warnings(), Models{"model 'only-a' has no provider in use"});
}

TEST(Candidates, TheNameIsReadyToBeSplicedIntoJson) {
    const CatalogueOptions o{.providers = {provider("a", Models{"m"})},
                             .mappings = {{"m", "a", "dir\\\"model\"\x01/ü"}}};
    const Catalogue catalogue = catalogue_of(o);
    EXPECT_EQ(catalogue.find("m")[0].quoted_upstream_model, "\"dir\\\\\\\"model\\\"\\u0001/ü\"");
    EXPECT_EQ(catalogue_of({.providers = {provider("a", Models{"m"})}}).find("m")[0].quoted_upstream_model, "\"m\"");
}

TEST(Labels, AreOfConfiguredNamesNeverOfAClientsSpelling) {
    std::vector<std::string> asked;
    CatalogueOptions o{.providers = {provider("a", Models{"m", "gpt-*"}), provider("b", std::nullopt)},
                       .model_label = [&](std::string_view name) {
                           asked.emplace_back(name);
                           return static_cast<uint16_t>(asked.size());
                       }};
    o.providers[1].label_ix = 9;
    const Catalogue catalogue = catalogue_of(o);
    EXPECT_EQ(asked, (Models{"m", "gpt-*"}));
    EXPECT_EQ(catalogue.find("m")[0].model_label_ix, 1);
    EXPECT_EQ(catalogue.find("gpt-made-up")[0].model_label_ix, 2);
    EXPECT_EQ(catalogue.find("anything")[0].model_label_ix, 0);
    EXPECT_EQ(catalogue.find("anything")[0].provider_label_ix, 9);
    EXPECT_EQ(asked.size(), 2u) << "asking makes no label";
}

TEST(Models, AreListedOnceOverAllProviders) {
    const CatalogueOptions o{
        .providers = {provider("openai", Models{"gpt-4", "gpt-*"}), provider("azure", Models{"gpt-4", "gpt-35"}),
                      provider("off", Models{"gone"}, 0, 0)},
        .mappings = {{"fast", "azure", "gpt-35"}}};
    const Catalogue catalogue = catalogue_of(o);
    std::vector<std::pair<std::string_view, std::string_view>> seen;
    for (const ListedModel& m : catalogue.models()) seen.emplace_back(m.id, m.owned_by);
    EXPECT_EQ(seen, (decltype(seen){{"gpt-4", "openai"}, {"gpt-35", "openai"}, {"fast", "azure"}}));
}

/// "openai: gpt-4o": who is asked for what; "?" for nobody.
std::string matched(const Catalogue& catalogue, std::string_view asked) {
    const ModelMatch match = catalogue.match(asked);
    if (match.candidates.empty()) return "?";
    return std::to_string(match.candidates.front().provider_ix) + "/" + std::to_string(match.candidates.size()) + ": " +
           std::string(match.model);
}

TEST(Match, AProvidersNameInFrontAsksItAlone) {
    const Catalogue catalogue = catalogue_of(
        {.providers = {provider("openai", Models{"gpt-4o", "o3*"}), provider("azure", Models{"gpt-4o"}),
                       provider("router", Models{"openai/gpt-4o-mini", "meta/*"}), provider("local", std::nullopt)}});
    EXPECT_EQ(matched(catalogue, "gpt-4o"), "0/3: gpt-4o");
    EXPECT_EQ(matched(catalogue, "azure/gpt-4o"), "1/1: gpt-4o");
    EXPECT_EQ(matched(catalogue, "azure:gpt-4o"), "1/1: gpt-4o");
    EXPECT_EQ(matched(catalogue, "openai/o3-mini"), "0/1: o3-mini");
    EXPECT_EQ(matched(catalogue, "local/qwen2:7b"), "3/1: qwen2:7b");
    // a listed name, or one of a listed pattern, is that name
    EXPECT_EQ(matched(catalogue, "openai/gpt-4o-mini"), "2/2: openai/gpt-4o-mini");
    EXPECT_EQ(matched(catalogue, "meta/llama"), "2/2: meta/llama");
    // what the provider does not list it is not asked for, though another takes any name
    EXPECT_EQ(matched(catalogue, "azure/gpt-5"), "?");
    EXPECT_EQ(catalogue.match("azure/gpt-5").model, "gpt-5");
    EXPECT_FALSE(catalogue.match("azure/gpt-5").known);
    // no provider's name: a model's own
    EXPECT_EQ(matched(catalogue, "nobody/gpt-4o"), "3/1: nobody/gpt-4o");
    EXPECT_EQ(matched(catalogue, "azure/"), "3/1: azure/");
}

TEST(Models, StayReadableWhenTheCatalogueMoves) {
    Catalogue a = catalogue_of({.providers = {provider("p", Models{"m"})}});
    const Catalogue b = std::move(a);
    EXPECT_EQ(b.models()[0].id, "m");
    EXPECT_EQ(b.models()[0].owned_by, "p");
}

TEST(Nearest, NamesWhatTheClientMayHaveMeant) {
    const Catalogue c = catalogue_of({.providers = {provider("p", Models{"gpt-4", "gpt-4o", "gpt-4o-mini",
                                                                         "claude-3-opus-20240229", "gpt-4.1", "o1"})}});
    using Names = std::vector<std::string_view>;
    EXPECT_EQ(c.nearest("gpt4"), (Names{"gpt-4", "gpt-4o"}));
    EXPECT_EQ(c.nearest("gpt-4p"), (Names{"gpt-4", "gpt-4o", "gpt-4.1"}));
    EXPECT_EQ(c.nearest("claude-3-opus"), Names{"claude-3-opus-20240229"});
    EXPECT_EQ(c.nearest("mistral-large"), Names{});
    EXPECT_EQ(c.nearest(""), Names{});
}

/// Whoever may not hear of the nearest is told those behind them, as many.
TEST(Nearest, AreOfThoseThatTheClientMayHearOf) {
    const Catalogue c =
        catalogue_of({.providers = {provider("p", Models{"gpt-4", "gpt-4o", "gpt-4.1", "gpt-5", "gpt-6"})}});
    using Names = std::vector<std::string_view>;
    EXPECT_EQ(c.nearest("gpt-4p"), (Names{"gpt-4", "gpt-4o", "gpt-4.1"}));
    EXPECT_EQ(c.nearest("gpt-4p", [](std::string_view id) { return !id.starts_with("gpt-4"); }),
              (Names{"gpt-5", "gpt-6"}));
    EXPECT_EQ(c.nearest("gpt-4p", [](std::string_view id) { return id != "gpt-4"; }),
              (Names{"gpt-4o", "gpt-4.1", "gpt-5"}));
    EXPECT_EQ(c.nearest("gpt-4p", [](std::string_view) { return false; }), Names{});
}

TEST(Build, ReportsEveryMistakeAtOnce) {
    const auto built = Catalogue::build({.providers = {provider("a", Models{"x*y"}), provider("a", Models{""})},
                                         .mappings = {{"m", "nobody", "x"}, {"m", "a", "x*"}},
                                         .model_routes = {{"default", "none"}},
                                         .selection = {"missing"}});
    ASSERT_FALSE(built);
    EXPECT_EQ(built.error(),
              (Models{"provider.a.models: 'x*y' is no model name; '*' may only stand at its end",
                      "provider 'a' is defined twice",
                      "provider.a.models: '' is no model name; '*' may only stand at its end",
                      "model_mapping.m: provider 'nobody' is not defined", "model_mapping.m.a must be one model's name",
                      "routing.model_route.default: provider 'none' is not defined",
                      "routing.providers: provider 'missing' is not defined"}));
}

TEST(Build, WarnsOfAFailoverCandidateWithoutAName) {
    const Catalogue c =
        catalogue_of({.providers = {provider("openai", Models{"gpt-4"}), provider("anthropic", Models{"claude-3"}),
                                    provider("any", std::nullopt)},
                      .mappings = {{"gpt-4", "openai", "gpt-4-turbo"}}});
    EXPECT_EQ(c.warnings(),
              (Models{"model 'gpt-4': provider 'anthropic' is skipped for it: add model_mapping.gpt-4.anthropic",
                      "model 'gpt-4': provider 'any' has no mapping and would be asked for it by that name: "
                      "add model_mapping.gpt-4.any"}));
}

TEST(Build, KnowsNothingWhenEmpty) {
    EXPECT_TRUE(Catalogue().find("gpt-4").empty());
    EXPECT_TRUE(catalogue_of({}).models().empty());
}

}  // namespace
}  // namespace loom::route

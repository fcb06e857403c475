// Rules, prompts' targets and regions that cannot be meant so: each names its key, its place and what to do.
#include <gtest/gtest.h>

#include "check/check.h"
#include "fake_source.h"

namespace loom::app {
namespace {

/// Behind four lines that a configuration needs.
std::string more(const std::string& text) {
    auto loaded = config::load_text(
        "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.demo.type = echo\n"
        "provider.demo.models = small, large-*\n" +
        text);
    add_checks(loaded);
    return config::all_of(loaded.diagnostics);
}
const std::string use = "routing.rule.a.use = demo\n";

TEST(CheckRules, AWellFormedOne) {
    EXPECT_EQ(more("routing.rule.a.when = header.x-team == \"legal\" && tokens > 8000\n" + use), "");
}

TEST(CheckRules, TellKeyColumnAndRemedy) {
    EXPECT_EQ(more("routing.rule.a.when = stream and modle == \"x\"\n" + use),
              "loom.conf:5:23: routing.rule.a.when: column 12: unknown attribute 'modle', did you mean 'model'? A "
              "text stands in quotes\n");
    EXPECT_EQ(more("routing.rule.a.when = stream\nrouting.rule.a.use = dem\n"),
              "loom.conf:6:22: routing.rule.a.use: no provider 'dem' is defined, did you mean 'demo'?\n");
}

TEST(CheckRules, AValueThatNobodyHasIsASlip) {
    const std::string said = more("routing.rule.a.when = endpoint == \"chat_completion\"\n" + use);
    EXPECT_NE(said.find("routing.rule.a.when: column"), said.npos) << said;
    EXPECT_NE(said.find("chat_completions"), said.npos) << said;
    EXPECT_NE(more("routing.rule.a.when = task == \"coding\"\n" + use), "");
    EXPECT_EQ(more("routing.rule.a.when = team == \"nobody\"\n" + use), "") << "no consumer has one yet";
}

TEST(CheckRules, AHalfOne) {
    EXPECT_EQ(more(use),
              "loom.conf:5:1: routing.rule.a.when: is missing; say which requests are meant, such as header.x-team == "
              "\"legal\"\n");
    EXPECT_EQ(more("routing.rule.a.when = stream\n"),
              "loom.conf:5:1: routing.rule.a.use: is missing; name a provider, or several, the preferred one first\n");
}

TEST(CheckRules, WhatOnlyTokensSay) {
    EXPECT_EQ(more("routing.rule.a.when = \"dev\" in roles\n" + use), "") << "the conf says them too";
    EXPECT_EQ(
        more("routing.rule.a.when = claim.x == \"y\"\n" + use),
        "loom.conf:5:23: routing.rule.a.when: nobody has the claim 'x': no tokens are taken, and no consumer has such "
        "metadata; set consumer.NAME.metadata.x, define jwt.NAME.issuer or introspection.NAME.url, or ask for "
        "consumer, tenant, team, project, tier or roles\n");
}

TEST(CheckMetadata, IsWhatClaimsAskFor) {
    const std::string rule = "routing.rule.a.when = claim.x == \"y\"\n" + use;
    EXPECT_EQ(more("consumer.c.api_key = k\nconsumer.c.metadata.x = y\n" + rule), "");
    EXPECT_NE(more("consumer.c.api_key = k\nconsumer.c.metadata.other = y\n" + rule).find("nobody has the claim 'x'"),
              std::string::npos);
}

TEST(CheckMetadata, IsBounded) {
    const std::string consumer = "consumer.c.api_key = k\nconsumer.c.metadata.";
    const auto said = [&consumer](const std::string& rest) { return more(consumer + rest); };
    EXPECT_EQ(said("a = " + std::string(256, 'v') + "\n"), "");
    EXPECT_NE(said("a = " + std::string(257, 'v') + "\n").find("consumer.c.metadata.a: is longer than 256 bytes"),
              std::string::npos);
    EXPECT_EQ(said(std::string(64, 'n') + " = v\n"), "");
    EXPECT_NE(said(std::string(65, 'n') + " = v\n").find("has 65 bytes: shorten it to 64 at most"), std::string::npos);
    EXPECT_NE(said("a = \n").find("is empty"), std::string::npos);
    std::string many;
    for (int i = 1; i < 16; ++i) many += "consumer.c.metadata.k" + std::to_string(i) + " = v\n";
    EXPECT_EQ(said("a = v\n" + many), "");
    EXPECT_NE(said("a = v\nconsumer.c.metadata.b = v\n" + many)
                  .find("consumer.c.metadata.k15: is one too many: a consumer has 16 at most"),
              std::string::npos);
}

TEST(CheckRules, OfAccess) {
    EXPECT_EQ(more("access.rule.a.when = \"dev\" in roles\naccess.rule.a.action = deny\n"), "");
    EXPECT_EQ(more("access.rule.a.when = stream\n"),
              "loom.conf:5:1: access.rule.a.action: is missing: allow or deny\n");
    EXPECT_EQ(more("access.rule.a.when = header.x == \"y\"\naccess.rule.a.action = allow\n"),
              "loom.conf:5:22: access.rule.a.when: a header says what its client likes: ask for roles, claim, team or "
              "ip\n");
    EXPECT_EQ(more("access.rule.a.when = complexity > 0.5 or task == \"code\"\naccess.rule.a.action = deny\n"), "");
    EXPECT_EQ(more("access.rule.a.when = complexity > 0.5\naccess.rule.a.action = allow\n"),
              "loom.conf:5:22: access.rule.a.when: task and complexity are guesses, and nothing to let somebody in "
              "by\n");
}

TEST(CheckRules, OfTags) {
    const std::string rule = "access.rule.a.when = \"restricted\" in tags\naccess.rule.a.action = deny\n";
    EXPECT_EQ(more("model_tag.gpt-4.1* = restricted, eu\n" + rule), "");
    EXPECT_EQ(
        more(rule),
        "loom.conf:5:22: access.rule.a.when: asks for a model's tags, and no model has any: say model_tag.MODEL = "
        "restricted\n");
    EXPECT_NE(more("model_tag.m = restrictd\n" + rule).find("restrictd"), std::string::npos) << "a slip is told";
    EXPECT_NE(more("routing.rule.a.when = \"x\" in tags\nrouting.rule.a.use = demo\n").find("no model has any"),
              std::string::npos);
}

TEST(CheckPrompts, ATargetIsAProviderOrAModel) {
    EXPECT_EQ(more("routing.strategy = complexity\nrouting.complexity.small = small\n"
                   "routing.complexity.large = large-2\n"),
              "");
    EXPECT_EQ(more("routing.strategy = complexity\nrouting.complexity.large = demo\n"), "");
    EXPECT_EQ(
        more("routing.strategy = complexity\nrouting.complexity.large = huge\n"),
        "loom.conf:6:28: routing.complexity.large: 'huge' is neither a provider nor a model that any provider has; "
        "add it to provider.NAME.models\n");
    EXPECT_EQ(more("routing.strategy = task\nrouting.task.code = demo/large-2\n"), "");
}

TEST(CheckPrompts, AStrategyNeedsTargetsAndTargetsAStrategy) {
    EXPECT_EQ(
        more("routing.strategy = complexity\n"),
        "loom.conf: routing.complexity.small: is missing, and so is .large: the strategy complexity needs a model "
        "or a provider for one of them at least\n");
    EXPECT_EQ(more("routing.model.auto.strategy = task\n"),
              "loom.conf: routing.task: there is none: the strategy task needs a model or a provider for one task at "
              "least, such as routing.task.code = gpt-4.1\n");
    EXPECT_EQ(more("routing.task.code = small\n"),
              "loom.conf:5:21: warning: routing.task.code: is taken by nobody: set routing.strategy = task, or "
              "routing.model.NAME.strategy = task\n");
    EXPECT_EQ(more("route.ai.model.auto.strategy = complexity\nrouting.complexity.small = small\n"), "");
}

TEST(CheckPrompts, ATaskThatIsNone) {
    EXPECT_EQ(more("routing.strategy = task\nrouting.task.coding = small\n"),
              "loom.conf:6:1: routing.task.coding: 'coding' is no task; there are chat, code, summary, translation, "
              "creative, extraction, maths, image\n");
}

TEST(CheckCapabilities, AreKnownByName) {
    EXPECT_EQ(more("provider.demo.capabilities = tools, vision\nprovider.demo.model.large-*.context_length = 8000\n"),
              "");
    const std::string said = more("provider.demo.capabilities = tools, visions\n");
    EXPECT_NE(said.find("loom.conf:5:"), said.npos) << said;
    EXPECT_NE(said.find("visions"), said.npos) << said;
}

TEST(CheckRegions, ARequirementThatNobodyMeets) {
    EXPECT_EQ(more("provider.demo.region = eu-west-1\nrouting.require_region = eu\n"), "");
    for (const std::string& key : {std::string("routing.require_region"), std::string("route.ai.require_region")})
        EXPECT_EQ(more(key + " = eu\n"), "loom.conf:5:" + std::to_string(key.size() + 4) + ": " + key +
                                             ": no provider lies in eu, so every request would be refused; set "
                                             "provider.NAME.region\n");
    EXPECT_EQ(more("consumer.c.api_key = k\nconsumer.c.regions = eu, ch\nprovider.demo.region = eu\n"),
              "loom.conf:6:22: warning: consumer.c.regions: no provider lies in 'ch'; set provider.NAME.region\n");
}

TEST(CheckRegions, APreferenceThatNobodyMeetsHarmsNobody) {
    EXPECT_EQ(more("routing.prefer_region = nearest\n"), "");
    EXPECT_EQ(more("provider.demo.region = eu-west-1\nrouting.prefer_region = eu\n"), "");
    EXPECT_EQ(more("routing.prefer_region = eu\n"),
              "loom.conf:5:25: warning: routing.prefer_region: no provider lies in 'eu'; set provider.NAME.region\n");
    EXPECT_EQ(more("routing.prefer_region = nearest, eu\n"),
              "loom.conf:5:25: routing.prefer_region: 'nearest' stands alone: regions are preferred by their names or "
              "by how near they are\n");
    EXPECT_EQ(more("routing.prefer_region = the moon\n"),
              "loom.conf:5:25: routing.prefer_region: 'the moon' is no region's name, such as eu-west-1\n");
}

TEST(CheckRegions, WhatIsNone) {
    EXPECT_EQ(more("provider.demo.region = the moon\n"),
              "loom.conf:5:24: provider.demo.region: expected a region's name, such as eu-west-1\n");
    EXPECT_EQ(
        more("provider.demo.region = eu\nroute.p.path = /p\nroute.p.ai_gateway = off\n"
             "route.p.upstream = http://127.0.0.1:9\nroute.p.require_region = eu\n"),
        "loom.conf:9:26: route.p.require_region: a plain route has one upstream, and no providers to choose from: "
        "it is for route.p.ai_gateway = on\n");
}

}  // namespace
}  // namespace loom::app

#include "loom/config/schema.h"

#include <gtest/gtest.h>

#include "fake_source.h"

namespace loom::config {
namespace {

using Names = std::vector<std::string>;

std::string pattern_of(const std::string& key) {
    const auto match = loom_schema().match(key);
    return match ? match->row->pattern : "none";
}

TEST(Schema, ANameIsOneSegment) {
    EXPECT_EQ(pattern_of("provider.openai.type"), "provider.<name>.type");
    EXPECT_EQ(pattern_of("provider.my_own-2.type"), "provider.<name>.type");
    EXPECT_EQ(pattern_of("provider.a.b.type"), "none");
    EXPECT_EQ(pattern_of("provider.a/b.type"), "none");
    EXPECT_EQ(pattern_of("provider..type"), "none");
    EXPECT_EQ(pattern_of("provider.type"), "none");
}

TEST(Schema, AModelsNameMayHoldDotsAndMore) {
    EXPECT_EQ(loom_schema().match("model_mapping.gpt-3.5-turbo.azure")->names, (Names{"gpt-3.5-turbo", "azure"}));
    EXPECT_EQ(loom_schema().match("model_mapping.meta-llama/Llama-3.1.local")->names,
              (Names{"meta-llama/Llama-3.1", "local"}));
    EXPECT_EQ(loom_schema().match("routing.model_route.qwen2:7b")->names, Names{"qwen2:7b"});
    EXPECT_EQ(loom_schema().match("route.r.model.gpt-4.1.strategy")->names, (Names{"r", "gpt-4.1"}));
    EXPECT_EQ(pattern_of("model_mapping.gpt-4"), "none");
    EXPECT_EQ(pattern_of("model_mapping..azure"), "none");
}

TEST(Schema, AHeadersName) {
    EXPECT_EQ(loom_schema().match("provider.p.header.X-Custom.v1")->names, (Names{"p", "X-Custom.v1"}));
    EXPECT_EQ(pattern_of("provider.p.header.X/Y"), "none");
}

TEST(Schema, FixedWordsWinOverPlaceholders) {
    static constexpr KeyRow rows[] = {{.pattern = "a.<model>", .type = KeyType::text},
                                      {.pattern = "a.<model>.limit", .type = KeyType::text}};
    static constexpr std::span<const KeyRow> tables[] = {rows};
    const Schema schema(tables);
    EXPECT_STREQ(schema.match("a.x.limit")->row->pattern, "a.<model>.limit");
    EXPECT_STREQ(schema.match("a.x.y")->row->pattern, "a.<model>");
}

TEST(Schema, AnAliasLeadsToItsCanonicalKey) {
    const auto match = loom_schema().match("route.ai.middleware.auth.header");
    EXPECT_EQ(match->canonical, "route.ai.auth.header");
    EXPECT_STREQ(match->row->pattern, "route.<name>.auth.header");
    EXPECT_EQ(loom_schema().match("routing.provider.x.cost_per_1k_input")->canonical, "provider.x.cost.input_per_1k");
    EXPECT_EQ(loom_schema().match("failover.max_retries")->canonical, "routing.failover.max_retries");
}

TEST(Schema, EveryKeyOfTheContractIsKnown) {
    for (const auto* key : {"listener.https.tls.certificate",
                            "state.directory",
                            "route.ai.strategy",
                            "route.ai.model.gpt-4.1.strategy",
                            "provider.openai.weight",
                            "provider.azure.deployment.gpt-4.1",
                            "provider.vertex.credentials_file",
                            "routing.rule.legal.when",
                            "routing.failover.retry_budget",
                            "routing.fallback.on_rate_limit",
                            "routing.hedge.after",
                            "routing.mirror.share",
                            "routing.sticky",
                            "routing.model.fast.strategy",
                            "token_accounting.limit.mobile-app.budget.daily",
                            "token_accounting.limit.mobile-app.alert",
                            "consumer.mobile-app.expires",
                            "rate_limit.tier.free_tier.token_rate",
                            "rate_limit.global.request_rate",
                            "rate_limit.ip.burst",
                            "jwt.corp.consumer_claim",
                            "semantic_cache.embedding.model_path",
                            "cache.exact.ttl",
                            "security.pii_detection.type.ssn.action",
                            "security.rule.project_x.max_length",
                            "security.max_tokens_per_request",
                            "price.gpt-4.1.cached_input_per_1m",
                            "metrics.compat",
                            "forwarded.trust"}) {
        EXPECT_TRUE(loom_schema().match(key)) << key;
    }
}

TEST(Schema, EveryRowHasAMeaningAndADefaultOfItsType) {
    for (const auto& row : loom_schema().rows()) {
        const bool needs_meaning = row.canonical == row.row;
        EXPECT_TRUE(!needs_meaning || *row.row->meaning != '\0') << row.row->pattern;
    }
}

}  // namespace
}  // namespace loom::config

// What a plan wants to know of prompts and their models, by what the conf asks for.
#include <gtest/gtest.h>

#include "loom/proxy/model_tags.h"
#include "plan/made.h"
#include "plan_of.h"

namespace loom::app {
namespace {

std::vector<std::string> tags_of(const proxy::Plan& plan, std::string_view model) {
    std::vector<std::string> tags;
    plan.model_tags->each_of(model, [&tags](std::string_view tag) { tags.emplace_back(tag); });
    return tags;
}

}  // namespace

/// Whoever needs tokens has them estimated; where nobody does, no byte of a prompt is looked at for that.
TEST(PromptPlan, TokensAreEstimatedWhereSomebodyAsksForThem) {
    EXPECT_FALSE(plan_of("")->wants_prompt_tokens);
    EXPECT_FALSE(plan_of("routing.failover.enabled = on\ncache.exact.enabled = on\n")->wants_prompt_tokens);
    EXPECT_FALSE(plan_of("security.pii_detection.enabled = on\n")->wants_prompt_tokens);
    for (const char* const one :
         {"token_accounting.enabled = on\n", "rate_limit.token_rate.limit = 100\nrate_limit.token_rate.window = 1m\n",
          "provider.a.rate_limit.tokens_per_minute = 5\n", "security.max_tokens_per_request = 100\n",
          "context_window.on_overflow = refuse\nprovider.a.context_length = 1000\n",
          "routing.rule.r.when = tokens > 8\nrouting.rule.r.use = a\n", "routing.strategy = cost\n",
          "access.rule.r.when = tokens > 8\naccess.rule.r.action = deny\n", "provider.a.context_length = 1000\n"})
        EXPECT_TRUE(plan_of(one)->wants_prompt_tokens) << one;
}

/// One that is made while Loom runs may be the first who asks.
TEST(PromptPlan, ALimitOfAConsumerThatIsMadeIsTakenOfTheEstimate) {
    auto loaded = config::load_text(
        "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.a.type = echo\n"
        "provider.a.models = m\nauth.issued_keys = on\nstate.directory = /tmp\n");
    ASSERT_TRUE(loaded.config) << config::all_of(loaded.diagnostics);
    observe::Metrics metrics(1);
    TlsFiles files;
    route::TargetTable targets;
    tenant::LimitTable limits;
    const auto built = build_plan(*loaded.config, metrics, files, targets, limits, 1);
    ASSERT_TRUE(built);
    proxy::Plan plan = **built;
    ASSERT_FALSE(plan.wants_prompt_tokens);
    tenant::MadeConsumer made;
    made.consumer.name = "new";
    made.consumer.made = true;
    made.limits.token_rate = 1'000;
    const IssuedKeys::Good good{.keys = {},
                                .consumers = std::make_shared<const std::vector<tenant::MadeConsumer>>(1, made)};
    fill_made(*loaded.config, plan, good, metrics, targets, limits);
    EXPECT_TRUE(plan.wants_prompt_tokens);
}

TEST(PromptPlan, ModelsHaveTheTagsOfAllLinesThatMeanThem) {
    EXPECT_EQ(plan_of("")->model_tags, nullptr);
    const auto plan = plan_of("model_tag.gpt-4.1* = large, us\nmodel_tag.gpt-4.1-mini = small\nmodel_tag.m = own\n");
    using Tags = std::vector<std::string>;
    EXPECT_EQ(tags_of(*plan, "gpt-4.1"), (Tags{"large", "us"}));
    EXPECT_EQ(tags_of(*plan, "gpt-4.1-mini"), (Tags{"large", "us", "small"}));
    EXPECT_EQ(tags_of(*plan, "GPT-4.1-Mini"), (Tags{"large", "us", "small"})) << "some providers take it so";
    EXPECT_EQ(tags_of(*plan, "m"), Tags{"own"});
    EXPECT_EQ(tags_of(*plan, "m2"), Tags());
    EXPECT_EQ(tags_of(*plan, "gpt-4"), Tags());
    EXPECT_EQ(tags_of(*plan, ""), Tags());
}

}  // namespace loom::app

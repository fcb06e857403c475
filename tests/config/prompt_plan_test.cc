// What a plan wants to know of prompts and their models, by what the conf asks for.
#include <gtest/gtest.h>

#include "loom/proxy/model_tags.h"
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
    for (const char* const one :
         {"token_accounting.enabled = on\n", "rate_limit.token_rate.limit = 100\nrate_limit.token_rate.window = 1m\n",
          "provider.a.rate_limit.tokens_per_minute = 5\n", "security.max_tokens_per_request = 100\n",
          "context_window.on_overflow = refuse\nprovider.a.context_length = 1000\n",
          "routing.rule.r.when = tokens > 8\nrouting.rule.r.use = a\n", "routing.strategy = cost\n",
          "access.rule.r.when = tokens > 8\naccess.rule.r.action = deny\n", "provider.a.context_length = 1000\n"})
        EXPECT_TRUE(plan_of(one)->wants_prompt_tokens) << one;
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

#include "reasoning.h"

#include <gtest/gtest.h>

namespace loom::llm {
namespace {

using Effort = Reasoning::Effort;

TEST(Reasoning, EveryEffortComesBackFromItsBudget) {
    for (const EffortRow& row : effort_rows) {
        EXPECT_EQ(effort_named(effort_name(row.effort)), row.effort);
        if (row.effort == Effort::max) continue;  // no budget is more than all that there is
        EXPECT_EQ(effort_of_budget(budget_of_effort(row.effort)), row.effort) << row.name;
    }
    EXPECT_EQ(effort_named("max"), Effort::max);
    EXPECT_EQ(effort_named("a lot"), Effort::unset);
    EXPECT_EQ(effort_name(Effort::unset), "");
}

TEST(Reasoning, MoreTokensAreNeverLessEffort) {
    Effort before = effort_of_budget(0);
    for (int64_t budget = 0; budget < 70000; ++budget) {
        const Effort now = effort_of_budget(budget);
        EXPECT_GE(now, before) << budget;
        before = now;
    }
    EXPECT_EQ(effort_of_budget(INT64_MAX), Effort::xhigh);
}

TEST(Reasoning, KnownBudgetsKeepTheirMeaning) {
    EXPECT_EQ(effort_of_budget(-1), Effort::medium);
    EXPECT_EQ(effort_of_budget(1), Effort::minimal);
    EXPECT_EQ(effort_of_budget(4000), Effort::low);
    EXPECT_EQ(effort_of_budget(10000), Effort::medium);
    EXPECT_EQ(effort_of_budget(31999), Effort::high);
}

TEST(Reasoning, WhatWasToldIsTakenBeforeWhatFollowsFromIt) {
    EXPECT_EQ(effort_of({.effort = Effort::high, .budget_tokens = 100}), Effort::high);
    EXPECT_EQ(budget_of({.effort = Effort::high, .budget_tokens = 100}), 100);
    EXPECT_EQ(effort_of({.budget_tokens = 0}), Effort::none);
    EXPECT_EQ(budget_of({.effort = Effort::none}), 0);
    EXPECT_EQ(effort_of({}), Effort::unset);
    EXPECT_EQ(budget_of({}), std::nullopt);
}

}  // namespace
}  // namespace loom::llm

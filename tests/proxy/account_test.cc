// Who stores a thing, as the register of ids names it, after the conf has changed.
#include "account.h"

#include <gtest/gtest.h>

#include <vector>

namespace loom::proxy {
namespace {

/// Provider `one` with an instance, then `many` with one for each id.
Plan plan_of(const std::vector<std::string>& ids) {
    Plan plan;
    plan.providers.resize(2);
    plan.providers[0].name = "one";
    ProviderPlan& many = plan.providers[1];
    many.name = "many";
    many.instances.clear();
    for (const std::string& id : ids) many.instances.push_back({.id = id});
    if (ids.size() > 1) many.instance_set = std::make_shared<route::InstanceSet>();
    return plan;
}

TEST(Account, OfTheOnlyInstanceIsTheProvidersName) {
    const Plan plan = plan_of({"aa", "bb"});
    EXPECT_EQ(account_name(plan.providers[0], 0), "one");
    EXPECT_EQ(find_account(plan, "one"), (Account{.provider_ix = 0}));
    EXPECT_EQ(find_account(plan, "gone"), std::nullopt);
    EXPECT_EQ(find_account(plan, ""), std::nullopt);
}

TEST(Account, IsFoundByItsHashInWhateverOrder) {
    const Plan before = plan_of({"aa", "bb", "cc"}), after = plan_of({"cc", "aa", "bb"});
    for (size_t i = 0; i < 3; ++i) {
        const auto found = find_account(after, account_name(before.providers[1], i));
        ASSERT_TRUE(found);
        EXPECT_EQ(found->provider_ix, 1);
        EXPECT_EQ(after.providers[1].instances[found->instance_ix].id, before.providers[1].instances[i].id);
    }
}

TEST(Account, OfAnExchangedKeyIsFoundByItsPlace) {
    const Plan before = plan_of({"aa", "bb", "cc"}), after = plan_of({"aa", "new", "cc"});
    EXPECT_EQ(find_account(after, account_name(before.providers[1], 1)), (Account{1, 1}));
    EXPECT_EQ(find_account(after, account_name(before.providers[1], 2)), (Account{1, 2}));
    EXPECT_EQ(find_account(plan_of({"x", "y"}), account_name(before.providers[1], 2)), (Account{1, 0})) << "the first";
}

TEST(Account, OutlivesTheStepFromOneToSeveralAndBack) {
    const Plan several = plan_of({"aa", "bb"}), single = plan_of({"aa"});
    EXPECT_EQ(find_account(several, "many"), (Account{1, 0}));
    EXPECT_EQ(find_account(single, account_name(several.providers[1], 1)), (Account{1, 0}));
}

TEST(Account, WhateverTheRegisterHoldsIsRead) {
    const Plan plan = plan_of({"aa", "bb"});
    for (const char* const name :
         {"many#", "many#.", "many#zz", "many#zz.", "many#zz.x", "many#zz.99999999999999999999"})
        EXPECT_EQ(find_account(plan, name), (Account{1, 0})) << name;
    EXPECT_EQ(find_account(plan, "many#zz.1"), (Account{1, 1}));
}

}  // namespace
}  // namespace loom::proxy

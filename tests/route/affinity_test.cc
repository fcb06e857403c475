// Keys and their members: the laws of rendezvous hashing and of the bound of load, over seeded runs.
#include "loom/route/affinity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "loom/base/hash.h"

namespace loom::route {
namespace {

constexpr double sigmas = 4;

std::vector<AffinityMember> members_of(const std::vector<uint32_t>& weights) {
    std::vector<AffinityMember> members;
    for (size_t i = 0; i < weights.size(); ++i)
        members.push_back({.identity = hash64("provider-" + std::to_string(i)), .weight = weights[i], .load = 0});
    return members;
}
uint64_t key_of(int n) { return affinity_key("user-" + std::to_string(n)); }

TEST(AffinityTermsText, AllThatThereAre) {
    EXPECT_EQ(parse_affinity("off")->by, AffinityBy::off);
    EXPECT_EQ(parse_affinity("ip")->by, AffinityBy::ip);
    EXPECT_EQ(parse_affinity("user")->by, AffinityBy::user);
    EXPECT_EQ(parse_affinity("prompt_prefix")->by, AffinityBy::prompt_prefix);
    EXPECT_EQ(parse_affinity("cookie:sid")->by, AffinityBy::cookie);
    EXPECT_EQ(parse_affinity("cookie:sid")->name, "sid");
    EXPECT_EQ(parse_affinity("header:X-Session")->name, "X-Session");
    for (const char* const wrong : {"", "on", "cookie", "cookie:", "header:", "user:x", "ip:1", "Cookie:sid"})
        EXPECT_FALSE(parse_affinity(wrong)) << wrong;
}

TEST(AffinityKey, IsNoneOfNothingAndTheSameInEveryProcess) {
    EXPECT_EQ(affinity_key(""), 0u);
    EXPECT_EQ(affinity_key("alice"), 5593767425381308080u) << "several Looms have to agree";
}

TEST(Affinity, EachMemberHasItsWeightsShareOfTheKeys) {
    const auto members = members_of({1, 2, 3, 10, 1});
    constexpr int keys = 40'000;
    std::vector<int> counts(members.size());
    for (int n = 0; n < keys; ++n) counts[pick_by_affinity(key_of(n), members, 1e9)] += 1;
    for (size_t i = 0; i < members.size(); ++i) {
        const double p = members[i].weight / 17.0;
        EXPECT_NEAR(counts[i], keys * p, sigmas * std::sqrt(keys * p * (1 - p))) << i;
    }
}

TEST(Affinity, OneThatIsAddedTakesItsShareAndMovesNobodyElse) {
    const auto before = members_of({3, 1, 2});
    const auto after = members_of({3, 1, 2, 2});
    constexpr int keys = 20'000;
    int moved = 0;
    for (int n = 0; n < keys; ++n) {
        const size_t was = pick_by_affinity(key_of(n), before, 1e9), is = pick_by_affinity(key_of(n), after, 1e9);
        if (was == is) continue;
        EXPECT_EQ(is, 3u) << "key " << n;
        moved += 1;
    }
    const double p = 2.0 / 8;
    EXPECT_NEAR(moved, keys * p, sigmas * std::sqrt(keys * p * (1 - p)));
}

TEST(Affinity, OneThatIsGoneLeavesTheOthersTheirKeys) {
    const auto before = members_of({3, 1, 2, 2});
    auto after = before;
    after.erase(after.begin() + 1);
    for (int n = 0; n < 5'000; ++n) {
        const auto& was = before[pick_by_affinity(key_of(n), before, 1e9)];
        const auto& is = after[pick_by_affinity(key_of(n), after, 1e9)];
        if (was.identity != before[1].identity) EXPECT_EQ(was.identity, is.identity) << "key " << n;
    }
}

TEST(Affinity, MoreWeightMovesKeysInAndNoneBetweenTheOthers) {
    const auto before = members_of({2, 2, 2});
    const auto after = members_of({2, 5, 2});
    for (int n = 0; n < 5'000; ++n) {
        const size_t was = pick_by_affinity(key_of(n), before, 1e9), is = pick_by_affinity(key_of(n), after, 1e9);
        if (was != is) EXPECT_EQ(is, 1u) << "key " << n;
    }
}

TEST(Affinity, TheOrderOfTheMembersIsNothing) {
    auto members = members_of({1, 4, 2, 2});
    auto turned = std::vector(members.rbegin(), members.rend());
    for (int n = 0; n < 2'000; ++n)
        EXPECT_EQ(members[pick_by_affinity(key_of(n), members, 1.25)].identity,
                  turned[pick_by_affinity(key_of(n), turned, 1.25)].identity);
}

/// All requests of one key, none of which ends: the bound is all that spreads them.
TEST(AffinityLoad, NobodyGetsMoreThanTheFactorTimesItsShare) {
    uint64_t seed = 7;
    for (int run = 0; run < 60; ++run) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        std::vector<uint32_t> weights(1 + (seed >> 33) % 8);
        double total_weight = 0;
        for (uint32_t& weight : weights) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            weight = 1 + (seed >> 33) % 20;
            total_weight += weight;
        }
        auto members = members_of(weights);
        const double factor = 1 + (run % 4) * 0.25;
        for (int n = 1; n <= 500; ++n) {
            const size_t i = pick_by_affinity(affinity_key("one and the same"), members, factor);
            members[i].load += 1;
            EXPECT_LE(static_cast<double>(members[i].load), std::ceil(factor * n * weights[i] / total_weight))
                << "run " << run << ", request " << n;
        }
    }
}

TEST(AffinityLoad, WithinTheBoundAKeyStaysWhereItIs) {
    auto members = members_of({1, 1, 1});
    const size_t own = pick_by_affinity(key_of(1), members, 1.25);
    for (auto& one : members) one.load = 100;
    EXPECT_EQ(pick_by_affinity(key_of(1), members, 1.25), own);
    members[own].load = 140;  // of 341, its share is 113.7 and the bound 143
    EXPECT_EQ(pick_by_affinity(key_of(1), members, 1.25), own);
    members[own].load = 150;  // 351: 146.25
    const size_t next = pick_by_affinity(key_of(1), members, 1.25);
    EXPECT_NE(next, own);
    members[own].load = 0;
    EXPECT_EQ(pick_by_affinity(key_of(1), members, 1.25), own) << "it has room again";
}

}  // namespace
}  // namespace loom::route

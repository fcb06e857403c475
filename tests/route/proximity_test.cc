// Which region comes first: as a list says, or the one that connections reach soonest.
#include "loom/route/proximity.h"

#include <gtest/gtest.h>

#include <array>

namespace loom::route {
namespace {

using Ranks = std::array<uint8_t, 4>;

/// Four providers, each a candidate.
class Proximity : public testing::Test {
  protected:
    Proximity() {
        for (int i = 0; i < 4; ++i) {
            rows.push_back(std::make_shared<RegionState>());
            candidates[static_cast<size_t>(i)].provider_ix = static_cast<uint16_t>(i);
        }
    }
    Ranks rank(const RegionPreference& preference, uint64_t now_ms) {
        Ranks ranks{};
        preference.rank(candidates, unfit, keyed, now_ms, ranks);
        return ranks;
    }
    void know(size_t index, uint64_t us, uint64_t now_ms = 1'000) {
        for (int i = 0; i < 100; ++i) rows[index]->note_connect(now_ms, us);
    }
    std::vector<std::shared_ptr<RegionState>> rows;
    std::array<Candidate, 4> candidates;
    Tried unfit;
    bool keyed = false;
};

TEST_F(Proximity, AListInItsOrder_ThenAllOthers) {
    const std::vector<std::string> wanted = {"eu-west", "eu"};
    const std::vector<std::string> regions = {"us", "eu-north-1", "eu-west-1", ""};
    const RegionPreference preference(wanted, regions);
    EXPECT_EQ(rank(preference, 5), (Ranks{2, 1, 0, 2}));
    EXPECT_EQ(preference.row(0), nullptr) << "nothing is measured";
    EXPECT_TRUE(RegionPreference().empty());
}

TEST_F(Proximity, TheNearestFirst_ThoseThatAreAboutAsNearWithIt) {
    know(0, 90'000), know(1, 20'000), know(2, 29'000), know(3, 400'000);
    const Ranks ranks = rank(RegionPreference(rows), 2'000);
    EXPECT_EQ(ranks[1], 1);
    EXPECT_EQ(ranks[2], 1) << "half as long again";
    EXPECT_GT(ranks[0], ranks[1]);
    EXPECT_GT(ranks[3], ranks[0]);
}

TEST_F(Proximity, AFewMillisecondsAreNoDistance) {
    know(0, 200), know(1, 5'100), know(2, 5'300), know(3, 200);
    const Ranks ranks = rank(RegionPreference(rows), 2'000);
    EXPECT_EQ(ranks[0], 1);
    EXPECT_EQ(ranks[1], 1);
    EXPECT_GT(ranks[2], 1);
}

TEST_F(Proximity, WhoIsNotKnownIsLookedAt_OneRequestAtATime_AndIsLastUntilThen) {
    know(0, 1'000), know(3, 1'000);
    const RegionPreference preference(rows);
    EXPECT_EQ(rank(preference, 10'000), (Ranks{1, 0, RegionPreference::unknown, 1}));
    EXPECT_EQ(rank(preference, 10'000), (Ranks{1, RegionPreference::unknown, 0, 1}));
    EXPECT_EQ(rank(preference, 10'500), (Ranks{1, RegionPreference::unknown, RegionPreference::unknown, 1}));
    EXPECT_EQ(rank(preference, 11'000)[1], 0) << "it has not been reached: once more";
    know(1, 50'000, 11'100);
    EXPECT_GT(rank(preference, 12'500)[1], 1);
}

TEST_F(Proximity, WhoWasNotHeardOfForLongIsLookedAtAgain) {
    for (size_t i = 0; i < 4; ++i) know(i, i == 2 ? 800'000 : 1'000);
    const RegionPreference preference(rows);
    const uint64_t later_ms = 1'000 + RegionState::look_ms;
    know(0, 1'000, later_ms), know(1, 1'000, later_ms), know(3, 1'000, later_ms);
    EXPECT_EQ(rank(preference, later_ms)[2], 0) << "what kept it then may be gone";
    EXPECT_GT(rank(preference, later_ms + 60'000)[2], 1);
}

TEST_F(Proximity, WhoIsNeverReachedIsLookedAtEverMoreSeldom) {
    know(0, 1'000), know(1, 1'000), know(3, 1'000);
    int looks = 0;
    for (uint64_t now_ms = 1'000; now_ms < 300'000; now_ms += 100)
        looks += rank(RegionPreference(rows), now_ms)[2] == 0;
    EXPECT_GE(looks, 5);
    EXPECT_LE(looks, 10) << "a second, two, four and so on, to five minutes";
}

TEST_F(Proximity, WhoMustNotTakeARequestTakesNoLookFromOthers) {
    know(0, 1'000), know(3, 1'000);
    unfit.set(1);
    EXPECT_EQ(rank(RegionPreference(rows), 10'000), (Ranks{1, RegionPreference::unknown, 0, 1}));
}

TEST_F(Proximity, KeyedRequestsLookAtNobodyThatIsKnown) {
    for (size_t i = 0; i < 4; ++i) know(i, i == 2 ? 800'000 : 1'000);
    keyed = true;
    EXPECT_GT(rank(RegionPreference(rows), 1'000 + RegionState::look_ms)[2], 1);
    keyed = false;
    EXPECT_EQ(rank(RegionPreference(rows), 1'000 + RegionState::look_ms)[0], 0);
}

TEST_F(Proximity, AFirstConnectionThatTookLongIsNotForEver) {
    for (size_t i = 0; i < 4; ++i) know(i, i == 2 ? 500'000 : 60'000);
    EXPECT_GT(rank(RegionPreference(rows), 2'000)[2], 1);
    rows[2]->note_connect(2'500, 20'000);
    const Ranks ranks = rank(RegionPreference(rows), 3'000);
    EXPECT_EQ(ranks[2], 1);
    EXPECT_GT(ranks[0], 1);
}

TEST_F(Proximity, DrainedProvidersAndTheFallbackAreNotLookedAt) {
    candidates[0].weight = 0;
    candidates[3].fallback = true;
    for (int i = 0; i < 20; ++i) {
        const Ranks ranks = rank(RegionPreference(rows), 10'000 + static_cast<uint64_t>(i) * 100);
        EXPECT_NE(ranks[0], 0);
        EXPECT_NE(ranks[3], 0);
    }
}

}  // namespace
}  // namespace loom::route

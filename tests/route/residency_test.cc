// Which regions lie in which, and what a requirement admits.
#include "loom/route/residency.h"

#include <gtest/gtest.h>

namespace loom::route {
namespace {

TEST(Residency, ARegionLiesInThoseItsNameBeginsWith) {
    EXPECT_TRUE(lies_in("eu", "eu"));
    EXPECT_TRUE(lies_in("EU", "eu"));
    EXPECT_TRUE(lies_in("eu-west-1", "eu"));
    EXPECT_TRUE(lies_in("eu-west-1", "eu-west"));
    EXPECT_FALSE(lies_in("eu-west-1", "eu-west-")) << "a name ends before a '-'";
    EXPECT_FALSE(lies_in("eu", "eu-west-1")) << "the wider one is not in the narrower";
    EXPECT_FALSE(lies_in("europe-west1", "eu"));
    EXPECT_FALSE(lies_in("us", "eu"));
    EXPECT_FALSE(lies_in("", "eu")) << "nobody knows where";
    EXPECT_FALSE(lies_in("", ""));
    EXPECT_FALSE(lies_in("eu", ""));
}

TEST(Residency, ARequirementAdmitsOneOfItsRegions) {
    const std::vector<std::string> providers = {"eu-west-1", "us", "", "ch"};
    const std::vector<std::string> regions = {"eu", "ch"};
    const RegionRequirement required("routing.require_region = eu, ch", regions, providers);
    EXPECT_FALSE(required.empty());
    EXPECT_TRUE(required.admits(0));
    EXPECT_FALSE(required.admits(1));
    EXPECT_FALSE(required.admits(2)) << "who does not say where lies nowhere";
    EXPECT_TRUE(required.admits(3));
    EXPECT_FALSE(required.admits(4)) << "who is not there either";
    EXPECT_EQ(required.source(), "routing.require_region = eu, ch");
}

TEST(Residency, WithoutARequirementAllAreAdmitted) {
    EXPECT_TRUE(RegionRequirement().empty());
    EXPECT_TRUE(RegionRequirement().admits(9));
    const std::vector<std::string> providers = {"us"};
    const RegionRequirement none("consumer.a.regions = ", {}, providers);
    EXPECT_TRUE(none.empty());
    EXPECT_TRUE(none.admits(0));
}

}  // namespace
}  // namespace loom::route

#include "loom/base/edit_distance.h"

#include <gtest/gtest.h>

#include <string>

namespace loom {
namespace {

TEST(EditDistance, CountsWhatAHandGetsWrong) {
    EXPECT_EQ(edit_distance("gpt-4", "gpt-4", 5), 0u);
    EXPECT_EQ(edit_distance("gpt4", "gpt-4", 5), 1u) << "left out";
    EXPECT_EQ(edit_distance("gpt--4", "gpt-4", 5), 1u) << "twice";
    EXPECT_EQ(edit_distance("gpt-5", "gpt-4", 5), 1u) << "another";
    EXPECT_EQ(edit_distance("gtp-4", "gpt-4", 5), 1u) << "swapped";
    EXPECT_EQ(edit_distance("GPT-4", "gpt-4", 5), 0u) << "case";
    EXPECT_EQ(edit_distance("", "abc", 5), 3u);
}

TEST(EditDistance, GivesUpBeyondItsLimit) {
    EXPECT_EQ(edit_distance("claude", "gpt-4", 2), 3u);
    EXPECT_EQ(edit_distance(std::string(200, 'a'), "a", 2), 3u);
    EXPECT_EQ(edit_distance("a", std::string(128, 'a'), 2), 3u);
}

}  // namespace
}  // namespace loom

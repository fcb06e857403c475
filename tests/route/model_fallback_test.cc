// Which model stands in for which.
#include "loom/route/model_fallback.h"

#include <gtest/gtest.h>

namespace loom::route {
namespace {

using enum FallbackCause;
using Names = std::vector<std::string_view>;

TEST(ModelFallbacks, OfItsOwnElseOfAll) {
    ModelFallbacks fallbacks;
    EXPECT_TRUE(fallbacks.empty_of(context_window));
    fallbacks.set("", context_window, "long");
    fallbacks.set("small", context_window, "medium");
    EXPECT_FALSE(fallbacks.empty_of(context_window));
    EXPECT_TRUE(fallbacks.empty_of(budget));
    EXPECT_EQ(fallbacks.next("small", context_window), "medium");
    EXPECT_EQ(fallbacks.next("other", context_window), "long");
    EXPECT_EQ(fallbacks.next("long", context_window), "") << "nobody stands in for itself";
    EXPECT_EQ(fallbacks.next("small", content_policy), "");
}

TEST(ModelFallbacks, AChainEndsOrComesAround) {
    ModelFallbacks fallbacks;
    fallbacks.set("a", context_window, "b");
    fallbacks.set("b", context_window, "c");
    EXPECT_EQ(fallbacks.chain("a", context_window), Names({"a", "b", "c"}));
    EXPECT_EQ(fallbacks.chain("x", context_window), Names({"x"}));
    fallbacks.set("c", context_window, "a");
    EXPECT_EQ(fallbacks.chain("b", context_window), Names({"b", "c", "a", "b"}));
    fallbacks.set("", content_policy, "d");
    EXPECT_EQ(fallbacks.chain("a", content_policy), Names({"a", "d"}));
}

}  // namespace
}  // namespace loom::route

// What is known of models, and what is taken for granted.
#include "loom/route/capability.h"

#include <gtest/gtest.h>

namespace loom::route {
namespace {

using enum Capability;

constexpr CapabilitySet sees = set_of(vision), calls = set_of(tools);

TEST(Capabilities, HaveTheNamesOfTheConf) {
    for (uint32_t i = 0; i < capability_count; ++i) {
        const auto one = static_cast<Capability>(i);
        EXPECT_EQ(find_capability(capability_name(one)), one);
    }
    EXPECT_FALSE(find_capability("telepathy"));
}

TEST(Capabilities, WhatIsNotSaidIsTakenForGranted) {
    Capabilities known;
    EXPECT_TRUE(known.empty());
    known.set_provider(1, {.context_tokens = 100});
    EXPECT_FALSE(known.empty());
    const Needs all{.what = every_capability, .tokens = 101};
    EXPECT_EQ(known.missing(all, 0, "m"), 0) << "nothing is known of it";
    EXPECT_EQ(known.missing(all, 1, "m"), 0) << "its length alone is";
    EXPECT_EQ(known.missing(all, 7, "m"), 0);
    EXPECT_TRUE(known.fits_context(all, 0, "m"));
    EXPECT_FALSE(known.fits_context(all, 1, "m"));
    EXPECT_TRUE(known.fits_context({.tokens = 100}, 1, "m")) << "to the last token";
}

TEST(Capabilities, TellWhatIsMissing) {
    Capabilities known;
    known.set_provider(0, {.can = calls});
    EXPECT_EQ(known.missing({.what = calls}, 0, "m"), 0);
    EXPECT_EQ(known.missing({.what = static_cast<CapabilitySet>(calls | sees)}, 0, "m"), sees);
    known.set_provider(0, {.can = CapabilitySet{0}});
    EXPECT_EQ(known.missing({.what = every_capability}, 0, "m"), every_capability) << "an empty list is one";
}

TEST(Capabilities, OfAModelBeforeThoseOfItsProvider) {
    Capabilities known;
    known.set_provider(0, {.can = calls, .context_tokens = 100});
    known.set_model(0, "gpt-*", {.can = sees});
    known.set_model(0, "gpt-4*", {.context_tokens = 400});
    known.set_model(0, "gpt-4o", {.can = every_capability});
    const Needs needs{.what = static_cast<CapabilitySet>(calls | sees), .tokens = 300};
    EXPECT_EQ(known.missing(needs, 0, "llama"), sees);
    EXPECT_EQ(known.missing(needs, 0, "gpt-3"), calls) << "by the prefix";
    EXPECT_EQ(known.missing(needs, 0, "gpt-4.1"), sees) << "the longest prefix says nothing of it: the provider's";
    EXPECT_EQ(known.missing(needs, 0, "gpt-4o"), 0) << "by the exact name";
    EXPECT_TRUE(known.fits_context(needs, 0, "gpt-4.1"));
    EXPECT_FALSE(known.fits_context(needs, 0, "gpt-4o")) << "the exact name says nothing of it: the provider's";
    EXPECT_EQ(known.missing(needs, 1, "gpt-3"), 0) << "another provider's";
}

}  // namespace
}  // namespace loom::route

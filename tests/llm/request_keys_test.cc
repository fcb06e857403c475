#include "../../src/llm/request_keys.h"

#include <gtest/gtest.h>

namespace loom::llm {
namespace {

TEST(RequestKeys, EveryNameIsFound) {
    for (uint32_t i = 0; i < static_cast<uint32_t>(Key::other); ++i) {
        bool disguised = true;
        EXPECT_EQ(key_of(facts_of(static_cast<Key>(i)).name, disguised), static_cast<Key>(i));
        EXPECT_FALSE(disguised);
    }
}

}  // namespace
}  // namespace loom::llm

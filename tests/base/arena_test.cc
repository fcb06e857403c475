#include "loom/base/arena.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace loom {
namespace {

TEST(Arena, KeepsTextsUntilItIsReleased) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    BlockPool pool;
    Arena arena(pool, 512);
    std::vector<std::pair<std::string, std::string_view>> kept;
    for (int i = 0; i < 2'000; ++i) {
        std::string text(random() % (i % 100 == 0 ? 5'000 : 40), static_cast<char>('a' + i % 26));
        const std::string_view copy = arena.keep(text);
        kept.emplace_back(std::move(text), copy);
    }
    for (const auto& [text, copy] : kept) ASSERT_EQ(text, copy);
    arena.release();
    EXPECT_EQ(pool.live_count(), 0u);
}

TEST(Arena, TakesNoBlockBeforeItsFirstByte) {
    BlockPool pool;
    Arena arena(pool, 512);
    EXPECT_EQ(arena.keep(""), "");
    EXPECT_EQ(pool.live_count(), 0u);
    EXPECT_EQ(arena.keep("x"), "x");
    EXPECT_EQ(pool.live_count(), 1u);
    for (int i = 0; i < 40; ++i) (void)arena.keep("0123456789");
    EXPECT_EQ(pool.live_count(), 1u) << "400 bytes fit into the block of 512 that holds its own header";
}

TEST(Arena, ATextThatIsLargerThanABlockGetsOneOfItsOwnSize) {
    BlockPool pool;
    Arena arena(pool, 256);
    const std::string large(100'000, 'L');
    const std::string_view small = arena.keep("small");
    EXPECT_EQ(arena.keep(large), large);
    EXPECT_EQ(small, "small");
}

TEST(Arena, IsUsableAgainAfterRelease) {
    BlockPool pool;
    Arena arena(pool, 256);
    (void)arena.keep("first life");
    arena.release();
    EXPECT_EQ(arena.keep("second"), "second");
}

}  // namespace
}  // namespace loom

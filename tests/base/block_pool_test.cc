#include "loom/base/block_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace loom {
namespace {

TEST(BlockPool, RoundsUpToAPowerOfTwoOrToHalfWayBetweenTwo) {
    BlockPool pool;
    for (const auto& [asked, given] : {std::pair<size_t, size_t>{0, 256},
                                       {1, 256},
                                       {256, 256},
                                       {257, 384},
                                       {385, 512},
                                       {49'152, 49'152},
                                       {49'153, 65'536},
                                       {65'536, 65'536},
                                       {65'537, 131'072},
                                       {3'000'000, 4'194'304}}) {
        const Block block = pool.take(asked);
        EXPECT_EQ(block.capacity(), given) << asked;
        EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data()) % 64, 0u) << asked;
        std::memset(block.data(), 0xAA, block.capacity());
    }
}

TEST(BlockPool, HandsOutAgainWhatCameBackLast) {
    BlockPool pool;
    Block block = pool.take(1000);
    char* const place = block.data();
    block.release();
    EXPECT_FALSE(block);
    EXPECT_EQ(block.capacity(), 0u);
    EXPECT_EQ(pool.take(900).data(), place) << "warm memory first, of the same class";
}

TEST(BlockPool, CountsWhatIsOut) {
    BlockPool pool;
    EXPECT_EQ(pool.live_count(), 0u);
    {
        const Block a = pool.take(300);
        Block b = pool.take(100'000);
        EXPECT_EQ(pool.live_count(), 2u);
        EXPECT_EQ(pool.live_bytes(), 384u + 131'072u);
        Block c = std::move(b);
        EXPECT_FALSE(b);
        EXPECT_EQ(pool.live_count(), 2u) << "a move takes nothing";
    }
    EXPECT_EQ(pool.live_count(), 0u);
    EXPECT_EQ(pool.live_bytes(), 0u);
}

TEST(BlockPool, AssignmentGivesBackWhatWasHeld) {
    BlockPool pool;
    Block block = pool.take(256);
    block = pool.take(512);
    EXPECT_EQ(pool.live_bytes(), 512u);
    Block& same = block;
    block = std::move(same);
    EXPECT_EQ(block.capacity(), 512u) << "to itself, nothing happens";
}

TEST(BlockPool, LargeBlocksAreKeptOnlyUpToTheSpareLimit) {
    BlockPool pool(1 << 20);
    std::vector<Block> blocks;
    for (int i = 0; i < 8; ++i) blocks.push_back(pool.take(512 << 10));
    blocks.clear();  // two stay, six go back to the process: a leak or a double free would show under ASan
    const Block again = pool.take(512 << 10);
    std::memset(again.data(), 1, again.capacity());
}

TEST(BlockPool, BlocksOfAllSizesInAnyOrderNeverOverlap) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    BlockPool pool;
    struct Held {
        Block block;
        unsigned char mark;
    };
    std::vector<Held> held;
    for (int step = 0; step < 20'000; ++step) {
        if (held.size() < 60 && random() % 3 != 0) {
            Block block = pool.take(random() % 2 == 0 ? random() % 2'000 : random() % 150'000);
            const auto mark = static_cast<unsigned char>(random());
            std::memset(block.data(), mark, block.capacity());
            held.push_back({std::move(block), mark});
        } else if (!held.empty()) {
            std::swap(held[random() % held.size()], held.back());
            const auto* const bytes = reinterpret_cast<const unsigned char*>(held.back().block.data());
            const size_t size = held.back().block.capacity();
            ASSERT_EQ(bytes[0], held.back().mark);
            ASSERT_EQ(bytes[size - 1], held.back().mark);
            ASSERT_EQ(bytes[random() % size], held.back().mark);
            held.pop_back();
        }
        ASSERT_EQ(pool.live_count(), held.size());
    }
}

/// The law that `loom --check` counts on: however many buffers grow to whatever sizes, in whatever order.
TEST(BlockPool, NeverReservesMoreThanItsFootprintsAndLeftovers) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (const size_t bytes_max : {300u, 5'000u, 40'000u, 200'000u, 3'000'000u}) {
        BlockPool pool;
        constexpr size_t buffer_count = 40;
        const size_t bound = buffer_count * (BlockPool::footprint(bytes_max) + BlockPool::leftover(bytes_max)) +
                             BlockPool::footprint(bytes_max) + BlockPool::idle_bytes_max();
        std::vector<ByteBuffer> buffers;
        for (size_t i = 0; i < buffer_count; ++i) buffers.emplace_back(pool);
        size_t reserved_max = 0;
        for (size_t goal = 200; goal < 2 * bytes_max; goal += goal / 3) {  // all of them in step: the worst order
            for (auto& buffer : buffers) buffer.reserve(std::min(goal, bytes_max));
            reserved_max = std::max(reserved_max, pool.reserved_bytes());
        }
        for (int step = 0; step < 2'000; ++step) {
            ByteBuffer& buffer = buffers[random() % buffer_count];
            if (random() % 4 == 0) buffer.release();
            buffer.reserve(random() % (bytes_max + 1));
            reserved_max = std::max(reserved_max, pool.reserved_bytes());
        }
        EXPECT_LE(reserved_max, bound) << bytes_max;
        EXPECT_GE(reserved_max, buffer_count * bytes_max) << "the bound was tried";
    }
}

TEST(ByteBuffer, GrowsAndKeepsItsBytes) {
    BlockPool pool;
    ByteBuffer buffer(pool);
    EXPECT_TRUE(buffer.empty());
    EXPECT_EQ(buffer.view(), "");
    std::string expected;
    for (int i = 0; i < 2'000; ++i) {
        expected += std::to_string(i);
        buffer.append(std::to_string(i));
    }
    EXPECT_EQ(buffer.view(), expected);
    buffer.remove_prefix(100);
    EXPECT_EQ(buffer.view(), std::string_view(expected).substr(100));
    buffer.append({});
    buffer.remove_prefix(buffer.size());
    EXPECT_TRUE(buffer.empty());
}

TEST(ByteBuffer, WhatWasMovedFromIsEmptyAndMayBeUsedAgain) {
    BlockPool pool;
    ByteBuffer first(pool);
    first.append("bytes");
    ByteBuffer second = std::move(first);
    EXPECT_EQ(first.view(), "");  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(second.view(), "bytes");
    first.append("more");
    second = std::move(first);
    EXPECT_TRUE(first.empty());
    EXPECT_EQ(second.view(), "more");
}

TEST(ByteBuffer, ReleaseGivesTheBlockBackAndItMayBeUsedAgain) {
    BlockPool pool;
    ByteBuffer buffer(pool);
    buffer.append("x");
    buffer.clear();
    EXPECT_EQ(pool.live_count(), 1u) << "clear keeps the room";
    buffer.release();
    EXPECT_EQ(pool.live_count(), 0u);
    buffer.append("again");
    EXPECT_EQ(buffer.view(), "again");
}

TEST(ByteBuffer, ReserveMakesRoomThatResizeMayFill) {
    BlockPool pool;
    ByteBuffer buffer(pool);
    buffer.append("ab");
    buffer.reserve(5000);
    EXPECT_GE(buffer.capacity(), 5000u);
    std::memcpy(buffer.data() + 2, "cd", 2);
    buffer.resize(4);
    EXPECT_EQ(buffer.view(), "abcd");
}

TEST(BlockPoolDeath, APoolMustNotDieBeforeItsBlocks) {
    EXPECT_DEATH(
        {
            auto pool = std::make_unique<BlockPool>();
            const Block block = pool->take(1);
            pool.reset();
        },
        "live_count_ == 0");
}

}  // namespace
}  // namespace loom

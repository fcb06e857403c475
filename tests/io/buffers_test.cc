// A buffer is accounted for by count at both ends: what the kernel was given, and what came back.
#include "loom/io/buffers.h"

#include <gtest/gtest.h>

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "sim_ring.h"

namespace loom::io {
namespace {

constexpr uint16_t buffer_count = 4;
constexpr uint32_t buffer_bytes = 1024;

class Buffers : public testing::Test {
  protected:
    void use(bool incremental) { pool_.attach(ring_, incremental); }
    BufferPool pool_{buffer_count, buffer_bytes};
    sim::SimRing ring_{pool_};
};

TEST_F(Buffers, AFewAreTheKernelsAtFirst) {
    use(false);
    EXPECT_EQ(ring_.free_buffer_count(), buffer_count) << "fewer than BufferPool::depth_min: all of them";
    EXPECT_EQ(pool_.leased_count(), 0u);
}

TEST_F(Buffers, BytesAreReadWhereTheKernelPutThem) {
    use(false);
    const BufferLease lease = ring_.lease("hello");
    EXPECT_EQ(lease.view(), "hello");
    EXPECT_EQ(lease.view().data(), pool_.buffer(0));
    EXPECT_EQ(pool_.leased_count(), 1u);
    EXPECT_EQ(ring_.free_buffer_count(), buffer_count - 1u);
}

TEST_F(Buffers, ComeHomeWithTheirLease) {
    use(false);
    BufferLease lease = ring_.lease("hello");
    BufferLease moved = std::move(lease);
    EXPECT_FALSE(lease);
    EXPECT_EQ(lease.view(), "");
    EXPECT_EQ(ring_.free_buffer_count(), buffer_count - 1u) << "a move gives nothing back";
    moved.remove_prefix(2);
    EXPECT_EQ(moved.view(), "llo");
    moved.release();
    moved.release();
    EXPECT_EQ(ring_.free_buffer_count(), buffer_count);
    EXPECT_EQ(pool_.leased_count(), 0u);
}

TEST_F(Buffers, AssigningALeaseGivesTheOldOneBack) {
    use(false);
    BufferLease lease = ring_.lease("one");
    lease = ring_.lease("two");
    EXPECT_EQ(lease.view(), "two");
    EXPECT_EQ(pool_.leased_count(), 1u);
    EXPECT_EQ(ring_.free_buffer_count(), buffer_count - 1u);
}

TEST_F(Buffers, AReceiveThatBroughtNothingGivesItsBufferBackAtOnce) {
    use(false);
    BufferLease lease = ring_.lease("x");  // buffer 0; the kernel says "0 bytes, in buffer 1"
    const size_t before = ring_.free_buffer_count();
    pool_.recycle(Cqe{0, sim::SimRing::flag_buffer | 1u << 16});
    EXPECT_EQ(ring_.free_buffer_count(), before + 1);
}

TEST_F(Buffers, IncrementalReceivesShareABufferWhichIsFreeWhenTheLastLeaseIsHome) {
    use(true);
    BufferLease first = ring_.lease("first");
    BufferLease second = ring_.lease("second");
    EXPECT_EQ(second.view().data(), first.view().data() + 5) << "behind one another in one buffer";
    EXPECT_EQ(ring_.free_buffer_count(), buffer_count) << "the kernel goes on filling it";
    BufferLease last = ring_.lease(std::string(buffer_bytes - 11, 'x'));
    EXPECT_EQ(ring_.free_buffer_count(), buffer_count - 1u) << "full: the kernel has moved on";
    second.release();
    last.release();
    EXPECT_EQ(ring_.free_buffer_count(), buffer_count - 1u) << "one lease is out still";
    EXPECT_EQ(first.view(), "first");
    first.release();
    EXPECT_EQ(ring_.free_buffer_count(), buffer_count);
}

TEST_F(Buffers, AnIncrementalBufferWithoutLeasesStaysTheKernelsUntilItIsFull) {
    use(true);
    ring_.lease("gone at once").release();
    EXPECT_EQ(ring_.free_buffer_count(), buffer_count);
    EXPECT_EQ(ring_.lease("next").view().data(), pool_.buffer(0) + 12) << "its offset goes on";
}

TEST_F(Buffers, AnIncrementalReceiveWithoutBytesLeavesTheBufferWithTheKernel) {
    use(true);
    BufferLease lease = ring_.lease("x");
    pool_.recycle(Cqe{0, sim::SimRing::flag_buffer | sim::SimRing::flag_buffer_more});
    EXPECT_EQ(ring_.free_buffer_count(), buffer_count);
    EXPECT_EQ(lease.view(), "x");
}

TEST_F(Buffers, AnIncrementalBufferThatEndsWithoutBytesComesBackWithItsLastLease) {
    use(true);
    BufferLease lease = ring_.lease("x");
    const size_t before = ring_.free_buffer_count();
    pool_.recycle(Cqe{0, sim::SimRing::flag_buffer});  // the kernel gives the buffer up, at the end of a stream
    EXPECT_EQ(ring_.free_buffer_count(), before) << "its bytes are still being read";
    lease.release();
    EXPECT_EQ(ring_.free_buffer_count(), before + 1);
}

TEST_F(Buffers, TheTailBehindTheLastIsReadable) {
    const std::string_view behind(pool_.buffer(buffer_count - 1) + buffer_bytes, BufferPool::tail_bytes);
    EXPECT_EQ(behind.find_first_not_of('\0'), behind.npos);
    use(false);
}

TEST_F(Buffers, RandomLeasesInBothModesNeverLoseOneNorShareBytes) {
    const unsigned seed = std::random_device{}();
    for (const bool incremental : {false, true}) {
        SCOPED_TRACE(testing::Message() << "seed " << seed << " incremental " << incremental);
        std::mt19937 random(seed);
        BufferPool pool(16, buffer_bytes);
        sim::SimRing ring(pool);
        pool.attach(ring, incremental);
        struct Held {
            BufferLease lease;
            std::string bytes;
        };
        std::vector<Held> held;
        for (int step = 0; step < 20'000; ++step) {
            if (step % 16 == 0) pool.replenish(static_cast<uint64_t>(step));
            if (ring.free_buffer_count() > 2 && random() % 2 == 0) {
                std::string bytes(1 + random() % 60, static_cast<char>('a' + step % 26));
                bytes.resize(std::min(bytes.size(), ring.room()));
                held.push_back({ring.lease(bytes), bytes});
            } else if (!held.empty()) {
                std::swap(held[random() % held.size()], held.back());
                ASSERT_EQ(held.back().lease.view(), held.back().bytes);
                held.pop_back();
            }
            ASSERT_EQ(pool.leased_count(), held.size());
        }
        for (const Held& one : held) ASSERT_EQ(one.lease.view(), one.bytes);
        held.clear();
        EXPECT_EQ(ring.free_buffer_count(), pool.depth());
    }
}

/// How many buffers the kernel has, on a pool of 64.
class BufferDepth : public testing::Test {
  protected:
    BufferDepth() { pool_.attach(ring_, false); }
    /// One tick in which the kernel fills `receives` buffers, at most what it has. Says how many it filled.
    size_t tick(size_t receives) {
        std::vector<BufferLease> leases;
        while (leases.size() < receives && ring_.free_buffer_count() > 0) leases.push_back(ring_.lease("x"));
        const size_t filled = leases.size();
        leases.clear();
        pool_.replenish(now_ms_);
        now_ms_ += 1;
        return filled;
    }
    void ticks(size_t count, size_t receives) {
        while (count-- > 0) tick(receives);
    }
    BufferPool pool_{64, 4096};
    sim::SimRing ring_{pool_};
    uint64_t now_ms_ = 1;
};

TEST_F(BufferDepth, IsSmallWhereLittleGoesOnSoThatTheSameWarmBuffersAreFilled) {
    std::set<const char*> used;
    for (int i = 0; i < 100; ++i) {
        used.insert(ring_.lease("x").view().data());
        pool_.replenish(now_ms_++);
    }
    EXPECT_EQ(used.size(), BufferPool::depth_min);
}

TEST_F(BufferDepth, DoublesUntilABurstFindsAllItNeeds) {
    EXPECT_EQ(tick(64), 8u);
    EXPECT_EQ(tick(64), 16u);
    EXPECT_EQ(tick(64), 32u);
    EXPECT_EQ(tick(64), 64u);
    EXPECT_EQ(pool_.depth(), 64) << "and never more than there are";
}

TEST_F(BufferDepth, KeepsTwiceWhatATickTakes) {
    ticks(10, 10);
    EXPECT_EQ(pool_.depth(), 20);
    EXPECT_EQ(ring_.free_buffer_count(), 20u);
}

TEST_F(BufferDepth, ShrinksByHalfWithEachQuietWindow) {
    ticks(4, 64);
    ticks(2 * BufferPool::window_ms, 1);
    EXPECT_EQ(pool_.depth(), 32) << "the first window held the burst";
    ticks(10 * BufferPool::window_ms, 1);
    EXPECT_EQ(pool_.depth(), BufferPool::depth_min);
    EXPECT_EQ(ring_.free_buffer_count(), BufferPool::depth_min);
}

TEST_F(BufferDepth, WhatIsNotNeededGivesItsMemoryBack) {
    const auto resident = [this] {
        std::array<unsigned char, 64> pages{};
        EXPECT_EQ(::mincore(pool_.buffer(0), 64 * 4096, pages.data()), 0);
        return std::ranges::count_if(pages, [](unsigned char page) { return (page & 1) != 0; });
    };
    for (uint16_t id = 0; id < 64; ++id) std::memset(pool_.buffer(id), 'x', 4096);
    ticks(4, 64);
    EXPECT_EQ(resident(), 64);
    ticks(20 * BufferPool::window_ms, 1);
    EXPECT_LE(resident(), 2 * BufferPool::depth_min);
}

TEST_F(BufferDepth, ABufferThatIsGivenUpTakesNothingFromANeighbourInItsPage) {
    for (const uint32_t bytes : {1024u, 6000u}) {
        BufferPool pool(64, bytes);
        sim::SimRing ring(pool);
        pool.attach(ring, false);
        std::vector<BufferLease> leases;
        for (uint64_t now_ms = 1; leases.size() < 64; pool.replenish(now_ms++))
            while (ring.free_buffer_count() > 0 && leases.size() < 64) leases.push_back(ring.lease(std::string(bytes, 'x')));
        std::vector<BufferLease> kept;  // each third stays in use
        for (size_t i = 0; i < leases.size(); i += 3) kept.push_back(std::move(leases[i]));
        leases.clear();
        for (uint64_t now_ms = 1; now_ms < 40; ++now_ms) pool.replenish(now_ms * BufferPool::window_ms);
        EXPECT_EQ(pool.depth(), BufferPool::depth_min);
        for (const BufferLease& lease : kept) ASSERT_EQ(lease.view(), std::string(bytes, 'x')) << bytes;
    }
}

TEST_F(BufferDepth, IsOfBuffersNotOfReceivesWhereOneServesSeveral) {
    BufferPool pool(64, 4096);
    sim::SimRing ring(pool);
    pool.attach(ring, true);
    for (int receive = 0; receive < 30; ++receive) ring.lease("a short message").release();
    pool.replenish(1);
    EXPECT_EQ(pool.depth(), BufferPool::depth_min);
}

TEST(BuffersDeath, APoolMustNotDieBeforeItsLeases) {
    EXPECT_DEATH(
        {
            BufferLease lease;
            BufferPool pool(4, 1024);
            sim::SimRing ring(pool);
            pool.attach(ring, false);
            lease = ring.lease("x");
        },
        "leased_count_ == 0");
}

}  // namespace
}  // namespace loom::io

// The way out of a stream: whatever was added, in whatever pieces, however little the peer takes at a time, the bytes
// that leave are the bytes that were added.
#include "loom/net/sender.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>

#include "memory_stream.h"
#include "sim_ring.h"

namespace loom::net {
namespace {

using State = Sender::State;

class SenderTest : public testing::Test {
  protected:
    /// The peer takes up to `bytes_max`; -EAGAIN is 0 of them.
    State take(size_t bytes_max = SIZE_MAX) { return sender_.on_sent(Result<size_t>(stream_.take(bytes_max))); }
    void take_all() {
        while (stream_.send_in_flight()) (void)take();
    }
    void add_leased(std::string_view bytes) {
        io::BufferLease lease = sim_.ring().lease(bytes);
        sender_.add_leased(lease.view());
        sender_.keep(std::move(lease));
    }
    [[nodiscard]] uint32_t leased_count() { return sim_.shard().buffers().leased_count(); }

    sim::SimShard sim_;
    sim::MemoryStream stream_;
    Sender sender_{stream_, sim_.shard()};
};

TEST_F(SenderTest, WhatATickAddedLeavesInOneSend) {
    sender_.add_copy("HTTP/1.1 200 OK\r\n\r\n");
    add_leased("chunk one, ");
    add_leased("chunk two");
    EXPECT_EQ(stream_.send_count, 0u) << "nothing leaves before the flush";
    sender_.flush();
    EXPECT_EQ(stream_.piece_count(), 3u);
    EXPECT_EQ(take(), State::idle);
    EXPECT_EQ(stream_.send_count, 1u);
    EXPECT_EQ(stream_.received, "HTTP/1.1 200 OK\r\n\r\nchunk one, chunk two");
    EXPECT_EQ(sender_.sent_bytes(), stream_.received.size());
    EXPECT_TRUE(sender_.idle());
    EXPECT_EQ(leased_count(), 0u);
}

TEST_F(SenderTest, LeasedBytesAreSentWithoutWaitingAndStableOnesMayWait) {
    sender_.add_stable("body");
    sender_.flush();
    EXPECT_EQ(stream_.mode(), io::SendMode::wait);
    take_all();
    add_leased("answer");
    sender_.flush();
    EXPECT_EQ(stream_.mode(), io::SendMode::now) << "a peer that does not read must not hold a buffer of the shard";
    take_all();
}

TEST_F(SenderTest, APeerThatDoesNotReadCostsACopyAndTheLeasesGoHome) {
    add_leased("leased bytes");
    sender_.flush();
    EXPECT_EQ(leased_count(), 1u);
    EXPECT_EQ(take(0), State::busy);
    EXPECT_EQ(leased_count(), 0u);
    EXPECT_EQ(stream_.mode(), io::SendMode::wait) << "now they are ours, and may wait";
    EXPECT_EQ(sender_.held_bytes(), 12u);
    add_leased(", and more");
    EXPECT_EQ(leased_count(), 0u) << "behind bytes that wait, a copy at once";
    EXPECT_EQ(sender_.held_bytes(), 22u);
    take_all();
    EXPECT_EQ(stream_.received, "leased bytes, and more");
    EXPECT_EQ(sender_.held_bytes(), 0u);
}

TEST_F(SenderTest, WhatIsAddedDuringASendFollowsByItself) {
    add_leased("one");
    sender_.flush();
    sender_.add_copy("two");
    sender_.flush();
    EXPECT_EQ(stream_.send_count, 1u) << "one send at a time";
    EXPECT_EQ(take(), State::busy);
    EXPECT_EQ(stream_.send_count, 2u);
    EXPECT_EQ(take(), State::idle);
    EXPECT_EQ(stream_.received, "onetwo");
}

TEST_F(SenderTest, ManyPiecesOfOneTickKeepTheirOrder) {
    std::string expected;
    for (int i = 0; i < 200; ++i) {  // more than a gather holds
        const std::string text = std::to_string(i) + ",";
        sender_.add_copy(text);
        expected += text;
    }
    sender_.flush();
    take_all();
    EXPECT_EQ(stream_.received, expected);
}

TEST_F(SenderTest, ManyLeasesOfOneTickKeepTheirOrder) {
    sim::SimShard many({.buffer_count = 64});
    sim::MemoryStream stream;
    Sender sender(stream, many.shard());
    std::string expected;
    for (int i = 0; i < 60; ++i) {
        many.shard().buffers().replenish(0);  // as a tick would: more is in use, so the kernel gets more
        io::BufferLease lease = many.ring().lease(std::to_string(i) + ",");
        expected += lease.view();
        sender.add_leased(lease.view());
        sender.keep(std::move(lease));
    }
    sender.flush();
    while (stream.send_in_flight()) (void)sender.on_sent(Result<size_t>(stream.take()));
    EXPECT_EQ(stream.received, expected);
    EXPECT_EQ(many.shard().buffers().leased_count(), 0u);
}

TEST_F(SenderTest, ACopyLargerThanTheScratchMayComeFirst) {
    const std::string large(5'000, 'L');  // an event put together for a client without chunks
    sender_.add_copy(large);
    sender_.flush();
    take_all();
    EXPECT_EQ(stream_.received, large);
}

TEST_F(SenderTest, FlushingNothingSendsNothing) {
    sender_.flush();
    sender_.add_copy("");
    sender_.flush();
    EXPECT_EQ(stream_.send_count, 0u);
    EXPECT_TRUE(sender_.idle());
}

TEST_F(SenderTest, AFailureForgetsWhatWaitsAndTakesNoMore) {
    add_leased("x");
    sender_.flush();
    sender_.add_copy("behind it");
    (void)stream_.take(0);
    const Error reset{.code = Errc::reset};
    EXPECT_EQ(sender_.on_sent(std::unexpected(reset)), State::failed);
    EXPECT_TRUE(sender_.failed());
    EXPECT_EQ(sender_.error().code, Errc::reset);
    EXPECT_EQ(leased_count(), 0u);
    add_leased("later");
    sender_.add_copy("later");
    sender_.flush();
    EXPECT_FALSE(stream_.send_in_flight());
    EXPECT_EQ(leased_count(), 0u);
    EXPECT_TRUE(sender_.idle());
}

TEST_F(SenderTest, AbandonGivesEverythingBackFromWhereverItStands) {
    for (int stand = 0; stand < 4; ++stand) {
        add_leased("a gather that was not flushed");
        if (stand >= 1) {
            sender_.flush();
            (void)take(3);  // the rest is held, and its send is in flight
            sender_.add_copy("waits behind it");
        }
        if (stand >= 2) (void)take(4);
        if (stand >= 3) (void)take();
        if (stream_.send_in_flight()) (void)stream_.take(0);
        sender_.abandon();
        EXPECT_EQ(leased_count(), 0u) << stand;
        EXPECT_EQ(sim_.shard().blocks().live_count(), 0u) << stand;
        EXPECT_TRUE(sender_.idle()) << stand;
    }
}

TEST_F(SenderTest, WhatWasNotHandedOverCanBeTakenBack) {
    sender_.add_copy("head");
    add_leased("body");
    sender_.take_back(sender_.held_bytes());
    EXPECT_TRUE(sender_.idle());
    EXPECT_EQ(leased_count(), 0u);
    sender_.flush();
    EXPECT_FALSE(stream_.send_in_flight());
    sender_.add_copy("another");
    sender_.flush();
    take_all();
    EXPECT_EQ(stream_.received, "another");
}

TEST_F(SenderTest, WhatTheKernelHasOrIsToHaveBeforeStaysWhenTheRestIsTakenBack) {
    for (const bool behind : {false, true}) {  // bytes of before that wait already
        stream_.received.clear();
        sender_.add_copy("HTTP/1.1 100 Continue\r\n\r\n");
        sender_.flush();
        std::string before = "HTTP/1.1 100 Continue\r\n\r\n";
        if (behind) {
            sender_.add_copy("waits");
            before += "waits";
        }
        const size_t held_before = sender_.held_bytes();
        sender_.add_copy("head");
        add_leased("body");
        sender_.take_back(held_before);
        EXPECT_EQ(sender_.held_bytes(), held_before);
        sender_.add_copy("|502");
        take_all();
        EXPECT_EQ(stream_.received, before + "|502");
    }
}

TEST_F(SenderTest, AnIdleSenderHoldsNoMemory) {
    add_leased("x");
    sender_.flush();
    (void)take(0);
    take_all();
    EXPECT_EQ(sim_.shard().blocks().live_count(), 0u);
}

/// Piece kinds × flushes × short counts × -EAGAIN, at random, against the plain string.
TEST_F(SenderTest, BytesLeaveAsTheyCameWhateverThePeerTakes) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (int run = 0; run < 300; ++run) {
        sim::MemoryStream stream;
        Sender sender(stream, sim_.shard());
        std::string added;
        std::deque<std::string> stable;  // the caller's, until it was told `idle`
        const size_t slow = random() % 3;
        for (int step = 0; step < 120; ++step) {
            // One tick: some pieces, a flush, then perhaps an answer of the kernel.
            for (size_t count = random() % 5; count > 0; --count) {
                std::string bytes(1 + random() % (random() % 10 == 0 ? 4'000 : 60), static_cast<char>('a' + step % 26));
                added += bytes;
                switch (random() % 3) {
                    case 0: sender.add_copy(bytes); break;
                    case 1:
                        stable.push_back(std::move(bytes));
                        sender.add_stable(stable.back());
                        break;
                    default: {
                        io::BufferLease lease = sim_.ring().lease(bytes);
                        sender.add_leased(lease.view().substr(0, bytes.size() / 2));
                        sender.add_leased(lease.view().substr(bytes.size() / 2));
                        sender.keep(std::move(lease));
                    }
                }
            }
            sender.flush();
            ASSERT_LE(sender.held_bytes(), added.size() - stream.received.size());
            if (stream.send_in_flight() && random() % (slow + 1) == 0) {
                const bool may_be_nothing = stream.mode() == io::SendMode::now;
                size_t most = random() % 4 == 0 ? SIZE_MAX : random() % 500;
                if (!may_be_nothing) most = std::max<size_t>(most, 1);
                const State state = sender.on_sent(Result<size_t>(stream.take(most)));
                ASSERT_EQ(leased_count() > 0, stream.send_in_flight() && stream.mode() == io::SendMode::now);
                if (state == State::idle) stable.clear();
            }
            ASSERT_TRUE(added.starts_with(stream.received));
        }
        while (stream.send_in_flight()) (void)sender.on_sent(Result<size_t>(stream.take(1 + random() % 100'000)));
        ASSERT_EQ(stream.received, added);
        ASSERT_EQ(sender.sent_bytes(), added.size());
        ASSERT_TRUE(sender.idle());
        ASSERT_EQ(leased_count(), 0u);
        ASSERT_EQ(sim_.shard().blocks().live_count(), 0u);
    }
}

}  // namespace
}  // namespace loom::net

// The shard's side of the ledger, on a ring whose disk does what a test says.
#include "loom/store/ledger_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "../sim/sim_ring.h"
#include "segment_cipher.h"
#include "vault_fixture.h"

namespace loom::store {
namespace {

using sim::Op;

constexpr int first_fd = sim::fd_base + 1;
constexpr int second_fd = sim::fd_base + 2;
constexpr uint64_t begin_bytes = tenant::ledger_begin_bytes;

/// With records that are sealed, and without.
class LedgerLogTest : public testing::TestWithParam<bool> {
  protected:
    LedgerLogTest() {
        for (const int fd : {first_fd, second_fd}) {
            LedgerSegment& segment = segments[fd];
            segment.fd = fd;
            segment.written = begin_bytes;
            if (GetParam()) {
                ciphers[fd] = SegmentCipher::make(*vault, {.number = static_cast<uint32_t>(fd)}).cipher;
                segment.cipher = ciphers[fd].get();
            }
            files[fd] = std::string(begin_bytes, '\0');
        }
        channel.epoch = 5;
        channel.shard = 2;
        channel.segment_bytes = uint64_t{1} << 30;
        channel.first = &segments[first_fd];
        log = std::make_unique<LedgerLog>(shard.shard(), channel);
    }
    ~LedgerLogTest() override {
        for (int i = 0; i < 100 && !log->idle(); ++i) {
            write_all();
            shard.tick();
        }
        EXPECT_TRUE(log->idle());
        log.reset();
    }

    uint64_t put() { return log->append(tenant::LedgerIntent{.consumer = "c", .model = "gpt-4o"}); }
    /// The disk takes so many bytes of the oldest write.
    void take(int fd, size_t bytes) {
        const sim::Operation* const operation = shard.ring().find(fd, Op::write);
        ASSERT_NE(operation, nullptr);
        note(fd, *operation);
        std::string& file = files[fd];
        const std::string part = operation->bytes.substr(0, bytes);
        file.resize(std::max<size_t>(file.size(), operation->offset + part.size()));
        file.replace(operation->offset, part.size(), part);
        shard.ring().complete(fd, Op::write, static_cast<int>(part.size()));
    }
    void write_all() {
        for (const auto& [fd, segment] : segments)
            while (const sim::Operation* const operation = shard.ring().find(fd, Op::write))
                take(fd, operation->bytes.size());
    }
    void refuse(int fd, int error) {
        if (const sim::Operation* const operation = shard.ring().find(fd, Op::write)) note(fd, *operation);
        shard.ring().complete(fd, Op::write, -error);
    }
    /// What was given to the kernel for a place, taken or not, is never given otherwise: that place is a nonce.
    void note(int fd, const sim::Operation& operation) {
        for (size_t i = 0; i < operation.bytes.size(); ++i) {
            const char byte = operation.bytes[i];
            ASSERT_EQ(given[fd].try_emplace(operation.offset + i, byte).first->second, byte) << operation.offset + i;
        }
    }
    /// Ids of the records in a file, as far as they count.
    std::vector<uint64_t> ids(int fd) {
        std::vector<uint64_t> found;
        std::array<char, tenant::ledger_record_bytes_max> room;
        std::string_view rest = std::string_view(files[fd]).substr(0, segments[fd].written).substr(begin_bytes);
        while (!rest.empty()) {
            const tenant::LedgerRead read =
                GetParam() ? ciphers[fd]->read_record(rest, segments[fd].written - rest.size(), room)
                           : tenant::read_ledger_record(rest);
            if (read.state != tenant::LedgerRead::State::whole) {
                ADD_FAILURE() << "no record " << rest.size() << " bytes before the end";
                break;
            }
            found.push_back(std::get<tenant::LedgerIntent>(read.record).id);
            rest.remove_prefix(read.bytes);
        }
        return found;
    }

    sim::SimShard shard;
    LedgerChannel channel;
    const VaultPtr vault = test_vault();
    std::map<int, std::unique_ptr<SegmentCipher>> ciphers;
    std::map<int, LedgerSegment> segments;
    std::map<int, std::string> files;
    std::map<int, std::map<uint64_t, char>> given;
    std::unique_ptr<LedgerLog> log;
};

INSTANTIATE_TEST_SUITE_P(Form, LedgerLogTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Sealed" : "Plain"; });

struct Told final : LedgerLog::Waiter {
    Told() : Waiter([](LedgerLog::Waiter& waiter) noexcept { static_cast<Told&>(waiter).count += 1; }) {}
    int count = 0;
};

TEST_P(LedgerLogTest, ATickIsOneWriteAtItsPlace) {
    const std::vector<uint64_t> put_first = {put(), put(), put()};
    EXPECT_FALSE(shard.ring().in_flight(first_fd, Op::write)) << "it waits for the end of the tick";
    shard.tick();
    const sim::Operation* const one = shard.ring().find(first_fd, Op::write);
    ASSERT_NE(one, nullptr);
    EXPECT_EQ(one->offset, begin_bytes);
    const size_t bytes = one->bytes.size();
    take(first_fd, bytes);
    EXPECT_FALSE(shard.ring().in_flight(first_fd, Op::write)) << "one write for all of them";
    shard.tick();
    EXPECT_EQ(segments[first_fd].written, begin_bytes + bytes);
    EXPECT_EQ(ids(first_fd), put_first);
    const uint64_t last = put();
    shard.tick();
    EXPECT_EQ(shard.ring().find(first_fd, Op::write)->offset, begin_bytes + bytes);
    write_all();
    shard.tick();
    EXPECT_EQ(ids(first_fd).back(), last);
    EXPECT_GT(last, put_first.back());
}

TEST_P(LedgerLogTest, EveryShortWriteGoesOnWhereItStopped) {
    std::vector<uint64_t> all;
    size_t cut = 1;
    for (size_t size = 2; cut < size; ++cut) {
        all.push_back(put());
        all.push_back(put());
        shard.tick();
        const sim::Operation* const one = shard.ring().find(first_fd, Op::write);
        ASSERT_NE(one, nullptr);
        size = one->bytes.size();
        const uint64_t offset = one->offset;
        take(first_fd, cut);
        shard.tick();
        EXPECT_EQ(segments[first_fd].written, offset) << "a part of a batch counts for nothing";
        const sim::Operation* const rest = shard.ring().find(first_fd, Op::write);
        ASSERT_NE(rest, nullptr);
        EXPECT_EQ(rest->offset, offset + cut);
        EXPECT_EQ(rest->bytes.size(), size - cut);
        write_all();
        shard.tick();
        EXPECT_EQ(segments[first_fd].written, offset + size);
    }
    EXPECT_EQ(ids(first_fd), all);
}

TEST_P(LedgerLogTest, WhoWaitsIsToldWhenItIsWritten) {
    Told told;
    EXPECT_FALSE(log->wait(told)) << "nothing was appended";
    (void)put();
    ASSERT_TRUE(log->wait(told));
    shard.tick();
    EXPECT_EQ(told.count, 0);
    write_all();
    shard.tick();
    EXPECT_EQ(told.count, 1);
    EXPECT_FALSE(log->wait(told));
}

TEST_P(LedgerLogTest, AFullDiskIsTriedAgainAndLosesNothing) {
    std::vector<uint64_t> all = {put()};
    Told told;
    ASSERT_TRUE(log->wait(told));
    shard.tick();
    refuse(first_fd, ENOSPC);
    shard.tick();
    EXPECT_TRUE(log->failing());
    EXPECT_EQ(channel.fault, ENOSPC);
    EXPECT_EQ(told.count, 1) << "nobody waits for a disk";
    EXPECT_FALSE(log->wait(told));
    all.push_back(put());
    shard.tick();
    EXPECT_FALSE(shard.ring().in_flight(first_fd, Op::write));
    for (int again = 0; again < 3; ++again) {
        shard.run_ms(LedgerLog::retry_ms + 1);
        ASSERT_TRUE(shard.ring().in_flight(first_fd, Op::write));
        refuse(first_fd, ENOSPC);
        shard.tick();
        EXPECT_TRUE(log->failing());
    }
    shard.run_ms(LedgerLog::retry_ms + 1);
    write_all();
    shard.tick();
    EXPECT_FALSE(log->failing());
    EXPECT_EQ(channel.fault, 0);
    write_all();
    shard.tick();
    EXPECT_EQ(ids(first_fd), all);
}

/// Which is not known to fail, and must not be waited for.
TEST_P(LedgerLogTest, ADiskThatSaysNothingFailsAfterASecondUntilItDoes) {
    std::vector<uint64_t> all = {put()};
    Told told;
    ASSERT_TRUE(log->wait(told));
    shard.tick();
    shard.run_ms(LedgerLog::write_ms_max / 2);
    all.push_back(put());
    shard.tick();
    shard.run_ms(LedgerLog::write_ms_max / 2 - 5);
    EXPECT_FALSE(log->failing());
    EXPECT_EQ(told.count, 0);
    shard.run_ms(10);
    EXPECT_TRUE(log->failing());
    EXPECT_EQ(channel.fault, ETIMEDOUT);
    EXPECT_EQ(told.count, 1) << "though nothing is written";
    EXPECT_FALSE(log->wait(told));
    EXPECT_FALSE(log->idle()) << "the kernel has its bytes";
    all.push_back(put());
    shard.run_ms(5 * LedgerLog::retry_ms);
    const size_t first_bytes = shard.ring().find(first_fd, Op::write)->bytes.size();
    take(first_fd, first_bytes);
    shard.tick();
    EXPECT_FALSE(log->failing());
    EXPECT_EQ(channel.fault, 0);
    EXPECT_TRUE(log->wait(told)) << "the others are on their way";
    shard.run_ms(LedgerLog::write_ms_max - 5);
    EXPECT_FALSE(log->failing()) << "it has its time anew";
    shard.run_ms(10);
    EXPECT_TRUE(log->failing()) << "and that ends";
    for (int i = 0; i < 3; ++i) {
        write_all();
        shard.tick();
    }
    EXPECT_FALSE(log->failing());
    EXPECT_EQ(ids(first_fd), all) << "each once";
}

TEST_P(LedgerLogTest, AWriteThatFailsLateIsTriedAgain) {
    const std::vector<uint64_t> all = {put()};
    shard.tick();
    shard.run_ms(2 * LedgerLog::write_ms_max);
    EXPECT_TRUE(log->failing());
    refuse(first_fd, ENOSPC);
    shard.tick();
    EXPECT_EQ(channel.fault, ENOSPC);
    shard.run_ms(LedgerLog::retry_ms + 1);
    write_all();
    shard.tick();
    EXPECT_FALSE(log->failing());
    EXPECT_EQ(ids(first_fd), all);
}

TEST_P(LedgerLogTest, WhereAllRoomIsInTheKernelsHandsThereIsSomeSoon) {
    std::vector<uint64_t> all;
    for (size_t tick = 0; tick < 10 * LedgerLog::batch_count; ++tick) {
        all.push_back(put());
        ASSERT_NE(all.back(), 0u) << "ticks alone take no room";
        shard.tick();
    }
    while (const uint64_t id = put()) all.push_back(id);
    EXPECT_FALSE(log->failing());
    Told told;
    ASSERT_TRUE(log->wait(told)) << "for room";
    for (int i = 0; i < 10 && told.count == 0; ++i) {
        write_all();
        shard.tick();
    }
    EXPECT_EQ(told.count, 1);
    all.push_back(put());
    EXPECT_NE(all.back(), 0u);
    shard.tick();
    write_all();
    shard.tick();
    EXPECT_EQ(ids(first_fd), all);
}

TEST_P(LedgerLogTest, AtTheEndWhatFailedIsTriedOnceMore) {
    for (const bool takes : {false, true}) {
        (void)put();
        shard.tick();
        write_all();
        shard.tick();
        const size_t before = ids(first_fd).size();
        (void)put();
        shard.tick();
        refuse(first_fd, ENOSPC);
        shard.tick();
        EXPECT_FALSE(log->finish());
        ASSERT_TRUE(shard.ring().in_flight(first_fd, Op::write)) << "at once";
        if (takes)
            write_all();
        else
            refuse(first_fd, ENOSPC);
        shard.tick();
        EXPECT_TRUE(log->finish());
        EXPECT_EQ(channel.unwritten == 0, takes);
        EXPECT_EQ(ids(first_fd).size() - before, takes ? 1u : 0u);
        shard.run_ms(5 * LedgerLog::retry_ms);
        EXPECT_FALSE(shard.ring().in_flight(first_fd, Op::write));
        log = std::make_unique<LedgerLog>(shard.shard(), channel);
        given.clear();  // of a start of its own
        channel.unwritten = 0;
    }
}

TEST_P(LedgerLogTest, WhereNothingIsTakenThereIsNoRoomInTheEnd) {
    std::vector<uint64_t> all = {put()};
    shard.tick();
    refuse(first_fd, ENOSPC);
    shard.tick();
    while (const uint64_t id = put()) {
        all.push_back(id);
        ASSERT_LT(all.size(), LedgerLog::memory_bytes) << "without an end";
    }
    EXPECT_FALSE(log->append(tenant::LedgerSettlement{.id = 1}));
    EXPECT_GT(all.size(), LedgerLog::memory_bytes / tenant::ledger_record_bytes_max);
    shard.run_ms(LedgerLog::retry_ms + 1);
    for (int i = 0; i < 50; ++i) {
        write_all();
        shard.tick();
    }
    EXPECT_EQ(ids(first_fd), all) << "what had room is there, in order";
    EXPECT_NE(put(), 0u);
}

/// Wherever the write of a broken file stopped: each record is in one of the two, once.
TEST_P(LedgerLogTest, ABrokenSegmentIsFollowedByAnother) {
    size_t size = 2;
    for (size_t done = 0; done < size; done += 3) {
        for (auto& [fd, segment] : segments) {
            segment.written = begin_bytes;
            segment.closed = segment.broken = false;
            files[fd].assign(begin_bytes, '\0');
        }
        given.clear();  // they stand for new files
        log = std::make_unique<LedgerLog>(shard.shard(), channel);
        channel.spare = &segments[second_fd];
        std::vector<uint64_t> all = {put(), put(), put()};
        shard.tick();
        size = shard.ring().find(first_fd, Op::write)->bytes.size();
        if (done > 0) {
            take(first_fd, done);
            shard.tick();
        }
        all.push_back(put());
        shard.tick();
        refuse(first_fd, EIO);  // the first batch's
        shard.tick();
        if (shard.ring().in_flight(first_fd, Op::write)) write_all();  // the second's, behind the gap
        shard.run_ms(LedgerLog::retry_ms + 1);
        for (int i = 0; i < 3; ++i) {
            write_all();
            shard.tick();
        }
        EXPECT_FALSE(log->failing());
        EXPECT_TRUE(segments[first_fd].closed);
        std::vector<uint64_t> found = ids(first_fd);
        for (const uint64_t id : ids(second_fd)) found.push_back(id);
        EXPECT_EQ(found, all) << done;
    }
}

TEST_P(LedgerLogTest, AFullSegmentIsFollowedAndClosedWhenItsLastWriteIsDone) {
    channel.segment_bytes = begin_bytes + 1;
    std::vector<uint64_t> all = {put()};
    shard.tick();
    all.push_back(put());
    shard.tick();  // there is no next one: it goes on in this one
    channel.spare = &segments[second_fd];
    all.push_back(put());
    shard.tick();
    EXPECT_TRUE(shard.ring().in_flight(second_fd, Op::write));
    EXPECT_FALSE(segments[first_fd].closed);
    while (shard.ring().in_flight(first_fd, Op::write)) {
        take(first_fd, 1 << 20);
        shard.tick();
    }
    EXPECT_TRUE(segments[first_fd].closed);
    write_all();
    shard.tick();
    EXPECT_EQ(ids(first_fd).size(), 2u);
    EXPECT_EQ(ids(second_fd), std::vector<uint64_t>{all.back()});
}

TEST_P(LedgerLogTest, ASegmentThatCouldNotBeSyncedIsFollowed) {
    (void)put();
    shard.tick();
    write_all();
    shard.tick();
    segments[first_fd].broken = true;
    channel.spare = &segments[second_fd];
    (void)put();
    shard.tick();
    EXPECT_TRUE(shard.ring().in_flight(second_fd, Op::write));
    EXPECT_TRUE(segments[first_fd].closed);
    write_all();
    shard.tick();
}

}  // namespace
}  // namespace loom::store

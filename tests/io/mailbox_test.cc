#include "loom/io/mailbox.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "loom/io/shard.h"

namespace loom::io {
namespace {

class MailboxTest : public testing::Test {
  protected:
    void SetUp() override { ASSERT_TRUE(shard_.open()); }
    void TearDown() override { shard_.close(); }
    Shard shard_{0, ShardOptions{.ring_entries = 64, .buffer_count = 8}};
};

TEST_F(MailboxTest, LettersOfOneThreadAreReadInTheirOrderByTheOwner) {
    std::vector<int> read;
    std::thread::id reader;
    std::thread writer([&] {
        for (int i = 0; i < 1'000; ++i)
            shard_.mailbox().post([&, i] {
                read.push_back(i);
                reader = std::this_thread::get_id();
            });
    });
    while (read.size() < 1'000) shard_.tick();
    writer.join();
    EXPECT_EQ(reader, std::this_thread::get_id());
    for (int i = 0; i < 1'000; ++i) ASSERT_EQ(read[static_cast<size_t>(i)], i);
}

TEST_F(MailboxTest, NoLetterOfSeveralThreadsIsLostOrReadTwice) {
    constexpr int threads = 4;
    constexpr int letters = 5'000;
    std::vector<int> next(threads, 0);  // touched by the owner alone: TSan would tell
    int read = 0;
    std::vector<std::thread> writers;
    for (int t = 0; t < threads; ++t)
        writers.emplace_back([&, t] {
            for (int i = 0; i < letters; ++i) {
                shard_.mailbox().post([&, t, i] {
                    EXPECT_EQ(next[static_cast<size_t>(t)]++, i);
                    read += 1;
                });
                if (i % 64 == 0) std::this_thread::yield();
            }
        });
    while (read < threads * letters) shard_.tick();
    for (std::thread& writer : writers) writer.join();
}

TEST_F(MailboxTest, ALetterMayPostAnother) {
    int depth = 0;
    std::function<void()> again = [&] {
        if (++depth < 10) shard_.mailbox().post([&] { again(); });
    };
    shard_.mailbox().post([&] { again(); });
    while (depth < 10) shard_.tick();
}

TEST_F(MailboxTest, ALetterThatComesWhileTheBoxIsStoppedIsReadOrWaits) {
    bool read = false;
    shard_.mailbox().post([&] { read = true; });
    shard_.mailbox().stop();
    while (!shard_.mailbox().stopped()) shard_.tick();
    EXPECT_TRUE(read) << "posted before the stop: read on the way out";
    shard_.mailbox().post([] { FAIL() << "nobody listens any more"; });
    shard_.tick();
}

}  // namespace
}  // namespace loom::io

// An answer that another thread makes: in its order and whole, in bounded memory, and nobody waits for who has gone.
#include "loom/proxy/local_stream.h"

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>
#include <thread>

#include "../sim/random.h"

namespace loom::proxy {
namespace {

TEST(LocalStream, WhatIsWrittenIsRead_WhateverThePieces) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        LocalStream stream;
        std::counting_semaphore<> readable(0);
        stream.on_readable([&readable] { readable.release(); });
        std::string written;
        std::thread writer([&] {
            sim::Random random(seed);
            for (int i = 0; i < 200; ++i) {
                const std::string piece(random.below(20'000), static_cast<char>('a' + i % 26));
                written += piece;
                EXPECT_TRUE(stream.write(piece));
            }
            stream.end();
        });
        sim::Random random(seed + 1'000);
        std::string got;
        for (bool over = false; !over;) {
            readable.acquire();
            for (bool more = true; more && !over;) {
                const size_t most = 1 + random.below(100'000);
                const auto read = stream.read(most);
                EXPECT_LE(read.piece.size(), most);
                more = !read.piece.empty();
                over = read.is_over;
                EXPECT_FALSE(read.failed);
                got += read.piece;
            }
        }
        writer.join();
        EXPECT_EQ(got, written) << "seed " << seed;
    }
}

TEST(LocalStream, WhoWritesWaitsForRoom_AndNotForWhoHasGone) {
    LocalStream stream;
    std::atomic<size_t> written = 0;
    std::thread writer([&] {
        const std::string piece(10'000, 'x');
        while (stream.write(piece)) written += piece.size();
    });
    while (written < LocalStream::queue_bytes_max - 20'000) std::this_thread::yield();
    EXPECT_LE(written, LocalStream::queue_bytes_max);
    EXPECT_TRUE(stream.is_wanted());
    stream.leave();
    writer.join();
    EXPECT_FALSE(stream.is_wanted());
    EXPECT_FALSE(stream.write("more"));
}

TEST(LocalStream, AFailureComesBehindWhatWasWritten) {
    LocalStream stream;
    EXPECT_TRUE(stream.write("some"));
    stream.fail();
    auto read = stream.read(3);
    EXPECT_EQ(read.piece, "som");
    EXPECT_FALSE(read.is_over || read.failed);
    read = stream.read(3);
    EXPECT_EQ(read.piece, "e");
    EXPECT_TRUE(read.is_over && read.failed);
}

TEST(LocalStream, AWholeAnswerTellsOnce_AlsoWhoAsksLate) {
    LocalStream stream;
    stream.answer({.status = 404, .body = "{}", .stream = nullptr});
    int told = 0;
    stream.on_readable([&told] { ++told; });
    EXPECT_EQ(told, 1);
    const auto read = stream.read(100);
    ASSERT_TRUE(read.whole);
    EXPECT_EQ(read.whole->status, 404);
    EXPECT_TRUE(read.is_over);
}

}  // namespace
}  // namespace loom::proxy

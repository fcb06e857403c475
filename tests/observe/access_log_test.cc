#include "loom/observe/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "line_ring.h"

namespace loom::observe {
namespace {

namespace fs = std::filesystem;

class AccessLogTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "loom-access-XXXXXX").string();
        ASSERT_TRUE(::mkdtemp(name.data()));
        directory_ = name;
    }
    void TearDown() override { fs::remove_all(directory_); }

    [[nodiscard]] std::string path() const { return (directory_ / "access.log").string(); }
    static std::string content(const fs::path& path) {
        std::ifstream in(path);
        return (std::ostringstream() << in.rdbuf()).str();
    }
    static std::vector<std::string> lines(const fs::path& path) {
        std::vector<std::string> out;
        std::istringstream in(content(path));
        for (std::string line; std::getline(in, line);) out.push_back(line);
        return out;
    }
    std::unique_ptr<AccessLog> open(AccessLog::Options options) {
        if (options.lines.path == "stdout") options.lines.path = path();
        options.lines.flush_interval_ms = 5;
        auto log = AccessLog::open(std::move(options));
        EXPECT_TRUE(log);
        return std::move(*log);
    }
    static AccessRecord record_of(std::string_view id, uint16_t status = 200) {
        AccessRecord r;
        r.time_us = 1'700'000'000'000'000;
        r.request_id = id;
        r.status = status;
        return r;
    }

    fs::path directory_;
};

TEST_F(AccessLogTest, WritesWhatShardsRecord) {
    const auto log = open({.lines = {.shard_count = 2}});
    EXPECT_TRUE(log->shard(0)->record(record_of("from-0")));
    EXPECT_TRUE(log->shard(1)->record(record_of("from-1")));
    log->lines().flush();
    const std::string text = content(path());
    EXPECT_NE(text.find("{\"time\":\"2023-11-14T22:13:20.000000Z\",\"request_id\":\"from-0\""), text.npos) << text;
    EXPECT_NE(text.find("from-1"), text.npos);
    EXPECT_EQ(log->lines().written(), 2u);
    EXPECT_EQ(log->lines().dropped(), 0u);
}

TEST_F(AccessLogTest, WritesWhatIsLeftWhenItEnds) {
    {
        AccessLog::Options slow{.lines = {.path = path(), .flush_interval_ms = 60'000}};
        auto log = AccessLog::open(slow);
        ASSERT_TRUE(log);
        (*log)->shard(0)->record(record_of("last words"));
    }
    EXPECT_EQ(lines(path()).size(), 1u);
}

TEST_F(AccessLogTest, LosesNoLineAndCutsNoneOverManyLapsOfTheRing) {
    constexpr int count = 20'000;
    {
        const auto log = open({.lines = {.shard_count = 2, .ring_bytes = 64 * 1024}});
        const auto produce = [&](uint32_t shard) {
            std::mt19937 random(shard);
            const std::string filler(200, 'x');
            for (int i = 0; i < count; ++i) {
                const std::string id = std::to_string(shard) + "/" + std::to_string(i);
                AccessRecord r = record_of(id);
                r.user_agent = std::string_view(filler).substr(random() % 200);
                while (!log->shard(shard)->record(r)) std::this_thread::yield();
            }
        };
        std::thread one([&] { produce(0); }), two([&] { produce(1); });
        one.join();
        two.join();
    }
    int next[2] = {0, 0};
    for (const std::string& line : lines(path())) {
        ASSERT_TRUE(line.starts_with("{\"time\":\"") && line.ends_with("\"}")) << line;
        const size_t id = line.find("\"request_id\":\"") + 14;
        const int shard = line[id] - '0';
        ASSERT_EQ(line.substr(id + 2, line.find('"', id) - id - 2), std::to_string(next[shard]++));
    }
    EXPECT_EQ(next[0], count);
    EXPECT_EQ(next[1], count);
}

TEST_F(AccessLogTest, SamplesEvenlyAndKeepsErrors) {
    const auto log = open({.sample = 0.25});
    for (int i = 0; i < 1000; ++i) log->shard(0)->record(record_of("ok"));
    for (int i = 0; i < 10; ++i) log->shard(0)->record(record_of("refused", 429));
    AccessRecord broken = record_of("broken");
    broken.error = "reset";
    log->shard(0)->record(broken);
    log->lines().flush();
    EXPECT_EQ(log->lines().written(), 250u + 10 + 1);
}

TEST_F(AccessLogTest, ASampleOfNothingKeepsErrorsOnly) {
    const auto log = open({.sample = 0});
    log->shard(0)->record(record_of("ok"));
    log->shard(0)->record(record_of("gone", 499));
    log->lines().flush();
    EXPECT_EQ(log->lines().written(), 1u);
}

TEST_F(AccessLogTest, OffHasNoShards) {
    auto log = AccessLog::open({.lines = {.path = "off"}});
    ASSERT_TRUE(log);
    EXPECT_EQ((*log)->shard(0), nullptr);
    (*log)->lines().flush();
    (*log)->lines().reopen();
    EXPECT_EQ((*log)->lines().written(), 0u);
}

TEST_F(AccessLogTest, RefusesWhatItCannotOpen) {
    const auto log = AccessLog::open({.lines = {.path = (directory_ / "missing" / "access.log").string()}});
    ASSERT_FALSE(log);
    EXPECT_EQ(log.error().code, Errc::io);
    EXPECT_EQ(log.error().sys_errno, ENOENT);
    EXPECT_FALSE(AccessLog::open({.lines = {.path = path()}, .sample = 1.5}));
    EXPECT_FALSE(AccessLog::open({.lines = {.path = path(), .ring_bytes = 100'000}}));
    EXPECT_FALSE(AccessLog::open({.lines = {.path = path(), .shard_count = 0}}));
}

TEST_F(AccessLogTest, FollowsARotation) {
    const auto log = open({});
    log->shard(0)->record(record_of("before"));
    log->lines().flush();
    const fs::path moved = directory_ / "access.log.1";
    fs::rename(path(), moved);
    log->lines().reopen();
    log->lines().flush();
    log->shard(0)->record(record_of("after"));
    log->lines().flush();
    EXPECT_NE(content(moved).find("before"), std::string::npos);
    EXPECT_EQ(content(moved).find("after"), std::string::npos);
    EXPECT_NE(content(path()).find("after"), std::string::npos);
}

/// A pipe by name, so that a log can be opened on it; its reader is the test.
class SlowReader {
  public:
    explicit SlowReader(const std::string& path) {
        EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
        start(path);
    }
    ~SlowReader() { stop(); }
    void start(const std::string& path) { fd_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK); }
    void stop() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    /// Until there is something to read, or the other side has closed.
    bool wait() {
        pollfd p{fd_, POLLIN, 0};
        return ::poll(&p, 1, 20'000) == 1;
    }
    std::string take_until_the_end() {
        std::string out;
        char buffer[64 * 1024];
        while (wait()) {
            const ssize_t n = ::read(fd_, buffer, sizeof buffer);
            if (n <= 0) break;
            out.append(buffer, static_cast<size_t>(n));
        }
        return out;
    }

  private:
    int fd_ = -1;
};

TEST_F(AccessLogTest, AReaderThatStopsReadingCostsLinesAndNotTheShard) {
    SlowReader reader(path());
    auto log = open({.lines = {.ring_bytes = 64 * 1024}});
    int dropped = 0;
    for (int i = 0; i < 5000; ++i) dropped += !log->shard(0)->record(record_of("a line that nobody reads"));
    EXPECT_GT(dropped, 0);
    EXPECT_EQ(log->lines().dropped(), static_cast<uint64_t>(dropped));
    // Once it reads on, whole lines come, and all of those that were taken.
    std::string got;
    std::thread reading([&] { got = reader.take_until_the_end(); });
    for (int i = 0; i < 20 && log->lines().written() + log->lines().dropped() < 5000; ++i) log->lines().flush();
    const uint64_t written = log->lines().written();
    EXPECT_EQ(written + log->lines().dropped(), 5000u);
    EXPECT_EQ(log->lines().write_errors(), 0u);
    log.reset();  // the pipe's end
    reading.join();
    EXPECT_EQ(static_cast<uint64_t>(std::count(got.begin(), got.end(), '\n')), written);
}

TEST_F(AccessLogTest, AReaderThatLeavesIsAnErrorAndNotTheEnd) {
    SlowReader reader(path());
    const auto log = open({});
    reader.stop();
    log->shard(0)->record(record_of("to nobody"));
    log->lines().flush();
    EXPECT_GE(log->lines().write_errors(), 1u);
    EXPECT_EQ(log->lines().written(), 0u);
    // A new reader gets what was kept. (EPIPE of a fifo ends when somebody opens it again.)
    reader.start(path());
    EXPECT_TRUE(reader.wait());
    log->lines().flush();  // what was read is counted, too
    EXPECT_EQ(log->lines().written(), 1u);
}

TEST_F(AccessLogTest, AFullDiskIsTriedAgainWithoutSpinning) {
    const auto begun = std::chrono::steady_clock::now();
    const auto log = open({.lines = {.path = "/dev/full"}});
    log->shard(0)->record(record_of("no space"));
    for (int i = 0; i < 5; ++i) log->lines().flush();  // each wakes the writer
    const auto passed = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begun);
    EXPECT_GE(log->lines().write_errors(), 1u);
    EXPECT_LE(log->lines().write_errors(), 1u + static_cast<uint64_t>(passed.count())) << "one try a second";
    EXPECT_EQ(log->lines().written(), 0u);
}

TEST_F(AccessLogTest, AShardRingsTheWriterBeforeItsRingIsFull) {
    AccessLog::Options slow{.lines = {.path = path(), .ring_bytes = 64 * 1024, .flush_interval_ms = 60'000}};
    auto log = AccessLog::open(slow);
    ASSERT_TRUE(log);
    for (int turn = 0; turn < 4; ++turn) {
        const uint64_t before = (*log)->lines().written();
        for (int i = 0; i < 200; ++i)  // more than half of the ring, and less than the whole but a longest line
            (*log)->shard(0)->record(record_of("a line of about a hundred bytes, more or less"));
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while ((*log)->lines().written() == before && std::chrono::steady_clock::now() < deadline)
            std::this_thread::yield();
        EXPECT_GT((*log)->lines().written(), before) << "turn " << turn;
        (*log)->lines().flush();  // the ring is empty again
    }
    EXPECT_EQ((*log)->lines().dropped(), 0u) << "though the interval is a minute";
}

}  // namespace
}  // namespace loom::observe

// The order of a tick: completions, then what is due, then urgent work, then bulk, then what had waited; the dead last.
#include "loom/io/shard.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "loom/io/task.h"
#include "sim_ring.h"

namespace loom::io {
namespace {

struct Job : Runnable {
    Job(std::string n, std::string& l) : Runnable(&Job::run_job), name(std::move(n)), log(l) {}
    static void run_job(Runnable& self) noexcept {
        auto& job = static_cast<Job&>(self);
        job.log += job.name;
        if (job.then) job.then();
    }
    std::string name;
    std::string& log;
    std::function<void()> then;
};

struct Corpse : Doomed {
    explicit Corpse(std::string& l) : Doomed(&Corpse::free_corpse), log(l) {}
    static void free_corpse(Doomed& self) noexcept { static_cast<Corpse&>(self).log += "x"; }
    std::string& log;
};

struct Bell : Timer {
    explicit Bell(std::string& l) : Timer(&Bell::ring), log(l) {}
    static void ring(Timer& self) noexcept { static_cast<Bell&>(self).log += "t"; }
    std::string& log;
};

TEST(Tick, RunsUrgentWorkBeforeBulkBeforeWhatWaitedAndFreesLast) {
    sim::SimShard sim;
    std::string log;
    Job urgent("u", log), bulk("b", log), next("n", log);
    Corpse corpse(log);
    Bell bell(log);
    sim.shard().schedule_next_tick(next);
    sim.shard().free_later(corpse);
    sim.shard().schedule_bulk(bulk);
    sim.shard().schedule(urgent);
    sim.shard().timers().arm(bell, 1);
    sim.run_ms(1);
    EXPECT_EQ(log, "tubnx");
}

TEST(Tick, UrgentWorkThatBulkFoundComesBeforeTheRestOfBulk) {
    sim::SimShard sim;
    std::string log;
    Job first("1", log), second("2", log), urgent("u", log);
    first.then = [&] { sim.shard().schedule(urgent); };
    sim.shard().schedule_bulk(first);
    sim.shard().schedule_bulk(second);
    sim.tick();
    EXPECT_EQ(log, "1u2");
}

TEST(Tick, WorkForTheNextTickDoesNotRunInThisOneAndKeepsTheShardAwake) {
    sim::SimShard sim;
    std::string log;
    Job job("n", log);
    job.then = [&] {
        if (log.size() < 3) sim.shard().schedule_next_tick(job);
    };
    sim.shard().schedule_next_tick(job);
    sim.tick();
    EXPECT_EQ(log, "n");
    sim.tick();
    EXPECT_EQ(sim.ring().last_wait_ns(), 0u);
    EXPECT_EQ(log, "nn");
    sim.tick();
    EXPECT_EQ(log, "nnn");
}

TEST(Tick, SchedulingTwiceRunsOnce) {
    sim::SimShard sim;
    std::string log;
    Job job("j", log);
    sim.shard().schedule(job);
    sim.shard().schedule(job);
    sim.shard().schedule_bulk(job);
    sim.tick();
    EXPECT_EQ(log, "j");
}

TEST(Tick, SleepsUntilTheNextDeadlineAndNoLonger) {
    sim::SimShard sim;
    std::string log;
    Bell bell(log);
    sim.tick();
    EXPECT_EQ(sim.ring().last_wait_ns(), 1'000'000'000u) << "nothing to do: a second";
    sim.shard().timers().arm(bell, 30);
    sim.tick();
    EXPECT_EQ(sim.ring().last_wait_ns(), 30'000'000u);
    bell.disarm();
}

Task three_steps(Wait& wait, std::string& log) {
    log += "a";
    co_await wait;
    log += "b";
    co_await wait;
    log += "c";
}

TEST(Wait, ACoroutineGoesOnInTheReadyListNotInTheHandler) {
    sim::SimShard sim;
    Wait wait;
    std::string log;
    three_steps(wait, log);
    EXPECT_EQ(log, "a") << "started at once";
    EXPECT_EQ(sim.shard().blocks().live_count(), 1u) << "its frame is a block of the shard";
    wait.wake(sim.shard());
    wait.wake(sim.shard());
    EXPECT_EQ(log, "a") << "byte layers never resume inline";
    sim.tick();
    EXPECT_EQ(log, "ab") << "woken twice, resumed once";
    wait.wake(sim.shard());
    sim.tick();
    EXPECT_EQ(log, "abc");
    EXPECT_EQ(sim.shard().blocks().live_count(), 0u);
}

TEST(Wait, AWakeBeforeTheAwaitIsNotLost) {
    sim::SimShard sim;
    Wait wait;
    std::string log;
    wait.wake(sim.shard());
    three_steps(wait, log);
    EXPECT_EQ(log, "ab");
    wait.wake(sim.shard());
    sim.tick();
    EXPECT_EQ(log, "abc");
}

/// The whole shard on the real ring, with each feature masked.
class Masked : public testing::TestWithParam<RingFeatures> {};

struct Reader : Completion {
    explicit Reader(Shard& s) : Completion(&Reader::on_bytes), shard(s) {}
    static void on_bytes(Completion& self, Cqe cqe) noexcept {
        auto& reader = static_cast<Reader&>(self);
        if (cqe.res > 0)
            reader.received += reader.shard.buffers().lease(cqe).view();
        else if (cqe.has_buffer())
            reader.shard.buffers().recycle(cqe);
    }
    Shard& shard;
    std::string received;
};

TEST_P(Masked, TheShardReadsTellsTheTimeAndStops) {
    const auto offered = probe_features(GetParam());
    ASSERT_TRUE(offered);
    EXPECT_LE(offered->incremental_buffers, GetParam().incremental_buffers);
    EXPECT_LE(offered->defer_taskrun, GetParam().defer_taskrun);
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    {
        Shard shard(0, ShardOptions{.ring_entries = 64, .buffer_count = 4, .buffer_bytes = 512, .features = *offered});
        ASSERT_TRUE(shard.open());
        EXPECT_EQ(shard.buffers().incremental(), offered->incremental_buffers);
        Reader reader(shard);
        std::string log;
        Bell bell(log);
        shard.timers().arm(bell, 20);
        shard.ring().recv_multishot(fds[0], reader);
        std::string sent;
        for (int i = 0; i < 100; ++i) {
            const std::string piece(static_cast<size_t>(i * 7 % 300 + 1), static_cast<char>('a' + i % 26));
            ASSERT_EQ(::write(fds[1], piece.data(), piece.size()), static_cast<ssize_t>(piece.size()));
            sent += piece;
            while (reader.received.size() < sent.size()) shard.tick();
        }
        EXPECT_EQ(reader.received, sent);
        while (log.empty()) shard.tick();
        ::shutdown(fds[0], SHUT_RDWR);
        shard.stop();
        shard.run([&] { return !reader.in_flight; }, [](uint64_t) {});
        shard.close();
        EXPECT_EQ(shard.buffers().leased_count(), 0u);
        EXPECT_GT(shard.stats().ticks.load(), 0u);
    }
    ::close(fds[0]);
    ::close(fds[1]);
}

INSTANTIATE_TEST_SUITE_P(Features, Masked,
                         testing::Values(RingFeatures{true, true}, RingFeatures{false, true}, RingFeatures{true, false},
                                         RingFeatures{false, false}));

}  // namespace
}  // namespace loom::io

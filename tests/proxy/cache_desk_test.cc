// Shards that ask each other's desks, fill them and are purged, all at once: each on its own thread, as in the process.
// What this is for is ThreadSanitizer; without it, that answers are those of their keys, and that the bound holds.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cache_desk.h"
#include "loom/observe/metrics.h"

namespace loom::proxy {
namespace {

constexpr uint32_t shard_count = 3;
constexpr int steps = 3000;
constexpr uint64_t key_count = 60;

cache::Key key_of(uint64_t number) { return hash128({reinterpret_cast<const char*>(&number), sizeof number}, 9); }

std::string text_of(uint64_t number) { return "answer " + std::to_string(number) + std::string(3000, 'x'); }

/// One step of a shard's work in each turn of its loop, until all shards have done theirs.
class Worker : public io::Runnable {
  public:
    Worker(io::Shard& shard, CacheDesk& desk, uint32_t index, std::atomic<uint32_t>& busy)
        : Runnable(&Worker::on_turn), shard_(shard), desk_(desk), random_(index), busy_(busy) {}
    int wrong = 0;
    int found = 0;

  private:
    static void on_turn(io::Runnable& work) noexcept {
        auto& worker = static_cast<Worker&>(work);
        if (worker.step_ < steps) {
            worker.step();
            if (++worker.step_ == steps) worker.busy_ -= 1;
        }
        if (worker.busy_ == 0) return worker.shard_.stop();
        worker.shard_.schedule_next_tick(work);
    }
    void step() {
        const uint64_t number = random_() % key_count;
        const CacheTicketPtr ticket = desk_.begin(key_of(number), "scope");
        ticket->joins = random_() % 2 == 0;
        const bool is_here = desk_.ask(ticket);
        if (is_here && ticket->found != nullptr) {
            wrong += ticket->found->body != text_of(number);
            found += 1;
        }
        // Of one that another shard owns nothing may be looked at before it comes home: there it is given up.
        if (!is_here && random_() % 2 == 0) return;
        const CacheTicketPtr own = is_here ? ticket : desk_.begin(key_of(number), "scope");
        if (random_() % 4 == 0) return desk_.give_up(own);
        auto answer = std::make_shared<cache::Answer>();
        answer->scope = "scope";
        answer->model = number % 2 == 0 ? "even" : "odd";
        answer->body = text_of(number);
        answer->stored_ms = shard_.timers().now_ms();
        answer->fresh_until_ms = answer->kept_until_ms = answer->stored_ms + random_() % 50;
        desk_.put(own, std::move(answer));
    }

    io::Shard& shard_;
    CacheDesk& desk_;
    std::mt19937_64 random_;
    std::atomic<uint32_t>& busy_;
    int step_ = 0;
};

TEST(CacheDesk, ShardsAskFillAndArePurgedAtOnce) {
    observe::Metrics metrics(shard_count);
    CacheShards cache(shard_count);
    const CachePlan terms{.bytes_max = 256 << 10, .wait_ms = 100};
    std::vector<std::unique_ptr<io::Shard>> shards;
    for (uint32_t i = 0; i < shard_count; ++i) {
        shards.push_back(std::make_unique<io::Shard>(i, io::ShardOptions{.ring_entries = 64, .buffer_count = 16}));
        cache.set_mailbox(i, shards[i]->mailbox());
    }
    std::atomic<uint32_t> busy = shard_count;
    std::atomic<int> wrong = 0, found = 0;
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < shard_count; ++i)
        threads.emplace_back([&, i] {
            io::Shard& shard = *shards[i];
            if (!shard.open()) {
                wrong += 1;
                busy -= 1;
                return;
            }
            {
                CacheDesk desk(shard, metrics.shard(i), cache, i);
                desk.on_new_plan(&terms);
                Worker worker(shard, desk, i, busy);
                shard.schedule_next_tick(worker);
                shard.run([] { return true; }, [](uint64_t) {});
                worker.unlink();
                wrong += worker.wrong;
                found += worker.found;
            }
            shard.close();
        });
    while (busy > 0) {
        cache.purge({.model = "even"});
        EXPECT_LE(cache.totals().bytes, terms.bytes_max);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the pace of it
    }
    for (std::thread& one : threads) one.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(found, 0);
}

/// The one that asks for all was given the answer to nearly the same.
class SharedAnswer : public testing::Test {
  protected:
    SharedAnswer() {
        cache.set_mailbox(0, shard.mailbox());
        desk.on_new_plan(&terms);
    }
    CacheTicketPtr ask(std::string like_scope) {
        const CacheTicketPtr ticket = desk.begin(key_of(1), "");
        ticket->like_scope = std::move(like_scope);
        ticket->joins = true;
        is_here = desk.ask(ticket);
        return ticket;
    }
    static LikeAnswer like_of(std::string scope) {
        auto answer = std::make_shared<cache::Answer>();
        answer->body = "like";
        return {.answer = std::move(answer), .scope = std::move(scope), .key = key_of(2), .similarity = 0.97f};
    }
    observe::Metrics metrics{1};
    CacheShards cache{1};
    const CachePlan terms{.bytes_max = 256 << 10, .wait_ms = 100};
    io::Shard shard{0, io::ShardOptions{.ring_entries = 64, .buffer_count = 16}};
    CacheDesk desk{shard, metrics.shard(0), cache, 0};
    bool is_here = false;
};

TEST_F(SharedAnswer, GoesToAllWhoWaitAndIsNotKept) {
    const CacheTicketPtr leader = ask("acme");
    ASSERT_TRUE(is_here);
    ASSERT_TRUE(leader->leads);
    std::vector<CacheTicketPtr> followers;
    for (int i = 0; i < 20; ++i) {
        followers.push_back(ask("acme"));
        EXPECT_FALSE(is_here);
    }
    const CacheTicketPtr stranger = ask("other");
    desk.share(leader, like_of("acme"));
    for (const CacheTicketPtr& one : followers) {
        ASSERT_NE(one->like.answer, nullptr);
        EXPECT_EQ(one->like.answer->body, "like");
        EXPECT_EQ(one->like.key, key_of(2));
        EXPECT_EQ(one->like.similarity, 0.97f);
        EXPECT_EQ(one->found, nullptr);
        EXPECT_FALSE(one->leads);
    }
    EXPECT_EQ(stranger->like.answer, nullptr) << "the very same is shared by all here, nearly the same is not";
    const CacheTicketPtr later = ask("acme");
    EXPECT_TRUE(is_here);
    EXPECT_TRUE(later->leads) << "the flight is over";
    EXPECT_EQ(later->found, nullptr) << "nothing is kept under the key";
}

TEST_F(SharedAnswer, IsNotGivenWhereItWasPurgedMeanwhile) {
    const CacheTicketPtr leader = ask("acme");
    const CacheTicketPtr follower = ask("acme");
    cache.purge({.model = "m"});
    desk.share(leader, like_of("acme"));
    EXPECT_EQ(follower->like.answer, nullptr);
    EXPECT_TRUE(ask("acme")->leads);
}

}  // namespace
}  // namespace loom::proxy

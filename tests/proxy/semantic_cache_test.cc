// The thread that knows answers to nearly the same requests, asked by shards: what it tells, what it does when there is
// too much for it, and all of it at once for ThreadSanitizer.
#include "loom/proxy/semantic_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <future>
#include <memory>
#include <random>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "loom/proxy/embedding_plan.h"
#include "semantic_visit.h"

namespace loom::proxy {
namespace {

cache::Key key_of(uint64_t number) { return hash128({reinterpret_cast<const char*>(&number), sizeof number}, 9); }

/// "30 …" is the direction of thirty degrees; so how near two texts are is known. "stuck" waits until it is let go.
class Compass final : public cache::Embedder {
  public:
    static std::counting_semaphore<1 << 20> lets_go;
    static std::atomic<int> stuck;
    [[nodiscard]] size_t dimensions() const noexcept override { return 2; }
    void embed(std::string_view text, std::span<float> into) const override {
        into[0] = into[1] = 0;
        if (text == "stuck") {
            stuck += 1;
            lets_go.acquire();
            return;
        }
        int degrees = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), degrees).ec != std::errc()) return;
        into[0] = std::cos(static_cast<float>(degrees) * 3.14159265f / 180);
        into[1] = std::sin(static_cast<float>(degrees) * 3.14159265f / 180);
    }
};
std::counting_semaphore<1 << 20> Compass::lets_go{0};
std::atomic<int> Compass::stuck{0};

std::unique_ptr<cache::Embedder> make_compass() { return std::make_unique<Compass>(); }

std::shared_ptr<const SemanticPlan> terms_of(float similarity_min = 0.9f, bool only_counts = false) {
    return std::make_shared<SemanticPlan>(SemanticPlan{
        .bytes_max = 1 << 20, .ttl_ms = 60'000, .similarity_min = similarity_min, .only_counts = only_counts});
}

cache::AnswerPtr answer_of(std::string body, uint64_t now_ms, std::string scope = "alice") {
    auto answer = std::make_shared<cache::Answer>();
    answer->scope = answer->tenant = std::move(scope);
    answer->model = "m";
    answer->body = std::move(body);
    answer->stored_ms = now_ms;
    answer->fresh_until_ms = answer->kept_until_ms = now_ms + 60'000;
    return answer;
}

/// A shard on a thread of its own, which does what it is told by letter.
class Loop {
  public:
    Loop(CacheShards& shards, uint32_t index) : shard_(index, {.ring_entries = 64, .buffer_count = 16}) {
        shards.set_mailbox(index, shard_.mailbox());
        std::promise<bool> opened;
        std::future<bool> is_open = opened.get_future();
        thread_ = std::thread([this, &opened] {
            opened.set_value(shard_.open().has_value());
            shard_.run([] { return true; }, [](uint64_t) {});
            shard_.close();
        });
        EXPECT_TRUE(is_open.get());
    }
    ~Loop() {
        shard_.mailbox().post([this] { shard_.stop(); });
        thread_.join();
    }
    template <class Do>
    void run(Do what) {
        std::promise<void> done;
        shard_.mailbox().post([&] {
            what();
            done.set_value();
        });
        done.get_future().wait();
    }
    [[nodiscard]] io::Shard& shard() noexcept { return shard_; }

  private:
    io::Shard shard_;
    std::thread thread_;
};

struct Came {
    bool asked = false;
    bool late = false;
    float similarity = 0;
    std::string body;  // "": nothing was found
};

/// One question. Made and ended on its shard.
class Asking final : public SemanticAsker {
  public:
    Asking(SemanticCache& cache, io::Shard& shard, const cache::Key& partition, std::string scope, std::string text)
        : visit_(*this, cache, shard, partition, std::move(scope), std::move(text)) {}
    void begin(const SemanticPlan& terms, uint64_t stored_from_ms = 0) {
        came_.asked = visit_.ask(terms, stored_from_ms);
        if (!came_.asked) done_.set_value();
    }
    void on_semantic_answer() noexcept override {
        const SemanticTicketPtr ticket = visit_.take_answer();
        came_.late = ticket == nullptr;
        if (ticket != nullptr && ticket->found != nullptr) came_.body = ticket->found->body;
        if (ticket != nullptr) came_.similarity = ticket->similarity;
        done_.set_value();
    }
    const Came& wait() {
        done_.get_future().wait();
        return came_;
    }

  private:
    SemanticVisit visit_;
    Came came_;
    std::promise<void> done_;
};

class Semantic : public testing::Test {
  protected:
    Semantic() { shards.set_semantic(cache); }
    ~Semantic() override {
        Compass::lets_go.release(1000);
        cache.stop();  // before the shards' mailboxes go
        while (Compass::lets_go.try_acquire()) {
        }
        Compass::stuck = 0;
    }
    void put(uint64_t number, std::string text, uint64_t purges_seen = 0) {
        loop.run([&] {
            Asking keeper(cache, loop.shard(), partition, "alice", text);
            SemanticVisit visit(keeper, cache, loop.shard(), partition, "alice", std::move(text));
            visit.keep(*terms_of(), key_of(number),
                       answer_of("answer " + std::to_string(number), loop.shard().timers().now_ms()), purges_seen);
        });
    }
    void expect_entries(uint64_t count) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (cache.totals().entries != count && std::chrono::steady_clock::now() < until) std::this_thread::yield();
        EXPECT_EQ(cache.totals().entries, count);
    }
    /// Whatever it is, of any size and age.
    void put_answer(uint64_t number, std::string text, cache::AnswerPtr answer) {
        const uint64_t fresh_until_ms = answer->stored_ms + 60'000;
        cache.put({.partition = partition,
                   .entry = {.key = key_of(number),
                             .scope = "alice",
                             .text = std::move(text),
                             .answer = std::move(answer),
                             .fresh_until_ms = fresh_until_ms}});
    }
    /// A question that is not too old however long it waits, and whose answer nobody waits for.
    [[nodiscard]] SemanticTicketPtr patient(std::string text) const {
        auto ticket = std::make_shared<SemanticTicket>();
        ticket->partition = partition;
        ticket->scope = "alice";
        ticket->text = std::move(text);
        ticket->asked_ms = UINT64_MAX / 2;
        return ticket;
    }
    static void expect_stuck(int count) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (Compass::stuck < count && std::chrono::steady_clock::now() < until) std::this_thread::yield();
        EXPECT_EQ(Compass::stuck, count);
    }
    Came ask(std::string text, std::string scope = "alice", std::shared_ptr<const SemanticPlan> terms = terms_of(),
             uint64_t stored_from_ms = 0) {
        std::unique_ptr<Asking> asking;
        loop.run([&] {
            asking = std::make_unique<Asking>(cache, loop.shard(), partition, std::move(scope), std::move(text));
            asking->begin(*terms, stored_from_ms);
        });
        const Came came = asking->wait();
        loop.run([&] { asking.reset(); });
        return came;
    }

    CacheShards shards{1};
    Loop loop{shards, 0};
    SemanticCache cache{shards, make_compass()};
    cache::Key partition = key_of(77);
};

TEST_F(Semantic, GivesTheNearestThatIsNearEnough) {
    cache.set_terms(terms_of());
    put(1, "30");
    put(2, "60");
    expect_entries(2);
    const Came came = ask("30");
    EXPECT_EQ(came.body, "answer 1");
    EXPECT_FLOAT_EQ(came.similarity, 1);
    EXPECT_EQ(ask("60").body, "answer 2");
    EXPECT_EQ(ask("30", "bob").body, "") << "it is not his";
    EXPECT_EQ(ask("nothing to go by").body, "");
    EXPECT_EQ(ask("150").body, "");
    partition = key_of(78);
    EXPECT_EQ(ask("30").body, "") << "all else is not the same";
    EXPECT_EQ(cache.facts().lookups, 5u);
    EXPECT_EQ(cache.facts().nearest_sum, 1000u + 1000 + 0) << "and of what was furthest away";
}

/// The texts are as near as can be, and a number in them is another.
TEST_F(Semantic, WhatTheVetoRefusesIsNotGivenHoweverNear) {
    cache.set_terms(terms_of());
    put(1, "30 is what I ask for, not 7");
    expect_entries(1);
    EXPECT_EQ(ask("30 is what I ask for, not 8").body, "");
    uint64_t vetoes = 0;
    for (const auto& one : cache.facts().vetoes) vetoes += one.count;
    EXPECT_EQ(vetoes, 1u);
    EXPECT_EQ(ask("30 is what I ask for, not 7").body, "answer 1");
}

TEST_F(Semantic, InItsShadowNobodyIsGivenAnythingAndNobodyWaits) {
    const auto terms = terms_of(0.9f, true);
    cache.set_terms(terms);
    put(1, "30");
    expect_entries(1);
    EXPECT_FALSE(ask("30", "alice", terms).asked);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (cache.facts().would_hit == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_EQ(cache.facts().would_hit, 1u);
}

TEST_F(Semantic, WithoutTermsNothingIsKeptOrFound) {
    cache.set_terms(nullptr);
    cache.set_terms(terms_of());
    put(1, "30");
    expect_entries(1);
    cache.set_terms(nullptr);
    EXPECT_EQ(ask("30").body, "");
    expect_entries(0);
    cache.set_terms(terms_of());
    EXPECT_EQ(ask("30").body, "") << "it does not come back";
    put(3, "30");
    expect_entries(1);
    cache.set_terms(terms_of(0.5f));
    EXPECT_EQ(ask("30").body, "answer 3") << "another threshold keeps what there is";
}

TEST_F(Semantic, APurgeMeetsWhatIsKeptAndWhatWasUnderWay) {
    cache.set_terms(terms_of());
    put(1, "30");
    expect_entries(1);
    shards.purge({.tenant = "bob"});
    EXPECT_EQ(ask("30").body, "answer 1");
    shards.purge({.by_key = true, .key = key_of(1)});
    EXPECT_EQ(ask("30").body, "");
    expect_entries(0);
    put(2, "40", 0);  // its request began before the purges
    put(3, "50", 2);
    expect_entries(1);
    EXPECT_EQ(ask("40").body, "");
    EXPECT_EQ(ask("50").body, "answer 3");
}

TEST_F(Semantic, WhoeverIsStuckAnswersLateAndKeepsNobody) {
    cache.set_terms(terms_of());
    put(1, "30");
    expect_entries(1);
    EXPECT_TRUE(ask("stuck").late);
    EXPECT_TRUE(ask("30").late) << "behind it";
    EXPECT_EQ(cache.facts().late, 2u);
    Compass::lets_go.release();
    EXPECT_EQ(ask("30").body, "answer 1") << "and what came too late was not looked at";
    EXPECT_EQ(cache.facts().lookups, 1u) << "of one that has nothing to go by nothing is looked for";
}

TEST_F(Semantic, WhoFindsTheLineFullGoesOnAtOnce) {
    cache.set_terms(terms_of());
    std::vector<std::unique_ptr<Asking>> line;
    loop.run([&] {
        line.push_back(std::make_unique<Asking>(cache, loop.shard(), partition, "alice", "stuck"));
        line.back()->begin(*terms_of());
    });
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (Compass::stuck == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    loop.run([&] {
        for (size_t i = 0; i < SemanticCache::questions_max; ++i) {
            line.push_back(std::make_unique<Asking>(cache, loop.shard(), partition, "alice", "30"));
            line.back()->begin(*terms_of());
        }
    });
    EXPECT_FALSE(ask("30").asked);
    EXPECT_GE(cache.facts().late, 1u);
    for (const auto& one : line) EXPECT_TRUE(one->wait().late);
    loop.run([&] { line.clear(); });
}

TEST_F(Semantic, WhatWaitsToBeKeptIsBounded) {
    cache.set_terms(terms_of());
    EXPECT_TRUE(ask("stuck").late);
    for (uint64_t i = 0; i < SemanticCache::puts_max + 5; ++i) put(i, std::to_string(i % 360));
    EXPECT_EQ(cache.facts().put_dropped, 5u);
}

/// Questions that never end keep no answer from being kept.
TEST_F(Semantic, AfterSomeQuestionsOneIsKept) {
    cache.set_terms(terms_of());
    ASSERT_TRUE(cache.ask(patient("stuck")));
    expect_stuck(1);  // which was taken while nothing was to be kept
    for (uint64_t i = 0; i < 2; ++i) put(i, std::to_string(30 + i));
    constexpr int in_row = SemanticCache::questions_per_put;
    for (int i = 0; i < 2 * in_row + 1; ++i) ASSERT_TRUE(cache.ask(patient("stuck")));
    Compass::lets_go.release(in_row);
    expect_stuck(1 + in_row);
    EXPECT_EQ(cache.totals().entries, 0u);
    Compass::lets_go.release();
    expect_stuck(1 + in_row + 1);
    EXPECT_EQ(cache.totals().entries, 1u) << "before the next of the questions";
}

TEST_F(Semantic, WhatIsOverGoesWhileThereAreQuestions) {
    cache.set_terms(terms_of());
    loop.run([&] { put_answer(1, "30", answer_of("old", loop.shard().timers().now_ms() - 59'700)); });
    expect_entries(1);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (cache.totals().expired == 0 && std::chrono::steady_clock::now() < until)
        (void)cache.ask(patient("40"));  // always one in the line
    EXPECT_EQ(cache.totals().expired, 1u);
}

TEST_F(Semantic, WhatWasForgottenIsNotLookedAt) {
    cache.set_terms(terms_of());
    ASSERT_TRUE(cache.ask(patient("stuck")));
    expect_stuck(1);
    const SemanticTicketPtr forgotten = patient("stuck");
    ASSERT_TRUE(cache.ask(forgotten));
    forgotten->is_forgotten = true;
    const SemanticTicketPtr last = patient("stuck");
    ASSERT_TRUE(cache.ask(last));
    Compass::lets_go.release();
    expect_stuck(2);
    EXPECT_EQ(forgotten.use_count(), 1) << "it was passed over";
    EXPECT_GT(last.use_count(), 1);
}

TEST_F(Semantic, OneThatIsLargerThanTheLineIsTakenWhereTheLineIsEmpty) {
    auto terms = std::make_shared<SemanticPlan>(*terms_of());
    terms->bytes_max = 256 << 20;
    cache.set_terms(terms);
    cache::AnswerPtr answer;
    loop.run([&] {
        answer = answer_of(std::string(SemanticCache::put_bytes_max + 1, 'x'), loop.shard().timers().now_ms());
    });
    put_answer(1, "40", answer);
    expect_entries(1);
    EXPECT_EQ(cache.facts().put_dropped, 0u);
    ASSERT_TRUE(cache.ask(patient("stuck")));
    expect_stuck(1);
    put_answer(3, "50", answer);
    put_answer(4, "60", answer);
    EXPECT_EQ(cache.facts().put_dropped, 1u) << "behind another";
}

/// A reload while an answer is under way: its request began when the time was longer.
TEST_F(Semantic, NothingIsFoundForLongerThanTheTimeInForce) {
    cache.set_terms(terms_of());
    auto brief = std::make_shared<SemanticPlan>(*terms_of());
    brief->ttl_ms = 300;
    cache.set_terms(brief);
    put(1, "30");  // with the terms before
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (cache.totals().expired == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_EQ(cache.totals().expired, 1u);
    expect_entries(0);
}

TEST_F(Semantic, WhoWantsAYoungAnswerGetsOneThoughAnOlderComesFirst) {
    cache.set_terms(terms_of());
    uint64_t now_ms = 0;
    loop.run([&] { now_ms = loop.shard().timers().now_ms(); });
    put_answer(1, "30", answer_of("old", now_ms - 1000));
    put_answer(2, "30", answer_of("young", now_ms));
    expect_entries(2);
    EXPECT_EQ(ask("30").body, "old");
    EXPECT_EQ(ask("30", "alice", terms_of(), now_ms - 500).body, "young");
    EXPECT_EQ(ask("30", "alice", terms_of(), now_ms + 1).body, "");
}

/// A provider's vectors of another length are another model's; one of before does not bring that back.
TEST_F(Semantic, AnotherLengthBeginsAnewOnlyWhereItIsTheNewest) {
    SemanticPlan terms = *terms_of();
    auto embedding = std::make_shared<EmbeddingPlan>();
    embedding->identity = 5;
    terms.embedding = embedding;
    cache.set_terms(std::make_shared<SemanticPlan>(terms));
    uint64_t now_ms = 0;
    loop.run([&] { now_ms = loop.shard().timers().now_ms(); });
    uint64_t number = 0;
    const auto keep = [&](size_t dimensions, uint64_t made_ms) {
        auto answer = answer_of("it", now_ms);
        const uint64_t fresh_until_ms = answer->stored_ms + 60'000;
        number += 1;
        cache.put({.partition = partition,
                   .entry = {.key = key_of(number),
                             .scope = "alice",
                             .text = std::to_string(number),
                             .answer = std::move(answer),
                             .fresh_until_ms = fresh_until_ms},
                   .embedder = embedding->identity,
                   .vector = std::make_shared<std::vector<float>>(dimensions, 1.0f),
                   .made_ms = made_ms});
    };
    keep(8, 100);
    keep(8, 110);
    expect_entries(2);
    keep(16, 120);
    keep(16, 130);
    keep(8, 110);  // a shard knew it still
    keep(8, 130);  // or its answer came late
    keep(16, 90);  // of the right length it is welcome, however old
    expect_entries(3);
    keep(8, 131);
    expect_entries(1);
}

TEST_F(Semantic, WhoLeavesIsNotToldAndAfterItsEndNobodyIsAsked) {
    cache.set_terms(terms_of());
    loop.run([&] {
        Asking leaves(cache, loop.shard(), partition, "alice", "30");
        leaves.begin(*terms_of());
    });
    EXPECT_TRUE(ask("30").asked);
    cache.stop();
    EXPECT_FALSE(ask("30").asked);
    put(1, "30");
    EXPECT_EQ(cache.facts().put_dropped, 1u);
    cache.set_terms(terms_of());  // too late, and no harm
}

/// What this is for is ThreadSanitizer; without it, that answers are those of their questions.
TEST(SemanticThreads, ShardsAskFillAndArePurgedAtOnce) {
    constexpr uint32_t shard_count = 3;
    constexpr int steps = 1500;
    CacheShards shards(shard_count);
    std::vector<std::unique_ptr<Loop>> loops;
    SemanticCache cache(shards, make_compass());
    shards.set_semantic(cache);
    for (uint32_t i = 0; i < shard_count; ++i) loops.push_back(std::make_unique<Loop>(shards, i));
    cache.set_terms(terms_of(0.999f));
    std::atomic<int> wrong = 0, found = 0;
    std::atomic<uint32_t> busy = shard_count;
    std::atomic<uint64_t> purges = 0;
    std::vector<std::thread> drivers;
    for (uint32_t i = 0; i < shard_count; ++i)
        drivers.emplace_back([&, i] {
            std::mt19937_64 random(i);
            Loop& loop = *loops[i];
            for (int step = 0; step < steps; ++step) {
                const uint64_t number = random() % 90;
                const std::string text = std::to_string(number * 4);
                std::unique_ptr<Asking> asking;
                loop.run([&] {
                    asking = std::make_unique<Asking>(cache, loop.shard(), key_of(number % 3), "alice", text);
                    asking->begin(*terms_of(0.999f));
                });
                const bool leaves = random() % 8 == 0;
                if (!leaves) {
                    const Came& came = asking->wait();
                    wrong += !came.body.empty() && came.body != "answer " + std::to_string(number);
                    found += !came.body.empty();
                }
                loop.run([&] {
                    asking.reset();
                    cache.put({.partition = key_of(number % 3),
                               .entry = {.key = key_of(number),
                                         .scope = "alice",
                                         .text = text,
                                         .answer = answer_of("answer " + std::to_string(number),
                                                             loop.shard().timers().now_ms()),
                                         .fresh_until_ms = loop.shard().timers().now_ms() + random() % 50},
                               .purges_seen = purges});
                });
            }
            busy -= 1;
        });
    for (int i = 0; busy > 0; ++i) {
        shards.purge({.model = i % 2 == 0 ? "m" : "other"});
        purges += 1;
        if (i % 16 == 15) cache.set_terms(terms_of(0.999f, i % 32 == 31));
        EXPECT_LE(cache.facts().bytes, uint64_t{1} << 20);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the pace of it
    }
    for (std::thread& one : drivers) one.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(found, 0);
    cache.stop();
}

}  // namespace
}  // namespace loom::proxy

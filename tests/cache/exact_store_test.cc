#include "loom/cache/exact_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace loom::cache {
namespace {

constexpr uint64_t hour_ms = 3'600'000;

Key key_of(uint64_t number) { return hash128({reinterpret_cast<const char*>(&number), sizeof number}, 42); }

AnswerPtr answer(size_t body_bytes, std::string scope = "s", std::string model = "m", std::string tenant = "t",
                 uint64_t kept_until_ms = hour_ms) {
    auto made = std::make_shared<Answer>();
    made->scope = std::move(scope);
    made->tenant = std::move(tenant);
    made->model = std::move(model);
    made->body.assign(body_bytes, 'b');
    made->fresh_until_ms = kept_until_ms;
    made->kept_until_ms = kept_until_ms;
    return made;
}

TEST(ExactStore, FindsWhatWasPutUntilItIsOver) {
    ExactStore store(1 << 20);
    EXPECT_EQ(store.find(key_of(1), "s", 0), nullptr);
    const AnswerPtr one = answer(100, "s", "m", "t", 50);
    store.put(key_of(1), one);
    EXPECT_EQ(store.find(key_of(1), "s", 49), one);
    EXPECT_EQ(store.find(key_of(1), "s", 50), nullptr);
    EXPECT_EQ(store.counts().entries, 0u);
    EXPECT_EQ(store.counts().expired, 1u);
}

TEST(ExactStore, NobodyFindsAnothersWhateverTheKey) {
    ExactStore store(1 << 20);
    store.put(key_of(1), answer(100, "tenant/a"));
    EXPECT_EQ(store.find(key_of(1), "tenant/b", 0), nullptr);
    EXPECT_EQ(store.find(key_of(1), "", 0), nullptr);
    EXPECT_NE(store.find(key_of(1), "tenant/a", 0), nullptr);
}

TEST(ExactStore, TheLastAnswerCounts) {
    ExactStore store(1 << 20);
    store.put(key_of(1), answer(100));
    const AnswerPtr last = answer(5000);
    store.put(key_of(1), last);
    EXPECT_EQ(store.find(key_of(1), "s", 0), last);
    EXPECT_EQ(store.counts().entries, 1u);
}

TEST(ExactStore, TheBoundHoldsUnderTenTimesItsCapacity) {
    std::mt19937_64 random(11);
    for (const size_t bytes_max : {ExactStore::bytes_min, size_t{64} << 10, size_t{1} << 20, size_t{8} << 20}) {
        ExactStore store(bytes_max);
        uint64_t put_bytes = 0;
        for (uint64_t i = 0; put_bytes < 10 * bytes_max; ++i) {
            const uint64_t number = random() % 4096;
            const size_t bytes = random() % 3 == 0 ? random() % (bytes_max / 8) : random() % 2000;
            if (random() % 2 == 0) (void)store.find(key_of(number), "s", i);
            const AnswerPtr one = answer(bytes, "scope of more than fifteen bytes");
            put_bytes += entry_bytes(*one);
            store.put(key_of(number), one);
            ASSERT_LE(store.counts().bytes, bytes_max);
        }
        EXPECT_GT(store.counts().entries, 0u);
        EXPECT_GT(store.counts().evicted + store.counts().not_admitted, 0u);
    }
}

TEST(ExactStore, WhatIsLargerThanAllOfItIsNotKept) {
    ExactStore store(1 << 20);
    store.put(key_of(1), answer(2 << 20));
    EXPECT_EQ(store.find(key_of(1), "s", 0), nullptr);
    EXPECT_EQ(store.counts().too_large, 1u);
}

/// The entries' sum is what the counts say, whatever is put, found, purged and swept.
TEST(ExactStore, CountsAreThoseOfAPlainTable) {
    std::mt19937_64 random(5);
    ExactStore store(256 << 10);
    const uint64_t fixed = store.counts().bytes;
    std::unordered_map<uint64_t, AnswerPtr> last;
    for (uint64_t i = 0; i < 20'000; ++i) {
        const uint64_t number = random() % 500;
        switch (random() % 8) {
            case 0: store.purge({.model = "m" + std::to_string(random() % 5)}); break;
            case 1: (void)store.sweep(random() % 64, i); break;
            case 2:
            case 3:
            case 4: {
                const AnswerPtr found = store.find(key_of(number), "s", i);
                if (found != nullptr) EXPECT_EQ(found, last[number]);
                break;
            }
            default:
                last[number] =
                    answer(random() % 3000, "s", "m" + std::to_string(random() % 5), "t", i + random() % 4000);
                store.put(key_of(number), last[number]);
        }
    }
    uint64_t bytes = 0, entries = 0;
    while (store.sweep(1024, 0)) {
    }
    for (uint64_t number = 0; number < 500; ++number) {
        const AnswerPtr found = store.find(key_of(number), "s", 0);
        if (found == nullptr) continue;
        bytes += entry_bytes(*found);
        entries += 1;
    }
    EXPECT_EQ(store.counts().entries, entries);
    EXPECT_EQ(store.counts().bytes, fixed + bytes);
}

TEST(ExactStore, PurgesByKeyModelAndTenantAtOnce) {
    ExactStore store(1 << 20);
    const auto fill = [&store] {
        store.put(key_of(1), answer(10, "s", "gpt", "a"));
        store.put(key_of(2), answer(10, "s", "claude", "a"));
        store.put(key_of(3), answer(10, "s", "gpt", "b"));
    };
    const auto there = [&store] {
        std::string found;
        for (uint64_t i = 1; i <= 3; ++i) found += store.find(key_of(i), "s", 0) != nullptr ? '1' : '0';
        return found;
    };
    fill();
    store.purge({.by_key = true, .key = key_of(2)});
    EXPECT_EQ(there(), "101");
    fill();
    store.purge({.model = "gpt"});
    EXPECT_EQ(there(), "010");
    fill();
    store.purge({.tenant = "a"});
    EXPECT_EQ(there(), "001");
    fill();
    store.purge({.tenant = "a", .model = "gpt"});
    EXPECT_EQ(there(), "011");
    fill();
    store.purge({});
    EXPECT_EQ(there(), "000");
    fill();
    EXPECT_EQ(there(), "111");  // what comes later stays
}

TEST(ExactStore, SweepsGiveBackWhatWasPurged) {
    ExactStore store(1 << 20);
    for (uint64_t i = 0; i < 100; ++i) store.put(key_of(i), answer(100));
    const uint64_t full = store.counts().bytes;
    store.purge({});
    size_t steps = 0;
    while (store.sweep(16, 0)) steps += 1;
    EXPECT_GT(steps, 1u);
    EXPECT_EQ(store.counts().entries, 0u);
    EXPECT_LT(store.counts().bytes, full);
    EXPECT_FALSE(store.sweep(16, 0));
}

TEST(ExactStore, MorePurgesThanCanBeKeptPurgeEverything) {
    ExactStore store(1 << 20);
    store.put(key_of(1), answer(10));
    for (size_t i = 0; i <= ExactStore::purges_max; ++i) store.purge({.model = "none"});
    EXPECT_EQ(store.find(key_of(1), "s", 0), nullptr);
}

/// A working set that fits, then ten times the capacity of keys that are asked for once: of the set nearly all is still
/// there. A plain LRU would have none of it.
TEST(ExactStore, AScanLeavesWhatIsPopular) {
    constexpr size_t bytes_max = 4 << 20;
    constexpr size_t body_bytes = 2000;
    ExactStore store(bytes_max);
    const size_t set = bytes_max / entry_bytes(*answer(body_bytes)) / 2;
    const auto ask = [&](uint64_t number) {
        const bool hit = store.find(key_of(number), "s", 0) != nullptr;
        if (!hit) store.put(key_of(number), answer(body_bytes));
        return hit;
    };
    for (int round = 0; round < 5; ++round)
        for (uint64_t i = 0; i < set; ++i) ask(i);
    for (uint64_t i = 0; i < set * 20; ++i) ask(1'000'000 + i);
    size_t hits = 0;
    for (uint64_t i = 0; i < set; ++i) hits += store.find(key_of(i), "s", 0) != nullptr;
    RecordProperty("hits_percent", static_cast<int>(hits * 100 / set));
    EXPECT_GT(hits, set * 95 / 100) << hits << " of " << set;
}

/// What was popular once is forgotten when it is not asked for any more: another set takes its place.
TEST(ExactStore, ANewSetTakesThePlaceOfAnOldOne) {
    constexpr size_t bytes_max = 1 << 20;
    ExactStore store(bytes_max);
    const size_t set = bytes_max / entry_bytes(*answer(2000)) * 8 / 10;
    size_t hits = 0;
    for (uint64_t base : {0u, 1'000'000u})
        for (int round = 0; round < 60; ++round) {
            hits = 0;
            for (uint64_t i = 0; i < set; ++i) {
                const Key key = key_of(base + i);
                const bool hit = store.find(key, "s", 0) != nullptr;
                hits += hit;
                if (!hit) store.put(key, answer(2000));
            }
        }
    EXPECT_GT(hits, set * 8 / 10) << hits << " of " << set;
}

TEST(Frequency, NeverSaysLessThanWasNoted) {
    Frequency frequency(1024);
    for (uint64_t i = 0; i < 100; ++i)
        for (uint64_t times = 0; times < i % 16; ++times) frequency.note(key_of(i));
    for (uint64_t i = 0; i < 100; ++i) EXPECT_GE(frequency.of(key_of(i)), i % 16) << i;
    for (int i = 0; i < 100; ++i) frequency.note(key_of(1));
    EXPECT_EQ(frequency.of(key_of(1)), 15u);
}

TEST(Frequency, ForgetsByHalves) {
    Frequency frequency(256);
    for (int i = 0; i < 15; ++i) frequency.note(key_of(1));
    for (uint64_t i = 0; i < 256 * 10; ++i) frequency.note(key_of(1000 + i));
    EXPECT_LT(frequency.of(key_of(1)), 15u);
}

std::vector<Key> told(const ExactStore& store, uint64_t now_ms, size_t buckets) {
    std::vector<Key> keys;
    size_t at = 0;
    do
        at = store.tell_piece(at, buckets, now_ms,
                              [&keys](const Key& key, const AnswerPtr&, uint32_t) { keys.push_back(key); });
    while (at != 0);
    return keys;
}

TEST(ExactStore, TellsWhatCanBeFoundPieceByPiece) {
    ExactStore store(1 << 20);
    for (uint64_t i = 0; i < 200; ++i)
        store.put(key_of(i), answer(100, "s", i % 2 == 0 ? "even" : "odd", "t", i < 100 ? 50 : hour_ms));
    for (const size_t buckets : {1, 7, 100'000}) {
        EXPECT_EQ(told(store, 0, buckets).size(), 200u);
        EXPECT_EQ(told(store, 50, buckets).size(), 100u) << "the rest is over";
    }
    store.purge({.tenant = "", .model = "even"});
    const std::vector<Key> left = told(store, 50, 3);
    EXPECT_EQ(left.size(), 50u) << "purged, and not swept yet";
    for (const Key& key : left) EXPECT_NE(store.find(key, "s", 50), nullptr);
}

/// What stays all the time is told, however much comes and goes meanwhile.
TEST(ExactStore, TellsWhatStaysWhileOthersComeAndGo) {
    ExactStore store(4 << 20);
    for (uint64_t i = 0; i < 300; ++i) store.put(key_of(i), answer(100));
    std::vector<Key> seen;
    uint64_t more = 1000;
    size_t at = 0;
    do {
        at = store.tell_piece(at, 16, 0, [&seen](const Key& key, const AnswerPtr&, uint32_t) { seen.push_back(key); });
        for (int i = 0; i < 5; ++i) store.put(key_of(more++), answer(100));
    } while (at != 0);
    for (uint64_t i = 0; i < 300; ++i) EXPECT_EQ(std::ranges::count(seen, key_of(i)), 1) << i;
}

TEST(ExactStore, WhatIsBroughtBackTakesNobodysPlace) {
    ExactStore store(1 << 20);
    const AnswerPtr newer = answer(100), older = answer(200);
    store.put(key_of(1), newer);
    EXPECT_FALSE(store.restore(key_of(1), older, 3));
    EXPECT_EQ(store.find(key_of(1), "s", 0), newer);
    EXPECT_TRUE(store.restore(key_of(2), older, 3));
    EXPECT_EQ(store.find(key_of(2), "s", 0), older);
    store.purge({});
    EXPECT_TRUE(store.restore(key_of(1), older, 0)) << "what was purged is not there, though its memory is";
    EXPECT_EQ(store.find(key_of(1), "s", 0), older);
}

TEST(ExactStore, TheBoundHoldsForWhatIsBroughtBack) {
    ExactStore store(64 << 10);
    for (uint64_t i = 0; i < 1000; ++i) {
        (void)store.restore(key_of(i), answer(1000), 15);
        EXPECT_LE(store.counts().bytes, size_t{64} << 10);
    }
    EXPECT_GT(store.counts().entries, 10u);
}

TEST(Answer, ItsAgeIsThatOfBeforeTheRestartToo) {
    Answer one;
    one.stored_ms = 100;
    EXPECT_EQ(one.age_ms(100), 0u);
    EXPECT_EQ(one.age_ms(50), 0u);
    EXPECT_EQ(one.age_ms(150), 50u);
    one.aged_ms = 1'000'000;
    EXPECT_EQ(one.age_ms(150), 1'000'050u);
}

}  // namespace
}  // namespace loom::cache

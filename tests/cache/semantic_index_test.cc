// Who is found by what was meant, among whom, for how long, and within what memory.
#include "loom/cache/semantic_index.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "distance.h"
#include "graph.h"

namespace loom::cache {
namespace {

constexpr size_t dimensions = 40;  // no multiple of a register
constexpr uint64_t ttl_ms = 80'000;

using Vector = std::vector<float>;

Key key_of(uint64_t number) { return hash128({reinterpret_cast<const char*>(&number), sizeof number}, 5); }

Vector unit(Vector v) {
    float sum = 0;
    for (const float x : v) sum += x * x;
    for (float& x : v) x /= std::sqrt(sum);
    return v;
}

class Vectors {
  public:
    explicit Vectors(uint64_t seed) : random_(seed) {}
    Vector any(size_t size = dimensions) {
        Vector v(size);
        for (float& x : v) x = normal_(random_);
        return unit(std::move(v));
    }
    /// share 0: the same; the larger, the further away.
    Vector near(const Vector& to, float share) {
        Vector v = any(to.size());
        for (size_t i = 0; i < v.size(); ++i) v[i] = to[i] + share * v[i];
        return unit(std::move(v));
    }

  private:
    std::mt19937_64 random_;
    std::normal_distribution<float> normal_;
};

struct Made {
    std::string scope = "alice";
    std::string model = "m";
    size_t answer_bytes = 100;
    uint64_t stored_ms = 0;
};

SemanticEntry entry_of(uint64_t number, uint64_t fresh_until_ms, const Made& how = {}) {
    auto answer = std::make_shared<Answer>();
    answer->scope = answer->tenant = how.scope;
    answer->model = how.model;
    answer->body.assign(how.answer_bytes, 'x');
    answer->stored_ms = how.stored_ms;
    return {.key = key_of(number),
            .scope = how.scope,
            .text = "question " + std::to_string(number),
            .answer = std::move(answer),
            .fresh_until_ms = fresh_until_ms};
}

SemanticIndex::Options options(uint64_t bytes_max = 8 << 20, uint32_t graph_from = 64) {
    return {.dimensions = dimensions, .bytes_max = bytes_max, .ttl_ms = ttl_ms, .graph_from = graph_from};
}

const Key here = key_of(1'000'001);
const Key elsewhere = key_of(1'000'002);

TEST(Distance, EveryKernelSaysWhatThePlainOneDoes) {
    Vectors vectors(1);
    for (size_t size = vector_step; size <= 1024; size += vector_step) {
        const Vector a = vectors.any(size + 1), b = vectors.any(size + 1);
        for (const size_t skew : {0u, 1u}) {  // no alignment is needed
            double exact = 0;
            for (size_t i = 0; i < size; ++i) exact += double{a[skew + i]} * b[skew + i];
            for (const DotKernel dot : dot_kernels()) {
                if (dot == nullptr) break;
                EXPECT_NEAR(dot(a.data() + skew, b.data() + skew, size), exact, 2e-6) << size;
            }
        }
    }
}

TEST(SemanticIndex, FindsTheNearestFirst) {
    Vectors vectors(2);
    SemanticIndex index(options());
    const Vector asked = vectors.any();
    for (uint64_t i = 0; i < 20; ++i)
        index.put(here, entry_of(i, ttl_ms), vectors.near(asked, 0.05f * static_cast<float>(20 - i)), 0);
    const auto found = index.nearest(here, "alice", asked, 1);
    ASSERT_EQ(found.size(), SemanticIndex::hits_max);
    EXPECT_EQ(found[0].entry->text, "question 19");
    for (size_t i = 1; i < found.size(); ++i) EXPECT_GE(found[i - 1].similarity, found[i].similarity);
    EXPECT_GT(found[0].similarity, 0.99f);
}

TEST(SemanticIndex, TheSameVectorElsewhereOrAnothersIsNeverFound) {
    Vectors vectors(3);
    SemanticIndex index(options());
    const Vector asked = vectors.any();
    index.put(here, entry_of(1, ttl_ms, {.scope = "alice"}), asked, 0);
    EXPECT_EQ(index.nearest(here, "alice", asked, 1).size(), 1u);
    EXPECT_TRUE(index.nearest(elsewhere, "alice", asked, 1).empty());
    EXPECT_TRUE(index.nearest(here, "bob", asked, 1).empty()) << "even where the partitions' hashes met";
    EXPECT_TRUE(index.nearest(here, "", asked, 1).empty());
}

TEST(SemanticIndex, ASecondAnswerToTheSameTakesTheFirstsPlace) {
    Vectors vectors(4);
    SemanticIndex index(options());
    const Vector asked = vectors.any();
    index.put(here, entry_of(1, ttl_ms, {.model = "old"}), asked, 0);
    index.put(here, entry_of(1, 2 * ttl_ms, {.model = "new"}), asked, ttl_ms / 2);  // in a later generation
    const auto found = index.nearest(here, "alice", asked, ttl_ms / 2);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].entry->answer->model, "new");
    EXPECT_EQ(index.counts().entries, 1u);
}

/// A question that is asked again and again, by those who want a new answer.
TEST(SemanticIndex, ANewAnswerToTheSameTextGrowsNothingAndHidesNobody) {
    for (const uint32_t graph_from : {UINT32_MAX, 64u}) {
        Vectors vectors(12);
        SemanticIndex index(options(8 << 20, graph_from));
        const Vector asked = vectors.any();
        std::vector<Vector> all;
        for (uint64_t i = 0; i < 200; ++i) {
            all.push_back(vectors.near(asked, i < 100 ? 0.05f : 0.4f));
            index.put(here, entry_of(i, ttl_ms), all.back(), 0);
        }
        const SemanticCounts before = index.counts();
        for (uint64_t i = 0; i < 10'000; ++i)
            index.put(here, entry_of(i % 100, ttl_ms + i, {.model = "n", .stored_ms = i}), all[i % 100], 1);
        EXPECT_EQ(index.counts().bytes, before.bytes);
        EXPECT_EQ(index.counts().entries, 200u);
        EXPECT_EQ(index.counts().evicted, 0u);
        EXPECT_EQ(index.counts().stored, 10'200u);
        for (uint64_t i = 0; i < 200; ++i) {
            const auto found = index.nearest(here, "alice", all[i], 2);
            ASSERT_EQ(found.size(), SemanticIndex::hits_max);
            ASSERT_EQ(found[0].entry->key, key_of(i));
            EXPECT_EQ(found[0].entry->answer->model, i < 100 ? "n" : "m");
        }
        EXPECT_FALSE(index.nearest(here, "alice", all[99], ttl_ms + 9998).empty()) << "it has the new one's time";
        EXPECT_TRUE(index.nearest(here, "alice", all[99], ttl_ms + 9999).empty());
        index.purge({});
        EXPECT_EQ(index.counts().bytes, 0u);
        EXPECT_EQ(index.counts().entries, 0u);
    }
}

/// Each new answer is as large as another, so that what is told of it must be.
TEST(SemanticIndex, NewAnswersOfAnySizeAreCounted) {
    for (const uint64_t bytes_max : {SemanticIndex::bytes_min, uint64_t{1} << 20}) {
        Vectors vectors(13);
        std::mt19937_64 random(bytes_max);
        SemanticIndex index(options(bytes_max));
        std::vector<Vector> all;
        for (uint64_t i = 0; i < 20; ++i) all.push_back(vectors.any());
        for (uint64_t i = 0; i < 5000; ++i) {
            const uint64_t number = random() % all.size();
            index.put(here, entry_of(number, i + ttl_ms, {.answer_bytes = random() % 4000}), all[number], i);
            ASSERT_LE(index.counts().bytes, bytes_max) << i;
            ASSERT_LE(index.counts().entries, all.size());
            const auto found = index.nearest(here, "alice", all[number], i);
            ASSERT_FALSE(found.empty());
            ASSERT_EQ(found[0].entry->key, key_of(number));
        }
        index.purge({});
        EXPECT_EQ(index.counts().bytes, 0u);
    }
}

/// One key in two scopes: where the very same is shared, nearly the same is not.
TEST(SemanticIndex, TheSameKeyInTwoScopesIsTwoEntries) {
    Vectors vectors(14);
    SemanticIndex index(options());
    const Vector asked = vectors.any();
    index.put(here, entry_of(1, ttl_ms, {.scope = "alice"}), asked, 0);
    index.put(elsewhere, entry_of(1, ttl_ms, {.scope = "bob"}), asked, 0);
    EXPECT_EQ(index.counts().entries, 2u);
    EXPECT_EQ(index.nearest(here, "alice", asked, 1).size(), 1u);
    EXPECT_EQ(index.nearest(elsewhere, "bob", asked, 1).size(), 1u);
    index.purge({.by_key = true, .key = key_of(1)});
    EXPECT_EQ(index.counts().entries, 0u);
}

TEST(SemanticIndex, OlderOnesThatAreNearerDoNotHideAYounger) {
    Vectors vectors(15);
    SemanticIndex index(options());
    const Vector asked = vectors.any();
    for (uint64_t i = 0; i < 20; ++i)
        index.put(here, entry_of(i, ttl_ms, {.stored_ms = 10}), vectors.near(asked, 0.01f), 10);
    index.put(here, entry_of(99, ttl_ms, {.stored_ms = 20}), vectors.near(asked, 0.3f), 20);
    const auto found = index.nearest(here, "alice", asked, 21, 11);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].entry->key, key_of(99));
    EXPECT_EQ(index.nearest(here, "alice", asked, 21, 10).size(), SemanticIndex::hits_max);
    EXPECT_TRUE(index.nearest(here, "alice", asked, 21, 21).empty());
}

TEST(SemanticIndex, WhatIsOverIsNotFoundAndGoesWithItsGeneration) {
    Vectors vectors(5);
    SemanticIndex index(options());
    const Vector asked = vectors.any();
    std::vector<std::weak_ptr<const Answer>> answers;
    for (uint64_t i = 0; i < 16; ++i) {
        SemanticEntry entry = entry_of(i, i * 1000 + ttl_ms);
        answers.push_back(entry.answer);
        index.put(here, std::move(entry), asked, i * 1000);
    }
    EXPECT_EQ(index.nearest(here, "alice", asked, ttl_ms - 1).size(), SemanticIndex::hits_max);
    const auto late = index.nearest(here, "alice", asked, ttl_ms + 14'500);
    ASSERT_EQ(late.size(), 1u);
    EXPECT_EQ(late[0].entry->text, "question 15");
    index.expire(ttl_ms + 15'500);
    EXPECT_EQ(index.counts().entries, 0u);
    EXPECT_EQ(index.counts().bytes, 0u);
    EXPECT_EQ(index.counts().expired, 16u);
    EXPECT_EQ(index.counts().evicted, 0u);
    for (const auto& answer : answers) EXPECT_TRUE(answer.expired());
}

TEST(SemanticIndex, PurgesAreOfWhatTheyName) {
    Vectors vectors(6);
    const Vector asked = vectors.any();
    const auto left_after = [&](const Purge& what) {
        SemanticIndex index(options());
        for (uint64_t i = 0; i < 100; ++i)
            index.put(here, entry_of(i, ttl_ms, {.scope = i % 2 == 0 ? "alice" : "bob", .model = i < 50 ? "a" : "b"}),
                      vectors.near(asked, 0.1f), i * 500);
        index.purge(what);
        for (const std::string_view scope : {"alice", "bob"})
            for (const SemanticHit& hit : index.nearest(here, scope, asked, 50'000))
                EXPECT_FALSE(what.meets(hit.entry->key, *hit.entry->answer));
        EXPECT_EQ(index.counts().purged + index.counts().entries, 100u);
        return index.counts().entries;
    };
    EXPECT_EQ(left_after({.tenant = "alice"}), 50u);
    EXPECT_EQ(left_after({.model = "a"}), 50u);
    EXPECT_EQ(left_after({.tenant = "bob", .model = "b"}), 75u);
    EXPECT_EQ(left_after({.by_key = true, .key = key_of(7)}), 99u);
    EXPECT_EQ(left_after({}), 0u);
}

TEST(SemanticIndex, ItsMemoryIsBoundedUnderTenTimesAsMuch) {
    for (const uint64_t bytes_max : {SemanticIndex::bytes_min, uint64_t{300'000}, uint64_t{1} << 20}) {
        for (const uint64_t partitions : {1u, 50u, 1'000'000u}) {
            Vectors vectors(7);
            std::mt19937_64 random(bytes_max);
            SemanticIndex index(options(bytes_max));
            uint64_t put_bytes = 0;
            for (uint64_t i = 0; put_bytes < 10 * bytes_max; ++i) {
                SemanticEntry entry = entry_of(i, i + ttl_ms, {.answer_bytes = random() % 4000});
                put_bytes += entry_bytes(*entry.answer) + dimensions * sizeof(float);
                const Vector vector = vectors.any();
                const Key partition = key_of(2'000'000 + i % partitions);
                index.put(partition, std::move(entry), vector, i);
                ASSERT_LE(index.counts().bytes, bytes_max) << i;
                const auto found = index.nearest(partition, "alice", vector, i);
                ASSERT_FALSE(found.empty()) << i << ": what was put last is there";
                ASSERT_EQ(found[0].entry->key, key_of(i));
            }
            const SemanticCounts& counts = index.counts();
            EXPECT_EQ(counts.entries + counts.evicted + counts.expired, counts.stored);
            EXPECT_GT(counts.bytes, bytes_max / 2) << "and it is made use of";
        }
    }
}

/// What the heap itself says; under a sanitizer it says nothing.
TEST(SemanticIndex, ItTakesNoMoreThanItTells) {
    for (const uint64_t partitions : {1u, 1'000'000u}) {
        Vectors vectors(11);
        const size_t before = ::mallinfo2().uordblks;
        SemanticIndex index(options(8 << 20));
        for (uint64_t i = 0; i < 6000; ++i)
            index.put(key_of(2'000'000 + i % partitions), entry_of(i, ttl_ms), vectors.any(), 0);
        EXPECT_EQ(index.counts().evicted, 0u);
        EXPECT_LE(::mallinfo2().uordblks, before + index.counts().bytes);
    }
}

TEST(SemanticIndex, WhatIsLargerThanItsPartIsNotKept) {
    Vectors vectors(8);
    SemanticIndex index(options(SemanticIndex::bytes_min));
    index.put(here, entry_of(1, ttl_ms, {.answer_bytes = SemanticIndex::bytes_min / 4}), vectors.any(), 0);
    EXPECT_EQ(index.counts().too_large, 1u);
    EXPECT_EQ(index.counts().entries, 0u);
    EXPECT_EQ(index.counts().bytes, 0u);
}

/// Against looking at all of them, at vectors in clusters, as texts' are.
TEST(SemanticIndex, TheGraphFindsNearlyAllThatLookingThroughDoes) {
    constexpr uint64_t entries = 6000;
    constexpr size_t wanted = SemanticIndex::hits_max;
    Vectors vectors(9);
    std::vector<Vector> centres;
    for (int i = 0; i < 200; ++i) centres.push_back(vectors.any());
    SemanticIndex flat(options(256 << 20, UINT32_MAX));
    SemanticIndex graph(options(256 << 20, 64));
    for (uint64_t i = 0; i < entries; ++i) {
        const Vector vector = vectors.near(centres[i % centres.size()], 0.6f);
        flat.put(here, entry_of(i, ttl_ms), vector, 0);
        graph.put(here, entry_of(i, ttl_ms), vector, 0);
    }
    size_t same = 0, first_same = 0, all = 0;
    for (int i = 0; i < 300; ++i) {
        const Vector asked = vectors.near(centres[static_cast<size_t>(i) % centres.size()], 0.5f);
        std::vector<Key> exact;
        for (const SemanticHit& hit : flat.nearest(here, "alice", asked, 1)) exact.push_back(hit.entry->key);
        const auto found = graph.nearest(here, "alice", asked, 1);
        ASSERT_EQ(exact.size(), wanted);
        for (const SemanticHit& hit : found) same += std::ranges::count(exact, hit.entry->key);
        first_same += !found.empty() && found[0].entry->key == exact[0];
        all += wanted;
    }
    EXPECT_GE(static_cast<double>(same) / static_cast<double>(all), 0.97);
    EXPECT_GE(first_same, 297u);
}

TEST(SemanticIndex, WhatIsGoneFromAGraphHidesNobody) {
    Vectors vectors(10);
    SemanticIndex index(options());
    const Vector asked = vectors.any();
    for (uint64_t i = 0; i < 300; ++i)
        index.put(here, entry_of(i, ttl_ms, {.model = i % 2 == 0 ? "a" : "b"}), vectors.near(asked, 0.3f), 0);
    index.purge({.model = "a"});
    const auto found = index.nearest(here, "alice", asked, 1);
    EXPECT_EQ(found.size(), SemanticIndex::hits_max);
    for (const SemanticHit& hit : found) EXPECT_EQ(hit.entry->answer->model, "b");
}

std::vector<Key> told(SemanticIndex& index, size_t entries, uint64_t now_ms) {
    std::vector<Key> keys;
    SemanticIndex::Cursor at;
    while (index.tell_piece(at, entries, now_ms, [&keys](const Key&, const SemanticEntry& entry, auto vector) {
        EXPECT_EQ(vector.size(), dimensions);
        keys.push_back(entry.key);
    })) {
    }
    return keys;
}

TEST(SemanticIndex, TellsAllThatCanBeFoundPieceByPiece) {
    Vectors vectors(31);
    SemanticIndex index(options());
    EXPECT_TRUE(told(index, 4, 0).empty());
    // Of several partitions, and of several generations.
    for (uint64_t i = 0; i < 90; ++i)
        index.put(key_of(2'000'000 + i % 7), entry_of(i, i < 30 ? 100'000 : 1'000'000), vectors.any(), i * 1'000);
    for (const size_t entries : {1, 3, 32, 1000}) {
        const std::vector<Key> keys = told(index, entries, 99'999);
        EXPECT_EQ(keys.size(), 90u) << entries;
        for (uint64_t i = 0; i < 90; ++i) EXPECT_EQ(std::ranges::count(keys, key_of(i)), 1) << i;
        EXPECT_EQ(told(index, entries, 100'000).size(), 60u) << "the others are over";
    }
    index.purge({.by_key = true, .key = key_of(77)});
    EXPECT_EQ(told(index, 5, 100'000).size(), 59u);
    EXPECT_FALSE(index.has(key_of(2'000'000), key_of(77)));
    EXPECT_TRUE(index.has(key_of(2'000'000 + 78 % 7), key_of(78)));
    EXPECT_FALSE(index.has(key_of(2'000'000 + 79 % 7), key_of(78))) << "it is elsewhere";
}

/// Generations go, partitions come, and what stays is told once.
TEST(SemanticIndex, TellsWhatStaysWhileOthersComeAndGo) {
    Vectors vectors(32);
    SemanticIndex index(options());
    for (uint64_t i = 0; i < 60; ++i)
        index.put(key_of(i % 11), entry_of(i, i < 20 ? 100'000 : 1'000'000), vectors.any(), i * 1'000);
    std::vector<Key> seen;
    SemanticIndex::Cursor at;
    uint64_t more = 5'000;
    while (index.tell_piece(at, 4, 60'000,
                            [&seen](const Key&, const SemanticEntry& entry, auto) { seen.push_back(entry.key); })) {
        if (more == 5'002) index.expire(100'000);
        if (more < 5'040) {
            index.put(key_of(3'000'000 + more), entry_of(more, 1'000'000), vectors.any(), 61'000 + more);
            more += 1;
        }
    }
    for (uint64_t i = 20; i < 60; ++i) EXPECT_EQ(std::ranges::count(seen, key_of(i)), 1) << i;
    for (const Key& key : seen) EXPECT_EQ(std::ranges::count(seen, key), 1);
}

/// Of before a restart: its age counts for who wants a young one.
TEST(SemanticIndex, WhatIsOldAlreadyIsNotYoung) {
    Vectors vectors(33);
    SemanticIndex index(options());
    const Vector vector = vectors.any();
    SemanticEntry entry = entry_of(1, 1'000'000, {.stored_ms = 5'000});
    std::const_pointer_cast<Answer>(entry.answer)->aged_ms = 50'000;
    index.put(here, std::move(entry), vector, 5'000);
    EXPECT_EQ(index.nearest(here, "alice", vector, 6'000, 0).size(), 1u) << "any age will do";
    EXPECT_TRUE(index.nearest(here, "alice", vector, 6'000, 4'000).empty()) << "it is 51 s old";
}

}  // namespace
}  // namespace loom::cache

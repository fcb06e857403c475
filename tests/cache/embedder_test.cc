#include "loom/cache/embedder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "loom/base/hash.h"
#include "loom/cache/veto.h"
#include "prompt_sets.h"

namespace loom::cache {
namespace {

using test::PromptPair;
using test::read_pairs;
using Vector = std::vector<float>;

Vector embed(std::string_view text) {
    static const std::unique_ptr<Embedder> embedder = make_lexical_embedder();
    Vector vector(embedder->dimensions(), 42.0F);
    embedder->embed(text, vector);
    return vector;
}

float similarity(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0F); }
float similarity(std::string_view a, std::string_view b) { return similarity(embed(a), embed(b)); }
float length(const Vector& a) { return std::sqrt(similarity(a, a)); }

TEST(LexicalEmbedder, GivesUnitVectors) {
    EXPECT_EQ(make_lexical_embedder()->dimensions(), lexical_dimensions);
    for (const char* name : {"pairs_seen.tsv", "paraphrases_seen.tsv"})
        for (const PromptPair& pair : read_pairs(name)) EXPECT_NEAR(length(embed(pair.one)), 1.0F, 1e-5F) << pair.one;
    EXPECT_NEAR(length(embed("who are you")), 1.0F, 1e-5F);  // small words alone
    EXPECT_NEAR(length(embed(std::string(size_t{1} << 20, 'a'))), 1.0F, 1e-5F);
}

TEST(LexicalEmbedder, GivesZerosWhereThereIsNothing) {
    for (const char* text : {"", " ", "\n\t \n", "?!", "…", "\u200b"})
        EXPECT_EQ(embed(text), Vector(lexical_dimensions)) << text;
}

TEST(LexicalEmbedder, ReadsAnyBytes) {
    const std::string text = "Grüße aus Köln: 你好, «привет» \xff\xc0 `x` 5GB";
    for (size_t size = 0; size <= text.size(); ++size) {
        const Vector vector = embed(std::string(text.data(), size));
        EXPECT_TRUE(std::abs(length(vector) - 1.0F) < 1e-5F || vector == Vector(lexical_dimensions));
    }
}

/// Bit by bit what it is on every machine: vectors that were stored on one are looked up on another.
TEST(LexicalEmbedder, GivesTheSameBitsEverywhere) {
    uint64_t hash = 0;
    for (const char* text :
         {"How do I reset my password?", "Wie koche ich Reis?", "日本の首都はどこですか", "What is 5 kg in lbs?"}) {
        const Vector vector = embed(text);
        hash = hash64({reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)}, hash);
    }
    EXPECT_EQ(hash, 16904946113739216996u) << "the vectors are others than before: stored ones have to be thrown away";
}

TEST(LexicalEmbedder, PutsNearWhatSharesWords) {
    EXPECT_GT(similarity("How do I bake bread?", "What is the best way to bake bread?"), 0.99F);
    EXPECT_GT(similarity("Delete the file", "Please remove the files"), 0.97F);
    EXPECT_GT(similarity("How do I bake bread?", "How do I bake rye bread?"), 0.6F);
    EXPECT_LT(std::abs(similarity("How do I bake bread?", "Who is the mayor of Oslo?")), 0.3F);
    // Words that look alike, and the words that say least.
    EXPECT_GT(similarity("photosynthesis", "photosyntesis"), similarity("photosynthesis", "metamorphosis"));
    EXPECT_GT(similarity("a good recipe for lasagna", "a recipe for lasagna"),
              similarity("a vegan recipe for lasagna", "a recipe for lasagna"));
}

/// It is lexical: opposites are as near as anything can be, which is what the veto is for.
TEST(LexicalEmbedder, DoesNotKnowOpposites) {
    EXPECT_GT(similarity("Flights from London to Rome", "Flights from Rome to London"), 0.92F);
}

struct Recall {
    size_t pairs = 0, at_92 = 0, at_80 = 0, at_70 = 0, at_60 = 0;
};

Recall recall_of(const std::string& name) {
    Recall all;
    std::map<std::string, Recall> kinds;
    for (const PromptPair& pair : read_pairs(name)) {
        const bool passes = veto(pair.one, pair.other) == VetoReason::none;
        const float near = similarity(pair.one, pair.other);
        for (Recall* recall : {&all, &kinds[pair.kind]}) {
            recall->pairs += 1;
            recall->at_92 += passes && near >= 0.92F;
            recall->at_80 += passes && near >= 0.80F;
            recall->at_70 += passes && near >= 0.70F;
            recall->at_60 += passes && near >= 0.60F;
        }
    }
    kinds["all"] = all;
    for (const auto& [kind, recall] : kinds)
        std::printf("%-24s %-9s %3zu pairs, hits at 0.92: %3zu, at 0.8: %3zu, at 0.7: %3zu, at 0.6: %3zu\n",
                    name.c_str(), kind.c_str(), recall.pairs, recall.at_92, recall.at_80, recall.at_70, recall.at_60);
    return all;
}

/// What was measured, as a floor: near to a quarter of the pairs, most of those that differ in their surface and of
/// those in other words two. At a lower threshold it is the same, since what the veto lets pass is nearer than 0.92 to
/// this embedder.
TEST(LexicalEmbedder, FindsParaphrasesWithTheVetoInForce) {
    const Recall seen = recall_of("paraphrases_seen.tsv"), held_out = recall_of("paraphrases_held_out.tsv");
    EXPECT_GE(seen.pairs + held_out.pairs, 200u);
    EXPECT_GE(seen.at_92, 40u);
    EXPECT_GE(held_out.at_92, 15u);
}

/// The sets that must never hit, at the threshold that is the default.
TEST(LexicalEmbedder, NoPairHitsAtTheDefaultThreshold) {
    size_t pairs = 0, near = 0;
    for (const char* name : {"pairs_seen.tsv", "pairs_held_out.tsv"})
        for (const PromptPair& pair : read_pairs(name)) {
            ++pairs;
            const bool is_near = similarity(pair.one, pair.other) >= 0.92F;
            near += is_near;
            EXPECT_FALSE(is_near && veto(pair.one, pair.other) == VetoReason::none) << pair.one << " | " << pair.other;
            EXPECT_FALSE(is_near && veto(pair.other, pair.one) == VetoReason::none) << pair.other << " | " << pair.one;
        }
    std::printf("%zu pairs that need different answers, %zu of them nearer than 0.92\n", pairs, near);
    EXPECT_GE(near, pairs / 10) << "the set is too easy: similarity alone parts its pairs";
}

}  // namespace
}  // namespace loom::cache

#include "loom/guard/mask.h"

#include <gtest/gtest.h>

#include <string>

#include "../sim/random.h"
#include "loom/base/block_pool.h"
#include "loom/guard/restore.h"

namespace loom::guard::test {
namespace {

class Mask : public ::testing::Test {
  protected:
    BlockPool pool_;
    Arena arena_{pool_, 4096};
    MaskTable table_{arena_};
};

TEST_F(Mask, SameValueSameNumber) {
    EXPECT_EQ(table_.placeholder(PiiType::email, "a@b.example"), "[EMAIL_1]");
    EXPECT_EQ(table_.placeholder(PiiType::email, "c@d.example"), "[EMAIL_2]");
    EXPECT_EQ(table_.placeholder(PiiType::email, "a@b.example"), "[EMAIL_1]");
    EXPECT_EQ(table_.placeholder(PiiType::phone, "a@b.example"), "[PHONE_1]");
    EXPECT_EQ(table_.value_of("[EMAIL_2]"), "c@d.example");
    EXPECT_EQ(table_.value_of("[EMAIL_3]"), "");
    EXPECT_EQ(table_.value_of("[PHONE_2]"), "");
}

TEST_F(Mask, WhatStandsInTheDocumentIsNotGiven) {
    const std::string_view document =
        R"({"a":"[EMAIL_1] [EMAIL_x] [EMAIL_1025]","b":"\u005bEMA\u0049L_3] [PHONE_1]","c":"{\"d\":\"\\u005BIP_4]\"}"})"
        R"( [SSN_5])";
    for (size_t cut = 0; cut <= document.size(); ++cut) {
        MaskTable table(arena_);
        reserve_placeholders(document, 0, cut, table);
        reserve_placeholders(document, cut, document.size(), table);
        ASSERT_EQ(table.placeholder(PiiType::email, "a@b.example"), "[EMAIL_4]") << cut;
        ASSERT_EQ(table.placeholder(PiiType::phone, "1"), "[PHONE_2]") << cut;
        ASSERT_EQ(table.placeholder(PiiType::ip, "1"), "[IP_5]") << cut;
        ASSERT_EQ(table.placeholder(PiiType::ssn, "1"), "[SSN_6]") << cut;
        ASSERT_EQ(table.value_of("[EMAIL_1]"), "[EMAIL_1]");
        ASSERT_EQ(table.value_of("[EMAIL_4]"), "a@b.example");
    }
}

TEST_F(Mask, IsBounded) {
    for (uint32_t i = 0; i < MaskTable::value_count_max; ++i)
        EXPECT_NE(table_.placeholder(PiiType::ip, std::to_string(i)), "[IP]");
    EXPECT_EQ(table_.placeholder(PiiType::ip, "one more"), "[IP]");
    EXPECT_EQ(table_.placeholder(PiiType::ip, "7"), "[IP_8]");
    EXPECT_EQ(table_.value_of("[IP]"), "");
}

TEST_F(Mask, PartlyTellsWhatItSays) {
    EXPECT_EQ(mask_partly(PiiType::email, "ann@example.org", arena_), "a**@example.org");
    EXPECT_EQ(mask_partly(PiiType::email, "a@example.org", arena_), "*@example.org");
    EXPECT_EQ(mask_partly(PiiType::credit_card, "4111 1111 1111 1234", arena_), "**** **** **** 1234");
    EXPECT_EQ(mask_partly(PiiType::ssn, "123-45-6789", arena_), "***-**-6789");
    EXPECT_EQ(mask_partly(PiiType::api_key, "sk-secret", arena_), "*********");
    EXPECT_EQ(mask_partly(PiiType::phone, "12345678", arena_), "********");
}

TEST_F(Mask, HashDependsOnKeyAndValue) {
    constexpr uint8_t key[] = {1, 2, 3}, other[] = {1, 2, 4};
    const auto one = mask_by_hash("EMAIL", "a@b.example", key, arena_);
    EXPECT_EQ(one.size(), std::string_view("[EMAIL_0123456789abcdef]").size());
    EXPECT_EQ(one, mask_by_hash("EMAIL", "a@b.example", key, arena_));
    EXPECT_NE(one, mask_by_hash("EMAIL", "a@b.example", other, arena_));
    EXPECT_NE(one, mask_by_hash("EMAIL", "a@c.example", key, arena_));
}

TEST_F(Mask, EveryLabelFitsAPlaceholder) {
    for (uint32_t i = 0; i < pii_named_count; ++i)
        EXPECT_LE(pii_info(static_cast<PiiType>(i)).label.size() + 7, MaskTable::placeholder_bytes_max);
}

std::string restore(const MaskTable& table, std::string_view answer, std::initializer_list<size_t> cuts) {
    std::string out;
    RestoreStream stream(table);
    const auto text = [&](std::string_view part) {
        EXPECT_FALSE(part.empty());
        out += part;
    };
    size_t at = 0;
    for (size_t cut : cuts) {
        stream.feed(answer.substr(at, cut - at), text);
        EXPECT_LT(stream.held_bytes(), MaskTable::placeholder_bytes_max);
        at = cut;
    }
    stream.feed(answer.substr(at), text);
    stream.finish(text);
    return out;
}

TEST_F(Mask, RestoringIsTheSameForEveryCut) {
    (void)table_.placeholder(PiiType::email, "ann@example.org");
    (void)table_.placeholder(PiiType::it_codice_fiscale, "RCCMNL83S18D969H");
    for (const std::string_view answer : {"Dear [EMAIL_1], hello", "[EMAIL_1][EMAIL_1]", "[[EMAIL_1]]",
                                          "[EMAIL_2] [x] [ ] []", "[IT_CODICE_FISCALE_1]!", "[EMAIL_",
                                          "[AVERYLONGWORDTHATISNOPLACEHOLDERATALL] [EMAIL_1", "no brackets at all"}) {
        const std::string whole = restore(table_, answer, {});
        for (size_t first = 0; first <= answer.size(); ++first)
            for (size_t second = first; second <= answer.size(); ++second)
                ASSERT_EQ(restore(table_, answer, {first, second}), whole) << answer;
    }
    EXPECT_EQ(restore(table_, "[[EMAIL_1]] [EMAIL_2]", {}), "[ann@example.org] [EMAIL_2]");
    EXPECT_EQ(restore(table_, "[IT_CODICE_FISCALE_1]", {5}), "RCCMNL83S18D969H");
}

TEST_F(Mask, RestoringIsTheSameForWhatChanceDraws) {
    (void)table_.placeholder(PiiType::ip, "10.1.2.3");
    sim::Random random(5);
    constexpr std::string_view likely = "[]IP_1 x[IP_1]";
    for (int run = 0; run < 3000; ++run) {
        std::string answer;
        for (uint64_t left = random.below(24); left > 0; --left) answer += likely[random.below(likely.size())];
        const std::string whole = restore(table_, answer, {});
        const size_t first = random.below(answer.size() + 1);
        ASSERT_EQ(restore(table_, answer, {first, first + random.below(answer.size() - first + 1)}), whole) << answer;
    }
}

TEST(Exemptions, WholeValuesAndEndings) {
    Exemptions exempt;
    EXPECT_FALSE(exempt.has("a@b.example"));
    exempt.add("Support@Example.org");
    exempt.add("*@loom.example");
    exempt.add("10.0.0.1");
    EXPECT_TRUE(exempt.has("support@example.ORG"));
    EXPECT_TRUE(exempt.has("who@LOOM.example"));
    EXPECT_TRUE(exempt.has("10.0.0.1"));
    EXPECT_FALSE(exempt.has("0.0.0.1"));
    EXPECT_FALSE(exempt.has("10.0.0.10"));
    EXPECT_FALSE(exempt.has(""));
    EXPECT_FALSE(exempt.has("xsupport@example.org"));
}

TEST(MaskTable, OnlyWhatItKeepsHasAWayBack) {
    BlockPool pool;
    Arena arena(pool, 4096);
    MaskTable table(arena);
    EXPECT_EQ(table.placeholder(PiiType::email, "own@example.org"), "[EMAIL_1]");
    EXPECT_TRUE(table.keeps(PiiType::email, "own@example.org"));
    table.keep_no_more();
    EXPECT_EQ(table.placeholder(PiiType::email, "new@example.org"), "[EMAIL_2]");
    EXPECT_EQ(table.placeholder(PiiType::email, "new@example.org"), "[EMAIL_2]");
    EXPECT_EQ(table.placeholder(PiiType::email, "own@example.org"), "[EMAIL_1]");
    EXPECT_FALSE(table.keeps(PiiType::email, "new@example.org"));
    EXPECT_EQ(table.value_of("[EMAIL_1]"), "own@example.org");
    EXPECT_EQ(table.value_of("[EMAIL_2]"), "");
}

TEST(MaskTable, KeepsNoMoreBytesThanItSays) {
    BlockPool pool;
    Arena arena(pool, 4096);
    MaskTable table(arena);
    const std::string large(MaskTable::value_bytes_max / 2, 'x');
    EXPECT_EQ(table.placeholder(PiiType::secret, large + "1"), "[SECRET_1]");
    EXPECT_EQ(table.placeholder(PiiType::secret, large + "2"), "[SECRET]");
    EXPECT_EQ(table.placeholder(PiiType::secret, "short"), "[SECRET_2]");
}

TEST(Placeholder, IsFoundWhereItIsWholeAndWaitedForWhereItMayBecomeOne) {
    const auto found = find_placeholder("a [b [EMAIL_1] c", 0, false);
    ASSERT_TRUE(found && found->whole);
    EXPECT_EQ(found->begin, 5u);
    EXPECT_EQ(found->end, 14u);
    for (const std::string_view open : {"a [", "a [EMAIL", "a [EMAIL_1"}) {
        const auto waits = find_placeholder(open, 0, false);
        ASSERT_TRUE(waits && !waits->whole) << open;
        EXPECT_EQ(waits->begin, 2u) << open;
        EXPECT_FALSE(find_placeholder(open, 0, true)) << open;
    }
    EXPECT_EQ(find_placeholder("a [much that is none", 0, false)->begin, 20u);
}

}  // namespace
}  // namespace loom::guard::test

// What guards outside of Loom answer, and all that is no answer.
#include "loom/guard/external.h"

#include <gtest/gtest.h>

#include <array>

namespace loom::guard {
namespace {

constexpr std::array<uint32_t, 2> texts = {10, 300};

Result<ExternalVerdict> webhook(std::string_view document) {
    static ExternalReader reader;
    return reader.read_webhook(document, texts);
}
Result<ExternalVerdict> moderated(std::string_view document, const ModerationTerms& terms = {}, size_t count = 1) {
    static ExternalReader reader;
    return reader.read_moderations(document, count, terms);
}
std::string result_of(std::string_view flags, std::string_view scores = "{}", bool flagged = true) {
    return R"({"flagged":)" + std::string(flagged ? "true" : "false") + R"(,"categories":)" + std::string(flags) +
           R"(,"category_scores":)" + std::string(scores) + "}";
}
std::string results(const std::string& list) {
    return R"({"id":"modr-1","model":"omni-moderation-latest","results":[)" + list + "]}";
}

TEST(ExternalGuard, AVerdictIsOneOfThree) {
    EXPECT_EQ(webhook(R"({"verdict":"allow"})")->result, GuardResult::allow);
    const auto blocked = webhook(R"({"verdict":"block","reason":"jailbreak.v2","more":[1,{"a":null}]})");
    ASSERT_TRUE(blocked);
    EXPECT_EQ(blocked->result, GuardResult::block);
    EXPECT_EQ(blocked->reason, "jailbreak.v2");
    const auto masked = webhook(
        R"({"verdict":"mask","spans":[{"text":1,"begin":20,"end":30,"type":"us ssn"},{"text":0,"begin":0,"end":10}]})");
    ASSERT_TRUE(masked);
    ASSERT_EQ(masked->spans.size(), 2U);
    EXPECT_EQ(masked->spans[0].text, 0U);
    EXPECT_EQ(masked->spans[0].label, "[MASKED]");
    EXPECT_EQ(masked->spans[1].label, "[US_SSN]");
}

TEST(ExternalGuard, WhatIsNoAnswer) {
    for (const std::string_view document : {
             "",
             "null",
             "[]",
             "{}",
             "<html>",
             R"({"verdict":true})",
             R"({"verdict":"Allow"})",
             R"({"verdict":"allow")",
             R"({"verdict":"allow","verdict":"block"})",
             R"({"verdict":"mask"})",
             R"({"verdict":"mask","spans":[]})",
             R"({"verdict":"mask","spans":{}})",
             R"({"verdict":"mask","spans":[1]})",
             R"({"verdict":"mask","spans":[{"text":0,"begin":0}]})",
             R"({"verdict":"mask","spans":[{"text":2,"begin":0,"end":1}]})",
             R"({"verdict":"mask","spans":[{"text":0,"begin":0,"end":11}]})",
             R"({"verdict":"mask","spans":[{"text":0,"begin":5,"end":5}]})",
             R"({"verdict":"mask","spans":[{"text":0,"begin":6,"end":5}]})",
             R"({"verdict":"mask","spans":[{"text":0,"begin":-1,"end":5}]})",
             R"({"verdict":"mask","spans":[{"text":0,"begin":0.5,"end":5}]})",
             R"({"verdict":"mask","spans":[{"text":0,"begin":"0","end":5}]})",
             R"({"verdict":"mask","spans":[{"text":4294967296,"begin":0,"end":5}]})",
             R"({"verdict":"mask","spans":[{"text":0,"begin":0,"end":18446744073709551615}]})",
             R"({"verdict":"mask","spans":[{"text":0,"begin":0,"begin":1,"end":5}]})",
         }) {
        const auto read = webhook(document);
        ASSERT_FALSE(read) << document;
        EXPECT_EQ(read.error().side, Side::upstream) << document;
        EXPECT_NE(std::string_view(read.error().what), "") << document;
    }
    std::string deep = R"({"verdict":"allow","more":)" + std::string(2000, '[') + std::string(2000, ']') + "}";
    EXPECT_FALSE(webhook(deep));
    std::string many = R"({"verdict":"mask","spans":[)";
    for (size_t i = 0; i <= ExternalReader::spans_max; ++i) many += R"({"text":0,"begin":0,"end":1},)";
    many.back() = ']';
    EXPECT_FALSE(webhook(many + "}"));
}

/// What the request may have brought about is told apart from what only the guard can.
TEST(ExternalGuard, WhatIsNoJsonIsTheGuardsOwnFault) {
    for (const char* const document : {"", "<html>", "[]", R"({"verdict":"allow")"})
        EXPECT_EQ(webhook(document).error().code, Errc::bad_message) << document;
    for (const char* const document : {"{}", R"({"verdict":"maybe"})", R"({"verdict":"mask","spans":[]})"})
        EXPECT_EQ(webhook(document).error().code, Errc::unsupported) << document;
    EXPECT_EQ(moderated("<html>").error().code, Errc::bad_message);
    EXPECT_EQ(moderated(results("")).error().code, Errc::unsupported);
}

/// Looked for among each other they would take minutes.
TEST(ExternalGuard, NamesOfCategoriesAreBounded) {
    std::string flags = "{";
    for (int i = 0; i < 150'000; ++i) flags += "\"category-" + std::to_string(1'000'000 + i) + "\":true,";
    flags.back() = '}';
    const auto blocked = moderated(results(result_of(flags)));
    ASSERT_TRUE(blocked);
    EXPECT_EQ(blocked->result, GuardResult::block);
    EXPECT_TRUE(blocked->reason.starts_with("category-1000000, category-1000001, "));
    EXPECT_LE(blocked->reason.size(), ExternalReader::reason_bytes_max);
    EXPECT_EQ(moderated(results(result_of(R"({"my name is Ann":true,"hate":true})")))->reason, "hate");
}

TEST(ExternalGuard, EveryTruncationIsNone) {
    const std::string whole =
        R"({"verdict":"mask","reason":"pii","spans":[{"text":1,"begin":2,"end":9,"type":"EMAIL"}]})";
    ASSERT_TRUE(webhook(whole));
    for (size_t end = 0; end < whole.size(); ++end) EXPECT_FALSE(webhook(whole.substr(0, end))) << end;
    const std::string other = results(result_of(R"({"hate":true})", R"({"hate":0.9})"));
    ASSERT_TRUE(moderated(other));
    for (size_t end = 0; end < other.size(); ++end) EXPECT_FALSE(moderated(other.substr(0, end))) << end;
}

TEST(ExternalGuard, AReasonThatAPersonMayHaveWrittenIsNotToldOn) {
    for (const char* const reason : {"my name is Ann", "a\\nb", "", "x\\u0000"})
        EXPECT_EQ(webhook(R"({"verdict":"block","reason":")" + std::string(reason) + "\"}")->reason, "") << reason;
    EXPECT_EQ(webhook(R"({"verdict":"block","reason":")" + std::string(65, 'a') + "\"}")->reason, "");
    EXPECT_EQ(webhook(R"({"verdict":"block","reason":7})")->reason, "");
}

TEST(ExternalGuard, SpansThatShareBytesAreOne) {
    const auto masked = webhook(
        R"({"verdict":"mask","spans":[{"text":1,"begin":8,"end":12,"type":"B"},{"text":1,"begin":2,"end":9,"type":"A"},
            {"text":1,"begin":12,"end":13,"type":"C"},{"text":0,"begin":2,"end":9}]})");
    ASSERT_TRUE(masked);
    ASSERT_EQ(masked->spans.size(), 3U);
    EXPECT_EQ(masked->spans[1].begin, 2U);
    EXPECT_EQ(masked->spans[1].end, 12U);
    EXPECT_EQ(masked->spans[1].label, "[A]");
    EXPECT_EQ(masked->spans[2].label, "[C]");
}

/// "[EMAIL_1]" is Loom's own, and would be put back in an answer.
TEST(ExternalGuard, ALabelIsNeverLikeOneOfLoomsOwn) {
    EXPECT_EQ(external_label("EMAIL_1"), "[EMAIL]");
    EXPECT_EQ(external_label("email"), "[EMAIL]");
    EXPECT_EQ(external_label("IT_Fiscal-code 2"), "[IT_FISCAL_CODE]");
    EXPECT_EQ(external_label(""), "[MASKED]");
    EXPECT_EQ(external_label("1234"), "[MASKED]");
    EXPECT_EQ(external_label("\"]}\\"), "[MASKED]");
    EXPECT_LE(external_label(std::string(500, 'a')).size(), ExternalReader::label_bytes_max);
    EXPECT_EQ(external_label("ä\n\"x"), "[X]");
}

TEST(Moderations, WhateverIsFlaggedCounts) {
    const auto clean = moderated(results(result_of(R"({"hate":false})", "{}", false)));
    ASSERT_TRUE(clean);
    EXPECT_EQ(clean->result, GuardResult::allow);
    const auto flagged = moderated(results(result_of(R"({"hate":true,"self-harm/intent":true,"illicit":null})")));
    ASSERT_TRUE(flagged);
    EXPECT_EQ(flagged->result, GuardResult::block);
    EXPECT_EQ(flagged->reason, "hate, self-harm/intent");
    const auto bare = moderated(R"({"results":[{"flagged":true}]})");
    ASSERT_TRUE(bare);
    EXPECT_EQ(bare->result, GuardResult::block);
}

TEST(Moderations, OneOfSeveralTextsIsEnough) {
    const std::string clean = result_of(R"({"hate":false})", "{}", false);
    const auto read = moderated(results(clean + "," + result_of(R"({"hate":true})") + "," + clean), {}, 3);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->result, GuardResult::block);
    EXPECT_FALSE(moderated(results(clean), {}, 3)) << "one result for each text";
    EXPECT_FALSE(moderated(results(clean + "," + clean), {}, 1));
    EXPECT_FALSE(moderated(results(""), {}, 1));
}

TEST(Moderations, OnlyTheCategoriesThatAreNamed) {
    const ModerationTerms terms{.categories = {"violence"}, .thresholds = {}};
    EXPECT_EQ(moderated(results(result_of(R"({"hate":true,"violence":false})")), terms)->result, GuardResult::allow);
    EXPECT_EQ(moderated(results(result_of(R"({"hate":true,"violence":true})")), terms)->reason, "violence");
    EXPECT_FALSE(moderated(results(result_of(R"({"hate":true})")), terms)) << "nobody would have looked for it";
    EXPECT_FALSE(moderated(R"({"results":[{"flagged":false}]})", terms));
}

TEST(Moderations, AThresholdGoesBeforeAFlag) {
    const ModerationTerms terms{.categories = {}, .thresholds = {{"violence", 0.8}}};
    const auto judged = [&](std::string_view flags, std::string_view scores) {
        return moderated(results(result_of(flags, scores, false)), terms);
    };
    EXPECT_EQ(judged(R"({"violence":true})", R"({"violence":0.79})")->result, GuardResult::allow);
    EXPECT_EQ(judged(R"({"violence":false})", R"({"violence":0.8})")->reason, "violence");
    EXPECT_EQ(judged(R"({"violence":false})", R"({"violence":1})")->result, GuardResult::block) << "an integer is one";
    EXPECT_EQ(judged(R"({"violence":false,"hate":true})", R"({"violence":0})")->reason, "hate");
    EXPECT_FALSE(judged(R"({"violence":false})", R"({"hate":0.9})"));
    EXPECT_FALSE(judged(R"({"violence":false})", R"({"violence":"0.9"})"));
    const ModerationTerms both{.categories = {"hate"}, .thresholds = {{"violence", 0.8}}};
    EXPECT_EQ(moderated(results(result_of(R"({"hate":false,"sexual":true})", R"({"violence":0.1})")), both)->result,
              GuardResult::allow);
}

TEST(Moderations, WhatIsNoAnswer) {
    for (const std::string_view document :
         {"", "{}", "[]", R"({"results":{}})", R"({"results":[1]})", R"({"results":[{}]})",
          R"({"results":[{"flagged":"true"}]})", R"({"results":[{"flagged":false,"flagged":true}]})",
          R"({"error":{"message":"x"}})", R"({"results":[{"flagged":true}],"results":[]})"})
        EXPECT_FALSE(moderated(document)) << document;
}

}  // namespace
}  // namespace loom::guard

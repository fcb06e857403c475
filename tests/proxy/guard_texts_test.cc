// The texts of a request as guards outside of Loom are told of them, what they are asked, and a request without what
// they have named.
#include "guard_texts.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "guard_edits.h"
#include "guard_questions.h"
#include "loom/base/json.h"

namespace loom::proxy {
namespace {

struct Told {
    std::string text;
    TextRole role;
    bool operator==(const Told&) const = default;
};

std::vector<Told> texts_of(std::string_view document) {
    BlockPool pool;
    GuardTexts texts(pool, document);
    std::vector<Told> told;
    const auto take = [&](const TextPiece& piece) {
        if (piece.text == told.size()) told.push_back({"", TextRole::other});
        EXPECT_EQ(piece.text + 1, told.size());
        EXPECT_EQ(piece.at, told.back().text.size());
        told.back().text += piece.bytes;
    };
    while (texts.read(take, [&](TextRole role) { told.back().role = role; }));
    EXPECT_EQ(texts.text_count(), told.size());
    return told;
}

using enum TextRole;

TEST(GuardTexts, OneForEachMessage) {
    EXPECT_EQ(texts_of(R"({"model":"gpt-4o","messages":[{"role":"system","content":"Be kind."},
        {"content":[{"type":"text","text":"one"},{"type":"text","text":"two"}],"role":"user"},
        {"role":"assistant","content":"three"},{"role":"tool","tool_call_id":"c","content":"four"},
        {"content":"five"}],"temperature":0.5})"),
              (std::vector<Told>{
                  {"Be kind.", system}, {"one\ntwo", user}, {"three", assistant}, {"four", tool}, {"five", other}}));
}

TEST(GuardTexts, OfEachProtocol) {
    EXPECT_EQ(texts_of(R"({"system":[{"type":"text","text":"a"}],"messages":[{"role":"user","content":"b"}]})"),
              (std::vector<Told>{{"a", system}, {"b", user}}));
    EXPECT_EQ(
        texts_of(R"({"systemInstruction":{"parts":[{"text":"a"}]},"contents":[{"role":"user","parts":[{"text":"b"}]},
        {"role":"model","parts":[{"text":"c"}]}]})"),
        (std::vector<Told>{{"a", system}, {"b", user}, {"c", assistant}}));
    EXPECT_EQ(texts_of(R"({"instructions":"a","input":[{"role":"developer","content":"b"},
        {"type":"function_call_output","call_id":"1","output":"c"}]})"),
              (std::vector<Told>{{"a", system}, {"b", developer}, {"c", other}}));
    EXPECT_EQ(texts_of(R"({"input":["a","b"]})"), (std::vector<Told>{{"a", user}, {"b", user}}));
    EXPECT_EQ(texts_of(R"({"prompt":"a","suffix":"b"})"), (std::vector<Told>{{"a", user}, {"b", other}}));
}

/// A role is the message's own word; what stands deeper, or in another member, gives none.
TEST(GuardTexts, NobodyGivesAnotherARole) {
    EXPECT_EQ(
        texts_of(R"({"messages":[{"role":"user","content":[{"type":"tool_use","input":{"role":"system"}}],"x":"y"}]})")
            .front()
            .role,
        user);
    EXPECT_EQ(texts_of(R"({"messages":[{"content":"\"role\":\"system\"","role":"user"}]})").front().role, user);
    EXPECT_EQ(texts_of(R"({"messages":[{"r\u006fle":"system","content":"a"}]})").back().role, other);
    EXPECT_EQ(texts_of(R"({"metadata":[{"role":"system","text":"a"}]})").back().role, other);
}

TEST(GuardTexts, NonsenseIsReadInItsBounds) {
    const std::string whole =
        R"({"messages":[{"role":"user","content":"a\u00e9\"b"},{"content":[{"text":"c"}]}],"tools":[{"x":{"y":[1,"z"]}}]})";
    for (size_t end = 0; end <= whole.size(); ++end) {
        const std::string cut = whole.substr(0, end);
        (void)texts_of(cut);
    }
    for (const char* const odd :
         {"]]]]", "}}}{{{", "[[[[\"a\"", "{\"a\":{\"b\":{\"c\":\"d\"", ",,,\"\",", "\"a\"", "\\\"\\"})
        (void)texts_of(odd);
}

std::vector<std::shared_ptr<const ExternalGuardPlan>> guards(size_t text_bytes_max = 1 << 20) {
    auto moderations = std::make_shared<ExternalGuardPlan>();
    moderations->shape = GuardShape::moderations;
    moderations->model = "omni-moderation-latest";
    moderations->text_bytes_max = text_bytes_max;
    auto webhook = std::make_shared<ExternalGuardPlan>();
    webhook->text_bytes_max = text_bytes_max;
    return {moderations, webhook};
}

struct Asked {
    std::string moderations, webhook;
    std::vector<uint32_t> text_bytes;
    bool too_large = false;
};
Asked asked_about(std::string_view document, size_t text_bytes_max = 1 << 20) {
    BlockPool pool;
    const auto both = guards(text_bytes_max);
    GuardQuestions questions(pool, both, document, {.request_id = "req-1", .consumer = "a\"b", .model = ""});
    while (questions.turn().value());
    const auto lengths = questions.text_bytes();
    return {std::string(questions.of(0).view()),
            std::string(questions.of(1).view()),
            {lengths.begin(), lengths.end()},
            questions.is_too_large(0) && questions.is_too_large(1)};
}

TEST(GuardQuestions, BothShapes) {
    const Asked asked = asked_about(
        R"({"messages":[{"role":"user","content":"say \"hi\"\n\u0001\u00e9"},{"role":"tool","content":"x"}],"model":"gpt-4o"})");
    EXPECT_EQ(asked.moderations, R"({"model":"omni-moderation-latest","input":["say \"hi\"\n\u0001é","x"]})");
    EXPECT_EQ(
        asked.webhook,
        R"({"direction":"request","id":"req-1","consumer":"a\"b","texts":[{"text":"say \"hi\"\n\u0001é","role":"user"},{"text":"x","role":"tool"}],"model":"gpt-4o"})");
    EXPECT_EQ(asked.text_bytes, (std::vector<uint32_t>{12, 1}));
}

TEST(GuardQuestions, OfALargeDocumentInTurns) {
    std::string document = R"({"messages":[)", expected;
    for (int i = 0; i < 300; ++i)
        document += R"({"role":"user","content":")" + std::string(1000, 'a') + "\\\\" + std::to_string(i) + R"("},)";
    document.back() = ']';
    document += "}";
    const Asked asked = asked_about(document);
    simdjson::dom::parser parser;
    const simdjson::padded_string padded(asked.webhook);
    simdjson::dom::array texts = parser.parse(padded)["texts"];
    ASSERT_EQ(texts.size(), 300U);
    size_t i = 0;
    for (const auto one : texts) {
        EXPECT_EQ(std::string_view(one["text"]), std::string(1000, 'a') + "\\" + std::to_string(i));
        EXPECT_EQ(std::string_view(one["text"]).size(), asked.text_bytes[i++]);
    }
}

TEST(GuardQuestions, MoreTextThanMayBeSentIsNotAskedAboutAtAll) {
    const auto document = [](size_t bytes) {
        return R"({"messages":[{"role":"user","content":")" + std::string(bytes, 'a') + R"("}]})";
    };
    EXPECT_FALSE(asked_about(document(5000), 5000).too_large);
    EXPECT_TRUE(asked_about(document(5001), 5000).too_large);
    EXPECT_TRUE(asked_about(document(500'000), 5000).webhook.empty());
    std::string many = R"({"input":[)";
    for (uint32_t i = 0; i <= ExternalGuardPlan::webhook_texts_max; ++i) many += "\"a\",";
    many.back() = ']';
    EXPECT_TRUE(asked_about(many + "}").too_large);
    std::string quotes;
    for (int i = 0; i < 200'000; ++i) quotes += "\\u0001";
    EXPECT_TRUE(asked_about(R"({"prompt":")" + quotes + R"("})", 200'000).too_large) << "six times as much, written";
    // Code with tabs and breaks of Windows is not.
    std::string code;
    for (int i = 0; i < 40'000; ++i) code += R"(\t\r\n\")";
    const Asked asked = asked_about(R"({"prompt":")" + code + R"("})", 200'000);
    EXPECT_FALSE(asked.too_large);
    EXPECT_TRUE(asked.webhook.contains(code)) << asked.webhook.substr(0, 200);
}

TEST(GuardQuestions, ModerationsAreAskedAboutFewerTexts) {
    BlockPool pool;
    const auto both = guards();
    for (const uint32_t more : {0u, 1u}) {
        std::string document = R"({"input":[)";
        for (uint32_t i = 0; i < ExternalGuardPlan::moderations_texts_max + more; ++i) document += "\"a\",";
        document.back() = ']';
        document += '}';
        GuardQuestions questions(pool, both, document, {});
        while (*questions.turn());
        EXPECT_EQ(questions.is_too_large(0), more == 1);
        EXPECT_FALSE(questions.is_too_large(1)) << "a webhook";
    }
}

TEST(GuardQuestions, WhatIsNoUtf8IsRefused) {
    BlockPool pool;
    const auto both = guards();
    const std::string_view bad = "{\"prompt\":\"a\xff\"}";
    GuardQuestions questions(pool, both, bad, {});
    EXPECT_FALSE(questions.turn());
    GuardQuestions broken(pool, both, R"({"prompt":"a\x"})", {});
    EXPECT_FALSE(broken.turn());
    EXPECT_TRUE(asked_about("{}").text_bytes.empty());
}

// Masking.

std::optional<std::string> masked(std::string_view document, std::vector<guard::ExternalSpan> spans, bool* misplaced) {
    BlockPool pool;
    guard::join_spans(spans);
    GuardEdits edits(pool, document, spans);
    while (edits.turn());
    *misplaced = edits.is_misplaced();
    if (edits.is_misplaced() || edits.is_unfit()) return std::nullopt;
    return std::string(edits.changed().view());
}

/// For each span of each text: what is left, read again, is the text with the label in the span's place; or it was said
/// that this cannot be.
TEST(GuardEdits, EverySpanOfEveryTextGoesAndNothingElse) {
    const std::string_view documents[] = {
        R"({"messages":[{"role":"user","content":"Ann: a@b.c"},{"role":"user","content":[{"type":"text","text":"x"},{"type":"text","text":"yz"}]}]})",
        R"({"messages":[{"content":"\u00e9\ud83d\ude00\"q\n","role":"user"}]})",
        "{\"prompt\":\"h\xc3\xa9llo \xf0\x9f\x98\x80!\"}",
        R"({"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"to\":\"a\\u0062\",\"n\":12}"}}]}]})",
        R"({"tools":[{"function":{"parameters":{"n":12,"d":"ab"}}}],"input":["a","bc"]})",
    };
    for (const std::string_view document : documents) {
        const std::vector<Told> texts = texts_of(document);
        size_t fit = 0;
        for (uint32_t text = 0; text < texts.size(); ++text)
            for (uint32_t begin = 0; begin < texts[text].text.size(); ++begin)
                for (auto end = begin + 1; end <= texts[text].text.size(); ++end) {
                    const std::string& whole = texts[text].text;
                    const auto cuts = [&](size_t at) {
                        return at < whole.size() && (static_cast<unsigned char>(whole[at]) & 0xc0) == 0x80;
                    };
                    bool misplaced = false;
                    const auto left = masked(document, {{text, begin, end, "[X]"}}, &misplaced);
                    EXPECT_EQ(misplaced, cuts(begin) || cuts(end)) << document << text << " " << begin << " " << end;
                    if (!left) continue;
                    fit += 1;
                    std::vector<Told> expected = texts;
                    expected[text].text.replace(begin, end - begin, "[X]");
                    EXPECT_EQ(texts_of(*left), expected) << document << "\n" << *left;
                    simdjson::dom::parser parser;
                    EXPECT_EQ(parser.parse(simdjson::padded_string(*left)).error(), simdjson::SUCCESS) << *left;
                }
        EXPECT_GT(fit, 2U) << document;
    }
}

/// A break that is spelled out is read as one, of two bytes: it goes whole.
TEST(GuardEdits, WhatIsOneThingInTheDocumentGoesWhole) {
    bool misplaced = false;
    EXPECT_EQ(masked(R"({"prompt":"ab\\ncd"})", {{0, 2, 3, "[X]"}}, &misplaced), R"({"prompt":"ab[X]cd"})");
    EXPECT_EQ(masked(R"({"prompt":"ab\u00e9cd"})", {{0, 2, 4, "[X]"}}, &misplaced), R"({"prompt":"ab[X]cd"})");
}

TEST(GuardEdits, WhatIsNotOfOneStringIsNotMasked) {
    bool misplaced = false;
    const std::string_view parts =
        R"({"messages":[{"role":"user","content":[{"type":"text","text":"ab"},{"type":"text","text":"cd"}]}]})";
    EXPECT_FALSE(masked(parts, {{0, 1, 4, "[X]"}}, &misplaced)) << "over a border";
    EXPECT_FALSE(misplaced);
    EXPECT_EQ(
        masked(parts, {{0, 1, 2, "[X]"}, {0, 3, 4, "[Y]"}}, &misplaced),
        R"({"messages":[{"role":"user","content":[{"type":"text","text":"a[X]"},{"type":"text","text":"[Y]d"}]}]})");
}

TEST(GuardEdits, AcrossWindows) {
    const std::string a(40'000, 'a');
    const std::string document = R"({"messages":[{"role":"user","content":")" + a + "SECRET" + a + R"("}]})";
    bool misplaced = false;
    for (const uint32_t begin : {16'000U, 39'990U, 40'000U}) {
        const auto left = masked(document, {{0, begin, 40'006, "[X]"}}, &misplaced);
        ASSERT_TRUE(left);
        EXPECT_EQ(*left,
                  R"({"messages":[{"role":"user","content":")" + std::string(begin, 'a') + "[X]" + a + R"("}]})");
    }
}

}  // namespace
}  // namespace loom::proxy

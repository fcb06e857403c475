// What answers say, by categories: for every cut of a stream the verdict is the whole answer's, and nothing of the
// event that brought it is told.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "answer_stream_fixture.h"

namespace loom::proxy {
namespace {

using namespace test;

GuardPlan content_plan(ContentAction action = ContentAction::block) {
    GuardPlan plan;
    ContentPlan& content = plan.answer_content.emplace();
    content.actions.fill(action);
    EXPECT_TRUE(content.words.add("project bluebird"));
    return plan;
}

std::string document_of(const Form& form, std::string_view raw) {
    return fmt::format(R"({{"choices":[{{"message":{{"{}":"{}"}}}}]}})", form.holds_json() ? "arguments" : "content",
                       raw);
}

constexpr std::string_view harmful[] = {
    "I say how to make a pipe bomb at home.",
    "a bird: I w\\u0061nt to k\\u00efll\\nmyself",
    "we must exterm\xc3\xadnate all jews, to prevent it \\ud83d\\ude00",
    "{\\\"q\\\":\\\"the Project-Bluebird\\\\n\\\"}",
    "you are such an idiot",
};
constexpr std::string_view harmless[] = {
    "To prevent it: how to make a pipe bomb at home.",
    "how to make bread, and what a bomb is",
    "{\\\"q\\\":\\\"a project of the bluebird\\\"}",
    "kill the process yourself \\ud83d\\ude00 caf\\u00e9",
};

void expect_verdict(std::string_view raw, bool blocked, GuardPlan plan) {
    Guarded guarded(std::move(plan));
    for (const Form& form : forms()) {
        (void)guarded.document(document_of(form, raw));
        ASSERT_EQ(guarded.blocked, blocked) << form.name << ' ' << raw;
        const auto expect = [&](const std::vector<size_t>& cuts) {
            const Told told = guarded.stream(form.protocol, streamed(form, raw, cuts));
            ASSERT_FALSE(told.refused);
            ASSERT_EQ(told.blocked, blocked) << form.name << ' ' << raw << told.events;
            const std::string text = joined(told.events, form.before);
            if (!blocked) ASSERT_EQ(text, raw) << form.name;
            ASSERT_TRUE(raw.starts_with(text)) << form.name << ' ' << text;
        };
        const std::vector<size_t> borders = borders_of(raw);
        for (const size_t first : borders) {
            expect({first});
            for (const size_t second : borders)
                if (second > first) expect({first, second});
            if (testing::Test::HasFatalFailure()) return;
        }
        expect(borders);
        if (testing::Test::HasFatalFailure()) return;
    }
}

TEST(AnswerContent, TheVerdictIsTheWholeAnswersForEveryCut) {
    for (const std::string_view raw : harmful) expect_verdict(raw, true, content_plan());
    for (const std::string_view raw : harmless) expect_verdict(raw, false, content_plan());
}

TEST(AnswerContent, NothingOfTheEventThatReachedItIsTold) {
    Guarded guarded(content_plan());
    for (const Form& form : forms()) {
        const auto told = [&](const std::vector<size_t>& cuts, std::string_view raw) {
            const Told all = guarded.stream(form.protocol, streamed(form, raw, cuts));
            EXPECT_TRUE(all.blocked);
            return joined(all.events, form.before);
        };
        const std::string_view raw = "I say how to make a small pipe bomb at home";
        EXPECT_EQ(told({20}, raw), "I say how to make a ") << form.name;
        EXPECT_EQ(told({22}, raw), "I say how to make a ") << form.name << ": the word at hand was held back";
        EXPECT_EQ(told({30}, raw), "I say how to make a small ") << form.name;
        EXPECT_EQ(told({6, 35}, raw), "I say how to make a small pipe ") << form.name;
        EXPECT_EQ(told({}, raw), "") << form.name;
    }
}

/// What had left stays, and the end says why: so it is told by the protocol's own word.
TEST(AnswerContent, TheStreamEndsAsAFilterEndsIt) {
    const auto end_of = [](const Form& form) -> std::string_view {
        if (form.protocol == llm::Protocol::anthropic) return R"("stop_reason":"refusal")";
        if (form.protocol == llm::Protocol::gemini) return R"("finishReason":"SAFETY")";
        return R"("finish_reason":"content_filter")";
    };
    for (const Form& form : forms()) {
        if (form.protocol == llm::Protocol::openai_responses) continue;  // its end is another event
        Guarded guarded(content_plan());
        const Told told = guarded.stream(form.protocol, streamed(form, "I want to kill myself", {14}));
        EXPECT_TRUE(told.events.contains(end_of(form))) << form.name << told.events;
    }
}

/// Events that tell a text again, whole, and an event's texts that go on with no other.
TEST(AnswerContent, WhatTellsItAgainTellsNothing) {
    Guarded guarded(content_plan());
    const std::string place = R"(,"item_id":"i","output_index":0,"content_index":0,"sequence_number":)";
    const std::string part = R"({"type":"output_text","text":"Say: I want to kill myself","annotations":[]})";
    const std::string events =
        named_event("response.output_text.delta", place + R"(4,"delta":"Say: I want to ","logprobs":[])") +
        named_event("response.output_text.delta", place + R"(5,"delta":"kill myself now","logprobs":[])") +
        named_event("response.output_text.done", place + R"(6,"text":"Say: I want to kill myself","logprobs":[])") +
        named_event("response.content_part.done", place + "7,\"part\":" + part) +
        named_event(
            "response.completed",
            R"(,"sequence_number":8,"response":{"status":"completed","incomplete_details":null,"output":[{"content":[)" +
                part + "]}]}");
    const Told told = guarded.stream(llm::Protocol::openai_responses, events);
    EXPECT_TRUE(told.blocked);
    EXPECT_EQ(joined(told.events, "\"delta\":\""), "Say: I want to ") << told.events;
    EXPECT_EQ(joined(told.events, "\"text\":\""), "") << told.events;
    EXPECT_TRUE(told.events.contains("event: response.incomplete")) << told.events;
    EXPECT_TRUE(told.events.contains(R"("reason":"content_filter")")) << told.events;
}

TEST(AnswerContent, WhatStandsBesideTheTextsIsJudgedToo) {
    Guarded guarded(content_plan());
    const auto cited = [](std::string_view text) {
        return named_event(
            "content_block_delta",
            fmt::format(R"(,"index":0,"delta":{{"type":"citations_delta","citation":{{"cited_text":"{}",)"
                        R"("title":"So \u0069t is"}}}})",
                        text));
    };
    const Told fine = guarded.stream(llm::Protocol::anthropic, cited("of bread"));
    EXPECT_EQ(fine.events, cited("of bread"));
    const Told told = guarded.stream(llm::Protocol::anthropic, cited("how to make a pipe bomb at home"));
    EXPECT_TRUE(told.blocked);
    EXPECT_FALSE(told.events.contains("how") || told.events.contains("home") || told.events.contains("t is"))
        << told.events;
    EXPECT_TRUE(told.events.contains(R"("cited_text":"")")) << told.events;
}

TEST(AnswerContent, TextsOfTheirOwnAreJudgedByThemselves) {
    Guarded guarded(content_plan());
    const auto choice = [](int index, std::string_view text) {
        return fmt::format("data: {{\"choices\":[{{\"index\":{},\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", index,
                           text);
    };
    EXPECT_FALSE(guarded.stream(llm::Protocol::openai_chat, choice(0, "how to make ") + choice(1, "a bomb ")).blocked);
    EXPECT_TRUE(
        guarded
            .stream(llm::Protocol::openai_chat, choice(0, "how to make ") + choice(1, "a bomb ") + choice(0, "a bomb "))
            .blocked);
}

TEST(AnswerContent, WhoOnlyCountsChangesNothing) {
    GuardPlan dry = content_plan();
    dry.dry_run = true;
    for (const GuardPlan& plan : {content_plan(ContentAction::log), dry}) {
        Guarded guarded(plan);
        for (const Form& form : forms()) {
            const std::string events = streamed(form, "I say how to make a pipe bomb at home", {3, 31});
            const Told told = guarded.stream(form.protocol, events);
            EXPECT_EQ(told.events, events) << form.name;
            EXPECT_FALSE(told.blocked);
        }
    }
}

TEST(AnswerContent, HoldsTheWordAtHandAndNoMore) {
    Guarded guarded(content_plan());
    const Told told = guarded.stream(llm::Protocol::openai_chat, chat_event(R"({"content":"The quick brown fo"})"));
    EXPECT_TRUE(told.events.starts_with(chat_event(R"({"content":"The quick brown "})"))) << told.events;
    std::string hidden;
    for (int i = 0; i < 2000; ++i) hidden += "\\u200b";
    const std::string raw = "I want to kill my" + hidden + "self.";
    const Told long_word = guarded.stream(llm::Protocol::openai_chat, streamed(forms()[0], raw, borders_of(raw)));
    EXPECT_TRUE(long_word.blocked);
    EXPECT_TRUE(joined(long_word.events, forms()[0].before).starts_with("I want to kill my"))
        << "a word without an end is not waited for";
}

/// Beside the others: each acts as if it were alone, and what stands first ends the stream.
TEST(AnswerContent, StandsBesidePersonalData) {
    GuardPlan plan = content_plan();
    PiiPlan& pii = plan.pii.emplace();
    pii.actions.fill(GuardAction::mask);
    pii.scanner = guard::PiiScanner(guard::PiiTypes::all());
    pii.answers = true;
    Guarded guarded(std::move(plan));
    const std::string_view raw = "to ann@example.org: I want to kill myself, bob@example.org";
    const std::string_view fine = "to ann@example.org: I want to kill time, bob@example.org";
    for (const size_t cut : borders_of(raw)) {
        const Told told = guarded.stream(llm::Protocol::openai_chat, streamed(forms()[0], raw, {cut}));
        ASSERT_TRUE(told.blocked) << cut;
        ASSERT_FALSE(told.events.contains("@") || told.events.contains("myself")) << cut << told.events;
        ASSERT_TRUE(
            std::string_view("to [EMAIL_1]: I want to kill ").starts_with(joined(told.events, forms()[0].before)))
            << cut << told.events;
    }
    for (const size_t cut : borders_of(fine)) {
        const Told told = guarded.stream(llm::Protocol::openai_chat, streamed(forms()[0], fine, {cut}));
        ASSERT_EQ(joined(told.events, forms()[0].before), "to [EMAIL_1]: I want to kill time, [EMAIL_2]") << cut;
    }
}

TEST(AnswerContent, ALongAnswerIsReadInTurns) {
    Guarded guarded(content_plan());
    std::string raw;
    while (raw.size() < 300'000) raw += "plain words of a long answer, ";
    const std::string document = document_of(forms()[0], raw);
    EXPECT_EQ(guarded.document(document), document);
    EXPECT_FALSE(guarded.blocked);
    (void)guarded.document(document_of(forms()[0], raw + "and how to make a pipe bomb " + raw));
    EXPECT_TRUE(guarded.blocked);
}

}  // namespace
}  // namespace loom::proxy

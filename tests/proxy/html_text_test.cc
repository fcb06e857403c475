// HTML in answers: taken out of their texts, however these are cut, and of nothing else.
#include "html_text.h"

#include "../sim/random.h"
#include "answer_stream_fixture.h"

namespace loom::proxy {
namespace {

using namespace test;
using guard::HtmlMode;

constexpr std::string_view texts[] = {
    "See <b onclick=\\\"x\\\">this</b><script>alert(1)</script> and a < b.",
    "\\u003cscr<b>ipt>x\\u003C/script> <<script>a</script>script>b",
    "<a href=\\\"java\\tscript:x\\\" title='\xc3\xa9\\u00e9\\ud83d\\ude00'>y</a> ann@<i>example.org",
    "<a title=\\\\n\\\" onclick=alert(1) y=\\\"x>z",
    "to Ann <[EMAIL_1]> and <ann@example.org>, <a href='[EMAIL_1]'>x</a> <script>[EMAIL_1]</script>",
    "unfinished <img src=x onerror=\\\"alert(1)",
    "a <!-- never closed <b style=x>c</b> </",
};

TEST(HtmlText, IsTakenOutForEveryCut) {
    for (const HtmlMode mode : {HtmlMode::scripts, HtmlMode::all}) {
        for (const std::string_view raw : texts) {
            SCOPED_TRACE(raw);
            expect_law({}, raw, 30, mode);
            expect_law(plan_of(GuardAction::mask), raw, 0, mode);
            expect_law(plan_of(GuardAction::mask, true), raw, 0, mode);
            if (HasFatalFailure()) return;
        }
    }
}

TEST(HtmlText, AmongOthersDrawnByChance) {
    constexpr std::string_view parts[] = {
        "<b ",      "<script>", "</script>", "onclick=x", ">",         "<",   "\\u003c",
        "<!--",     "-->",      "\\\"",      "'",         "[EMAIL_1]", " ",   "\\\\",
        "\\n",      "\\\\n",    "{",         "[",         "}",         "]",   "ann@example.org",
        "\xc3\xa9", "=",        "/",         "\\ud83d",   "style=",    "\\/", "https://e.t/"};
    sim::Random random(77);
    for (int run = 0; run < 200; ++run) {
        std::string raw;
        for (uint64_t i = random.between(2, 12); i > 0; --i) raw += parts[random.below(std::size(parts))];
        SCOPED_TRACE(raw);
        expect_law(random.chance(500) ? GuardPlan() : plan_of(GuardAction::mask, random.chance(500)), raw, 0,
                   random.chance(500) ? HtmlMode::all : HtmlMode::scripts);
        if (HasFatalFailure()) return;
    }
}

std::string answer_of(std::string_view raw) {
    return fmt::format(R"({{"choices":[{{"message":{{"content":"{}"}}}}]}})", raw);
}

/// What a browser would be shown, and not what the reader of other guards takes it for.
TEST(HtmlText, IsReadAsItIsShown) {
    Guarded guarded({});
    guarded.html = HtmlMode::scripts;
    EXPECT_EQ(guarded.document(answer_of(texts[3])), answer_of("< a title=\\\\n\\\" onclick=alert(1) y=\\\"x>z"));
    EXPECT_EQ(guarded.document(answer_of("[<a title=\\\\u0022 onclick=alert(1) x=\\\\u0022>z")),
              answer_of("[<a title=\\\\u0022  x=\\\\u0022>z"));
}

/// What other guards look for, they find behind it.
TEST(HtmlText, TagsHideNothing) {
    Guarded guarded(plan_of(GuardAction::mask));
    guarded.html = HtmlMode::all;
    EXPECT_EQ(guarded.document(answer_of("ann@<i></i>example.org")), answer_of("[EMAIL_1]"));
    const Told told = guarded.stream(llm::Protocol::openai_chat, streamed(forms()[0], "ann@<i></i>example.org", {6}));
    EXPECT_EQ(joined(told.events, forms()[0].before), "[EMAIL_1]");
    EXPECT_EQ(told.html, 2u);
}

/// Of custom types, say: what the client has sent, and may be shown as HTML.
TEST(HtmlText, ValuesWithTagsAreNotPutBack) {
    Guarded guarded(plan_of(GuardAction::mask, true), "<img src=x>");
    guarded.html = HtmlMode::all;
    const std::string raw = "a [SECRET_2] <[EMAIL_1]>";
    EXPECT_EQ(guarded.document(answer_of(raw)), answer_of("a [SECRET_2] < own@client.example>"));
    const Told told = guarded.stream(llm::Protocol::openai_chat, streamed(forms()[0], raw, {5}));
    EXPECT_EQ(joined(told.events, forms()[0].before), "a [SECRET_2] < own@client.example>");
}

TEST(HtmlText, WhatToolsAreGivenStays) {
    Guarded guarded({});
    guarded.html = HtmlMode::all;
    for (
        const std::string_view document :
        {R"({"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":"{\"html\":\"<b>x</b>\"}"}}]}}]})",
         R"({"content":[{"type":"tool_use","id":"t","name":"f","input":{"html":"<b>x</b>","<i>":["<p>"]}}]})",
         R"({"response":{"output":[{"type":"function_call","arguments":"{\"a\":\"<b>\"}"}],"metadata":{"<i>":"x"}}})",
         R"({"output":[{"type":"custom_tool_call","name":"f","input":"patch <b>x</b>"}]})",
         R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"html":"<b>x</b>"}}}]}}]})"})
        EXPECT_EQ(guarded.document(document), document);
    EXPECT_EQ(
        guarded.document(R"({"content":[{"type":"tool_use","input":{"a":"<b>"}},{"type":"text","text":"<b>x"}]})"),
        R"({"content":[{"type":"tool_use","input":{"a":"<b>"}},{"type":"text","text":"x"}]})");
    const std::string raw = "{\\\"html\\\":\\\"<b>x</b>\\\"}";
    for (const Form& form : forms()) {
        if (!form.holds_json()) continue;
        const std::string events = streamed(form, raw, {9});
        EXPECT_EQ(guarded.stream(form.protocol, events).events, events) << form.name;
    }
    const std::string place = R"(,"item_id":"i","output_index":0,"sequence_number":)";
    const std::string custom =
        named_event("response.custom_tool_call_input.delta", place + R"(1,"delta":"patch <b")") +
        named_event("response.custom_tool_call_input.delta", place + R"(2,"delta":" onclick=x>")") +
        named_event("response.custom_tool_call_input.done", place + R"(3,"input":"patch <b onclick=x>")");
    EXPECT_EQ(guarded.stream(llm::Protocol::openai_responses, custom).events, custom);
}

/// An answer that was asked for as JSON is a document.
TEST(HtmlText, AnAnswerInJsonStays) {
    Guarded guarded({});
    guarded.html = HtmlMode::all;
    guarded.expects_json = true;
    const std::string json = answer_of("\\n {\\\"html\\\":\\\"<b>x</b>\\\"}");
    EXPECT_EQ(guarded.document(json), json);
    EXPECT_EQ(guarded.document(answer_of("Here: <b>{}</b>")), answer_of("Here: {}"));
    const std::string events = streamed(forms()[0], "\\n {\\\"html\\\":\\\"<b>x</b>\\\"}", {3, 17});
    EXPECT_EQ(guarded.stream(llm::Protocol::openai_chat, events).events, events);
}

TEST(HtmlText, WhatTellsATextAgainTellsItWithout) {
    Guarded guarded(plan_of(GuardAction::mask));
    guarded.html = HtmlMode::scripts;
    const std::string place = R"(,"item_id":"i","output_index":0,"content_index":0,"sequence_number":)";
    const std::string part =
        R"({"type":"output_text","text":"I <b onclick=x>am</b> ann@example.org","annotations":[{"title":"<b style=x>t"}]})";
    const std::string events =
        named_event("response.output_text.delta", place + R"(4,"delta":"I <b oncl")") +
        named_event("response.output_text.delta", place + R"(5,"delta":"ick=x>am</b> ann@example.org")") +
        named_event("response.output_text.done", place + R"(6,"text":"I <b onclick=x>am</b> ann@example.org")") +
        named_event("response.content_part.done", place + "7,\"part\":" + part) +
        named_event("response.completed",
                    R"(,"sequence_number":8,"response":{"status":"completed","output":[{"content":[)" + part + "]}]}");
    const Told told = guarded.stream(llm::Protocol::openai_responses, events);
    EXPECT_FALSE(told.events.contains("onclick") || told.events.contains("style") || told.events.contains("ann@"))
        << told.events;
    EXPECT_EQ(joined(told.events, "\"delta\":\""), "I <b >am</b> [EMAIL_1]");
    EXPECT_EQ(joined(told.events, "\"text\":\""), "I <b >am</b> [EMAIL_1]I <b >am</b> [EMAIL_1]I <b >am</b> [EMAIL_1]");
    EXPECT_EQ(joined(told.events, "\"title\":\""), "<b >t<b >t");
    EXPECT_EQ(told.found, 1u);
}

std::string chat_with(std::string_view beside, std::string_view content, std::string_view probabilities) {
    return fmt::format(
        "data: {{\"note\":\"{}\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}},\"logprobs\":{},"
        "\"finish_reason\":null}}],\"more\":\"{}\"}}\n\n",
        beside, content, probabilities, beside);
}

/// They spell the text once more, and are left out whole: no HTML is taken out of them or counted there.
TEST(HtmlText, LogProbabilitiesAreLeftOutWhole) {
    constexpr std::string_view first = R"({"content":[{"token":"<div","logprob":-0.1}]})",
                               second = R"({"content":[{"token":"<b onclick=y>","top_logprobs":[{"token":"<"}]}]})";
    const std::string events = chat_with("<i style=x>n", "<div", first) + chat_with("", " onclick=x>y", second);
    Guarded guarded({});
    guarded.html = HtmlMode::scripts;
    const Told told = guarded.stream(llm::Protocol::openai_chat, events);
    EXPECT_EQ(told.events, chat_with("<i >n", "", "null") + chat_with("", "<div >y", "null"));
    EXPECT_EQ(told.html, 3u);
    const std::string document = fmt::format(
        R"({{"note":"<i style=x>n","choices":[{{"logprobs":{},"message":{{"content":"<b onclick=y>z"}}}}]}})", second);
    EXPECT_EQ(guarded.document(document),
              R"({"note":"<i >n","choices":[{"logprobs":null,"message":{"content":"<b >z"}}]})");
    EXPECT_EQ(guarded.html_count, 2u);

    GuardPlan dry;
    dry.dry_run = true;
    Guarded counting(dry);
    counting.html = HtmlMode::scripts;
    const Told counted = counting.stream(llm::Protocol::openai_chat, events);
    EXPECT_EQ(counted.events, events);
    EXPECT_EQ(counted.html, 3u);
}

TEST(HtmlText, LogProbabilitiesOfResponsesAreLeftOutWhole) {
    const auto events_of = [](std::string_view one, std::string_view other, std::string_view whole,
                              std::string_view title, std::string_view probabilities) {
        const std::string place = R"(,"item_id":"i","output_index":0,"content_index":0,"sequence_number":)";
        const std::string part =
            fmt::format(R"({{"type":"output_text","annotations":[{{"title":"{}"}}],"text":"{}","logprobs":{}}})", title,
                        whole, probabilities);
        return named_event("response.output_text.delta",
                           fmt::format(R"({}4,"delta":"{}","logprobs":{})", place, one, probabilities)) +
               named_event("response.output_text.delta",
                           fmt::format(R"({}5,"logprobs":{},"delta":"{}")", place, probabilities, other)) +
               named_event("response.output_text.done",
                           fmt::format(R"({}6,"text":"{}","logprobs":{})", place, whole, probabilities)) +
               named_event("response.content_part.done", fmt::format(R"({}7,"part":{})", place, part)) +
               named_event("response.completed",
                           fmt::format(R"(,"sequence_number":8,"response":{{"output":[{{"content":[{}]}}]}})", part));
    };
    Guarded guarded({});
    guarded.html = HtmlMode::scripts;
    const Told told = guarded.stream(
        llm::Protocol::openai_responses,
        events_of("a <b", " onclick=x>b", "a <b onclick=x>b", "<i style=x>t", R"([{"token":"<b","logprob":-0.1}])"));
    EXPECT_EQ(told.events, events_of("a ", "<b >b", "a <b >b", "<i >t", "[]"));
    EXPECT_EQ(told.html, 1u);
}

/// What others join has no tag where it meets.
TEST(HtmlText, TextsEndOutsideOfEveryTag) {
    Guarded guarded({});
    guarded.html = HtmlMode::scripts;
    EXPECT_EQ(
        guarded.document(R"({"content":[{"type":"text","text":"a <"},{"type":"text","text":"svg onload=alert(1)>"}]})"),
        R"({"content":[{"type":"text","text":"a < "},{"type":"text","text":"svg onload=alert(1)>"}]})");
    const Form& gemini = forms()[6];
    ASSERT_EQ(gemini.protocol, llm::Protocol::gemini);
    const std::string call =
        R"(data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]},"index":0}]})"
        "\n\n";
    const Told told =
        guarded.stream(gemini.protocol, gemini.piece("a <") + call + gemini.piece("svg onload=alert(1)>") + gemini.end);
    EXPECT_EQ(joined(told.events, gemini.before), "a < svg onload=alert(1)>");
}

/// Some providers say so in every event.
TEST(HtmlText, AnEmptyReasonEndsNoText) {
    Guarded guarded({});
    guarded.html = HtmlMode::scripts;
    const std::string chat = chat_event(R"({"content":"a<scr"})", R"("")") +
                             chat_event(R"({"content":"ipt>x</script>b <"})", R"("")") +
                             chat_event(R"({"content":"3"})", R"("")") + chat_event("{}", R"("stop")");
    const Told told = guarded.stream(llm::Protocol::openai_chat, chat);
    EXPECT_EQ(joined(told.events, "\"content\":\""), "ab <3");
    EXPECT_EQ(told.html, 1u);
}

/// Addresses beside texts are left as they are, where they are no more than that.
TEST(HtmlText, IsTakenOutOfAddresses) {
    Guarded guarded({});
    guarded.html = HtmlMode::scripts;
    const auto citation = [](std::string_view path) {
        return fmt::format(
            R"({{"choices":[{{"message":{{"annotations":[{{"url_citation":{{"url":"https://e.t/{}"}}}}]}}}}]}})", path);
    };
    EXPECT_EQ(guarded.document(citation("<svg/onload=alert(1)>x")), citation("x"));
    EXPECT_EQ(guarded.document(citation("a?b='c'>d")), citation("a?b='c'>d"));
}

TEST(HtmlText, EventsWithoutAnyPassAsTheyCame) {
    for (const HtmlMode mode : {HtmlMode::scripts, HtmlMode::all}) {
        Guarded guarded({});
        guarded.html = mode;
        for (const Form& form : forms()) {
            const std::string events = streamed(form, "a < b \\u003c3 \\\"x\\\" 1<2 \\ud83d\\ude00", {2, 6, 13});
            EXPECT_EQ(guarded.stream(form.protocol, events).events, events) << form.name;
        }
    }
}

TEST(HtmlText, ADryRunCountsAlone) {
    GuardPlan plan = plan_of(GuardAction::mask);
    plan.dry_run = true;
    Guarded guarded(plan);
    guarded.html = HtmlMode::all;
    for (const Form& form : forms()) {
        const std::string events = streamed(form, texts[0], {9});
        const Told told = guarded.stream(form.protocol, events);
        EXPECT_EQ(told.events, events) << form.name;
        EXPECT_EQ(told.html, form.holds_json() ? 0u : 3u) << form.name;
    }
    EXPECT_EQ(guarded.document(answer_of(texts[0])), answer_of(texts[0]));
}

/// Whatever the turns are: one string is larger than any, and others follow it.
TEST(HtmlText, ALargeDocumentIsReadInTurns) {
    std::string raw, left;
    for (int i = 0; i < 20'000; ++i) raw += "<b>\\u0061\xc3\xa9</b> \\n", left += "\\u0061\xc3\xa9 \\n";
    BlockPool pool;
    const auto of = [](std::string_view text) {
        return fmt::format(R"({{"a":"{0}","b":[{{"text":"<i>{0}"}}]}})", text);
    };
    const std::string document = of(raw);
    HtmlDocument strip({.mode = HtmlMode::all}, pool, document);
    int turns = 1;
    while (strip.turn()) turns += 1;
    EXPECT_GT(turns, 5);
    const std::string expected = fmt::format(R"({{"a":"{0}","b":[{{"text":"{0}"}}]}})", left);
    EXPECT_TRUE(strip.changed().view() == expected);
    EXPECT_EQ(strip.count(), 80'001u);
}

}  // namespace
}  // namespace loom::proxy

// security.strip_html: answers that are shown as HTML.
#include <fmt/format.h>

#include "fixture.h"
#include "protocols.h"

namespace loom::wire {
namespace {

size_t count_of(std::string_view text, std::string_view part) {
    size_t count = 0;
    for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) count += 1;
    return count;
}

class Html : public WireTest {
  protected:
    Html() { serve_every_protocol(conf); }
    /// The provider says so in place of "Hello world"; its stream in two pieces.
    void begin(std::string_view provider_type, std::string_view first, std::string_view second, bool stream) {
        const ProviderProtocol provider = saying(provider_protocol(provider_type), first, second);
        conf.set("provider.mock.type", provider.type);
        const auto script = answer_always(stream ? stream_answer(provider) : answer(provider.answer));
        start(script);
        upstream().set_script(script);
    }
    /// Asks in every protocol that this provider's answers may be told in.
    template <class Check>
    double ask_all(std::string_view type, bool stream, Check&& check) {
        double asked = 0;
        for (const ClientProtocol& client : client_protocols()) {
            if (!is_pair(provider_protocol(type), client)) continue;
            SCOPED_TRACE(fmt::format("{} {} {}", type, client.name, stream));
            const Message got = ask(client.ask("big", stream, ""));
            EXPECT_EQ(got.status(), 200) << got.body;
            EXPECT_TRUE(got.is_whole());
            check(got.body);
            asked += 1;
        }
        return asked;
    }
};

TEST_F(Html, ScriptsAreTakenOutOfWholeAnswersAndStreams) {
    conf.set("security.strip_html", "scripts");
    for (const char* const type : {"openai", "anthropic", "gemini"}) {
        for (const bool stream : {false, true}) {
            begin(type, "See 1 < 2 <b oncl", "ick='steal()'>bold</b> and <img src=a.png><script>evil()</script> ok",
                  stream);
            const double asked = ask_all(type, stream, [](std::string_view body) {
                EXPECT_FALSE(contains(body, "steal") || contains(body, "evil") || contains(body, "script")) << body;
                EXPECT_TRUE(contains(body, "bold") && contains(body, "a.png") && contains(body, " ok")) << body;
            });
            EXPECT_EQ(loom().eventually("loom_ai_html_detected_total"), 2 * asked);
        }
    }
    const std::string line = loom().wait_for_access_line("\"status\":200");
    EXPECT_TRUE(contains(line, R"("guard":"answer.html:2")")) << line;
    EXPECT_FALSE(contains(loom().log(), "evil()"));
}

TEST_F(Html, OfAllOnlyTextIsLeft) {
    conf.set("security.strip_html", "all");
    for (const char* const type : {"openai", "anthropic", "gemini"}) {
        for (const bool stream : {false, true}) {
            begin(type, "1 < 2 <di", "v>text</div><!-- gone -->!", stream);
            (void)ask_all(type, stream, [](std::string_view body) {
                EXPECT_FALSE(contains(body, "div") || contains(body, "gone")) << body;
                EXPECT_TRUE(contains(body, "text!") || (contains(body, "text") && contains(body, "!"))) << body;
            });
        }
    }
}

TEST_F(Html, AnswersWithoutAnyAreByteForByteWhatTheyWere) {
    for (const char* const type : {"openai", "anthropic", "gemini"}) {
        for (const bool stream : {false, true}) {
            const auto told = [&](const char* mode) {
                conf.set("security.strip_html", mode);
                begin(type, "a < b, x <3, \\u0026lt; ", "`i<=n` and <- that", stream);
                std::string all;
                (void)ask_all(type, stream, [&](std::string_view body) { all += without_times(std::string(body)); });
                return all;
            };
            const std::string plain = told("off");
            EXPECT_EQ(told("scripts"), plain) << type << stream;
            EXPECT_EQ(told("all"), plain) << type << stream;
            EXPECT_EQ(loom().metric("loom_ai_html_detected_total"), 0);
        }
    }
}

/// Deltas, and all that tells the same text again: none of it is another's business.
TEST_F(Html, ResponsesTellItWithoutWhereverTheyTellItAgain) {
    const auto event = [](std::string_view type, std::string_view rest) {
        return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\",{1}}}\n\n", type, rest);
    };
    const std::string place = R"("item_id":"i","output_index":0,"content_index":0,)";
    const std::string part =
        R"({"type":"output_text","text":"a <b onclick=evil()>b</b> <script>evil()</script>c","annotations":[]})";
    const std::string item =
        fmt::format(R"({{"id":"i","type":"message","role":"assistant","status":"completed","content":[{}]}})", part);
    const std::string call =
        R"({"id":"f","type":"function_call","call_id":"c","name":"n","arguments":"{\"html\":\"<b onclick=kept()>\"}"})";
    const std::string response = R"("response":{"id":"r","object":"response","created_at":7,"model":"m","status":)";
    const std::string events =
        event("response.created", response + R"("in_progress","output":[]},"sequence_number":0)") +
        event("response.output_text.delta", place + R"("delta":"a <b onclick=ev","sequence_number":3)") +
        event("response.output_text.delta",
              place + R"("delta":"il()>b</b> <script>evil()</script>c","sequence_number":4)") +
        event("response.output_text.done",
              place + R"("text":"a <b onclick=evil()>b</b> <script>evil()</script>c","sequence_number":5)") +
        event("response.content_part.done", fmt::format(R"({}"part":{},"sequence_number":6)", place, part)) +
        event("response.output_item.done", fmt::format(R"("output_index":0,"item":{},"sequence_number":7)", item)) +
        event("response.completed",
              fmt::format(R"({}"completed","output":[{},{}]}},"sequence_number":8)", response, item, call));
    conf.set("security.strip_html", "scripts");
    start(answer_always(sse_answer(events)));
    const Message got = ask(client_protocol("openai_responses").ask("big", true, ""));
    EXPECT_TRUE(got.is_whole());
    EXPECT_FALSE(contains(got.body, "evil") || contains(got.body, "script>")) << got.body;
    EXPECT_EQ(count_of(got.body, "<b >b</b> c"), 5u) << got.body;
    EXPECT_TRUE(contains(got.body, "<b onclick=kept()>")) << "a tool's arguments: " << got.body;
    EXPECT_EQ(loom().eventually("loom_ai_html_detected_total"), 2);
}

/// They spell the text once more: left out whole, with what HTML they hold.
TEST_F(Html, LogProbabilitiesAreLeftOut) {
    constexpr std::string_view probabilities = R"({"content":[{"token":"<div onclick=a()>","logprob":-0.1}]})";
    const auto event = [](std::string_view content, std::string_view probable, std::string_view finish) {
        return fmt::format(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",\"choices\":[{{"
            "\"index\":0,\"delta\":{{\"content\":\"{}\"}},\"logprobs\":{},\"finish_reason\":{}}}]}}\n\n",
            content, probable, finish);
    };
    const auto whole = [](std::string_view content, std::string_view probable) {
        return fmt::format(
            "{{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":7,\"model\":\"m\",\"choices\":[{{\"index\":0,"
            "\"logprobs\":{},\"message\":{{\"role\":\"assistant\",\"content\":\"{}\"}},\"finish_reason\":\"stop\"}}]}}",
            probable, content);
    };
    conf.set("security.strip_html", "scripts");
    const auto ask_with = [&](const auto& script, bool stream) {
        start(script);
        upstream().set_script(script);
        const Message got = ask(chat_of("hi", stream));
        EXPECT_TRUE(got.is_whole());
        EXPECT_EQ(loom().eventually("loom_ai_html_detected_total"), 2);
        return got.body;
    };
    const std::string events =
        ask_with(answer_always(sse_answer(event("<div oncl", probabilities, "null") +
                                          event("ick=a()>b <", probabilities, "\"stop\"") + "data: [DONE]\n\n")),
                 true);
    EXPECT_TRUE(contains(events, event("", "null", "null") + event("<div >b < ", "null", "\"stop\""))) << events;
    EXPECT_EQ(ask_with(answer_always(answer(whole("<div onclick=a()>b <", probabilities))), false),
              whole("<div >b < ", "null"));
}

/// On other routes it is nobody's matter.
TEST_F(Html, WhatNobodyReadsIsRefusedOnItsRouteAlone) {
    conf.set("route.ai.passthrough", "files").set("route.ai.strip_html", "all");
    start(answer_always(answer("{\"data\":[]}")));
    EXPECT_EQ(ask(get("/v1/files")).status(), 403);
    loom().reload(conf.set("route.ai.strip_html", "off").set("route.gemini.strip_html", "all").text());
    EXPECT_EQ(ask(get("/v1/files")).status(), 200);
}

/// A route has its own word; one that has none has the global one.
TEST_F(Html, IsOfARoute) {
    begin("openai", "<b>x", "</b>y", false);
    EXPECT_TRUE(contains(ask(chat_of("hi")).body, "<b>x</b>y"));
    for (const auto& [global, own, told] : {std::tuple("all", "", "xy"),
                                            {"all", "off", "<b>x</b>y"},
                                            {"off", "all", "xy"},
                                            {"all", "scripts", "<b>x</b>y"}}) {
        conf.set("security.strip_html", global);
        if (*own != '\0') conf.set("route.ai.strip_html", own);
        loom().reload(conf.text());
        EXPECT_TRUE(contains(ask(chat_of("hi")).body, fmt::format("\"{}\"", told))) << global << own;
    }
}

TEST_F(Html, ADryRunCountsAlone) {
    conf.set("security.strip_html", "all").set("security.dry_run", "on");
    for (const bool stream : {false, true}) {
        begin("openai", "<b>x", "</b>y", stream);
        const Message got = ask(chat_of("hi", stream));
        EXPECT_EQ(got.status(), 200);
        EXPECT_TRUE(contains(got.body, "<b>x") && contains(got.body, "</b>y")) << got.body;
        EXPECT_EQ(loom().eventually("loom_ai_html_detected_total"), 2);
    }
}

/// What was kept without it is not given with it.
TEST_F(Html, AKeptAnswerIsOfOneConfiguration) {
    conf.set("cache.exact.enabled", "on");
    begin("openai", "<b>x", "</b>y", false);
    EXPECT_TRUE(contains(ask(chat_of("hi")).body, "<b>x</b>y"));
    EXPECT_EQ(ask(chat_of("hi")).head.value("x-loom-cache"), "hit");
    for (const char* const mode : {"all", "scripts"}) {
        loom().reload(conf.set("security.strip_html", mode).text());
        for (const char* const status : {"miss", "hit"}) {
            const Message got = ask(chat_of("hi"));
            EXPECT_EQ(got.head.value("x-loom-cache"), status) << mode;
            EXPECT_EQ(contains(got.body, "<b>"), std::string_view(mode) == "scripts") << got.body;
        }
    }
}

/// It is told with no more than its kind and how often it was found.
TEST_F(Html, IsInTheAuditLog) {
    conf.set("security.strip_html", "scripts").set("log.audit.path", "@DIR@/audit.log");
    for (const bool stream : {false, true}) {
        begin("openai", "<p oncl", "ick=evil()>x</p><form>y", stream);
        EXPECT_EQ(ask(chat_of("hi", stream)).status(), 200);
        const std::string line = loom().wait_for_line("audit.log", "finds");
        EXPECT_TRUE(contains(line, R"({"side":"answer","detector":"html","type":"scripts","action":"strip","count":2)"))
            << line;
        EXPECT_FALSE(contains(line, "evil")) << line;
    }
}

}  // namespace
}  // namespace loom::wire

// security.strip_html: answers that are shown as HTML.
#include <fmt/format.h>

#include "fixture.h"
#include "protocols.h"

namespace loom::wire {
namespace {

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

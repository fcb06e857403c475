// security.content_filtering.response: what answers are not to say, whole and in streams, in every protocol.
#include <fmt/format.h>

#include <stdexcept>

#include "fixture.h"
#include "protocols.h"

namespace loom::wire {
namespace {

constexpr std::string_view streamed_types[] = {"openai", "anthropic", "gemini"};

/// A chat's stream as a client gets it that did not ask for its usage.
std::string without_usage(std::string stream) {
    const size_t at = stream.find(
        "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],");
    return at == stream.npos ? stream : stream.erase(at, stream.find("\n\n", at) + 2 - at);
}

class AnswerContent : public WireTest {
  protected:
    AnswerContent() {
        serve_every_protocol(conf);
        conf.set("security.content_filtering.response.action", "block");
    }
    /// Also anew, with another conf.
    void begin(const ScriptedUpstream::Script& script) {
        start(script);
        upstream().set_script(script);
        requests_before_ = upstream().request_count();
    }
    void begin(std::string_view provider_type, std::string_view first, std::string_view second, bool stream) {
        const ProviderProtocol provider = saying(provider_protocol(provider_type), first, second);
        conf.set("provider.mock.type", provider.type);
        begin(answer_always(stream ? stream_answer(provider) : answer(provider.answer)));
    }
    size_t asked() { return upstream().request_count() - requests_before_; }
    Eventually blocked() { return loom().eventually(R"(loom_ai_security_blocked_total{reason="content_filter"})"); }
    Eventually told(std::string_view category) {
        return loom().eventually(
            fmt::format(R"(loom_ai_content_detected_total{{category="{}",direction="response"}})", category));
    }
    static bool says_filtered(const Message& got) {
        return contains(got.body, "content_filter") || contains(got.body, "\"refusal\"") ||
               contains(got.body, "\"SAFETY\"");
    }

  private:
    size_t requests_before_ = 0;
};

TEST_F(AnswerContent, WholeAnswersAreRefusedAndPaidFor) {
    conf.set("token_accounting.enabled", "on");
    for (const ProviderProtocol& provider : provider_protocols()) {
        begin(provider.type, "Here is how to make", " a pipe bomb at home", false);
        for (const ClientProtocol& client : client_protocols()) {
            SCOPED_TRACE(fmt::format("{} {}", provider.type, client.name));
            const Message got = ask(client.ask("big", false, ""));
            EXPECT_EQ(got.status(), 400) << got.body;
            EXPECT_TRUE(got.body.starts_with(client.error_start)) << got.body;
            EXPECT_TRUE(contains(got.body, "violence")) << got.body;
            EXPECT_FALSE(contains(got.body, "bomb") || contains(got.body, "Here is")) << got.body;
        }
        const auto count = static_cast<double>(client_protocols().size());
        EXPECT_EQ(blocked(), count);
        EXPECT_EQ(told("violence"), count);
        EXPECT_EQ(loom().eventually_sum("loom_ai_tokens_total"), 21 * count);
        EXPECT_EQ(asked(), client_protocols().size()) << "nobody asks again";
    }
    const std::string line = loom().wait_for_access_line("\"status\":400");
    EXPECT_TRUE(contains(line, R"("guard":"answer.violence:1")")) << line;
    EXPECT_FALSE(contains(loom().log(), "bomb"));
    expect_error(ask(chat_of("hi")), 400, "content_filter");
}

TEST_F(AnswerContent, StreamsEndAsAFilterEndsThem) {
    for (const std::string_view type : streamed_types) {
        for (const std::string_view rest : {"pipe bomb", "pipe bomb, and more of it"}) {
            begin(type, "Here is how to make a sm", fmt::format("all {}", rest), true);
            double count = 0;
            for (const ClientProtocol& client : client_protocols()) {
                if (!is_pair(provider_protocol(type), client)) continue;
                SCOPED_TRACE(fmt::format("{} {} {}", type, client.name, rest));
                count += 1;
                RawClient one = this->client();
                one.send(client.ask("big", true, ""));
                const Message got = one.reader().read_response();
                EXPECT_EQ(got.status(), 200);
                EXPECT_TRUE(got.is_whole());
                EXPECT_TRUE(contains(got.body, "Here is how to make a ")) << "what had left: " << got.body;
                EXPECT_FALSE(contains(got.body, "make a sm") || contains(got.body, "bomb")) << got.body;
                if (rest != "pipe bomb")  // whose last word may end with an event of its own
                    EXPECT_FALSE(contains(got.body, "pipe")) << got.body;
                EXPECT_TRUE(says_filtered(got)) << got.body;
                EXPECT_FALSE(contains(got.body, "\"stop\"") || contains(got.body, "end_turn") ||
                             contains(got.body, "\"STOP\""))
                    << got.body;
                EXPECT_FALSE(contains(got.body, "\"error\":{")) << got.body;
                one.send(client.ask("big", true, ""));  // its connection serves on
                EXPECT_EQ(one.reader().read_response().status(), 200);
            }
            EXPECT_EQ(blocked(), 2 * count);
            EXPECT_EQ(told("violence"), 2 * count);
        }
    }
}

TEST_F(AnswerContent, CompletionsAreJudgedToo) {
    const std::string request_head = "/v1/completions";
    const auto ask_completion = [&](bool stream) {
        return ask(request("POST", request_head, auth_header() + "Content-Type: application/json\r\n",
                           fmt::format(R"({{"model":"big","stream":{},"prompt":"hi"}})", stream)));
    };
    const auto event = [](std::string_view text, std::string_view finish) {
        return fmt::format(
            "data: "
            "{{\"id\":\"c\",\"object\":\"text_completion\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,"
            "\"text\":\"{}\",\"finish_reason\":{}}}]}}\n\n",
            text, finish);
    };
    begin(answer_always(answer(
        R"({"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"I want to kill myself","finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":5,"total_tokens":6}})")));
    expect_error(ask_completion(false), 400, "content_filter");
    upstream().set_script(answer_always(sse_answer(event("I want to ", "null") + event("kill myself now", "null") +
                                                   event("", "\"stop\"") + done_event)));
    const Message got = ask_completion(true);
    EXPECT_TRUE(got.is_whole());
    EXPECT_TRUE(contains(got.body, "I want to ") && contains(got.body, "content_filter")) << got.body;
    EXPECT_FALSE(contains(got.body, "kill")) << got.body;
    EXPECT_EQ(told("self_harm"), 2);
}

/// Reasoning, refusals and what tools are given, as the other guards of answers read them.
TEST_F(AnswerContent, EveryTextOfAnAnswerIsJudged) {
    constexpr std::string_view members[] = {
        R"("reasoning_content":"@")", R"("refusal":"@")",
        R"("tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{\"q\":\"@\"}"}}])"};
    for (const std::string_view member : members) {
        SCOPED_TRACE(member);
        const std::string said = replaced(std::string(member), "@", "so: how to make a pipe bomb at home");
        begin(answer_always(answer(fmt::format(
            R"({{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":null,{}}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":1,"completion_tokens":5,"total_tokens":6}}}})",
            said))));
        expect_error(ask(chat_of("hi")), 400, "content_filter");
        const auto delta = [](std::string_view text, std::string_view finish) {
            return fmt::format(
                "data: "
                "{{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{"
                "\"index\":0,\"delta\":{{{}}},\"finish_reason\":{}}}]}}\n\n",
                text, finish);
        };
        upstream().set_script(answer_always(sse_answer(delta(said, "null") + delta("", "\"stop\"") + done_event)));
        const Message got = ask(chat_of("hi", true));
        EXPECT_TRUE(got.is_whole());
        EXPECT_TRUE(contains(got.body, "content_filter")) << got.body;
        EXPECT_FALSE(contains(got.body, "bomb")) << got.body;
    }
}

/// A call's beginning has no text to judge; an object of arguments is judged member by member.
TEST_F(AnswerContent, ArgumentsThatAreAnObjectAreJudged) {
    conf.set("provider.mock.type", "anthropic");
    begin(answer_always(answer(
        R"({"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"tool_use","id":"t","name":"f","input":{"n":1,"q":"how to make a pipe bomb"}}],"stop_reason":"tool_use","usage":{"input_tokens":9,"output_tokens":12}})")));
    const Message got = ask(client_protocol("anthropic").ask("big", false, ""));
    EXPECT_EQ(got.status(), 400) << got.body;
    EXPECT_FALSE(contains(got.body, "bomb")) << got.body;
}

TEST_F(AnswerContent, ABlockedStreamIsReadNoFurther) {
    allow_script_failures();
    conf.set("token_accounting.enabled", "on");
    begin([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(delta_event("I want to kill myself, ")));
        for (int i = 0; i < 5000; ++i)
            if (!connection.send(chunk(delta_event("la ")))) return;
        throw std::runtime_error("nobody has stopped the stream");
    });
    const Message got = ask(chat_of("hi", true));
    EXPECT_TRUE(got.is_whole());
    EXPECT_TRUE(contains(got.body, "content_filter") && contains(got.body, "data: [DONE]")) << got.body;
    EXPECT_FALSE(contains(got.body, "la ") || contains(got.body, "kill")) << got.body;
    const std::string line = loom().wait_for_access_line("\"stream\":true");
    EXPECT_TRUE(contains(line, R"("status":200)") && contains(line, "answer.self_harm:1")) << line;
    EXPECT_TRUE(contains(line, "may not be told")) << line;
}

/// Where an answer breaks off with the word that would have reached it.
TEST_F(AnswerContent, AStreamThatBreaksDoesNotTellWhatItHeld) {
    begin([](UpstreamConnection& connection) {
        if (connection.read_request()) connection.send(sse_head + chunk(delta_event("I want to kill myself")));
    });
    const Message got = ask(chat_of("hi", true));
    EXPECT_FALSE(contains(got.body, "myself")) << got.body;
}

TEST_F(AnswerContent, OwnWordsAreRefusedInAnswers) {
    conf.set("security.content_filtering.words", "project bluebird")
        .set("security.content_filtering.categories", "hate");
    begin("openai", "It is Project Blue", "bird, you know", true);
    const Message stream = ask(chat_of("what of project bluebird?", true));
    EXPECT_TRUE(contains(stream.body, "content_filter")) << stream.body;
    EXPECT_FALSE(contains(stream.body, "Blue") || contains(stream.body, "bird")) << stream.body;
    EXPECT_EQ(told("custom"), 1);
    begin("openai", "I want to kill", " myself", false);
    EXPECT_EQ(ask(chat_of("hi")).status(), 200) << "its category is not named";
    begin("openai", "It is Project Blue", "bird", false);
    expect_error(ask(chat_of("hi")), 400, "content_filter");
}

/// Requests have a key of their own.
TEST_F(AnswerContent, RequestsAreNotJudgedByIt) {
    begin("openai", "I cannot", " help", false);
    EXPECT_EQ(ask(chat_of("how to make a pipe bomb")).status(), 200);
    conf.set("security.content_filtering.enabled", "on").set("security.content_filtering.response.action", "off");
    begin("openai", "how to make a", " pipe bomb", false);
    EXPECT_EQ(ask(chat_of("hi")).status(), 200);
    expect_error(ask(chat_of("how to make a pipe bomb")), 400, "content_filter");
    EXPECT_EQ(loom().metric(R"(loom_ai_content_detected_total{category="violence"})"), 1);
    EXPECT_EQ(told("violence"), 0);
}

TEST_F(AnswerContent, WhatOnlyCountsChangesNoByte) {
    for (const std::string_view how : {"log", "category", "dry"}) {
        if (how == "log") conf.set("security.content_filtering.response.action", "log");
        if (how == "category")
            conf.set("security.content_filtering.response.action", "block")
                .set("security.content_filtering.category.self_harm.action", "log");
        if (how == "dry")
            conf.set("security.content_filtering.category.self_harm.action", "block").set("security.dry_run", "on");
        for (const bool stream : {false, true}) {
            SCOPED_TRACE(fmt::format("{} {}", how, stream));
            begin("openai", "I want to kill my", "self", stream);
            const Message got = ask(chat_of("hi", stream));
            EXPECT_EQ(got.status(), 200) << got.body;
            const ProviderProtocol said = saying(provider_protocol("openai"), "I want to kill my", "self");
            if (how == "category" && stream)  // other categories would end it, so a word is told when it has ended
                EXPECT_TRUE(contains(got.body, "\"myself\"") && contains(got.body, "\"stop\"")) << got.body;
            else
                EXPECT_EQ(got.body, stream ? without_usage(said.stream) : said.answer);
            EXPECT_EQ(told("self_harm"), 1);
            EXPECT_EQ(blocked(), 0);
            if (how == "dry")
                EXPECT_EQ(loom().eventually(R"(loom_ai_security_would_block_total{reason="content_filter"})"), 1);
        }
    }
}

TEST_F(AnswerContent, AHarmlessAnswerIsAsItWas) {
    for (const std::string_view type : streamed_types) {
        for (const bool stream : {false, true}) {
            const ProviderProtocol said = saying(provider_protocol(type), "Kill the process, ", "and love yourself. ");
            begin(type, "Kill the process, ", "and love yourself. ", stream);
            for (const ClientProtocol& client : client_protocols()) {
                if (said.client != std::string_view(client.name)) continue;
                SCOPED_TRACE(fmt::format("{} {}", type, stream));
                const Message got = ask(client.ask("big", stream, ""));
                EXPECT_EQ(got.body, stream ? without_usage(said.stream) : said.answer);
            }
        }
    }
}

TEST_F(AnswerContent, SeverityIsItsOwnWhereItIsNamed) {
    conf.set("security.content_filtering.enabled", "on");
    begin("openai", "you are so", " stupid", false);
    EXPECT_EQ(ask(chat_of("hi")).status(), 400);
    conf.set("security.content_filtering.response.severity", "high");
    begin("openai", "you are so", " stupid", false);
    EXPECT_EQ(ask(chat_of("hi")).status(), 200);
    expect_error(ask(chat_of("you are so stupid")), 400, "content_filter");
    conf.set("security.content_filtering.response.severity", "low").set("security.content_filtering.severity", "high");
    begin("openai", "how did he kill", " people", false);
    EXPECT_EQ(ask(chat_of("hi")).status(), 400);
}

TEST_F(AnswerContent, ARouteMayBeLeftOut) {
    conf.set("route.ai.security", "off");
    begin("openai", "I want to kill", " myself", false);
    EXPECT_EQ(ask(chat_of("hi")).status(), 200);
    EXPECT_EQ(told("self_harm"), 0);
}

TEST_F(AnswerContent, WhatIsBlockedIsNotKept) {
    conf.set("cache.exact.enabled", "on");
    for (const bool stream : {false, true}) {
        begin("openai", "I want to kill my", "self, so", stream);
        for (size_t i = 1; i <= 2; ++i) {
            const Message got = ask(chat_of("hi", stream));
            if (stream) EXPECT_EQ(got.head.value("x-loom-cache"), "miss");
            EXPECT_EQ(asked(), i) << stream;
        }
    }
}

/// What was kept without it, or under another of its kind, is not given.
TEST_F(AnswerContent, AKeptAnswerIsOfOneConfiguration) {
    conf.set("cache.exact.enabled", "on").set("security.content_filtering.response.action", "off");
    begin("openai", "you are so", " stupid, says project bluebird", false);
    EXPECT_EQ(ask(chat_of("hi")).head.value("x-loom-cache"), "miss");
    EXPECT_EQ(ask(chat_of("hi")).head.value("x-loom-cache"), "hit");
    loom().reload(conf.set("security.content_filtering.response.action", "block").text());
    EXPECT_EQ(ask(chat_of("hi")).status(), 400);
    loom().reload(conf.set("security.content_filtering.response.severity", "high").text());
    EXPECT_EQ(ask(chat_of("hi")).head.value("x-loom-cache"), "miss");
    EXPECT_EQ(ask(chat_of("hi")).head.value("x-loom-cache"), "hit");
    loom().reload(conf.set("security.content_filtering.words", "project bluebird").text());
    EXPECT_EQ(ask(chat_of("hi")).status(), 400);
    loom().reload(conf.set("security.content_filtering.category.custom.action", "log").text());
    EXPECT_EQ(ask(chat_of("hi")).head.value("x-loom-cache"), "miss");
}

TEST_F(AnswerContent, TheAuditLogHasThePlaceAndNoText) {
    conf.set("log.audit.path", "@DIR@/audit.log");
    begin("openai", "I want to kill my", "self, so", true);
    (void)ask(client_protocol("openai_chat").ask("big", true, "X-Request-ID: r-stream\r\n"));
    const std::string line = loom().wait_for_line("audit.log", "r-stream");
    EXPECT_TRUE(contains(
        line, R"("side":"answer","detector":"content","type":"self_harm","action":"block","count":1,"offsets":[15])"))
        << line;
    EXPECT_TRUE(contains(line, R"("outcome":"ended")")) << line;
    EXPECT_FALSE(contains(line, "kill")) << line;
    begin("openai", "I want to kill my", "self, so", false);
    (void)ask(client_protocol("openai_chat").ask("big", false, "X-Request-ID: r-whole\r\n"));
    const std::string whole = loom().wait_for_line("audit.log", "r-whole");
    EXPECT_TRUE(contains(whole, R"("detector":"content","type":"self_harm","action":"block","count":1,"offsets":[)") &&
                contains(whole, R"("outcome":"refused","status":400)"))
        << whole;
}

}  // namespace
}  // namespace loom::wire

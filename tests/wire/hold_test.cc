// The start of a stream that waits: an attempt that breaks within it has left no trace with the client.
#include <fmt/format.h>

#include "protocols.h"

namespace loom::wire {
namespace {

using Script = ScriptedUpstream::Script;

const std::string role_event =
    "data: "
    R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,)"
    R"("delta":{"role":"assistant","content":""},"finish_reason":null}]})"
    "\n\n";
const std::string finish_event =
    "data: "
    R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,)"
    R"("delta":{},"finish_reason":"stop"}]})"
    "\n\n";
/// Whole when it is called: constants of other files make it.
const std::string& spare_stream() {
    static const std::string all = role_event + delta_event("from the spare") + finish_event + usage_event + done_event;
    return all;
}
constexpr std::string_view broken = "data: {\"error\":{\"message\":";

/// How an upstream's stream goes wrong behind its last whole event.
struct Break {
    const char* name;
    std::string bytes;
    void (*then)(UpstreamConnection& connection);
    const char* reason;  // of the failover
};
const std::vector<Break>& breaks() {
    static const auto resets = [](UpstreamConnection& connection) {
        connection.wait_until_loom_has_read();
        connection.reset();
    };
    static const auto stays = [](UpstreamConnection& connection) { connection.wait_closed(); };
    static const std::vector<Break> all = {
        {"a reset", "", resets, "reset"},
        {"an end", "", [](UpstreamConnection& connection) { connection.close(); }, "reset"},
        {"half an event", chunk(R"(data: {"id":"chatcmpl)"), resets, "reset"},
        {"broken framing", "zz\r\n", stays, "bad_answer"},
        {"an error event", chunk("data: {\"error\":{\"message\":\"overloaded\"}}\n\n"), stays, "error_event"},
        {"what is no event", chunk("data: <html>bad gateway</html>\n\n"), stays, "bad_answer"},
    };
    return all;
}

/// Provider `mock` is asked first and breaks; provider `spare` answers well.
class Hold : public WireTest {
  protected:
    Hold() : spare_(answer_always(sse_answer(spare_stream()))) {
        allow_script_failures();
        conf.set("routing.failover.enabled", "on").set("routing.failover.backoff", "20ms");
        conf.set("routing.failover.retry_budget", "100%");
        conf.set("routing.failover.circuit_breaker.failure_threshold", "0").set("provider.mock.priority", "1");
        conf.set("provider.spare.type", "openai").set("provider.spare.api_key", "sk-of-the-spare");
        conf.set("provider.spare.models", "gpt-4o").set("provider.spare.base_url", spare_.origin() + "/v1");
    }
    ScriptedUpstream& spare() { return spare_; }
    /// What comes of one request of a new connection.
    Message ask_with(Script script) {
        upstream().set_script(std::move(script));
        upstream().end_connections();
        return ask(chat_request(stream_body));
    }

  private:
    ScriptedUpstream spare_;
};

/// The head, these events each in a chunk of its own, and then.
Script sends(std::vector<std::string> events, std::string behind, std::function<void(UpstreamConnection&)> then) {
    return [=](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        std::string bytes = sse_head;
        for (const std::string& event : events) bytes += chunk(event);
        connection.send(bytes + behind);
        then(connection);
    };
}

std::string joined(const std::vector<std::string>& events) {
    std::string all;
    for (const std::string& event : events) all += event;
    return all;
}

TEST_F(Hold, ABreakBehindEachEvent) {
    constexpr size_t held = 5;
    conf.set("routing.failover.hold_tokens", std::to_string(held));
    start(answer_always(""));
    for (const Break& one : breaks()) {
        for (size_t tokens = 0; tokens < held + 3; ++tokens) {
            SCOPED_TRACE(fmt::format("{} behind {} tokens", one.name, tokens));
            std::vector<std::string> events = {role_event};
            for (size_t i = 0; i < tokens; ++i) events.push_back(delta_event(i % 2 == 0 ? "four" : "two"));
            const auto then = tokens < held ? one.then : breaks()[1].then;  // what passes is left to its end
            const Message stream = ask_with(sends(events, one.bytes, then));
            EXPECT_EQ(stream.status(), 200);
            EXPECT_TRUE(stream.is_whole());
            if (tokens < held) {
                EXPECT_EQ(stream.body, spare_stream());
                EXPECT_EQ(stream.head.value("x-loom-failover"), fmt::format("mock={}", one.reason));
                EXPECT_EQ(stream.head.value("x-loom-provider"), "spare");
                continue;
            }
            EXPECT_TRUE(stream.body.starts_with(joined(events))) << stream.body;
            EXPECT_EQ(stream.head.value("x-loom-provider"), "mock");
            EXPECT_FALSE(contains(stream.body, "spare") || contains(stream.body, "[DONE]")) << stream.body;
        }
    }
}

TEST_F(Hold, TextIsCountedByItsLength) {
    conf.set("routing.failover.hold_tokens", "10");
    start(answer_always(""));
    const auto resets = breaks()[0].then;
    EXPECT_EQ(ask_with(sends({role_event, delta_event(std::string(36, 'x'))}, "", resets)).body, spare_stream())
        << "nine tokens";
    const std::string ten = delta_event(std::string(37, 'x'));
    EXPECT_TRUE(ask_with(sends({role_event, ten}, "", resets)).body.starts_with(role_event + ten)) << "ten of them";
}

TEST_F(Hold, CallsAndReasoningAreContentToo) {
    conf.set("routing.failover.hold_tokens", "3");
    start(answer_always(""));
    const auto event = [](std::string_view delta) {
        return fmt::format(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{"
            "\"index\":0,\"delta\":{},\"finish_reason\":null}}]}}\n\n",
            delta);
    };
    const std::vector<std::string> events = {
        event(R"({"reasoning_content":"hm"})"),
        event(R"({"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]})"),
        event(R"({"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]})")};
    const auto resets = breaks()[0].then;
    EXPECT_EQ(ask_with(sends({events[0], events[1]}, "", resets)).body, spare_stream());
    EXPECT_TRUE(ask_with(sends(events, "", resets)).body.starts_with(joined(events)));
}

TEST_F(Hold, AStandstillWithinIt) {
    conf.set("routing.failover.hold_tokens", "50").set("provider.mock.timeout.inter_event", "150ms");
    start(answer_always(""));
    const Message stream = ask_with(sends({role_event, delta_event("and then")}, "", breaks()[3].then));
    EXPECT_EQ(stream.body, spare_stream());
    EXPECT_EQ(stream.head.value("x-loom-failover"), "mock=timeout");
}

TEST_F(Hold, AShortAnswerLeavesWhenItIsFinished) {
    conf.set("routing.failover.hold_tokens", "4096");
    start(answer_always(""));
    const std::vector<std::string> events = {role_event, delta_event("short"), finish_event};
    // It is finished: what comes behind is nobody's to wait for.
    Gate seen;
    upstream().set_script(sends(events, "", [&](UpstreamConnection& connection) {
        seen.wait();
        connection.send(chunk(usage_event) + chunk(done_event) + std::string(last_chunk));
    }));
    RawClient one = client();
    one.send(chat_request(stream_body));
    one.reader().start_response();
    one.reader().read_body_until("\"finish_reason\":\"stop\"");
    seen.open();
    const Message& stream = one.reader().read_rest();
    EXPECT_EQ(stream.body, joined(events) + usage_event + done_event);
    EXPECT_TRUE(stream.is_whole());
    for (const std::string& rest : {done_event, std::string()}) {  // without a finish_reason, too
        const std::string body = role_event + delta_event("short") + rest;
        EXPECT_EQ(ask_with(answer_always(sse_answer(body))).body, body);
    }
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Hold, NoLongerThanItsTime) {
    conf.set("routing.failover.hold_tokens", "4096").set("routing.failover.hold_time", "80ms");
    start(answer_always(""));
    Gate seen;
    const std::vector<std::string> events = {role_event, delta_event("early"), delta_event(" bird")};
    upstream().set_script(sends(events, "", [&](UpstreamConnection& connection) {
        seen.wait();
        connection.reset();
    }));
    RawClient one = client();
    one.send(chat_request(stream_body));
    one.reader().start_response();
    one.reader().read_body_until(" bird");  // nothing else makes it leave
    seen.open();
    const Message& stream = one.reader().read_rest();
    EXPECT_TRUE(stream.body.starts_with(joined(events) + std::string(broken))) << stream.body;
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Hold, NoMoreThanItsBytes) {
    conf.set("routing.failover.hold_tokens", "1000");
    start(answer_always(""));
    std::vector<std::string> events = {delta_event("first")};
    size_t bytes = 0;
    for (; bytes < 600'000; bytes += role_event.size()) events.push_back(role_event);
    const Message stream = ask_with(sends(events, "", breaks()[0].then));
    EXPECT_TRUE(stream.body.starts_with(delta_event("first") + role_event)) << stream.body.substr(0, 500);
    EXPECT_TRUE(contains(stream.body, broken));
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Hold, ACompressedStream) {
    conf.set("routing.failover.hold_tokens", "5");
    start(answer_always(""));
    const std::string head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nTransfer-Encoding: "
        "chunked\r\n\r\n";
    const std::string short_text = role_event + delta_event("one") + delta_event("two");
    for (const bool is_long : {false, true}) {
        const std::string plain = is_long ? short_text + delta_event("and much more of it") : short_text;
        std::string coded = gzipped(plain + delta_event(std::string(2000, 'x')));
        coded.resize(10 + 5 + plain.size());  // the member's head, the block's, and these events of it
        const Message stream = ask_with([&](UpstreamConnection& connection) {
            if (!connection.read_request()) return;
            connection.send(head + chunk(coded));
            connection.wait_until_loom_has_read();
            connection.reset();
        });
        if (is_long) {
            EXPECT_TRUE(stream.body.starts_with(plain + std::string(broken))) << stream.body;
        } else {
            EXPECT_EQ(stream.body, spare_stream());
        }
    }
}

TEST_F(Hold, KeepAlivesGoOnMeanwhile) {
    conf.set("routing.failover.hold_tokens", "50").set("route.ai.keepalive", "40ms");
    conf.set("provider.mock.timeout.inter_event", "250ms");
    start(answer_always(""));
    const Message stream = ask_with(sends({role_event, delta_event("and then")}, "", breaks()[3].then));
    EXPECT_TRUE(stream.is_whole());
    EXPECT_TRUE(stream.body.starts_with(": keep-alive\n\n")) << stream.body;
    EXPECT_TRUE(stream.body.ends_with("\n\n" + spare_stream())) << stream.body;
    EXPECT_FALSE(contains(stream.body, "and then")) << stream.body;
}

TEST_F(Hold, AClientThatLeavesWithinIt) {
    conf.set("routing.failover.hold_tokens", "50");
    start(sends({role_event, delta_event("and then")}, "", breaks()[3].then));
    {
        RawClient gone = client();
        gone.send(chat_request(stream_body));
        (void)upstream().request(0);
        wait_until("the stream to be here", [&] { return loom().metric("loom_streams_open") > 0; });
        gone.reset();
    }
    wait_until("it to be gone", [&] { return loom().metric("loom_exchanges_live") == 0; });
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Hold, WhatTheHeldStreamTookIsItsProviders) {
    conf.set("routing.failover.hold_tokens", "50").set("provider.mock.type", "anthropic");
    const std::string& events = provider_protocol("anthropic").stream;
    start(sends({events.substr(0, events.find("event: content_block_stop"))}, "", breaks()[0].then));
    EXPECT_EQ(ask(chat_request(stream_body)).body, spare_stream());
    const auto input_of = [this](const std::string& provider) {
        return sum_where(loom().metrics(), "loom_ai_tokens_total", {"provider=\"" + provider + "\"", "type=\"input\""});
    };
    wait_until("both to be booked", [&] { return input_of("spare") > 0; });
    EXPECT_EQ(input_of("spare"), 9);
    EXPECT_EQ(input_of("mock"), 9);
}

/// An error event alone says that nothing was done; behind content, that it was.
TEST_F(Hold, WhatBroughtContentHasWorked) {
    conf.set("routing.failover.hold_tokens", "50");
    start(sends({role_event, delta_event("and then")}, breaks()[4].bytes, breaks()[4].then));
    EXPECT_EQ(ask(chat_request(stream_body)).body, spare_stream());
    EXPECT_EQ(loom().eventually(R"(loom_ai_retries_total{kind="sent"})"), 1);
}

/// To send again what was worked on is forbidden: then what came is better than nothing.
TEST_F(Hold, NothingIsHeldThatMayNotBeSentAgain) {
    conf.set("routing.failover.hold_tokens", "50").set("routing.failover.retry_sent", "off");
    start(sends({role_event, delta_event("and then")}, "", breaks()[0].then));
    EXPECT_TRUE(contains(ask(chat_request(stream_body)).body, "and then"));
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Hold, WhereAllBreakWithinItTheClientGetsAStatus) {
    conf.set("routing.failover.hold_tokens", "50").set("routing.failover.max_retries", "1");
    start(sends({role_event, delta_event("and then")}, "", breaks()[0].then));
    spare().set_script(sends({role_event, delta_event("or not")}, "", breaks()[0].then));
    const Message response = ask(chat_request(stream_body));
    expect_error(response, 502);
    EXPECT_FALSE(contains(response.body, "and then") || contains(response.body, "or not")) << response.body;
}

TEST_F(Hold, OfItOffTheFirstContentLeavesAtOnce) {
    start(sends({role_event, delta_event("here")}, "", breaks()[0].then));
    EXPECT_TRUE(ask(chat_request(stream_body)).body.starts_with(role_event + delta_event("here")));
    EXPECT_EQ(spare().request_count(), 0u);
}

/// Streams of one protocol for clients of each: what breaks within it is replaced for all of them.
class HeldTranslation : public Hold, public testing::WithParamInterface<const char*> {
  protected:
    void SetUp() override {
        conf.set("provider.mock.type", GetParam()).set("provider.mock.models", "big");
        conf.set("provider.spare.type", GetParam()).set("provider.spare.models", "big");
        if (provider().client != std::string_view("openai_chat")) conf.set("provider.spare.base_url", spare().origin());
        conf.set("route.gemini.path", "/v1beta/*").set("route.gemini.ai_gateway", "on");
        conf.set("route.gemini.auth.type", "api_key").set("routing.failover.hold_tokens", "50");
    }
    const ProviderProtocol& provider() const { return provider_protocol(GetParam()); }
};

TEST_P(HeldTranslation, ThatBreaksIsReplaced) {
    const std::string bytes = stream_answer(provider());
    const size_t half = bytes.find(" world");
    spare().set_script(answer_always(bytes));
    std::atomic<bool> breaks_off = false;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            connection.send(breaks_off ? std::string_view(bytes).substr(0, half) : bytes);
            if (!breaks_off) continue;
            connection.wait_until_loom_has_read();
            return connection.reset();
        }
    });
    for (const ClientProtocol& one : client_protocols()) {
        const bool responses = one.name == std::string_view("openai_responses");
        if (responses && GetParam() == std::string_view("openai")) continue;  // it takes these as they come
        for (const bool array : {false, true}) {
            SCOPED_TRACE(fmt::format("{}{}", one.name, array ? ", one array" : ""));
            std::string request = one.ask("big", true, "X-Request-Id: same\r\n");
            if (array && one.name != std::string_view("gemini")) continue;
            if (array) request.erase(request.find("?alt=sse"), 8);
            breaks_off = false;
            const Message whole = ask(request);
            EXPECT_EQ(whole.head.value("x-loom-provider"), "mock") << whole.raw();
            breaks_off = true;
            const Message stream = ask(request);
            EXPECT_EQ(stream.head.value("x-loom-provider"), "spare") << stream.raw();
            EXPECT_TRUE(stream.is_whole());
            EXPECT_EQ(without_times(stream.body), without_times(whole.body));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Providers, HeldTranslation, testing::Values("openai", "anthropic", "gemini", "bedrock"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace loom::wire

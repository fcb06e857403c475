// Streams that break when their client has a part of them, and that another provider goes on with: the client gets one
// text, once, in one stream.
#include <fmt/format.h>

#include <algorithm>

#include "protocols.h"

namespace loom::wire {
namespace {

using Script = ScriptedUpstream::Script;

const std::vector<std::string> words = {"Alpha",     " beta\\n\\n", "gamma \\\"δ\\\"", " delta",
                                        " epsilon ", "zeta eta",    " theta",          ".\\n"};

/// Words from `from` to `to`, as they stand in JSON.
std::string text_of(size_t from, size_t to) {
    std::string text;
    for (size_t i = from; i < to; ++i) text += words[i];
    return text;
}
std::string whole_text() { return text_of(0, words.size()); }

std::string trimmed(std::string text) {
    for (bool is_space = true; is_space && !text.empty();) {
        is_space = text.ends_with("\\n") || text.ends_with(" ");
        if (is_space) text.resize(text.size() - (text.ends_with(" ") ? 1 : 2));
    }
    return text;
}

/// How a provider tells words, an event or more each.
struct Teller {
    const char* type;
    std::string start;
    std::string (*word)(std::string_view raw);
    std::string end;
    std::string error;
};

std::string chat_chunk(std::string_view delta, std::string_view finish = "null") {
    return fmt::format(
        "data: {{\"id\":\"chatcmpl-{0}\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m-1\","
        "\"choices\":[{{\"index\":0,\"delta\":{1},\"finish_reason\":{2}}}]}}\n\n",
        "told", delta, finish);
}
std::string chat_word(std::string_view raw) { return chat_chunk(fmt::format(R"({{"content":"{}"}})", raw)); }
std::string anthropic_event(std::string_view name, std::string_view rest) {
    return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\"{1}}}\n\n", name, rest);
}
std::string anthropic_word(std::string_view raw) {
    return anthropic_event("content_block_delta",
                           fmt::format(R"(,"index":0,"delta":{{"type":"text_delta","text":"{}"}})", raw));
}
std::string gemini_word(std::string_view raw) {
    return fmt::format(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{}\"}}],\"role\":\"model\"}},"
        "\"index\":0}}],\"modelVersion\":\"m-1\",\"responseId\":\"r-told\"}}\n\n",
        raw);
}

const std::vector<Teller>& tellers() {
    static const std::vector<Teller> all = {
        {"openai", chat_chunk(R"({"role":"assistant","content":""})"), chat_word,
         chat_chunk("{}", "\"stop\"") +
             "data: {\"id\":\"chatcmpl-told\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m-1\","
             "\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":21}}\n\n" +
             std::string("data: [DONE]\n\n"),
         "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n"},
        {"anthropic",
         anthropic_event("message_start",
                         R"(,"message":{"id":"msg_told","type":"message","role":"assistant","model":"m-1",)"
                         R"("content":[],"stop_reason":null,"stop_sequence":null,)"
                         R"("usage":{"input_tokens":25,"output_tokens":1}})") +
             anthropic_event("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})"),
         anthropic_word,
         anthropic_event("content_block_stop", R"(,"index":0)") +
             anthropic_event("message_delta", R"(,"delta":{"stop_reason":"end_turn","stop_sequence":null},)"
                                              R"("usage":{"output_tokens":12})") +
             anthropic_event("message_stop", ""),
         "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"no\"}}\n\n"},
        {"gemini", "", gemini_word,
         "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"finishReason\":"
         "\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":12,"
         "\"totalTokenCount\":21},\"modelVersion\":\"m-1\",\"responseId\":\"r-told\"}\n\n",
         "data: {\"error\":{\"code\":503,\"message\":\"overloaded\",\"status\":\"UNAVAILABLE\"}}\n\n"},
    };
    return all;
}
const Teller& teller(std::string_view type) {
    return *std::ranges::find_if(tellers(), [type](const Teller& one) { return one.type == type; });
}

/// The stream of these words, each in a chunk of its own, without its end.
std::string front_of(const Teller& by, size_t from, size_t to) {
    std::string bytes = sse_head;
    if (!by.start.empty()) bytes += chunk(by.start);
    for (size_t i = from; i < to; ++i) bytes += chunk(by.word(words[i]));
    return bytes;
}
std::string rest_of(const Teller& by, size_t from) {
    return front_of(by, from, words.size()) + chunk(by.end) + std::string(last_chunk);
}

/// How many words a request shows as the assistant's; nothing where it shows none.
size_t shown_in(const std::string& body) {
    for (size_t count = words.size(); count > 0; --count)
        if (contains(body, "\"" + trimmed(text_of(0, count)) + "\"")) return count;
    return 0;
}

/// What the client of a stream was told: the text, and how often there was what must be once.
std::string told_text(const std::string& body) {
    std::string text;
    for (size_t at = 0; at < body.size();) {
        const size_t end = std::min(body.find('\n', at), body.size());
        const std::string line = body.substr(at, end - at);
        at = end + 1;
        if (!line.starts_with("data: {")) continue;
        if (contains(line, "chat.completion.chunk")) text += json_text(line, "content");
        if (contains(line, "text_delta") || contains(line, "\"candidates\"")) text += json_text(line, "text");
        if (contains(line, "\"response.output_text.delta\"")) text += json_text(line, "delta");
    }
    return text;
}
size_t count_of(std::string_view text, std::string_view part) {
    size_t count = 0;
    for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) count += 1;
    return count;
}
void expect_one_stream(const ClientProtocol& client, const Message& stream, const std::string& text = whole_text()) {
    EXPECT_EQ(stream.status(), 200);
    EXPECT_TRUE(stream.is_whole());
    EXPECT_EQ(told_text(stream.body), text) << stream.body;
    EXPECT_EQ(count_of(stream.body, client.stream_end), 1U) << stream.body;
    EXPECT_FALSE(contains(stream.body, client.stream_error)) << stream.body;
    for (const char* const once :
         {"\"role\":\"assistant\",\"content\":\"\"", "event: message_start", "event: content_block_start",
          "event: response.created", "\"finish_reason\":\"stop\"", "event: message_delta"})
        EXPECT_LE(count_of(stream.body, once), 1U) << once << ": " << stream.body;
}

void resets(UpstreamConnection& connection) {
    connection.wait_until_loom_has_read();
    connection.reset();
}

/// Sends these bytes for each request and breaks off.
Script breaks_behind(std::string bytes, std::function<void(UpstreamConnection&)> then = resets) {
    return [=](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(bytes);
        then(connection);
    };
}

class ContinuationBase : public WireTest {
  protected:
    void set_up(std::string_view first, std::string_view second) {
        allow_script_failures();
        conf.set("routing.failover.enabled", "on").set("routing.failover.continuation", "on");
        conf.set("routing.failover.backoff", "20ms").set("routing.failover.retry_budget", "100%");
        conf.set("routing.failover.circuit_breaker.failure_threshold", "0").set("provider.mock.priority", "1");
        conf.set("provider.mock.type", std::string(first)).set("provider.mock.models", "big");
        conf.set("provider.spare.type", std::string(second)).set("provider.spare.models", "big");
        conf.set("provider.spare.api_key", "sk-of-the-spare");
        conf.set("provider.spare.base_url", spare_.origin() + (second == "openai" ? "/v1" : ""));
        conf.set("route.gemini.path", "/v1beta/*").set("route.gemini.ai_gateway", "on");
        conf.set("route.gemini.auth.type", "api_key");
        spare_.set_script(goes_on_with(teller(second)));
    }
    /// Tells the words behind those that it is shown, or from so many before them.
    Script goes_on_with(const Teller& by) {
        return answer_with([this, &by](const Message& asked) {
            const size_t shown = shown_in(asked.body);
            return rest_of(by, shown - std::min(shown, again_.load()));
        });
    }
    Message ask_breaking(const ClientProtocol& one, Script script) {
        upstream().set_script(std::move(script));
        upstream().end_connections();
        return ask(one.ask("big", true, "X-Request-Id: same\r\n"));
    }
    ScriptedUpstream& spare() { return spare_; }
    std::atomic<size_t> again_ = 0;

  private:
    ScriptedUpstream spare_{answer_always("")};
};

class ContinuedPair : public ContinuationBase, public testing::WithParamInterface<std::pair<const char*, const char*>> {
  protected:
    void SetUp() override { set_up(GetParam().first, GetParam().second); }
    const Teller& first() const { return teller(GetParam().first); }
    /// Responses of the provider's own making have ids that nobody else can go on with.
    bool is_covered(const ClientProtocol& one) const {
        return one.name != std::string_view("openai_responses") || first().type != std::string_view("openai");
    }
};

TEST_P(ContinuedPair, CutBehindEachEventInEachWay) {
    conf.set("provider.mock.timeout.inter_event", "100ms");
    start(answer_always(""));
    const auto stays = [](UpstreamConnection& connection) { connection.wait_closed(); };
    const auto closes = [](UpstreamConnection& connection) { connection.close(); };
    const struct {
        const char* name;
        std::string bytes;
        std::function<void(UpstreamConnection&)> then;
    } ways[] = {{"a reset", "", resets},
                {"an end", "", closes},
                {"an end in order", std::string(last_chunk), closes},
                {"a standstill", "", stays},
                {"half an event", chunk("data: {\"id"), resets},
                {"an error event", chunk(first().error), stays},
                {"what is no event", chunk("data: <html>bad gateway</html>\n\n"), stays},
                {"broken framing", "zz\r\n", stays}};
    for (const ClientProtocol& one : client_protocols()) {
        if (!is_covered(one)) continue;
        for (size_t cut = 1; cut <= words.size(); ++cut) {
            for (const auto& way : ways) {
                if (way.then != nullptr && std::string_view(way.name) == "a standstill" && cut % 4 != 1) continue;
                SCOPED_TRACE(fmt::format("{}: {} behind {} words", one.name, way.name, cut));
                const size_t asked = spare().request_count();
                const Message stream =
                    ask_breaking(one, breaks_behind(front_of(first(), 0, cut) + way.bytes, way.then));
                expect_one_stream(one, stream);
                EXPECT_EQ(spare().request_count(), asked + 1);
                EXPECT_EQ(shown_in(spare().last_request().body), cut) << spare().last_request().body;
                if (HasFailure()) return;
            }
        }
    }
}

TEST_P(ContinuedPair, WhatIsRepeatedIsToldOnce) {
    start(answer_always(""));
    for (const ClientProtocol& one : client_protocols()) {
        if (!is_covered(one)) continue;
        for (size_t cut = 1; cut < words.size(); ++cut) {
            for (again_ = 0; again_ <= cut; ++again_) {
                SCOPED_TRACE(fmt::format("{}: cut behind {} words, {} of them again", one.name, cut, again_.load()));
                expect_one_stream(one, ask_breaking(one, breaks_behind(front_of(first(), 0, cut))));
                if (HasFailure()) return;
            }
        }
    }
}

TEST_P(ContinuedPair, WhereNobodyGoesOnItEndsWithAnError) {
    start(answer_always(""));
    spare().set_script(answer_always(answer("{}", "503 Service Unavailable")));
    for (const ClientProtocol& one : client_protocols()) {
        if (!is_covered(one)) continue;
        SCOPED_TRACE(one.name);
        const Message stream = ask_breaking(one, breaks_behind(front_of(first(), 0, 3)));
        EXPECT_TRUE(stream.is_whole());
        EXPECT_EQ(told_text(stream.body), text_of(0, 3)) << stream.body;
        EXPECT_EQ(count_of(stream.body, one.stream_error), 1U) << stream.body;
        EXPECT_EQ(count_of(stream.body, one.stream_end), 0U) << stream.body;
    }
}

std::vector<std::pair<const char*, const char*>> all_pairs() {
    std::vector<std::pair<const char*, const char*>> pairs;
    for (const Teller& first : tellers())
        for (const Teller& second : tellers()) pairs.emplace_back(first.type, second.type);
    return pairs;
}
INSTANTIATE_TEST_SUITE_P(Pairs, ContinuedPair, testing::ValuesIn(all_pairs()),
                         [](const auto& info) { return fmt::format("{}_{}", info.param.first, info.param.second); });

class Continuation : public ContinuationBase {
  protected:
    void SetUp() override { set_up("openai", "openai"); }
    const Teller& chat() const { return teller("openai"); }
    const ClientProtocol& one() const { return client_protocol("openai_chat"); }
    Message ask_body_breaking(const std::string& body, std::string bytes) {
        upstream().set_script(breaks_behind(std::move(bytes)));
        upstream().end_connections();
        return ask(chat_request(body));
    }
    /// It ends where it broke, and nobody was asked for the rest.
    void expect_cut(const Message& stream) {
        EXPECT_TRUE(stream.is_whole());
        EXPECT_TRUE(contains(stream.body, "data: {\"error\":{\"message\":")) << stream.body;
        EXPECT_FALSE(contains(stream.body, "[DONE]")) << stream.body;
        EXPECT_EQ(spare().request_count(), 0U);
    }
};

TEST_F(Continuation, WhoGoesOnIsShownWhatWasSaid) {
    start(breaks_behind(front_of(chat(), 0, 5)));
    const Message stream = ask(chat_request(
        R"({"model":"big","stream":true,"max_tokens":100,"messages":[{"role":"user","content":"Say it"}]})"));
    expect_one_stream(one(), stream);
    const std::string body = spare().request(0).body;
    EXPECT_TRUE(contains(body, R"({"role":"user","content":"Say it"},{"role":"assistant","content":")" +
                                   trimmed(text_of(0, 5)) + R"("},{"role":"user","content":")"))
        << body;
    EXPECT_TRUE(contains(body, "repeat nothing")) << body;
    EXPECT_EQ(count_of(stream.body, "\"id\":\"chatcmpl-told\""), count_of(stream.body, "\"object\":"));
    EXPECT_EQ(count_of(stream.body, "\"model\":\"m-1\""), count_of(stream.body, "\"object\":"));
    EXPECT_FALSE(contains(stream.body, "\"usage\":{")) << "the client did not ask for it";
    wait_until("it to be booked",
               [&] { return loom().metric(R"(loom_ai_continuations_total{result="completed"})") == 1; });
    EXPECT_EQ(loom().eventually(R"(loom_ai_failovers_total{from="mock",to="spare",reason="reset"})"), 1);
    const std::string line = loom().wait_for_access_line("\"failover\"");
    EXPECT_TRUE(contains(line, R"("provider":"spare")") && contains(line, R"("failover":"mock=reset")")) << line;
}

TEST_F(Continuation, EachProviderIsBookedItsOwnAndTheClientIsToldTheSum) {
    conf.set("provider.mock.type", "anthropic");
    start(breaks_behind(front_of(teller("anthropic"), 0, 3)));
    const Message stream = ask(chat_request(R"({"model":"big","stream":true,"stream_options":{"include_usage":true},)"
                                            R"("messages":[{"role":"user","content":"Say it"}]})"));
    expect_one_stream(one(), stream);
    EXPECT_TRUE(contains(stream.body, R"("prompt_tokens":34)")) << stream.body;
    const auto input_of = [this](const std::string& provider) {
        return sum_where(loom().metrics(), "loom_ai_tokens_total", {"provider=\"" + provider + "\"", "type=\"input\""});
    };
    wait_until("both to be booked", [&] { return input_of("spare") == 9; });
    EXPECT_EQ(input_of("mock"), 25);
}

TEST_F(Continuation, WhoGoesOnMayBreakToo) {
    ScriptedUpstream third(goes_on_with(chat()));
    conf.set("provider.third.type", "openai").set("provider.third.api_key", "sk-of-the-third");
    conf.set("provider.third.models", "big").set("provider.third.base_url", third.origin() + "/v1");
    conf.set("provider.spare.priority", "2").set("provider.third.priority", "3");
    start(answer_always(""));
    for (size_t cut = 1; cut < words.size(); ++cut) {
        for (size_t more = 0; cut + more <= words.size(); ++more) {
            SCOPED_TRACE(fmt::format("behind {} words, and {} more", cut, more));
            spare().set_script([&](UpstreamConnection& connection) {
                if (!connection.read_request()) return;
                connection.send(front_of(chat(), cut, cut + more));
                resets(connection);
            });
            spare().end_connections();
            expect_one_stream(one(), ask_breaking(one(), breaks_behind(front_of(chat(), 0, cut))));
            EXPECT_EQ(shown_in(third.last_request().body), cut + more);
            expect_one_stream(one(), ask_breaking(one(), answer_always(rest_of(chat(), 0))));  // two retries cost two
            if (HasFailure()) return;
        }
    }
}

TEST_F(Continuation, NotWhatNobodyCanGoOnWith) {
    conf.set("routing.failover.continuation_max", "1KiB");
    start(answer_always(""));
    const std::string plain = R"({"model":"big","stream":true,"messages":[{"role":"user","content":"Hi"}])";
    const std::string said = sse_head + chunk(chat().start) + chunk(chat_word("Let me see"));
    const std::string call = chunk(chat_chunk(
        R"({"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]})"));
    expect_cut(ask_body_breaking(plain + "}", said + call));
    expect_cut(ask_body_breaking(plain + "}", sse_head + chunk(chat_chunk(R"({"reasoning_content":"hm"})"))));
    expect_cut(ask_body_breaking(plain + "}", said + chunk(chat_chunk(R"({"refusal":"no"})"))));
    expect_cut(ask_body_breaking(plain + "}", said + chunk(chat_word(std::string(1200, 'x')))));
    expect_cut(ask_body_breaking(plain + R"(,"n":2})", said));
    expect_cut(ask_body_breaking(
        plain + R"(,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object"}}}})",
        said));
    expect_cut(ask_body_breaking(plain + R"(,"response_format":{"type":"json_object"}})", said));
    EXPECT_GE(loom().metric(R"(loom_ai_continuations_total{result="refused"})"), 1);
}

TEST_F(Continuation, ThinkingThatHasEndedIsNoHindrance) {
    start(breaks_behind(sse_head + chunk(chat_chunk(R"({"role":"assistant","reasoning_content":"hm"})")) +
                        front_of(chat(), 0, 3).substr(sse_head.size() + chunk(chat().start).size())));
    const Message stream = ask(one().ask("big", true, ""));
    expect_one_stream(one(), stream);
    EXPECT_EQ(count_of(stream.body, "reasoning_content"), 1U);
}

TEST_F(Continuation, AClientThatLeavesMeanwhile) {
    Gate asked;
    spare().set_script([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        asked.open();
        connection.wait_closed();
    });
    start(breaks_behind(front_of(chat(), 0, 3)));
    {
        RawClient gone = client();
        gone.send(one().ask("big", true, ""));
        asked.wait();
        gone.reset();
    }
    wait_until("it to be gone", [&] { return loom().metric("loom_exchanges_live") == 0; });
    EXPECT_EQ(loom().eventually("loom_streams_open"), 0);
}

TEST_F(Continuation, AfterAHeldStartThatWasReplaced) {
    conf.set("routing.failover.hold_tokens", "4");
    start(breaks_behind(front_of(chat(), 0, 1)));
    ScriptedUpstream third(goes_on_with(chat()));
    conf.set("provider.third.type", "openai").set("provider.third.api_key", "sk-of-the-third");
    conf.set("provider.third.models", "big").set("provider.third.base_url", third.origin() + "/v1");
    conf.set("provider.spare.priority", "2").set("provider.third.priority", "3");
    loom().reload(conf.text());
    spare().set_script(breaks_behind(front_of(chat(), 0, 6)));
    const Message stream = ask(one().ask("big", true, ""));
    expect_one_stream(one(), stream);
    EXPECT_EQ(stream.head.value("x-loom-failover"), "mock=reset");
    EXPECT_EQ(shown_in(third.last_request().body), 6U);
}

TEST_F(Continuation, OfItOffAStreamThatBreaksEnds) {
    conf.set("routing.failover.continuation", "off");
    start(breaks_behind(front_of(chat(), 0, 3)));
    expect_cut(ask(one().ask("big", true, "")));
}

}  // namespace
}  // namespace loom::wire

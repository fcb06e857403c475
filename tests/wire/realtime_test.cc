// GET /v1/realtime: the handshakes of both sides, frames in both directions, every way in which a session ends, and
// what it is said to have used.
#include <fmt/format.h>
#include <signal.h>

#include <atomic>

#include "fixture.h"
#include "state_directory.h"
#include "websocket.h"

namespace loom::wire {
namespace {

using namespace std::string_literals;

constexpr std::string_view target = "/v1/realtime?model=gpt-realtime";
const std::string hello = R"({"type":"session.update","session":{"instructions":"Grüße 世界"}})";
const std::string done_event =
    R"({"type":"response.done","event_id":"e","response":{"id":"r","status":"completed","usage":{"total_tokens":275,)"
    R"("input_tokens":127,"output_tokens":148,"input_token_details":{"cached_tokens":64,"audio_tokens":8},)"
    R"("output_token_details":{"audio_tokens":112}}}})";

class Realtime : public WireTest {
  protected:
    Realtime() { conf.set("provider.mock.models", "gpt-realtime, gpt-4o"); }

    /// The script of an upstream that accepts and then does as it is told.
    using Talk = std::function<void(WebSocketEnd&)>;
    static ScriptedUpstream::Script talking(Talk talk, std::string headers = "") {
        return [talk = std::move(talk), headers = std::move(headers)](UpstreamConnection& connection) {
            if (auto end = accept_websocket(connection, headers)) talk(*end);
        };
    }
    /// Every message back to where it came from, pings too, until a Close, which is answered.
    static void echo(WebSocketEnd& end) {
        for (;;) {
            const Frame frame = end.read();
            end.send(frame.opcode == opcode::ping ? opcode::pong : frame.opcode, frame.payload, frame.fin);
            if (frame.opcode == opcode::close) {
                (void)end.read_to_end();
                return;
            }
        }
    }

    struct Session {
        RawClient client;
        Head head;
        WebSocketEnd end;
    };
    Session open(std::string_view where = target, const std::string& headers = auth_header(), int receive_buffer = 0) {
        RawClient one = client(receive_buffer);
        one.send(upgrade_request(where, headers));
        const Message response = one.reader().start_response(true);
        if (response.status() != 101) throw WireError("no 101: " + response.head.raw);
        const int fd = one.fd();
        std::string unread = one.reader().unread();
        return {std::move(one), response.head, WebSocketEnd(fd, WebSocketEnd::Role::client, std::move(unread))};
    }
    Message refused(std::string_view where, const std::string& headers = auth_header()) {
        return ask(upgrade_request(where, headers));
    }
    void expect_no_session_left() {
        wait_until("no live exchange", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
        wait_until("no leased buffer", [&] { return loom().metric_sum("loom_buffers_leased") == 0; });
    }
};

// --- the handshakes

TEST_F(Realtime, BothHandshakesAreLoomsOwn) {
    start(talking(echo, "Sec-WebSocket-Protocol: realtime\r\nX-RateLimit-Remaining-Requests: 7\r\n"));
    Session one = open(target, auth_header() +
                                   "Sec-WebSocket-Protocol: realtime, openai-beta.realtime-v1\r\n"
                                   "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
                                   "OpenAI-Beta: realtime=v1\r\nCookie: secret=1\r\nX-Request-Id: shaking-hands\r\n");
    EXPECT_EQ(one.head.value("sec-websocket-accept"), sample_accept);
    EXPECT_EQ(one.head.value("sec-websocket-protocol"), "realtime");
    EXPECT_EQ(one.head.value("x-ratelimit-remaining-requests"), "7");
    EXPECT_EQ(one.head.value("x-request-id"), "shaking-hands");
    EXPECT_EQ(one.head.count("connection"), 1U);
    EXPECT_FALSE(one.head.has("sec-websocket-extensions"));

    const Message asked = upstream().request(0);
    EXPECT_EQ(asked.target(), "/v1/realtime?model=gpt-realtime");
    EXPECT_EQ(asked.head.value("authorization"), fmt::format("Bearer {}", provider_key));
    EXPECT_EQ(asked.head.value("sec-websocket-version"), "13");
    EXPECT_EQ(asked.head.value("sec-websocket-key").size(), 24U);
    EXPECT_NE(asked.head.value("sec-websocket-key"), sample_key);
    EXPECT_EQ(asked.head.value("sec-websocket-protocol"), "realtime, openai-beta.realtime-v1");
    EXPECT_EQ(asked.head.value("openai-beta"), "realtime=v1");
    EXPECT_FALSE(asked.head.has("sec-websocket-extensions")) << "what is compressed cannot be read";
    EXPECT_FALSE(asked.head.has("cookie"));
    one.end.send_close(1000);
    EXPECT_EQ(one.end.read_close(), 1000);
}

TEST_F(Realtime, ABrowsersKeyIsTakenAndEndsHere) {
    start(talking(echo));
    const std::string key_lines = fmt::format(
        "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.{}\r\n"
        "Sec-WebSocket-Protocol: openai-organization.org-1, openai-project.p-1\r\n",
        client_key);
    Session one = open(target, key_lines);
    EXPECT_EQ(one.head.value("sec-websocket-protocol"), "realtime") << "a browser fails where none is chosen";
    const Message asked = upstream().request(0);
    EXPECT_EQ(asked.head.value("sec-websocket-protocol"), "realtime");
    EXPECT_FALSE(contains(asked.head.raw, client_key));
    one.end.send_close(1000);
    EXPECT_EQ(one.end.read_close(), 1000);
    const std::string line = loom().wait_for_access_line("/v1/realtime");
    EXPECT_TRUE(contains(line, "\"consumer\":\"tester\"")) << line;
    EXPECT_FALSE(contains(loom().log() + loom().access_log(), client_key));
    expect_error(refused(target, "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.nobody\r\n"), 401);
    EXPECT_EQ(upstream().request_count(), 1U);
}

TEST_F(Realtime, GoesOnlyToProvidersThatHaveSessions) {
    ScriptedUpstream deaf(answer_always(answer("{}")));
    conf.set("provider.deaf.type", "anthropic").set("provider.deaf.api_key", "sk-of-the-deaf");
    conf.set("provider.deaf.models", "gpt-realtime, gpt-mute").set("provider.deaf.base_url", deaf.origin());
    conf.set("routing.strategy", "round_robin").set("routing.failover.enabled", "on");
    start(talking(echo));
    for (int i = 0; i < 4; ++i) {
        Session one = open();
        EXPECT_EQ(one.head.value("x-loom-provider"), "mock");
        EXPECT_EQ(one.head.value("x-loom-choice"), "round_robin");
        one.end.send_close(1000);
        EXPECT_EQ(one.end.read_close(), 1000);
    }
    EXPECT_EQ(deaf.connection_count(), 0U);
    const Message mute = refused("/v1/realtime?model=gpt-mute");
    expect_error(mute, 501);
    EXPECT_TRUE(contains(mute.body, "deaf")) << mute.body;
}

/// A session may last for hours: a breaker that lets it in to see how its provider does does not wait for its end.
TEST_F(Realtime, ASessionThatBeginsClosesABreaker) {
    conf.set("routing.failover.enabled", "on").set("routing.failover.circuit_breaker.failure_threshold", "1");
    conf.set("routing.failover.circuit_breaker.success_threshold", "1");
    conf.set("routing.failover.circuit_breaker.timeout", "1ms").set("routing.failover.max_retries", "0");
    start(answer_always(answer("{}", "500 Internal Server Error")));
    EXPECT_EQ(ask(chat_request(R"({"model":"gpt-realtime","messages":[{"role":"user","content":"Hi"}]})")).status(),
              500);
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_models_open{provider="mock"})"), 1);
    upstream().set_script(talking(echo));
    upstream().end_connections();
    // A session that comes within the breaker's millisecond passes as the only one there is, and says nothing to it.
    std::vector<Session> sessions;
    wait_until("the breaker to close while its probe goes on", [&] {
        sessions.push_back(open());
        return loom().metric(R"(loom_ai_provider_models_open{provider="mock"})") == 0;
    });
    for (Session& one : sessions) {
        one.end.send_close(1000);
        EXPECT_EQ(one.end.read_close(), 1000);
    }
}

TEST_F(Realtime, ASessionEndsWithTheKeyThatItWasBegunWith) {
    const StateDirectory state;
    conf.set("auth.issued_keys", "on").set("state.directory", state.path());
    start(talking(echo));
    const std::string made = ask_once(loom().admin_port(), request("POST", "/ai/keys?consumer=tester"), false).body;
    Session stays = open();
    Session ends = open(target, "Authorization: Bearer " + json_text(made, "key") + "\r\n");
    const std::string id = json_text(made, "id");
    EXPECT_EQ(ask_once(loom().admin_port(), request("DELETE", "/ai/keys/" + id), false).status(), 200);
    EXPECT_EQ(ends.end.read_close(), 1008);
    stays.end.send_close(1000);
    EXPECT_EQ(stays.end.read_close(), 1000);
}

TEST_F(Realtime, AModelIsMappedAndOthersAreRefused) {
    conf.set("model_mapping.voice.mock", "gpt-realtime-mini").set("consumer.narrow.api_key", "sk-narrow-1");
    conf.set("consumer.narrow.models", "gpt-realtime");
    start(talking(echo));
    const std::string narrow = "Authorization: Bearer sk-narrow-1\r\n";
    {
        Session one = open("/v1/realtime?model=voice");
        EXPECT_EQ(upstream().request(0).target(), "/v1/realtime?model=gpt-realtime-mini");
        Session two = open(target, narrow);
        one.end.send_close(1000);
        two.end.send_close(1000);
        EXPECT_EQ(one.end.read_close(), 1000);
        EXPECT_EQ(two.end.read_close(), 1000);
    }
    expect_error(refused("/v1/realtime?model=voice", narrow), 403);
    expect_error(refused("/v1/realtime?model=gpt-realtimes"), 404, "model_not_found");
    expect_error(refused("/v1/realtime"), 400);
    expect_error(refused("/v1/realtime?model=a&model=b"), 400);
    expect_error(refused("/v1/realtime?model=gpt-realtime&call_id=rtc_1"), 403);
    expect_error(refused("/v1/realtime?intent=transcription", narrow), 403);
    expect_error(refused(target, ""), 401);
    EXPECT_EQ(upstream().request_count(), 2U);
}

TEST_F(Realtime, ATranscriptionNamesItsModelInItsEvents) {
    start(talking(echo));
    for (const std::string_view where :
         {"/v1/realtime?intent=transcription", "/v1/realtime?model=gpt-4o&intent=transcription"}) {
        Session one = open(where);
        one.end.send_close(1000);
        EXPECT_EQ(one.end.read_close(), 1000);
        EXPECT_EQ(upstream().last_request().target(), "/v1/realtime?intent=transcription");
    }
}

TEST_F(Realtime, AnythingButAWebSocketIsToldWhatToDo) {
    start(talking(echo));
    const Message plain = ask(get(target));
    expect_error(plain, 426, "upgrade_required");
    EXPECT_EQ(plain.head.value("upgrade"), "websocket");
    std::string old = upgrade_request(target, auth_header());
    old.replace(old.find("13\r\n"), 2, "8 ");
    const Message version = ask(old);
    expect_error(version, 426, "upgrade_required");
    EXPECT_EQ(version.head.value("sec-websocket-version"), "13");
    std::string keyless = upgrade_request(target, auth_header());
    keyless.erase(keyless.find(sample_key), 1);
    expect_error(ask(keyless), 400);
    EXPECT_EQ(upstream().request_count(), 0U);
}

TEST_F(Realtime, AzureIsAskedInItsOwnWords) {
    conf.set("provider.mock.type", "azure_openai");
    start(talking(echo));
    {
        Session one = open();
        EXPECT_EQ(upstream().request(0).target(), "/openai/v1/realtime?model=gpt-realtime");
        EXPECT_EQ(upstream().request(0).head.value("api-key"), provider_key);
        EXPECT_FALSE(upstream().request(0).head.has("authorization"));
    }
    loom().reload(conf.set("provider.mock.api_version", "2025-04-01-preview").text());
    Session two = open();
    EXPECT_EQ(upstream().request(1).target(),
              "/openai/realtime?api-version=2025-04-01-preview&deployment=gpt-realtime");
    allow_script_failures();
}

TEST_F(Realtime, AProviderWithoutSessionsIsNamed) {
    conf.set("provider.mock.type", "groq");
    start(talking(echo));
    const Message response = refused(target);
    expect_error(response, 501);
    EXPECT_TRUE(contains(response.body, "openai, azure_openai")) << response.body;
}

TEST_F(Realtime, AnUpstreamsRefusalIsTheAnswerItIs) {
    std::string bytes;
    start([&bytes](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send(bytes);
    });
    for (const std::string_view status : {"401 Unauthorized", "404 Not Found", "429 Too Many Requests", "503 Busy"}) {
        bytes = answer(R"({"error":{"message":"no"}})", status, "Content-Type: application/json\r\nRetry-After: 3\r\n");
        const Message response = refused(target);
        EXPECT_EQ(response.head.start_line, fmt::format("HTTP/1.1 {}", status));
        EXPECT_EQ(response.body, R"({"error":{"message":"no"}})");
        EXPECT_EQ(response.head.value("retry-after"), "3");
    }
    // Its connection may serve the next request, and the client's too.
    EXPECT_EQ(upstream().connection_count(), 1U);
    RawClient one = client();
    EXPECT_EQ(one.ask(upgrade_request(target, auth_header())).status(), 503);
    EXPECT_EQ(one.ask(upgrade_request(target, auth_header())).status(), 503);
}

TEST_F(Realtime, AnUpstreamThatShakesHandsWronglyIsNotBelieved) {
    std::string extra;
    bool wrong_accept = false;
    start([&](UpstreamConnection& connection) {
        const auto request = connection.read_request();
        if (!request) return;
        std::string bytes = upgrade_answer(*request, extra);
        if (wrong_accept) bytes.replace(bytes.find("Accept: ") + 8, 2, "ZZ");
        connection.send(bytes);
        connection.wait_closed();
    });
    wrong_accept = true;
    expect_error(refused(target), 502, "upstream_bad_answer");
    wrong_accept = false;
    for (const std::string_view line :
         {"Sec-WebSocket-Extensions: permessage-deflate\r\n", "Sec-WebSocket-Protocol: realtime\r\n"}) {
        extra = line;
        expect_error(refused(target), 502, "upstream_bad_answer");
    }
    expect_no_session_left();
}

// --- frames

TEST_F(Realtime, FramesGoBothWaysAsTheyAre) {
    start(talking(echo));
    Session one = open();
    for (const size_t size : {0UL, 1UL, 125UL, 126UL, 4000UL, 65535UL, 65536UL, 300'000UL}) {
        std::string binary(size, '\0');
        for (size_t i = 0; i < size; ++i) binary[i] = static_cast<char>(i * 31 + size);
        one.end.send(opcode::binary, binary);
        ASSERT_EQ(one.end.read_message(), binary) << size;
    }
    one.end.send(opcode::text, hello.substr(0, 53), false);  // cut inside a character
    one.end.send(opcode::ping, "there?");
    one.end.send(opcode::continuation, "", false);
    one.end.send(opcode::continuation, hello.substr(53));
    EXPECT_EQ(one.end.read().payload, hello.substr(0, 53));
    const Frame pong = one.end.read();
    EXPECT_EQ(pong.opcode, opcode::pong) << "the upstream's own: a ping asks whether that is there";
    EXPECT_EQ(pong.payload, "there?");
    EXPECT_EQ(one.end.read().payload, "");
    EXPECT_EQ(one.end.read().payload, hello.substr(53));
    one.end.send_close(3003, "enough");
    const Frame close = one.end.read();
    EXPECT_EQ(close.close_code(), 3003);
    EXPECT_EQ(close.close_reason(), "enough");
    EXPECT_EQ(one.end.read_to_end(), Got::fin);
    expect_no_session_left();
}

TEST_F(Realtime, EachFrameToTheUpstreamHasAMaskOfItsOwn) {
    std::mutex mutex;
    std::vector<std::string> masks;
    start(talking([&](WebSocketEnd& end) {
        for (;;) {
            const Frame frame = end.read();
            const std::lock_guard lock(mutex);
            masks.push_back(frame.mask);
            if (frame.opcode != opcode::close) continue;
            end.send(opcode::close, frame.payload);
            return;
        }
    }));
    Session one = open();
    for (int i = 0; i < 100; ++i) one.end.send_text("x");  // all under one mask
    one.end.send_close(1000);
    EXPECT_EQ(one.end.read_close(), 1000);
    const std::lock_guard lock(mutex);
    ASSERT_EQ(masks.size(), 101U);
    std::sort(masks.begin(), masks.end());
    EXPECT_LE(masks.end() - std::unique(masks.begin(), masks.end()), 1) << "drawn at random";
}

TEST_F(Realtime, WhereverAClientsBytesAreCut) {
    start(talking(echo));
    const std::string bytes = frame_bytes(true, opcode::text, hello) + frame_bytes(true, opcode::ping, "p") +
                              frame_bytes(true, opcode::binary, std::string(130, 'b')) +
                              frame_bytes(true, opcode::close, close_payload(1000, "bye"));
    for (size_t cut = 1; cut < bytes.size(); cut += cut < 16 || cut > bytes.size() - 30 ? 1 : 7) {
        Session one = open();
        one.client.send_cut_at(bytes, cut);
        ASSERT_EQ(one.end.read_message(), hello) << cut;
        ASSERT_EQ(one.end.read().opcode, opcode::pong) << cut;
        ASSERT_EQ(one.end.read_message(), std::string(130, 'b')) << cut;
        ASSERT_EQ(one.end.read_close(), 1000) << cut;
    }
}

TEST_F(Realtime, WhereverAnUpstreamsBytesAreCutTheHeadIncluded) {
    const std::string frames = frame_bytes(false, opcode::text, done_event) + frame_bytes(false, opcode::ping, "p") +
                               frame_bytes(false, opcode::close, close_payload(1000, "bye"));
    size_t cut = 1;
    start([&](UpstreamConnection& connection) {
        const auto request = connection.read_request();
        if (!request) return;
        const std::string bytes = upgrade_answer(*request) + frames;
        cut = std::min(cut, bytes.size());
        if (!connection.send_cut_at(bytes, cut)) return;
        WebSocketEnd end(connection.fd(), WebSocketEnd::Role::server, "");
        (void)end.read_to_end();
    });
    const size_t head_bytes = upgrade_answer(Message{}).size();
    for (; cut < head_bytes + frames.size(); cut += cut + 8 < head_bytes ? 11 : 3) {
        Session one = open();
        ASSERT_EQ(one.end.read_message(), done_event) << cut;
        ASSERT_EQ(one.end.read().opcode, opcode::ping) << cut;
        ASSERT_EQ(one.end.read_close(), 1000) << cut;
        one.end.send_close(1000);
    }
    expect_no_session_left();
}

TEST_F(Realtime, AClientThatSpeaksBeforeTheUpstreamIsThereIsHeardLater) {
    start(talking(echo));
    RawClient one = client();
    one.send(upgrade_request(target, auth_header()) + frame_bytes(true, opcode::text, hello));
    one.reader().start_response(true);
    WebSocketEnd end(one.fd(), WebSocketEnd::Role::client, one.reader().unread());
    EXPECT_EQ(end.read_message(), hello);
    allow_script_failures();
}

// --- ends

TEST_F(Realtime, CodesOfACloseAreKeptInBothDirections) {
    std::atomic<int> seen = 0;
    start(talking([&](WebSocketEnd& end) {
        end.send_close(4001, "quota");
        seen = end.read_close();
    }));
    Session one = open();
    const Frame close = one.end.read();
    EXPECT_EQ(close.close_code(), 4001);
    EXPECT_EQ(close.close_reason(), "quota");
    one.end.send_close(4001);
    wait_until("the client's answer", [&] { return seen == 4001; });
    EXPECT_EQ(one.end.read_to_end(), Got::fin);
    expect_no_session_left();
}

TEST_F(Realtime, AnUpstreamThatNeverAnswersACloseIsNotWaitedForForEver) {
    std::atomic<bool> closed = false;
    start(talking([&](WebSocketEnd& end) {
        EXPECT_EQ(end.read_close(), 1000);
        (void)end.read_to_end(Deadline::in(std::chrono::seconds(15)));
        closed = true;
    }));
    Session one = open();
    one.end.send_close(1000);
    EXPECT_EQ(one.end.read_close(Deadline::in(std::chrono::seconds(15))), 1000) << "in the upstream's place";
    EXPECT_EQ(one.end.read_to_end(), Got::fin);
    wait_until("the upstream's end", [&] { return closed.load(); });
    expect_no_session_left();
}

TEST_F(Realtime, AnUpstreamThatAnswersACloseByGoingStillGivesTheClientItsCode) {
    start(talking([](WebSocketEnd& end) { EXPECT_EQ(end.read_close(), 4000); }));
    Session one = open();
    one.end.send_close(4000);
    EXPECT_EQ(one.end.read_close(), 4000);
    EXPECT_EQ(one.end.read_to_end(), Got::fin);
}

TEST_F(Realtime, AClientThatBreaksARuleIsToldWhich) {
    conf.set("limit.body_size", "64KiB");
    std::atomic<int> upstream_code = 0;
    start(talking([&](WebSocketEnd& end) {
        for (;;) {
            const Frame frame = end.read();
            if (frame.opcode == opcode::close) upstream_code = frame.close_code();
            if (frame.opcode == opcode::close) return;
        }
    }));
    struct Case {
        std::string bytes;
        int code;
    };
    const Case cases[] = {
        {frame_bytes(false, opcode::text, "not masked"), 1002},
        {frame_bytes(true, opcode::text, "compressed", 0xc0), 1002},
        {frame_bytes(true, 3, ""), 1002},
        {frame_bytes(true, opcode::continuation, "of nothing"), 1002},
        {frame_bytes(true, opcode::ping, "", 0), 1002},
        {frame_bytes(true, opcode::close, close_payload(1005)), 1002},
        {frame_bytes(true, opcode::close, "\x03"), 1002},
        {frame_bytes(true, opcode::text, "\xc3\x28"), 1007},
        {frame_bytes(true, opcode::text, "begun", 0) + frame_bytes(true, opcode::continuation, "\xff"), 1007},
        {frame_bytes(true, opcode::binary, std::string(64 * 1024 + 1, 'x')), 1009},
    };
    for (const Case& one : cases) {
        upstream_code = 0;
        Session session = open();
        (void)session.end.try_send_raw(one.bytes);
        EXPECT_EQ(session.end.read_close(), one.code) << testing::PrintToString(one.bytes.substr(0, 40));
        wait_until("the upstream's Close", [&] { return upstream_code != 0; });
        EXPECT_EQ(upstream_code, 1001);
    }
    EXPECT_TRUE(contains(loom().wait_for_access_line("a client's frame is not masked"), "\"status\":101"));
    expect_no_session_left();
}

TEST_F(Realtime, AnUpstreamThatBreaksARuleIsToldAndTheClientToo) {
    std::string bytes;
    std::atomic<int> code = 0;
    start(talking([&](WebSocketEnd& end) {
        end.send_raw(bytes);
        code = end.read_close();
    }));
    for (const auto& [wrong, wanted] : {std::pair(frame_bytes(true, opcode::text, "masked"), 1002),
                                        std::pair(frame_bytes(false, opcode::text, "\xff"), 1007)}) {
        bytes = wrong;
        code = 0;
        Session one = open();
        EXPECT_EQ(one.end.read_close(), 1014);
        wait_until("the upstream's Close", [&] { return code != 0; });
        EXPECT_EQ(code, wanted);
    }
}

TEST_F(Realtime, AClientThatLeavesTakesItsUpstreamWithItAtOnce) {
    std::atomic<int> ended = 0;
    start(talking([&](WebSocketEnd& end) {
        end.send_text("hello");
        (void)end.read_to_end(Deadline::in(std::chrono::seconds(5)));
        ended += 1;
    }));
    int wanted = 0;
    for (const bool is_reset : {true, false}) {
        Session one = open(target, auth_header() + "X-Request-Id: " + (is_reset ? "by-rst" : "by-fin") + "\r\n");
        EXPECT_EQ(one.end.read_message(), "hello");
        is_reset ? one.client.reset() : one.client.close();
        wanted += 1;
        wait_until("the upstream's end", [&] { return ended == wanted; });
    }
    EXPECT_TRUE(contains(loom().wait_for_access_line("by-rst"), "\"status\":499"));
    EXPECT_TRUE(contains(loom().wait_for_access_line("by-fin"), "\"status\":499"));
    expect_no_session_left();
}

TEST_F(Realtime, AClientThatLeavesBeforeThe101) {
    std::atomic<int> ended = 0;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.wait_closed();
        ended += 1;
    });
    RawClient one = client();
    one.send(upgrade_request(target, auth_header()));
    upstream().request(0);
    one.reset();
    wait_until("the upstream's end", [&] { return ended == 1; });
    expect_no_session_left();
}

TEST_F(Realtime, AnUpstreamThatIsLostBetweenFramesIsTold) {
    std::atomic<bool> is_reset = false;
    start([&](UpstreamConnection& connection) {
        auto end = accept_websocket(connection);
        if (!end) return;
        end->send_text("hello");
        (void)end->read();
        if (is_reset) connection.reset();
    });
    for (const bool reset : {false, true}) {
        is_reset = reset;
        Session one = open();
        EXPECT_EQ(one.end.read_message(), "hello");
        one.end.send_text("go");
        EXPECT_EQ(one.end.read_close(), 1014);
        EXPECT_EQ(one.end.read_to_end(), Got::fin);
    }
    expect_no_session_left();
}

TEST_F(Realtime, AnUpstreamThatIsLostInsideAFrameBreaksTheClientsConnection) {
    start(talking([](WebSocketEnd& end) {
        end.send_raw(frame_bytes(false, opcode::text, std::string(1000, 'x')).substr(0, 500));
        (void)end.read();
    }));
    Session one = open();
    std::string part = one.end.unread();
    while (part.size() < 500) ASSERT_EQ(receive(one.client.fd(), part), Got::bytes);
    one.end.send_text("go");
    EXPECT_EQ(one.end.read_to_end(), Got::rst) << "no Close can stand inside a frame";
    expect_no_session_left();
}

// --- back-pressure

TEST_F(Realtime, AClientThatDoesNotReadHoldsItsUpstreamBack) {
    conf.set("stream.buffer_max", "256KiB");
    const std::string audio = R"({"type":"response.output_audio.delta","delta":")" + std::string(60'000, 'A') + "\"}";
    constexpr size_t messages = 1500;  // 90 MB
    std::atomic<size_t> sent = 0;
    start(talking([&](WebSocketEnd& end) {
        for (size_t i = 0; i < messages; ++i) {
            end.send_text(audio);
            sent += 1;
        }
        EXPECT_EQ(end.read_close(), 1000);
        end.send_close(1000);
    }));
    const size_t resident_before = loom().resident_bytes();
    Session one = open(target, auth_header(), 64 * 1024);
    wait_until("the stall", [&] { return loom().metric_sum("loom_stream_stalls_total") >= 1; });
    EXPECT_LT(sent, messages / 2);
    if (!is_sanitized()) EXPECT_LT(loom().resident_bytes(), resident_before + (6U << 20));
    for (size_t i = 0; i < messages; ++i) {
        ASSERT_EQ(one.end.read_message(), audio) << i;
        if (i % 100 == 0 && !is_sanitized()) ASSERT_LT(loom().resident_bytes(), resident_before + (6U << 20)) << i;
    }
    one.end.send_close(1000);
    EXPECT_EQ(one.end.read_close(), 1000);
    expect_no_session_left();
}

TEST_F(Realtime, AnUpstreamThatDoesNotReadHoldsItsClientBack) {
    conf.set("stream.buffer_max", "256KiB");
    Gate gate;
    std::atomic<size_t> read_bytes = 0;
    const std::string audio = R"({"type":"input_audio_buffer.append","audio":")" + std::string(60'000, 'A') + "\"}";
    constexpr size_t messages = 1500;
    start(talking([&](WebSocketEnd& end) {
        gate.wait(Deadline::in(std::chrono::seconds(60)));
        for (size_t i = 0; i < messages; ++i) {
            EXPECT_EQ(end.read_message(), audio);
            read_bytes += audio.size();
        }
        const Frame close = end.read();
        end.send(opcode::close, close.payload);
    }));
    const size_t resident_before = loom().resident_bytes();
    Session one = open();
    std::atomic<size_t> sent = 0;
    std::thread sender([&] {
        for (size_t i = 0; i < messages; ++i) {
            one.end.send_raw(one.end.bytes_of(opcode::text, audio));
            sent += 1;
        }
        one.end.send_close(1000);
    });
    wait_until("the stall", [&] { return loom().metric_sum("loom_stream_stalls_total") >= 1; });
    EXPECT_LT(sent, messages / 2);
    if (!is_sanitized()) EXPECT_LT(loom().resident_bytes(), resident_before + (6U << 20));
    gate.open();
    sender.join();
    EXPECT_EQ(one.end.read_close(Deadline::in(std::chrono::seconds(30))), 1000);
    EXPECT_EQ(read_bytes, messages * audio.size());
    expect_no_session_left();
}

TEST_F(Realtime, AClientThatNeverReadsIsLeft) {
    conf.set("timeout.client_write", "300ms");
    std::atomic<bool> ended = false;
    start(talking([&](WebSocketEnd& end) {
        const std::string bytes = end.bytes_of(opcode::binary, std::string(60'000, 'x'));
        while (end.try_send_raw(bytes)) {
        }
        ended = true;
    }));
    Session one = open(target, auth_header() + "X-Request-Id: sleeper\r\n", 4096);
    wait_until("the upstream's end", [&] { return ended.load(); }, Deadline::in(std::chrono::seconds(20)));
    EXPECT_TRUE(contains(loom().wait_for_access_line("sleeper"), "timeout.client_write"));
    expect_no_session_left();
}

// --- deadlines, drain, reload

TEST_F(Realtime, AnIdleSessionIsClosedAndAPingKeepsItOpen) {
    conf.set("timeout.realtime_idle", "600ms");
    start(talking(echo));
    Session one = open();
    for (int i = 0; i < 8; ++i) {
        one.end.send(opcode::ping, "p");
        EXPECT_EQ(one.end.read().opcode, opcode::pong);
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    const Frame close = one.end.read();
    EXPECT_EQ(close.close_code(), 1001);
    EXPECT_TRUE(contains(close.close_reason(), "timeout.realtime_idle"));
}

TEST_F(Realtime, ASessionHasAnEndOfItsOwnAndNotARequests) {
    conf.set("timeout.realtime_total", "900ms").set("timeout.total", "200ms").set("timeout.inter_event", "100ms");
    start(talking(echo));
    Session one = open();
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    one.end.send_text("still here");
    EXPECT_EQ(one.end.read_message(), "still here");
    const Frame close = one.end.read();
    EXPECT_EQ(close.close_code(), 1001);
    EXPECT_TRUE(contains(close.close_reason(), "timeout.realtime_total"));
    EXPECT_EQ(one.end.read_to_end(), Got::fin);
    expect_no_session_left();
}

TEST_F(Realtime, ADrainSaysGoingAwayToBothSides) {
    std::atomic<int> code = 0;
    start(talking([&](WebSocketEnd& end) {
        end.send_text("hello");
        code = end.read_close();
    }));
    Session one = open();
    EXPECT_EQ(one.end.read_message(), "hello");
    loom().signal(SIGTERM);
    EXPECT_EQ(one.end.read_close(), 1001);
    EXPECT_EQ(one.end.read_to_end(), Got::fin);
    wait_until("the upstream's Close", [&] { return code == 1001; });
    EXPECT_EQ(loom().wait_for_exit().code, 0);
}

TEST_F(Realtime, ADrainInTheMiddleOfAFrameWaitsForItsEnd) {
    Gate draining;
    std::atomic<int> code = 0;
    start(talking([&](WebSocketEnd& end) {
        const std::string bytes = end.bytes_of(opcode::text, done_event) + end.bytes_of(opcode::text, "too late");
        end.send_raw(std::string_view(bytes).substr(0, 100));
        draining.wait();
        end.send_raw(std::string_view(bytes).substr(100));
        code = end.read_close();
    }));
    Session one = open();
    std::string part = one.end.unread();
    while (part.size() < 100) ASSERT_EQ(receive(one.client.fd(), part), Got::bytes);
    loom().signal(SIGTERM);
    wait_until("the drain", [&] { return contains(loom().log(), "draining"); });
    draining.open();
    WebSocketEnd rest(one.client.fd(), WebSocketEnd::Role::client, part);
    EXPECT_EQ(rest.read_message(), done_event);
    EXPECT_EQ(rest.read_close(), 1001);
    wait_until("the upstream's Close", [&] { return code == 1001; });
    EXPECT_EQ(loom().wait_for_exit().code, 0);
}

TEST_F(Realtime, ARuleBrokenInTheMiddleOfTheOthersFrameIsToldBehindIt) {
    start(talking([](WebSocketEnd& end) {
        const std::string bytes = end.bytes_of(opcode::text, done_event);
        end.send_raw(std::string_view(bytes).substr(0, 100));
        EXPECT_EQ(end.read_close(), 1001);
        end.send_raw(std::string_view(bytes).substr(100));
    }));
    Session one = open();
    std::string part = one.end.unread();
    while (part.size() < 100) ASSERT_EQ(receive(one.client.fd(), part), Got::bytes);
    one.end.send_raw(frame_bytes(true, 3, ""));
    WebSocketEnd rest(one.client.fd(), WebSocketEnd::Role::client, part);
    EXPECT_EQ(rest.read_message(), done_event);
    EXPECT_EQ(rest.read_close(), 1002);
    expect_no_session_left();
}

TEST_F(Realtime, AReloadLeavesOpenSessionsAloneAndNewOnesTakeTheNewConf) {
    start(talking(echo));
    Session one = open();
    loom().reload(conf.set("model_mapping.gpt-realtime.mock", "gpt-realtime-2").text());
    one.end.send_text("as before");
    EXPECT_EQ(one.end.read_message(), "as before");
    Session two = open();
    EXPECT_EQ(upstream().last_request().target(), "/v1/realtime?model=gpt-realtime-2");
    for (Session* session : {&one, &two}) {
        session->end.send_close(1000);
        EXPECT_EQ(session->end.read_close(), 1000);
    }
    expect_no_session_left();
}

TEST_F(Realtime, AKeyThatAReloadWithdrawsEndsItsSessionsAndNoOthers) {
    conf.set("consumer.other.api_key", "sk-other-1");
    start(talking(echo));
    Session kept = open();
    Session gone = open(target, "Authorization: Bearer sk-other-1\r\n");
    Session narrowed = open(target, "Sec-WebSocket-Protocol: openai-insecure-api-key.sk-other-1\r\n");
    loom().reload(conf.set("consumer.other.models", "gpt-4o").text());
    for (Session* session : {&gone, &narrowed}) {
        const Frame close = session->end.read();
        EXPECT_EQ(close.close_code(), 1008);
        EXPECT_TRUE(contains(close.close_reason(), "key"));
    }
    Session later = open(target, auth_header());
    loom().reload(conf.set("consumer.other.api_key", "sk-other-2").text());
    for (Session* session : {&kept, &later}) {
        session->end.send_text("still good");
        EXPECT_EQ(session->end.read_message(), "still good");
        session->end.send_close(1000);
        EXPECT_EQ(session->end.read_close(), 1000);
    }
    expect_no_session_left();
}

TEST_F(Realtime, AKeyThatIsWithdrawnWhileTheUpstreamIsAskedEndsItsSessionAsItBegins) {
    Gate gate;
    conf.set("consumer.other.api_key", "sk-other-1");
    start([&gate](UpstreamConnection& connection) {
        gate.wait();
        if (auto end = accept_websocket(connection, "")) echo(*end);
    });
    RawClient one = client();
    one.send(upgrade_request(target, "Authorization: Bearer sk-other-1\r\n"));
    wait_until("it to be asked", [&] { return loom().metric_sum("loom_exchanges_live") == 1; });
    loom().reload(conf.set("consumer.other.api_key", "sk-other-2").text());
    gate.open();
    ASSERT_EQ(one.reader().start_response(true).status(), 101);
    WebSocketEnd end(one.fd(), WebSocketEnd::Role::client, one.reader().unread());
    const Frame close = end.read();
    EXPECT_EQ(close.close_code(), 1008);
    EXPECT_TRUE(contains(close.close_reason(), "key"));
    expect_no_session_left();
}

// --- the embedded model

TEST_F(Realtime, TheEmbeddedModelTalksWithoutAKeyOrANetwork) {
    conf.use_echo();
    start_without_upstream();
    Session one =
        open("/v1/realtime?model=echo", auth_header() + "Sec-WebSocket-Protocol: realtime\r\nX-Request-Id: talk\r\n");
    EXPECT_EQ(one.head.value("sec-websocket-accept"), sample_accept);
    EXPECT_EQ(one.head.value("sec-websocket-protocol"), "realtime");
    EXPECT_TRUE(contains(one.end.read_message(), "session.created"));
    one.end.send(opcode::ping, "p");
    EXPECT_EQ(one.end.read().payload, "p");
    const std::string item =
        R"({"type":"conversation.item.create","item":{"content":[{"type":"input_text","text":"two words"}]}})";
    one.end.send(opcode::text, item.substr(0, 30), false);
    one.end.send(opcode::continuation, item.substr(30));
    one.end.send_text(R"({"type":"response.create"})");
    std::string text, event;
    while (!contains(event, "\"response.done\"")) {
        event = one.end.read_message();
        if (contains(event, "response.output_text.delta")) text += json_text(event, "delta");
    }
    EXPECT_TRUE(contains(text, "two words")) << text;
    EXPECT_TRUE(contains(event, "\"input_tokens\":2")) << event;
    one.end.send_close(4000, "bye");
    const Frame close = one.end.read();
    EXPECT_EQ(close.close_code(), 4000);
    EXPECT_EQ(one.end.read_to_end(), Got::fin);
    const std::string line = loom().wait_for_access_line("talk");
    EXPECT_TRUE(contains(line, "\"status\":101") && contains(line, "\"tokens_input\":2")) << line;
    expect_no_session_left();
}

TEST_F(Realtime, TheEmbeddedModelWaitsForAClientThatDoesNotRead) {
    conf.use_echo().set("stream.buffer_max", "64KiB").set("timeout.client_write", "500ms");
    start_without_upstream();
    const size_t resident_before = loom().resident_bytes();
    Session one = open("/v1/realtime?model=echo", auth_header() + "X-Request-Id: deaf\r\n", 4096);
    const std::string ask = one.end.bytes_of(opcode::text, R"({"type":"response.create"})") +
                            one.end.bytes_of(opcode::ping, std::string(125, 'p'));
    std::string bytes;
    while (bytes.size() < 60'000) bytes += ask;
    while (one.end.try_send_raw(bytes)) {
    }
    if (!is_sanitized()) EXPECT_LT(loom().resident_bytes(), resident_before + (6U << 20));
    EXPECT_TRUE(contains(loom().wait_for_access_line("deaf"), "timeout.client_write"));
    expect_no_session_left();
}

TEST_F(Realtime, ADrainAndARuleBrokenAtTheEmbeddedModel) {
    conf.use_echo();
    start_without_upstream();
    Session one = open("/v1/realtime?model=echo");
    Session two = open("/v1/realtime?model=echo");
    EXPECT_TRUE(contains(one.end.read_message(), "session.created"));
    EXPECT_TRUE(contains(two.end.read_message(), "session.created"));
    one.end.send_raw(frame_bytes(true, 3, ""));
    EXPECT_EQ(one.end.read_close(), 1002);
    loom().signal(SIGTERM);
    EXPECT_EQ(two.end.read_close(), 1001);
    EXPECT_EQ(loom().wait_for_exit().code, 0);
}

// --- accounting

TEST_F(Realtime, UsageIsReadFromEventsHoweverTheyCome) {
    const std::string transcription =
        R"({"event_id":"e2","type":"conversation.item.input_audio_transcription.completed","transcript":"Hi","usage":)"
        R"({"type":"tokens","total_tokens":48,"input_tokens":38,"output_tokens":10}})";
    start(talking([&](WebSocketEnd& end) {
        end.send_text(R"({"type":"session.created","session":{"usage":{"input_tokens":1000,"output_tokens":1000}}})");
        end.send_text(done_event);
        end.send(opcode::text, done_event.substr(0, 40), false);  // and once more, in fragments
        end.send(opcode::ping, "");
        end.send(opcode::continuation, done_event.substr(40));
        end.send_text(transcription);
        end.send(opcode::binary, done_event);
        const Frame close = end.read();
        end.send(opcode::close, close.payload);
    }));
    conf.set("consumer.other.api_key", "sk-other-1");
    Session one = open(target, auth_header() + "X-Request-Id: metered\r\n");
    for (int frames = 0; frames < 7; ++frames) (void)one.end.read();
    one.end.send_close(1000);
    EXPECT_EQ(one.end.read_close(), 1000);
    const std::string line = loom().wait_for_access_line("metered");
    for (const std::string_view part :
         {"\"status\":101", "\"endpoint\":\"realtime\"", "\"model\":\"gpt-realtime\"", "\"provider\":\"mock\"",
          "\"consumer\":\"tester\"", "\"stream\":true", "\"usage\":\"reported\"", "\"tokens_input\":292",
          "\"tokens_output\":306", "\"tokens_cached\":128", "\"events\":4"})
        EXPECT_TRUE(contains(line, part)) << part << " is missing in " << line;
    EXPECT_FALSE(contains(line, "\"error\"")) << line;
    EXPECT_EQ(loom().eventually_where("loom_ai_tokens_total", {"mock", "input"}), 292);
    EXPECT_EQ(loom().eventually_sum("loom_streams_open"), 0);
}

TEST_F(Realtime, AnEventTooLongToHoldPassesUnread) {
    conf.set("stream.event_max", "16KiB");
    const std::string huge = R"({"type":"response.done","padding":")" + std::string(100'000, 'x') + "\"," +
                             done_event.substr(done_event.find("\"response\""));
    start(talking([&](WebSocketEnd& end) {
        end.send_text(huge);
        const Frame close = end.read();
        end.send(opcode::close, close.payload);
    }));
    Session one = open(target, auth_header() + "X-Request-Id: huge\r\n");
    EXPECT_EQ(one.end.read_message(), huge);
    one.end.send_close(1000);
    EXPECT_EQ(one.end.read_close(), 1000);
    EXPECT_TRUE(contains(loom().wait_for_access_line("huge"), "\"status\":101"));
}

TEST_F(Realtime, TwoConsumersSideBySideHaveWhatIsTheirs) {
    conf.set("consumer.other.api_key", "sk-other-1");
    start(talking(echo));
    Session one = open();
    Session two = open(target, "Authorization: Bearer sk-other-1\r\nX-Request-Id: of-other\r\n");
    for (int i = 0; i < 50; ++i) {
        one.end.send_text(fmt::format("one {}", i));
        two.end.send_text(fmt::format("two {}", i));
    }
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(two.end.read_message(), fmt::format("two {}", i));
        EXPECT_EQ(one.end.read_message(), fmt::format("one {}", i));
    }
    EXPECT_EQ(loom().eventually_sum("loom_streams_open"), 2);
    for (Session* session : {&one, &two}) {
        session->end.send_close(1000);
        EXPECT_EQ(session->end.read_close(), 1000);
    }
    EXPECT_TRUE(contains(loom().wait_for_access_line("of-other"), "\"consumer\":\"other\""));
    EXPECT_EQ(upstream().connection_count(), 2U) << "a connection that was upgraded serves nobody else";
}

TEST_F(Realtime, AStormOfAbortsLeavesNothingBehind) {
    start(talking([](WebSocketEnd& end) {
        end.send_text("hello");
        (void)end.read_to_end();
    }));
    allow_script_failures();
    const size_t descriptors_before = loom().descriptor_count();
    for (int round = 0; round < 3; ++round) {
        std::vector<RawClient> clients;
        for (int count = 0; count < 60; ++count) {
            clients.push_back(client());
            clients.back().send(upgrade_request(target, auth_header()) + frame_bytes(true, opcode::text, hello));
        }
        for (size_t index = 0; index < clients.size(); ++index) {
            if (index % 3 == 0) clients[index].reader().start_response(true);
            index % 2 == 0 ? clients[index].reset() : clients[index].close();
        }
    }
    expect_no_session_left();
    wait_until("its descriptors' return", [&] { return loom().descriptor_count() <= descriptors_before + 8; });
}

}  // namespace
}  // namespace loom::wire

// Much at once: bounded memory, and nobody harmed by a neighbour.
#include <atomic>

#include "fixture.h"

namespace loom::wire {
namespace {

constexpr size_t mib = size_t{1} << 20;

/// Sanitizers keep freed memory and shadow it.
size_t bound(size_t bytes) { return is_sanitized() ? 6 * bytes : bytes; }

class Bulk : public WireTest {};

TEST_F(Bulk, AThousandStoppedReadersHarmNobody) {
    constexpr size_t stopped_count = 1000;
    constexpr size_t buffer_max = 64 * 1024;
    conf.set("stream.buffer_max", "64KiB").set("timeout.client_write", "120s").set("timeout.inter_event", "120s");
    conf.set("limit.connections", "4096");
    const std::string& events = golden_streams().front().events;
    const std::string event = chunk(delta_event(std::string(4000, 'x')));
    std::atomic<size_t> held_back = 0;  // streams whose upstream could not send on
    ScriptedUpstream stalled(
        [&](UpstreamConnection& connection) {
            if (!connection.read_request()) return;
            if (!connection.send(sse_head)) return;
            // More than every buffer on the way together: it can only end by Loom's closing.
            std::string block;
            while (block.size() < 256 * 1024) block += event;
            connection.send_forever(block, 256 * mib);
            ++held_back;
        },
        16 * 1024);
    start(answer_always(sse_answer(events)));
    conf.set("provider.stalled.type", "openai")
        .set("provider.stalled.api_key", "k")
        .set("provider.stalled.models", "stall");
    conf.set("provider.stalled.base_url", stalled.origin() + "/v1");
    loom().reload(conf.text());
    for (int turn = 0; turn < 20; ++turn) ASSERT_EQ(ask(chat_request(stream_body)).body, events);
    const size_t resident_before = loom().resident_bytes();

    std::vector<RawClient> stopped;
    for (size_t count = 0; count < stopped_count; ++count) {
        stopped.push_back(client(2048));
        stopped.back().send(
            chat_request(R"({"model":"stall","stream":true,"stream_options":{"include_usage":true},"messages":[]})"));
        // Others' streams go on unharmed the whole time.
        if (count % 50 == 0) ASSERT_EQ(ask(chat_request(stream_body)).body, events) << "with " << count << " stopped";
    }
    stalled.request(stopped_count - 1);
    for (int turn = 0; turn < 200; ++turn) ASSERT_EQ(ask(chat_request(stream_body)).body, events) << turn;
    EXPECT_EQ(held_back, 0U) << "nobody was cut off";
    EXPECT_LT(loom().resident_bytes() - resident_before, bound(stopped_count * (buffer_max + (3 + 1) * 16 * 1024)));

    stopped.clear();
    wait_until("every stopped stream's end", [&] { return held_back == stopped_count; });
    wait_until("no live exchange", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
    wait_until("no leased buffer", [&] { return loom().metric_sum("loom_buffers_leased") == 0; });
    EXPECT_EQ(ask(chat_request(stream_body)).body, events);
}

TEST_F(Bulk, AReaderThatStopsAndGoesOnGetsEveryByte) {
    conf.set("stream.buffer_max", "64KiB");
    std::string events;
    for (int count = 0; events.size() < 4 * mib; ++count)
        events += delta_event(std::to_string(count) + std::string(997, 'y'));
    events += done_event;
    start(answer_always(sse_answer(events)));
    RawClient one = client(4096);
    one.send(chat_request(stream_body));
    one.reader().start_response();
    wait_until("a stall", [&] { return loom().metric_sum("loom_stream_stalls_total") >= 1; });
    const Message response = one.reader().read_rest();
    EXPECT_TRUE(response.body == events);
    EXPECT_TRUE(response.is_whole());
}

class Passthrough : public WireTest {
  protected:
    static std::string payload(size_t bytes) {
        std::string text(bytes, '\0');
        uint64_t state = 88172645463325252;  // xorshift: no run of bytes is like another
        for (char& byte : text) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            byte = static_cast<char>(state);
        }
        return text;
    }
};

TEST_F(Passthrough, AnUploadOf64MiBInBoundedMemory) {
    conf.set("route.ai.passthrough", "files").set("limit.body_size", "1MiB");
    start(answer_always(answer("{\"id\":\"file-1\"}")));
    const auto form = [](const std::string& bytes) {
        return "--B0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" + bytes +
               "\r\n--B0\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n--B0--\r\n";
    };
    const std::string lines = auth_header() + "Content-Type: multipart/form-data; boundary=B0\r\n";
    EXPECT_EQ(ask(request("POST", "/v1/files", lines, form("x"))).status(), 200);
    const std::string body = form(payload(64 * mib));
    const size_t before = loom().resident_bytes();
    const Message response = ask(request("POST", "/v1/files", lines, body));
    EXPECT_EQ(response.body, "{\"id\":\"file-1\"}");
    EXPECT_TRUE(upstream().request(1).body == body);
    EXPECT_LT(loom().resident_bytes(), before + bound(16 * mib));
}

TEST_F(Passthrough, ADownloadOf64MiBInBoundedMemory) {
    conf.set("route.ai.passthrough", "files");
    conf.set("route.ai.auth.type", "none").set("consumer.tester.api_key", "");  // nobody to keep files apart for
    const std::string body = payload(64 * mib);
    const std::string bytes =
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    start(answer_always(bytes));
    const size_t before = loom().resident_bytes();
    const Message response = ask(get("/v1/files/file-1/content"));
    EXPECT_TRUE(response.body == body);
    EXPECT_LT(loom().resident_bytes(), before + bound(16 * mib));
}

TEST_F(Passthrough, AChunkedUploadStaysWhole) {
    conf.set("route.ai.passthrough", "files, audio");
    start(answer_with([](const Message& request) { return answer(request.body); }));
    const std::string body = payload(300'000);
    std::string bytes = request("POST", "/v1/audio/transcriptions", auth_header() + "Transfer-Encoding: chunked\r\n");
    for (size_t at = 0; at < body.size(); at += 70'001) bytes += chunk(body.substr(at, 70'001));
    EXPECT_TRUE(ask(bytes + std::string(last_chunk)).body == body);
    EXPECT_EQ(upstream().request(0).head.value("Authorization"), "Bearer " + std::string(provider_key));
}

TEST_F(Passthrough, AFamilyThatWasNotNamedStaysRefused) {
    conf.set("route.ai.passthrough", "files");
    start(answer_always(answer("{}")));
    EXPECT_EQ(ask(get("/v1/files")).status(), 200);
    const int status = ask(get("/v1/batches")).status();
    EXPECT_TRUE(status == 403 || status == 404) << status;
}

class PlainProxy : public WireTest {};

TEST_F(PlainProxy, ARouteWithoutTheGatewayIsAReverseProxyWithTheSameAuth) {
    ScriptedUpstream web(answer_with([](const Message& request) { return answer(request.start_line_and_body()); }));
    conf.set("route.web.path", "/web/*").set("route.web.ai_gateway", "off").set("route.web.upstream", web.origin());
    conf.set("route.web.auth.type", "api_key");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(get("/web/a%20b?q=1&r=%2F")).body, "GET /web/a%20b?q=1&r=%2F HTTP/1.1\n");
    EXPECT_EQ(ask(request("PUT", "/web/x", auth_header(), "not json")).body, "PUT /web/x HTTP/1.1\nnot json");
    EXPECT_EQ(ask(request("GET", "/web/x")).status(), 401);
    EXPECT_FALSE(contains(web.request(0).head.raw, client_key)) << "the key was for Loom";
    EXPECT_EQ(ask(chat_request(chat_body)).body, chat_answer);
    EXPECT_EQ(web.request_count(), 2U);
}

}  // namespace
}  // namespace loom::wire

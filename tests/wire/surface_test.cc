// The rest of what a client and an operator see: models, the embedded provider, health and metrics.
#include "fixture.h"

namespace loom::wire {
namespace {

class Models : public WireTest {};

TEST_F(Models, AreListedFromTheConfOverAllProviders) {
    conf.set("provider.demo.type", "echo").set("provider.demo.models", "echo");
    start(answer_always(answer(chat_answer)));
    const Message list = ask(get("/v1/models"));
    EXPECT_EQ(list.status(), 200);
    EXPECT_EQ(json_text(list.body, "object"), "list");
    for (const char* model : {"\"gpt-4o\"", "\"gpt-4o-mini\"", "\"echo\""})
        EXPECT_TRUE(contains(list.body, model)) << list.body;
    const Message one = ask(get("/v1/models/gpt-4o"));
    EXPECT_EQ(one.status(), 200);
    EXPECT_EQ(json_text(one.body, "id"), "gpt-4o");
    EXPECT_EQ(json_text(one.body, "object"), "model");
    expect_error(ask(get("/v1/models/gpt-9")), 404, "model_not_found");
    EXPECT_EQ(upstream().connection_count(), 0U);
}

class Echo : public WireTest {
  protected:
    void SetUp() override {
        conf.use_echo();
        start_without_upstream();
    }
    const std::string messages = R"("messages":[{"role":"user","content":"one two three"}])";
};

TEST_F(Echo, AnswersChatTheSameEveryTime) {
    const std::string body = R"({"model":"echo",)" + messages + "}";
    const Message first = ask(chat_request(body));
    EXPECT_EQ(first.status(), 200);
    EXPECT_EQ(json_text(first.body, "object"), "chat.completion");
    EXPECT_TRUE(contains(first.body, "one two three")) << first.body;
    EXPECT_TRUE(contains(first.body, "\"usage\""));
    EXPECT_EQ(json_text(first.body, "content"), json_text(ask(chat_request(body)).body, "content"));
    EXPECT_FALSE(first.head.value("x-request-id").empty());
}

TEST_F(Echo, StreamsWordByWordAndEndsWithDone) {
    const Message response = ask(chat_request(R"({"model":"echo","stream":true,)" + messages + "}"));
    EXPECT_EQ(response.status(), 200);
    EXPECT_TRUE(contains(response.head.value("Content-Type"), "text/event-stream"));
    EXPECT_TRUE(response.body.ends_with(done_event)) << response.body;
    EXPECT_FALSE(contains(response.body, "\"usage\":{")) << "not asked for";
    const Message with_usage =
        ask(chat_request(R"({"model":"echo","stream":true,"stream_options":{"include_usage":true},)" + messages + "}"));
    EXPECT_TRUE(contains(with_usage.body, "\"usage\":{")) << with_usage.body;
}

TEST_F(Echo, KeepsThePaceThatTheConfSets) {
    conf.set("provider.mock.token_interval", "20ms").set("provider.mock.delay", "50ms");
    loom().reload(conf.text());
    RawClient one = client();
    const auto started = std::chrono::steady_clock::now();
    const Message response = one.ask(chat_request(R"({"model":"echo","stream":true,)" + messages + "}"));
    EXPECT_GE(std::chrono::steady_clock::now() - started, std::chrono::milliseconds(100));
    EXPECT_GT(response.chunks.size(), 3U);
}

TEST_F(Echo, EmbedsAndCompletes) {
    const std::string headers = auth_header() + "Content-Type: application/json\r\n";
    const Message vectors =
        ask(request("POST", "/v1/embeddings", headers, R"({"model":"echo-embedding","input":["a","b"]})"));
    EXPECT_EQ(vectors.status(), 200) << vectors.body;
    EXPECT_TRUE(contains(vectors.body, "\"embedding\""));
    EXPECT_TRUE(contains(vectors.body, "\"index\":1"));
    const Message text = ask(request("POST", "/v1/completions", headers, R"({"model":"echo","prompt":"once upon"})"));
    EXPECT_EQ(text.status(), 200) << text.body;
    EXPECT_EQ(json_text(text.body, "object"), "text_completion");
}

TEST_F(Echo, AnHttp10ClientAndAStalledReader) {
    std::string bytes = chat_request(R"({"model":"echo","stream":true,)" + messages + "}");
    bytes.replace(bytes.find("HTTP/1.1"), 8, "HTTP/1.0");
    EXPECT_TRUE(ask(bytes).body.ends_with(done_event));
    RawClient gone = client();
    gone.send(chat_request(R"({"model":"echo","stream":true,)" + messages + "}"));
    gone.reset();
    wait_until("no live exchange", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
}

class Operator : public WireTest {};

TEST_F(Operator, HealthOnBothDoorsWithoutAKey) {
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(request("GET", "/healthz")).status(), 200);
    for (const char* path : {"/healthz", "/readyz", "/metrics"}) {
        EXPECT_EQ(ask_once(loom().admin_port(), request("GET", path)).status(), 200) << path;
    }
    EXPECT_NE(ask(request("GET", "/metrics")).status(), 200) << "not on the main door";
    EXPECT_EQ(ask_once(loom().admin_port(), chat_request(chat_body)).status(), 404);
}

TEST_F(Operator, TheDocumentsMetricsAreThereAndTrue) {
    std::string bytes = answer(chat_answer);
    start(answer_with([&](const Message&) { return bytes; }));
    RawClient one = client();
    for (int turn = 0; turn < 3; ++turn) one.ask(chat_request(chat_body));
    bytes = sse_answer(golden_streams().front().events);
    one.ask(chat_request(stream_body));
    bytes = answer("{}", "500 Internal Server Error");
    one.ask(chat_request(chat_body));
    one.ask(chat_request("{broken"));

    const std::vector<std::string> mock = {"provider=\"mock\""};
    std::map<std::string, double> metrics;
    wait_until("the last request's booking", [&] {
        metrics = loom().metrics();
        return sum_where(metrics, "loom_http_requests_total", {"code=\"400\""}) >= 1;
    });
    EXPECT_EQ(
        sum_where(metrics, "loom_ai_requests_total", {"provider=\"mock\"", "model=\"gpt-4o\"", "status=\"success\""}),
        4);
    EXPECT_EQ(sum_where(metrics, "loom_ai_requests_total", {"provider=\"mock\"", "status=\"error\""}), 1);
    EXPECT_EQ(sum_where(metrics, "loom_ai_tokens_total", {"provider=\"mock\"", "type=\"input\""}), 4 * 9);
    EXPECT_EQ(sum_where(metrics, "loom_ai_tokens_total", {"provider=\"mock\"", "type=\"output\""}), 4 * 12);
    EXPECT_EQ(sum_where(metrics, "loom_ai_request_duration_seconds_count", mock), 5);
    EXPECT_EQ(sum_where(metrics, "loom_ai_time_to_first_token_seconds_count", mock), 1);
    EXPECT_EQ(sum_where(metrics, "loom_http_requests_total", {"code=\"400\""}), 1);
    EXPECT_EQ(sum_where(metrics, "loom_http_requests_total", {"code=\"500\""}), 1);
    EXPECT_EQ(sum_where(metrics, "loom_upstream_connections_total", {"result=\"connected\""}), 1);
    EXPECT_EQ(sum_where(metrics, "loom_upstream_connections_total", {"result=\"reused\""}), 4);
    EXPECT_EQ(sum_where(metrics, "loom_streams_open"), 0);
    EXPECT_EQ(sum_where(metrics, "loom_exchanges_live"), 0);
    for (const char* stage : {"admit", "inspect", "forward", "relay", "total"})
        EXPECT_GE(sum_where(metrics, "loom_overhead_seconds_count", {"stage=\"" + std::string(stage) + "\""}), 5)
            << stage;
    for (const char* family : {"loom_loop_lag_seconds_count", "loom_loop_lag_seconds_sum", "loom_connections_open",
                               "loom_buffers", "loom_shards"}) {
        EXPECT_GT(sum_where(metrics, family), 0) << family;
    }
}

TEST_F(Operator, TheAccessLogIsOneJsonLineARequest) {
    start(answer_always(sse_answer(golden_streams().front().events)));
    ask(chat_request(stream_body, "X-Request-Id: logged-1\r\n"));
    const std::string line = loom().wait_for_access_line("logged-1");
    EXPECT_TRUE(line.starts_with('{') && line.ends_with('}')) << line;
    for (const char* part :
         {"\"status\":200", "\"gpt-4o\"", "\"mock\"", "\"tester\"", "/v1/chat/completions", "\"stream\":true"}) {
        EXPECT_TRUE(contains(line, part)) << part << " in " << line;
    }
}

}  // namespace
}  // namespace loom::wire

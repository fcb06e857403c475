// Providers that fail in every way: the client gets a whole answer or one clear error, never a part passed off as
// whole.
#include <sys/socket.h>

#include "fixture.h"

namespace loom::wire {
namespace {

using Script = ScriptedUpstream::Script;

const std::string spare_answer = R"({"id":"chatcmpl-2","object":"chat.completion","created":1,"model":"gpt-4o",)"
                                 R"("choices":[{"index":0,"message":{"role":"assistant","content":"from the spare"},)"
                                 R"("finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,)"
                                 R"("total_tokens":12}})";
const std::string role_event =
    "data: "
    R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,)"
    R"("delta":{"role":"assistant","content":""},"finish_reason":null}]})"
    "\n\n";
const std::string stream_error = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n";
const std::string of_one_provider = R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]})";

/// Provider `mock` is asked first and goes by a test's script; provider `spare` answers well.
class Failover : public WireTest {
  protected:
    Failover() : spare_([this](UpstreamConnection& connection) { serve(connection); }) {
        conf.set("routing.failover.enabled", "on").set("routing.failover.backoff", "20ms");
        conf.set("provider.mock.priority", "1");
        conf.set("provider.spare.type", "openai").set("provider.spare.api_key", "sk-of-the-spare");
        conf.set("provider.spare.models", "gpt-4o").set("provider.spare.base_url", spare_.origin() + "/v1");
        allow_script_failures();
    }
    void serve(UpstreamConnection& connection) {
        while (const auto asked = connection.read_request()) {
            const bool streams = contains(asked->body, "\"stream\":true");
            connection.send(streams ? sse_answer(role_event + delta_event("from the spare") + usage_event + done_event)
                                    : answer(spare_answer));
        }
    }
    /// Both kinds of request are answered by the spare, whole, and say why.
    void expect_failed_over(std::string_view reason, bool streams_too = true) {
        const Message whole = ask(chat_request(chat_body));
        EXPECT_EQ(whole.status(), 200) << whole.raw();
        EXPECT_EQ(whole.body, spare_answer);
        EXPECT_EQ(whole.head.value("x-loom-provider"), "spare");
        EXPECT_EQ(whole.head.value("x-loom-attempts"), "2");
        EXPECT_TRUE(whole.head.value("x-loom-failover").starts_with("mock=" + std::string(reason))) << whole.head.raw;
        if (!streams_too) return;
        expect_stream_of_the_spare(reason);
    }
    void expect_stream_of_the_spare(std::string_view reason) {
        const Message stream = ask(chat_request(stream_body));
        EXPECT_EQ(stream.status(), 200);
        EXPECT_TRUE(stream.is_whole());
        EXPECT_EQ(stream.body, role_event + delta_event("from the spare") + usage_event + done_event);
        EXPECT_TRUE(stream.head.value("x-loom-failover").starts_with("mock=" + std::string(reason))) << stream.head.raw;
    }
    ScriptedUpstream& spare() { return spare_; }

  private:
    ScriptedUpstream spare_;
};

Script answers(std::string bytes) { return answer_always(std::move(bytes)); }

Script sends_then(std::string bytes, std::function<void(UpstreamConnection&)> then) {
    return [bytes = std::move(bytes), then = std::move(then)](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(bytes);
        then(connection);
    };
}
void falls_silent(UpstreamConnection& connection) { connection.wait_closed(); }
void resets(UpstreamConnection& connection) {
    connection.wait_until_loom_has_read();
    connection.reset();
}
void ends(UpstreamConnection& connection) { connection.close(); }

TEST_F(Failover, AnsweredWell_NobodyElseIsAsked) {
    start(answers(answer(chat_answer)));
    const Message response = ask(chat_request(chat_body));
    EXPECT_EQ(response.body, chat_answer);
    EXPECT_EQ(response.head.value("x-loom-provider"), "mock");
    EXPECT_EQ(response.head.value("x-loom-attempts"), "1");
    EXPECT_EQ(response.head.value("x-loom-choice"), "priority");
    EXPECT_FALSE(response.head.has("x-loom-failover"));
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Failover, WhereConnectionsAreRefused) {
    start(answers(""));
    upstream().stop_listening();
    expect_failed_over("connect");
    EXPECT_EQ(loom().eventually(R"(loom_ai_failovers_total{from="mock",to="spare",reason="connect"})"), 2);
    EXPECT_EQ(loom().eventually(R"(loom_ai_retries_total{kind="unsent"})"), 2);
}

TEST_F(Failover, WhereTlsFails) {
    ScriptedUpstream plain([](UpstreamConnection& connection) {
        connection.send("220 this is no TLS\r\n");
        connection.wait_closed();
    });
    conf.set("provider.mock.base_url", "https://127.0.0.1:" + std::to_string(plain.port()) + "/v1");
    start_without_upstream();
    expect_failed_over("tls");
}

TEST_F(Failover, EachAttemptIsMadeAnewFromTheOriginal) {
    conf.set("model_mapping.gpt-4o.mock", "gpt-mock").set("model_mapping.gpt-4o.spare", "gpt-spare");
    start(answers(answer("{}", "500 Internal Server Error")));
    EXPECT_EQ(ask(chat_request(chat_body)).body, spare_answer);
    const Message first = upstream().request(0), second = spare().request(0);
    EXPECT_EQ(first.head.value("Authorization"), "Bearer " + std::string(provider_key));
    EXPECT_EQ(second.head.value("Authorization"), "Bearer sk-of-the-spare");
    EXPECT_EQ(json_text(first.body, "model"), "gpt-mock");
    EXPECT_EQ(json_text(second.body, "model"), "gpt-spare");
    EXPECT_EQ(edited_run(chat_body, second.body), "spare") << second.body;
}

TEST_F(Failover, EachRetryCode) {
    conf.set("routing.failover.circuit_breaker.failure_threshold", "0").set("routing.failover.retry_budget", "100%");
    std::atomic<int> code = 0;
    start(answer_with(
        [&](const Message&) { return answer(R"({"error":{"message":"no"}})", std::to_string(code.load()) + " No"); }));
    for (const int one : {408, 500, 502, 503, 504, 529}) {
        code = one;
        expect_failed_over("status:" + std::to_string(one));
    }
    for (const int one : {401, 402}) {
        code = one;
        expect_failed_over("credentials:" + std::to_string(one));
    }
    for (const int one : {400, 403, 404, 422}) {
        code = one;
        EXPECT_EQ(ask(chat_request(chat_body)).status(), one) << "it is the answer";
    }
    code = 429;
    EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-failover"), "mock=rate_limit:429");
    EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-attempts"), "1") << "it rests for a second";
}

TEST_F(Failover, SilenceAtEachStage) {
    conf.set("routing.failover.timeout", "150ms").set("routing.failover.circuit_breaker.failure_threshold", "0");
    const std::string head = sse_head + chunk(role_event);
    start(sends_then("", falls_silent));
    expect_failed_over("timeout");
    for (const size_t cut : {size_t{1}, sse_head.size() - 1, sse_head.size(), head.size() - 5, head.size()}) {
        SCOPED_TRACE(cut);
        upstream().set_script(sends_then(head.substr(0, cut), falls_silent));
        upstream().end_connections();
        expect_stream_of_the_spare("timeout");
    }
}

TEST_F(Failover, AResetAfterEachByteOfTheHeadAndOfTheStart) {
    conf.set("routing.failover.circuit_breaker.failure_threshold", "0").set("routing.failover.retry_budget", "100%");
    const std::string head = sse_head + chunk(role_event);
    start(sends_then("", resets));
    for (size_t cut = 0; cut <= head.size(); cut += cut < 20 || cut > head.size() - 20 ? 1 : 7) {
        SCOPED_TRACE(cut);
        upstream().set_script(sends_then(head.substr(0, cut), cut % 2 == 0 ? resets : ends));
        upstream().end_connections();
        const Message stream = ask(chat_request(stream_body));
        EXPECT_EQ(stream.status(), 200);
        EXPECT_EQ(stream.body, role_event + delta_event("from the spare") + usage_event + done_event);
    }
}

TEST_F(Failover, AStreamThatBeginsWithAnErrorEvent) {
    start(answers(sse_answer(role_event + stream_error)));
    expect_stream_of_the_spare("error_event");
}

TEST_F(Failover, AStreamThatEndsBeforeItsFirstContent) {
    start(answers(sse_answer(role_event)));
    expect_stream_of_the_spare("reset");
    upstream().set_script(answers(sse_answer(std::string(done_event))));
    upstream().end_connections();
    expect_stream_of_the_spare("bad_answer");
}

TEST_F(Failover, AStreamThatBeginsWithGarbage) {
    start(answers(sse_answer("data: <html>bad gateway</html>\n\n")));
    expect_stream_of_the_spare("bad_answer");
    upstream().set_script(answers("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
    upstream().end_connections();
    expect_failed_over("bad_answer");
}

TEST_F(Failover, AStreamWithContentIsNotReplaced) {
    start(sends_then(sse_head + chunk(role_event) + chunk(delta_event("half an")), resets));
    const Message stream = ask(chat_request(stream_body));
    EXPECT_TRUE(stream.body.starts_with(role_event + delta_event("half an") + "data: {\"error\"")) << stream.body;
    EXPECT_FALSE(contains(stream.body, "[DONE]"));
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Failover, AnAnswerWithoutContentThatIsWholeIsOne) {
    const std::string finished =
        "data: "
        R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},)"
        R"("finish_reason":"content_filter"}]})"
        "\n\n";
    start(answers(sse_answer(role_event + finished + done_event)));
    EXPECT_EQ(ask(chat_request(stream_body)).body, role_event + finished + done_event);
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Failover, ASlowTrickleOfAStreamIsLeftAlone) {
    const std::string bytes = sse_answer(role_event + delta_event("slow") + done_event);
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send_byte_by_byte(bytes);
    });
    const Message stream = ask(chat_request(stream_body));
    EXPECT_EQ(stream.body, role_event + delta_event("slow") + done_event);
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Failover, WhenAllFailTheClientGetsWhatTellsMost) {
    start(answers(answer(R"({"error":{"message":"slow down"}})", "429 Too Many Requests", "Retry-After: 3600\r\n")));
    spare().stop_listening();
    const Message response = ask(chat_request(chat_body));
    expect_error(response, 429);
    EXPECT_TRUE(contains(response.body, "mock=rate_limit:429, spare=connect")) << response.body;
    EXPECT_EQ(response.head.value("retry-after"), "3600");
}

TEST_F(Failover, TheLastAnswerGoesAsItIsWhereItTellsMost) {
    const std::string body = R"({"error":{"message":"the model is on fire","type":"server_error"}})";
    start(answers(answer("", "500 Internal Server Error")));
    spare().set_script(answers(answer(body, "503 Service Unavailable")));
    conf.set("routing.failover.max_retries", "1");
    loom().reload(conf.text());
    const Message response = ask(chat_request(chat_body));
    EXPECT_EQ(response.status(), 503);
    EXPECT_EQ(response.body, body);
}

TEST_F(Failover, TheSameProviderIsAskedAgainAfterAPause) {
    std::atomic<int> asked = 0;
    start(answer_with(
        [&](const Message&) { return ++asked < 3 ? answer("{}", "503 Service Unavailable") : answer(chat_answer); }));
    const std::string body = R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]})";
    const Message response = ask(chat_request(body));
    EXPECT_EQ(response.body, chat_answer);
    EXPECT_EQ(response.head.value("x-loom-attempts"), "3");
}

TEST_F(Failover, RetryAfterIsWaitedForWhereThereIsNobodyElseUnlessItIsLong) {
    std::atomic<int> asked = 0;
    std::atomic<int> after = 1;
    start(answer_with([&](const Message&) {
        const std::string line = "Retry-After: " + std::to_string(after.load()) + "\r\n";
        return ++asked % 2 == 1 ? answer("{}", "429 Too Many Requests", line) : answer(chat_answer);
    }));
    const std::string body = R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]})";
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(ask(chat_request(body)).status(), 200);
    EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(990));
    after = 30;
    const Message refused = ask(chat_request(body));
    EXPECT_EQ(refused.status(), 429);
    EXPECT_EQ(refused.head.value("retry-after"), "30") << "its own answer, as it came";
    const Message health = ask_once(loom().admin_port(), request("GET", "/ai/providers/mock/health"), false);
    EXPECT_FALSE(contains(health.body, "\"error\":null")) << health.body << " it is no success";
}

TEST_F(Failover, NobodyWaitsForAPauseThatIsLongerThanItsTime) {
    conf.set("routing.failover.backoff", "1m").set("timeout.total", "3s");
    start(answers(answer("{}", "503 Service Unavailable")));
    const auto before = std::chrono::steady_clock::now();
    const Message response = ask(chat_request(of_one_provider));
    EXPECT_EQ(response.status(), 503);
    EXPECT_EQ(response.body, "{}") << "its own answer, as it came";
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(2900)) << "4s at the least";
}

TEST_F(Failover, ASentRequestIsNotSentAgainWhereThatMayCostTwice) {
    conf.set("routing.failover.retry_sent", "off");
    start(sends_then("", ends));
    expect_error(ask(chat_request(chat_body)), 502);
    EXPECT_EQ(spare().request_count(), 0u);
    upstream().set_script(answers(answer("{}", "503 Service Unavailable")));
    upstream().end_connections();
    expect_failed_over("status:503");
    upstream().set_script(answers(sse_answer(role_event + stream_error)));
    upstream().end_connections();
    expect_stream_of_the_spare("error_event");
}

TEST_F(Failover, ABreakerOpensAndTheProviderIsFoundAgain) {
    conf.set("routing.failover.circuit_breaker.failure_threshold", "3")
        .set("routing.failover.circuit_breaker.success_threshold", "1")
        .set("routing.failover.circuit_breaker.timeout", "300ms")
        .set("routing.failover.circuit_breaker.restore", "0");
    std::atomic<bool> well = false;
    start(answer_with(
        [&](const Message&) { return well ? answer(chat_answer) : answer("{}", "500 Internal Server Error"); }));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(ask(chat_request(chat_body)).body, spare_answer);
    const size_t asked = upstream().request_count();
    EXPECT_GE(asked, 3u);
    EXPECT_LE(asked, 5u) << "but for a probe now and then it was left alone";
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_models_open{provider="mock"})"), 1);
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_health{provider="spare"})"), 1);
    well = true;
    const Deadline deadline = Deadline::standard();
    while (ask(chat_request(chat_body)).body != chat_answer) ASSERT_FALSE(deadline.passed());
    EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-attempts"), "1");
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_models_open{provider="mock"})"), 0);
}

TEST_F(Failover, FlappingIsNotSeenByTheClient) {
    conf.set("routing.failover.circuit_breaker.timeout", "20ms").set("routing.failover.retry_budget", "100%");
    conf.set("routing.failover.circuit_breaker.restore", "10ms").set("routing.strategy", "round_robin");
    std::atomic<int> asked = 0;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            const int turn = asked++ / 7 % 4;
            if (turn == 1) return connection.reset();
            connection.send(turn == 2 ? answer("{}", "502 Bad Gateway") : turn == 3 ? sse_head : answer(chat_answer));
            if (turn == 3) return connection.close();
        }
    });
    for (int i = 0; i < 200; ++i) {
        const Message response = ask(chat_request(chat_body));
        EXPECT_EQ(response.status(), 200);
        EXPECT_TRUE(response.is_whole());
        EXPECT_TRUE(response.body == chat_answer || response.body == spare_answer) << response.body;
    }
}

TEST_F(Failover, ABreakerSurvivesAReload) {
    conf.set("routing.failover.circuit_breaker.failure_threshold", "1");
    start(answers(answer("{}", "500 Internal Server Error")));
    EXPECT_EQ(ask(chat_request(chat_body)).body, spare_answer);
    loom().reload(conf.set("timeout.total", "10m").text());
    EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-attempts"), "1");
    EXPECT_EQ(upstream().request_count(), 1u);
}

TEST_F(Failover, TheFallbackIsAskedWhenTheOthersHaveFailed) {
    conf.set("provider.spare.priority", "0").set("routing.fallback.provider", "spare");
    conf.set("routing.failover.max_retries", "0");
    std::atomic<int> code = 200;
    start(answer_with([&](const Message&) {
        return code == 200 ? answer(chat_answer) : answer("{}", std::to_string(code.load()) + " No");
    }));
    EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-provider"), "mock") << "before, it takes no requests";
    code = 503;
    const Message response = ask(chat_request(chat_body));
    EXPECT_EQ(response.body, spare_answer);
    EXPECT_EQ(response.head.value("x-loom-choice"), "fallback");
    loom().reload(conf.set("routing.fallback.on_error", "off").text());
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 503);
    code = 429;
    EXPECT_EQ(ask(chat_request(chat_body)).body, spare_answer);
}

TEST_F(Failover, TheBudgetEndsAStormOfRetries) {
    conf.set("routing.failover.retry_budget", "10%").set("routing.failover.circuit_breaker.failure_threshold", "0");
    start(answers(answer("{}", "500 Internal Server Error")));
    spare().set_script(answers(answer("{}", "500 Internal Server Error")));
    for (int i = 0; i < 60; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 500);
    const size_t attempts = upstream().request_count() + spare().request_count();
    EXPECT_LT(attempts, 60u + 10 + 6 + 20) << "60 requests, 10 retries to begin with, a tenth, one a second";
    EXPECT_GT(loom().metric(R"(loom_ai_retries_total{kind="refused"})"), 0);
}

TEST_F(Failover, OfAnotherProtocolIsTranslatedForEach) {
    const std::string anthropic_error =
        R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})";
    conf.set("provider.mock.type", "anthropic");
    start(answers(answer(anthropic_error, "529 Overloaded")));
    expect_failed_over("status:529");
    EXPECT_TRUE(contains(upstream().request(0).target(), "/v1/messages"));
    upstream().set_script(answers(sse_answer("event: error\ndata: " + anthropic_error + "\n\n")));
    upstream().end_connections();
    expect_stream_of_the_spare("error_event");
}

/// Whoever is next may refuse what it is to be asked: then the one behind it is.
TEST_F(Failover, WhoCannotTakeTheRequestIsPassedOver) {
    ScriptedUpstream third(answers(answer(chat_answer)));
    conf.set("translate.unsupported", "reject").set("provider.spare.type", "mistral");
    start(answers(answer("{}", "500 Internal Server Error")));
    const std::string body =
        R"({"model":"gpt-4o","user":"u","messages":[{"role":"user","content":"Hi"}],"max_completion_tokens":7})";
    const Message refused = ask(chat_request(body));
    EXPECT_EQ(refused.status(), 500) << "what is told is what its provider said: " << refused.body;
    EXPECT_EQ(refused.head.value("x-loom-failover"), "mock=status:500, spare=untranslatable");
    conf.set("provider.third.type", "openai").set("provider.third.api_key", "sk-of-the-third");
    conf.set("provider.third.models", "gpt-4o").set("provider.third.base_url", third.origin() + "/v1");
    loom().reload(conf.text());
    const Message response = ask(chat_request(body));
    EXPECT_EQ(response.body, chat_answer);
    EXPECT_EQ(response.head.value("x-loom-failover"), "mock=status:500, spare=untranslatable");
    EXPECT_EQ(third.request(0).body, body) << "as it came, whatever the others would have had of it";
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Failover, AChangedDocumentLeavesTheOriginalForTheNext) {
    conf.set("provider.mock.type", "mistral");
    start(answers(answer("{}", "500 Internal Server Error")));
    const std::string body =
        R"({"model":"gpt-4o","user":"u","messages":[{"role":"user","content":"Hi"}],"max_completion_tokens":7})";
    const Message response = ask(chat_request(body));
    EXPECT_EQ(response.body, spare_answer);
    EXPECT_FALSE(contains(upstream().request(0).body, "\"user\":\"u\""));
    EXPECT_EQ(spare().request(0).body, body);
    EXPECT_FALSE(response.head.has("x-loom-dropped")) << "who answered was sent all of it";
}

/// A count needs no provider to be asked: it is estimated, and nobody is asked in place of who failed.
TEST_F(Failover, ACountThatIsEstimatedIsTheAnswer) {
    conf.set("provider.mock.type", "anthropic").set("provider.spare.type", "groq");
    start(answers(answer("{}", "500 Internal Server Error")));
    const std::string asked =
        request("POST", "/v1/messages/count_tokens", auth_header() + "Content-Type: application/json\r\n",
                R"({"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}]})");
    RawClient one = client();
    for (int i = 0; i < 2; ++i) {
        const Message counted = one.ask(asked);
        EXPECT_EQ(counted.status(), 200) << counted.body;
        EXPECT_TRUE(counted.body.starts_with(R"({"input_tokens":)")) << counted.body;
        EXPECT_EQ(counted.head.value("x-loom-token-count"), "estimated");
        EXPECT_EQ(counted.head.value("x-loom-provider"), "spare");
    }
    EXPECT_EQ(spare().connection_count(), 0u);
}

/// What a failed attempt says that it took is its provider's, not its successor's.
TEST_F(Failover, TokensOfAFailedAttemptAreBookedToIt) {
    const std::string start_of_message =
        "event: message_start\ndata: "
        R"({"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"c","content":[],)"
        R"("stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"output_tokens":1}}})"
        "\n\n";
    conf.set("provider.mock.type", "anthropic");
    start(answers(sse_answer(start_of_message +
                             "event: error\ndata: "
                             R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})"
                             "\n\n")));
    expect_stream_of_the_spare("error_event");
    const auto tokens_of = [this](const std::string& provider) {
        return sum_where(loom().metrics(), "loom_ai_tokens_total", {"provider=\"" + provider + "\"", "type=\"input\""});
    };
    // A request is counted when all of its answer has left, which its client may see before.
    const Deadline deadline = Deadline::standard();
    while (tokens_of("spare") < 9 && !deadline.passed()) {
    }
    EXPECT_EQ(tokens_of("mock"), 25);
    EXPECT_EQ(tokens_of("spare"), 9);
}

TEST_F(Failover, KeepAlivesGoOnInThePause) {
    conf.set("route.ai.keepalive", "50ms").set("routing.failover.backoff", "1s");
    std::atomic<int> asked = 0;
    const std::string events = role_event + delta_event("at last") + done_event;
    start(answer_with(
        [&](const Message&) { return ++asked == 1 ? answer("{}", "503 Service Unavailable") : sse_answer(events); }));
    const std::string body = R"({"model":"gpt-4o-mini","stream":true,"stream_options":{"include_usage":true},)"
                             R"("messages":[{"role":"user","content":"Hi"}]})";
    const Message stream = ask(chat_request(body));
    EXPECT_EQ(stream.status(), 200);
    EXPECT_TRUE(stream.is_whole());
    EXPECT_TRUE(stream.body.ends_with(events)) << stream.body;
    const std::string comments =
        stream.body.substr(0, stream.body.size() - std::min(stream.body.size(), events.size()));
    EXPECT_GE(comments.size(), 3 * std::string_view(": keep-alive\n\n").size()) << "in half a second at least";
    EXPECT_LT(sum_where(loom().metrics(), "loom_overhead_seconds_sum"), 5) << "a head that left early took no time";
}

/// Where there is no room for what the next provider would have to be sent, its client is told of the first failure.
TEST_F(Failover, WithoutMemoryForAChangedDocumentTheFirstFailureIsTheAnswer) {
    ScriptedUpstream third(answers(answer(chat_answer)));
    conf.set("limit.bodies_in_memory", "1MiB").set("provider.spare.type", "mistral");
    conf.set("provider.third.type", "openai").set("provider.third.api_key", "sk-of-the-third");
    conf.set("provider.third.models", "gpt-4o").set("provider.third.base_url", third.origin() + "/v1");
    Gate large_is_here;
    start([&](UpstreamConnection& connection) {
        while (const auto asked = connection.read_request()) {
            if (asked->body.size() > 100'000) {
                large_is_here.open();
                return falls_silent(connection);
            }
            large_is_here.wait();
            connection.send(answer("{}", "500 Internal Server Error"));
        }
    });
    RawClient small = client(), large = client();
    small.send(chat_request(R"({"model":"gpt-4o","user":"u","messages":[{"role":"user","content":"Hi"}]})"));
    (void)upstream().request(0);
    large.send(chat_request(R"({"model":"gpt-4o","messages":[{"role":"user","content":")" +
                            std::string(2'000'000, 'x') + R"("}]})"));
    const Message response = small.read_response();
    EXPECT_EQ(response.status(), 500) << response.body;
    EXPECT_EQ(spare().request_count() + third.request_count(), 0u);
}

TEST_F(Failover, AStreamOpenedByKeepAlivesCanStillBeReplaced) {
    conf.set("route.ai.keepalive", "50ms").set("routing.failover.timeout", "250ms");
    start(sends_then(sse_head + chunk(role_event), falls_silent));
    const Message stream = ask(chat_request(stream_body));
    EXPECT_EQ(stream.status(), 200);
    EXPECT_TRUE(stream.is_whole());
    EXPECT_TRUE(stream.body.starts_with(": keep-alive\n\n")) << stream.body;
    EXPECT_TRUE(stream.body.ends_with(role_event + delta_event("from the spare") + usage_event + done_event))
        << stream.body;
}

TEST_F(Failover, AClientThatLeavesInThePauseIsNotWaitedFor) {
    conf.set("routing.failover.backoff", "30s").set("routing.strategy", "least_connections");
    start(answers(answer("{}", "503 Service Unavailable")));
    {
        RawClient gone = client();
        gone.send(chat_request(R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]})"));
        (void)upstream().request(0);
        gone.reset();
    }
    const Deadline deadline = Deadline::standard();
    while (loom().metric("loom_exchanges_live") > 0) ASSERT_FALSE(deadline.passed());
    EXPECT_EQ(upstream().request_count(), 1u);
    const Message stats = ask_once(loom().admin_port(), request("GET", "/ai/providers/mock/stats"), false);
    EXPECT_TRUE(contains(stats.body, "\"in_flight\":0"))
        << stats.body << " what was chosen and not begun is given back";
}

TEST_F(Failover, ThePauseIsKeptAfterATimeout) {
    conf.set("routing.failover.timeout", "50ms").set("routing.failover.backoff", "400ms");
    conf.set("routing.failover.max_retries", "1");
    std::atomic<int> asked = 0;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            if (asked++ == 0) return falls_silent(connection);
            connection.send(answer(chat_answer));
        }
    });
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(ask(chat_request(R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]})")).status(),
              200);
    EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(240)) << "50, and at least 200";
}

TEST_F(Failover, TheLogTellsOfIt) {
    start(answers(answer("{}", "503 Service Unavailable")));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    const std::string line = loom().wait_for_access_line("\"failover\"");
    EXPECT_TRUE(contains(line, R"("provider":"spare")")) << line;
    EXPECT_TRUE(contains(line, R"("failover":"mock=status:503")")) << line;
}

TEST_F(Failover, TheAdminTellsHowProvidersDo) {
    conf.set("routing.failover.circuit_breaker.failure_threshold", "2");
    start(answers(answer("{}", "500 Internal Server Error")));
    const auto shown = [&](const std::string& path) {
        return ask_once(loom().admin_port(), request("GET", path, ""), false);
    };
    EXPECT_TRUE(contains(shown("/ai/providers/mock/health").body, R"("status":"healthy","latency_ms":0.000,)"
                                                                  R"("last_check":null,"error":null)"));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    wait_until("all to be booked", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
    const Message list = shown("/ai/providers");
    EXPECT_EQ(list.head.value("Content-Type"), "application/json");
    EXPECT_TRUE(contains(list.body, R"({"providers":[{"name":"mock","status":"degraded","requests":0,)")) << list.body;
    EXPECT_TRUE(
        contains(list.body, R"({"name":"spare","status":"healthy","requests":3,"tokens_in":27,"tokens_out":9,)"))
        << list.body;
    const std::string health = shown("/ai/providers/mock/health").body;
    EXPECT_TRUE(contains(health, R"("error":"the upstream answered with an error","breaker":"closed","models_open":1)"))
        << health;
    EXPECT_FALSE(contains(health, R"("last_check":null)")) << health;
    const std::string stats = shown("/ai/providers/spare/stats").body;
    EXPECT_TRUE(contains(stats, R"("failovers_from":0,"failovers_to":2)")) << stats;
    for (const char* const nowhere : {"/ai/providers/none/health", "/ai/providers/mock", "/ai/providers/mock/x"})
        EXPECT_EQ(shown(nowhere).status(), 404) << nowhere;
    EXPECT_EQ(ask_once(loom().admin_port(), request("POST", "/ai/providers", ""), false).status(), 405);
}

TEST_F(Failover, OfItOffTheFirstFailureIsTheAnswer) {
    conf.set("routing.failover.enabled", "off");
    start(answers(answer("{}", "503 Service Unavailable")));
    const Message response = ask(chat_request(chat_body));
    EXPECT_EQ(response.status(), 503);
    EXPECT_FALSE(response.head.has("x-loom-provider"));
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Failover, StrategiesSpreadTheRequests) {
    conf.set("routing.failover.enabled", "off").set("provider.mock.weight", "3").set("routing.strategy", "weighted");
    start(answers(answer(chat_answer)));
    for (int i = 0; i < 40; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(upstream().request_count(), 30u);
    EXPECT_EQ(spare().request_count(), 10u);
    loom().reload(conf.set("routing.model.gpt-4o.strategy", "round_robin").text());
    for (int i = 0; i < 40; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(upstream().request_count(), 50u);
    loom().reload(conf.set("provider.mock.weight", "0").text());
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-provider"), "spare");
    loom().reload(conf.set("routing.strategy", "").text());
    EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-choice"), "round_robin") << "a model's own";
}

}  // namespace
}  // namespace loom::wire

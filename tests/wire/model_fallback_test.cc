// A model that cannot take a request, as its provider says: another that the conf names is asked in its place.
#include "fixture.h"

namespace loom::wire {
namespace {

const std::string too_long =
    R"({"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error",)"
    R"("param":"messages","code":"context_length_exceeded"}})";
const std::string blocked =
    R"({"error":{"message":"The response was filtered.","type":null,"param":"prompt","code":"content_filter"}})";
const std::string plain_refusal =
    R"({"error":{"message":"'temperature' must be at most 2","type":"invalid_request_error","code":"bad_value"}})";

/// Provider `mock` refuses the model gpt-4o as a test says, and answers for every other.
class ModelFallback : public WireTest {
  protected:
    ModelFallback() {
        conf.set("routing.failover.enabled", "on").set("provider.mock.models", "gpt-4o, gpt-long, gpt-longer");
        conf.set("model_fallback.gpt-4o.context_window", "gpt-long");
    }
    void refuse_with(const std::string& body, const std::string& status = "400 Bad Request") {
        start(answer_with([=](const Message& asked) {
            if (json_text(asked.body, "model") == "gpt-4o") return answer(body, status);
            const bool streams = contains(asked.body, "\"stream\":true");
            return streams ? sse_answer(delta_event("long") + usage_event + done_event) : answer(chat_answer);
        }));
    }
};

TEST_F(ModelFallback, APromptThatDoesNotFitGoesToAModelThatItFits) {
    refuse_with(too_long);
    const Message whole = ask(chat_request(chat_body));
    EXPECT_EQ(whole.status(), 200) << whole.raw();
    EXPECT_EQ(whole.body, chat_answer);
    EXPECT_EQ(whole.head.value("x-loom-model"), "gpt-long");
    EXPECT_EQ(whole.head.value("x-loom-attempts"), "2");
    EXPECT_EQ(whole.head.value("x-loom-failover"), "mock=context_window:400");
    EXPECT_EQ(edited_run(chat_body, upstream().request(1).body), "long") << "all else is as it came";
    EXPECT_EQ(loom().eventually(R"(loom_ai_failovers_total{from="mock",to="mock",reason="context_window"})"), 1);
    const Message stream = ask(chat_request(stream_body));
    EXPECT_EQ(stream.status(), 200);
    EXPECT_EQ(stream.body, delta_event("long") + usage_event + done_event);
}

TEST_F(ModelFallback, OtherRefusalsAreTheAnswerAsTheyCame) {
    refuse_with(plain_refusal);
    const Message refused = ask(chat_request(chat_body));
    EXPECT_EQ(refused.status(), 400);
    EXPECT_EQ(refused.body, plain_refusal);
    EXPECT_EQ(refused.head.value("Content-Type"), "application/json");
    EXPECT_FALSE(refused.head.has("x-loom-failover"));
    EXPECT_EQ(upstream().request_count(), 1u);
    const Message stream = ask(chat_request(stream_body));
    EXPECT_EQ(stream.status(), 400);
    EXPECT_EQ(stream.body, plain_refusal);
}

TEST_F(ModelFallback, ARefusalIsKnownHoweverItsBytesCome) {
    conf.set("routing.failover.circuit_breaker.failure_threshold", "0");
    const std::string bytes = answer(too_long, "400 Bad Request");
    std::atomic<size_t> cut = 1;
    start([&](UpstreamConnection& connection) {
        while (const auto asked = connection.read_request()) {
            if (json_text(asked->body, "model") == "gpt-4o")
                connection.send_cut_at(bytes, cut);
            else
                connection.send(answer(chat_answer));
        }
    });
    for (; cut < bytes.size(); cut += 9) {
        SCOPED_TRACE(cut.load());
        EXPECT_EQ(ask(chat_request(chat_body)).body, chat_answer);
    }
}

TEST_F(ModelFallback, AFilterOfContentsHasAFallbackOfItsOwn) {
    conf.set("routing.fallback.content_policy", "gpt-longer");
    refuse_with(blocked);
    const Message whole = ask(chat_request(chat_body));
    EXPECT_EQ(whole.body, chat_answer);
    EXPECT_EQ(whole.head.value("x-loom-model"), "gpt-longer");
    EXPECT_EQ(whole.head.value("x-loom-failover"), "mock=content_policy:400");
}

TEST_F(ModelFallback, WithoutOneForItsCauseTheRefusalIsTheAnswer) {
    refuse_with(blocked);
    const Message refused = ask(chat_request(chat_body));
    EXPECT_EQ(refused.status(), 400);
    EXPECT_EQ(refused.body, blocked);
    EXPECT_FALSE(refused.head.has("x-loom-failover"));
}

TEST_F(ModelFallback, WhoeverStandsInMayBeStoodInFor) {
    conf.set("model_fallback.gpt-long.context_window", "gpt-longer");
    start(answer_with([](const Message& asked) {
        return json_text(asked.body, "model") == "gpt-longer" ? answer(chat_answer)
                                                              : answer(too_long, "400 Bad Request");
    }));
    const Message whole = ask(chat_request(chat_body));
    EXPECT_EQ(whole.body, chat_answer);
    EXPECT_EQ(whole.head.value("x-loom-attempts"), "3");
    EXPECT_EQ(whole.head.value("x-loom-failover"), "mock=context_window:400, mock=context_window:400");
}

// The round was not seen at load, since the two are spelt differently, and the request went round until its time was
// over.
TEST_F(ModelFallback, OneThatStandsInForItselfUnderAnotherSpellingDoesSoOnce) {
    conf.set("model_fallback.gpt-4o.content_policy", "mock/gpt-4o");
    start(answer_always(answer(blocked, "400 Bad Request")));
    const Message refused = ask(chat_request(chat_body));
    EXPECT_EQ(refused.status(), 400);
    EXPECT_EQ(refused.body, blocked);
    EXPECT_EQ(upstream().request_count(), 2u);
}

TEST_F(ModelFallback, WhereNobodyTakesItTheLastRefusalIsTheAnswer) {
    start(answer_always(answer(too_long, "400 Bad Request")));
    const Message refused = ask(chat_request(chat_body));
    EXPECT_EQ(refused.status(), 400);
    EXPECT_EQ(refused.body, too_long);
    EXPECT_EQ(upstream().request_count(), 2u);
}

TEST_F(ModelFallback, AProviderOfAnotherProtocolSaysItInItsOwnWords) {
    ScriptedUpstream spare(answer_always(answer(chat_answer)));
    conf.set("provider.mock.type", "anthropic").set("provider.mock.models", "gpt-4o");
    conf.set("provider.spare.type", "openai").set("provider.spare.api_key", "sk-spare");
    conf.set("provider.spare.models", "gpt-long").set("provider.spare.base_url", spare.origin() + "/v1");
    start(answer_always(answer(R"({"type":"error","error":{"type":"invalid_request_error",)"
                               R"("message":"prompt is too long: 209353 tokens > 200000 maximum"}})",
                               "400 Bad Request")));
    const Message whole = ask(chat_request(chat_body));
    EXPECT_EQ(whole.body, chat_answer);
    EXPECT_EQ(whole.head.value("x-loom-provider"), "spare");
    EXPECT_EQ(edited_run(chat_body, spare.request(0).body), "long");
}

TEST_F(ModelFallback, TheConsumersLeaveCountsForWhoeverStandsInToo) {
    conf.set("consumer.tester.models", "gpt-4o");
    refuse_with(too_long);
    EXPECT_EQ(ask(chat_request(chat_body)).body, too_long);
    EXPECT_EQ(upstream().request_count(), 1u);
}

TEST_F(ModelFallback, ABreakerDoesNotMindRefusals) {
    conf.set("routing.failover.circuit_breaker.failure_threshold", "1").set("routing.failover.retry_budget", "0%");
    refuse_with(too_long);
    for (int i = 0; i < 30; ++i) EXPECT_EQ(ask(chat_request(chat_body)).body, chat_answer) << i;
    EXPECT_EQ(upstream().request_count(), 60u);
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_models_open{provider="mock"})"), 0);
}

}  // namespace
}  // namespace loom::wire

// Answers that are kept: what they cost, whose model they are of, what their other form must not leave out, and what is
// none.
#include <fmt/format.h>

#include "fixture.h"

namespace loom::wire {
namespace {

using Script = ScriptedUpstream::Script;

std::string answer_of(std::string_view content, int prompt = 1, int completion = 1, std::string_view model = "gpt-4o") {
    return answer(fmt::format(
        R"({{"id":"c","object":"chat.completion","created":1,"model":"{}","choices":[{{"index":0,"message":)"
        R"({{"role":"assistant","content":"{}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":{},)"
        R"("completion_tokens":{},"total_tokens":{}}}}})",
        model, content, prompt, completion, prompt + completion));
}

std::string body_of(std::string_view prompt, std::string_view more = "", std::string_view model = "gpt-4o") {
    return fmt::format(R"({{"model":"{}","messages":[{{"role":"user","content":"{}"}}]{}}})", model, prompt, more);
}

std::string event_of(int choice, std::string_view finish) {
    return fmt::format(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o\",\"choices\":[{{"
        "\"index\":{},\"delta\":{{\"content\":\"x\"}},\"finish_reason\":{}}}]}}\n\n",
        choice, finish);
}

class CacheReview : public WireTest {
  protected:
    CacheReview() { conf.set("cache.exact.enabled", "on"); }
    static std::string status_of(const Message& message) { return message.head.value("x-loom-cache"); }
    std::string status(std::string_view body, std::string_view headers = "") {
        return status_of(ask(chat_request(body, headers)));
    }
    void answer_from_now(Script script) {
        upstream().set_script(std::move(script));
        upstream().end_connections();
    }
    std::string limits() { return ask_once(loom().admin_port(), request("GET", "/ai/limits"), false).body; }
    void expect_told(const std::string& part) {
        wait_until(part.c_str(), [&] { return contains(limits(), part); });
    }
    void expect_stale_of_failing_provider(const std::string& body, int times) {
        answer_from_now(answer_always(answer("{}", "500 Internal Server Error")));
        wait_until("an answer that is old", [&] { return status(body) == "stale"; });
        for (int i = 0; i < times; ++i) {
            const Message told = ask(chat_request(body));
            EXPECT_EQ(told.status(), 200) << i << told.raw();
            EXPECT_EQ(status_of(told), "stale") << i;
        }
        EXPECT_EQ(loom().eventually("loom_exchanges_live"), 0);
    }
};

// What a kept answer costs: nothing.

TEST_F(CacheReview, AnOldAnswerTakesNoTokensOfALimit) {
    conf.set("cache.exact.ttl", "1ms").set("cache.exact.stale", "1h");
    conf.set("rate_limit.token_rate.limit", "300").set("rate_limit.token_rate.window", "1h");
    start(answer_always(answer_of("a", 40, 60)));
    const std::string body = body_of("Say", R"(,"max_tokens":100)");
    EXPECT_EQ(status(body), "miss");
    expect_stale_of_failing_provider(body, 5);
}

class CacheBudget : public CacheReview {
  protected:
    CacheBudget() {
        conf.set("token_accounting.enabled", "on");
        conf.set("price.gpt-4o.input_per_1m", "1000").set("price.gpt-4o.output_per_1m", "10000");
    }
};

TEST_F(CacheBudget, AnOldAnswerTakesNothingOfABudget) {
    conf.set("cache.exact.ttl", "1ms").set("cache.exact.stale", "1h");
    conf.set("token_accounting.limit.tester.budget.daily", "10");
    conf.set("token_accounting.limit.tester.daily_limit", "1000");
    start(answer_always(answer_of("a", 40, 60)));
    const std::string body = body_of("Say", R"(,"max_tokens":100)");
    EXPECT_EQ(status(body), "miss");
    expect_told(R"("used":"0.64")");
    expect_stale_of_failing_provider(body, 5);
    expect_told(R"("used":"0.64")");
    expect_told(R"("used":100)");
}

TEST_F(CacheBudget, WhoHasSpentItGetsNothingOfWhatIsKept) {
    conf.set("token_accounting.limit.tester.daily_limit", "150");
    start(answer_always(answer_of("a", 40, 60)));
    const std::string body = body_of("Say", R"(,"max_tokens":10)");
    EXPECT_EQ(status(body), "miss");
    expect_told(R"("used":100)");
    for (int i = 0; i < 20; ++i) EXPECT_EQ(status(body), "hit") << i;
    EXPECT_EQ(loom().eventually("loom_exchanges_live"), 0);
    expect_told(R"("used":100)");
    EXPECT_EQ(status(body_of("other", R"(,"max_tokens":10)")), "miss");
    expect_told(R"("used":200)");
    for (const char* const headers : {"", "x-loom-cache: only\r\n", "x-loom-cache: refresh\r\n"}) {
        const Message refused = ask(chat_request(body, headers));
        expect_error(refused, 429, "insufficient_quota");
        EXPECT_EQ(status_of(refused), "bypass");
    }
    EXPECT_EQ(upstream().request_count(), 2u);
}

/// Who is asked then is another model, whose answer is nobody's but this one's.
TEST_F(CacheBudget, WhatAnotherModelDoesForItIsAsked) {
    conf.set("provider.mock.models", "gpt-4o, gpt-own").set("model_fallback.gpt-4o.budget", "gpt-own");
    conf.set("token_accounting.limit.tester.budget.daily", "0.60");
    start(answer_with([](const Message& asked) {
        return answer_of(json_text(asked.body, "model"), 40, 60, json_text(asked.body, "model"));
    }));
    const std::string body = body_of("Say", R"(,"max_tokens":10)");
    EXPECT_EQ(status(body), "miss");
    expect_told(R"("used":"0.64")");
    for (int i = 0; i < 2; ++i) {
        const Message told = ask(chat_request(body));
        EXPECT_EQ(status_of(told), "bypass");
        EXPECT_EQ(told.head.value("x-loom-fallback"), "budget");
        EXPECT_EQ(json_text(told.body, "content"), "gpt-own");
    }
}

// The other form.

TEST_F(CacheReview, WhatTheOtherFormCannotSayIsAskedAnew) {
    const std::string_view custom = R"(,"tools":[{"type":"custom","custom":{"name":"f"}}])";
    const auto document = [](std::string_view of_message) {
        return answer(fmt::format(R"({{"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{{)"
                                  R"("index":0,"message":{{"role":"assistant",{}}},"finish_reason":"tool_calls"}}]}})",
                                  of_message));
    };
    const std::string call =
        R"("content":null,"tool_calls":[{"id":"1","type":"custom","custom":{"name":"f","input":"x"}}])";
    const std::string reasons = R"("content":"x","reasoning_details":[{"type":"reasoning.text","text":"t"}])";
    start(answer_always(document(call)));
    int prompt = 0;
    for (const auto& [said, more] :
         {std::pair{call, custom}, {call, std::string_view()}, {reasons, custom}, {reasons, {}}}) {
        answer_from_now(answer_always(document(said)));
        const std::string asked = std::to_string(++prompt);
        EXPECT_EQ(status(body_of(asked, more)), "miss");
        EXPECT_EQ(status(body_of(asked, more)), "hit") << "as it came";
        answer_from_now(answer_always(sse_answer(event_of(0, "\"stop\"") + done_event)));
        const Message stream = ask(chat_request(body_of(asked, std::string(more) + R"(,"stream":true)")));
        EXPECT_EQ(status_of(stream), "miss") << said;
        EXPECT_TRUE(contains(stream.body, R"("content":"x")")) << stream.body;
    }
}

TEST_F(CacheReview, TheOtherFormNamesTheModelAsTheAnswerDid) {
    start(answer_always(answer_of("a", 1, 1, "gpt-4o-2024-11-20")));
    EXPECT_EQ(status(body_of("Say")), "miss");
    const Message stream = ask(chat_request(body_of("Say", R"(,"stream":true)")));
    EXPECT_EQ(status_of(stream), "hit");
    EXPECT_EQ(json_text(stream.body.substr(stream.body.find('{')), "model"), "gpt-4o-2024-11-20") << stream.body;
}

// Whose model it is.

class CacheOfModels : public CacheReview {
  protected:
    CacheOfModels() : other_(answer_always(answer_of("from gpt-4o"))) {
        allow_script_failures();
        conf.set("provider.mock.models", "llama").set("provider.mock.priority", "1");
        conf.set("provider.other.type", "openai").set("provider.other.api_key", "sk-of-the-other");
        conf.set("provider.other.models", "gpt-4o").set("provider.other.base_url", other_.origin() + "/v1");
        conf.set("provider.other.priority", "2").set("routing.failover.enabled", "on");
        conf.set("model_mapping.smart.mock", "llama").set("model_mapping.smart.other", "gpt-4o");
    }
    ScriptedUpstream& other() { return other_; }
    const std::string body = body_of("Say", "", "smart");

  private:
    ScriptedUpstream other_;
};

TEST_F(CacheOfModels, WhomARulePrefersTheOtherForGetsThatOnesAnswer) {
    conf.set("routing.rule.best.when", "header.x-tier == \"best\"").set("routing.rule.best.use", "other, mock");
    start(answer_always(answer_of("from llama")));
    const auto content = [this](std::string_view headers, std::string_view wanted) {
        const Message told = ask(chat_request(body, headers));
        EXPECT_EQ(status_of(told), wanted) << headers;
        return json_text(told.body, "content");
    };
    for (const char* const wanted : {"miss", "hit"}) {
        EXPECT_EQ(content("", wanted), "from llama");
        EXPECT_EQ(content("x-tier: best\r\n", wanted), "from gpt-4o");
    }
}

TEST_F(CacheOfModels, WhatAnotherModelAnsweredAfterAFailureIsNotKept) {
    conf.set("routing.failover.circuit_breaker.failure_threshold", "0");
    start(answer_always(answer("{}", "500 Internal Server Error")));
    const Message first = ask(chat_request(body));
    EXPECT_EQ(json_text(first.body, "content"), "from gpt-4o");
    EXPECT_EQ(status_of(first), "miss");
    answer_from_now(answer_always(answer_of("from llama")));
    EXPECT_EQ(loom().eventually("loom_ai_cache_entries"), 0);
    const Message second = ask(chat_request(body));
    EXPECT_EQ(status_of(second), "miss");
    EXPECT_EQ(json_text(second.body, "content"), "from llama");
    EXPECT_EQ(status(body), "hit");
}

/// Who is passed over for having failed has not been asked at all.
TEST_F(CacheOfModels, WhatAnotherModelAnswersMeanwhileIsNotKept) {
    conf.set("routing.failover.circuit_breaker.failure_threshold", "1");
    conf.set("routing.failover.circuit_breaker.timeout", "1h");
    start(answer_always(answer("{}", "500 Internal Server Error")));
    for (int i = 0; i < 4; ++i) {
        const Message told = ask(chat_request(body));
        EXPECT_EQ(json_text(told.body, "content"), "from gpt-4o");
        EXPECT_EQ(status_of(told), "miss");
    }
    EXPECT_LT(upstream().request_count(), 4u);
}

TEST_F(CacheReview, AProviderThatIsElsewhereNowIsAnother) {
    ScriptedUpstream elsewhere(answer_always(answer_of("from elsewhere")));
    start(answer_always(answer_of("from here")));
    EXPECT_EQ(status(body_of("Say")), "miss");
    conf.set("provider.mock.base_url", elsewhere.origin() + "/v1");
    loom().reload(conf.text());
    const Message told = ask(chat_request(body_of("Say")));
    EXPECT_EQ(status_of(told), "miss");
    EXPECT_EQ(json_text(told.body, "content"), "from elsewhere");
    conf.set("provider.mock.quirks", "no_user");
    loom().reload(conf.text());
    EXPECT_EQ(status(body_of("Say")), "miss");
    conf.set("provider.mock.header.x-variant", "b");
    loom().reload(conf.text());
    EXPECT_EQ(status(body_of("Say")), "miss");
    conf.set("provider.mock.timeout.total", "30s");
    loom().reload(conf.text());
    EXPECT_EQ(status(body_of("Say")), "hit") << "how long it is waited for changes no answer";
}

// What clients do meanwhile.

/// Nobody's place is left behind: with no end to the waiting, the next who asks would have to wait for one who is gone.
TEST_F(CacheReview, WhoLeavesWhileItsQuestionIsUnderWayKeepsNobodyWaiting) {
    allow_script_failures();
    conf.set("loop.shards", "3").set("cache.exact.single_flight", "10m");
    start(answer_always(answer_of("a")));
    for (int key = 0; key < 150; ++key) {
        const std::string body = body_of(std::to_string(key));
        for (int i = 0; i < 2; ++i) {
            RawClient leaving = client();
            leaving.send(chat_request(body));
            leaving.reset();
        }
        EXPECT_EQ(ask(chat_request(body)).status(), 200) << key;
    }
    EXPECT_EQ(loom().eventually("loom_exchanges_live"), 0);
}

TEST_F(CacheReview, WhatAClientHasNotReadYetIsHeldForIt) {
    conf.set("loop.shards", "1").set("cache.exact.max_entry", "16MiB");
    constexpr size_t size = 12'000'000;
    start(answer_always(answer_of(std::string(size, 'x'))));
    EXPECT_EQ(status(body_of("Say")), "miss");
    EXPECT_EQ(loom().eventually("loom_body_memory_bytes"), 0);
    RawClient slow(loom().port(), 4096);
    slow.send(chat_request(body_of("Say")));
    EXPECT_EQ(loom().eventually("loom_ai_cache_hits_total"), 1);
    EXPECT_GE(loom().metric("loom_body_memory_bytes"), size);
    EXPECT_GT(slow.read_response().body.size(), size);
    EXPECT_EQ(loom().eventually("loom_body_memory_bytes"), 0);
}

// What is no whole answer.

TEST_F(CacheReview, AStreamOfSeveralChoicesIsKeptWhenAllHaveEnded) {
    start(answer_always(answer("{}")));
    const std::string body = body_of("Say", R"(,"n":2,"stream":true)");
    const std::string stop = "\"stop\"";
    for (const std::string& events : {event_of(0, stop) + event_of(1, "null"), event_of(0, stop) + event_of(0, stop),
                                      event_of(0, stop), event_of(0, stop) + event_of(1, "\"length\"")}) {
        answer_from_now(answer_always(sse_answer(events + done_event)));
        EXPECT_EQ(status(body), "miss") << events;
    }
    EXPECT_EQ(loom().eventually("loom_ai_cache_entries"), 0);
    answer_from_now(answer_always(sse_answer(event_of(0, stop) + event_of(1, stop) + done_event)));
    EXPECT_EQ(status(body), "miss");
    EXPECT_EQ(status(body), "hit");
}

TEST_F(CacheReview, AStreamThatEndsBeforeItSaysSoIsNotKept) {
    start(answer_always(sse_answer(event_of(0, "\"stop\""))));
    for (int i = 0; i < 2; ++i) EXPECT_EQ(status(body_of("Say", R"(,"stream":true)")), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_entries"), 0);
}

TEST_F(CacheReview, AMessageThatDoesNotStopIsNotKept) {
    conf.set("provider.mock.type", "anthropic").set("provider.mock.models", "claude-sonnet-4-5");
    const auto event = [](std::string_view name, std::string_view more) {
        return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\"{1}}}\n\n", name, more);
    };
    const std::string unended =
        event("message_start",
              R"(,"message":{"id":"m","type":"message","role":"assistant","model":"claude-sonnet-4-5",)"
              R"("content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}})") +
        event("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})") +
        event("content_block_delta", R"(,"index":0,"delta":{"type":"text_delta","text":"x"})") +
        event("content_block_stop", R"(,"index":0)") +
        event("message_delta",
              R"(,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2})");
    start(answer_always(sse_answer(unended)));
    const std::string asks = request(
        "POST", "/v1/messages", auth_header() + "Content-Type: application/json\r\n",
        R"({"model":"claude-sonnet-4-5","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]})");
    for (int i = 0; i < 2; ++i) EXPECT_EQ(status_of(ask(asks)), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_entries"), 0);
    answer_from_now(answer_always(sse_answer(unended + event("message_stop", ""))));
    EXPECT_EQ(status_of(ask(asks)), "miss");
    EXPECT_EQ(status_of(ask(asks)), "hit");
}

TEST_F(CacheReview, WhatHoldsNoEmbeddingsIsNotKept) {
    start(answer_always(answer("{}")));
    const std::string asks = request("POST", "/v1/embeddings", auth_header() + "Content-Type: application/json\r\n",
                                     R"({"model":"gpt-4o","input":"a"})");
    const std::string one = R"({"object":"embedding","index":0,"embedding":[0.5]})";
    for (const std::string& told :
         {std::string("{}"), std::string(R"({"error":{"message":"over capacity"}})"),
          std::string(R"({"object":"list","data":[]})"), R"({"object":"list","data":[)" + one + R"(],"error":"no"})"}) {
        answer_from_now(answer_always(answer(told)));
        EXPECT_EQ(status_of(ask(asks)), "miss") << told;
    }
    EXPECT_EQ(loom().eventually("loom_ai_cache_entries"), 0);
    answer_from_now(answer_always(answer(R"({"object":"list","error":null,"data":[)" + one + "]}")));
    EXPECT_EQ(status_of(ask(asks)), "miss");
    EXPECT_EQ(status_of(ask(asks)), "hit");
}

TEST_F(CacheReview, WhatIsSearchedForIsOfTheMoment) {
    conf.set("provider.mock.models", "gpt-4o, gpt-4o:online");
    start(answer_always(answer_of("a")));
    for (const char* const member : {R"(,"search_parameters":{"mode":"on"})", R"(,"plugins":[{"id":"web"}])",
                                     R"(,"enable_search":true)", R"(,"web_search_options":{})"})
        EXPECT_EQ(status(body_of("Say", member)), "bypass") << member;
    EXPECT_EQ(status(body_of("Say", "", "gpt-4o:online")), "bypass");
    EXPECT_EQ(status(body_of("Say", R"(,"enable_search":false)")), "miss");
    EXPECT_EQ(status(body_of("Say", R"(,"enable_search":false)")), "hit");
}

/// A budget that is spent is no provider that is busy: nobody waits in line for it.
TEST_F(CacheBudget, WhoHasSpentItStandsInNoLine) {
    conf.set("routing.queue.max", "4").set("provider.mock.rate_limit.concurrent_requests", "4");
    conf.set("route.ai.provider", "mock").set("token_accounting.limit.tester.daily_limit", "90");
    start(answer_always(answer_of("a", 40, 60)));
    const std::string body = body_of("Say", R"(,"max_tokens":10)");
    EXPECT_EQ(status(body), "miss");
    expect_told(R"("used":100)");
    for (const char* const headers : {"Cache-Control: only-if-cached\r\n", ""})
        expect_error(ask(chat_request(body, headers)), 429, "insufficient_quota");
    EXPECT_EQ(upstream().request_count(), 1u);
}

/// What one client may have of an answer is not what another may.
TEST_F(CacheReview, ClientsOfOtherCapsHaveOtherAnswers) {
    conf.set("consumer.narrow.api_key", "sk-narrow").set("cache.exact.scope", "shared");
    conf.set("rate_limit.consumer.narrow.max_tokens_per_request", "300");
    start(answer_always(answer(chat_answer)));
    const auto asked_by = [&](const std::string& key) {
        return ask(request("POST", "/v1/chat/completions",
                           "Authorization: Bearer " + key + "\r\nContent-Type: application/json\r\n", chat_body));
    };
    EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-cache"), "miss");
    EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-cache"), "hit");
    EXPECT_EQ(asked_by("sk-narrow").head.value("x-loom-cache"), "miss");
    EXPECT_EQ(asked_by("sk-narrow").head.value("x-loom-cache"), "hit");
    EXPECT_TRUE(contains(upstream().request(1).body, "\"max_")) << upstream().request(1).body;
}

}  // namespace
}  // namespace loom::wire

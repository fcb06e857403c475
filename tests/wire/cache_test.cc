// Answers that are kept: who gets them, in which form, and what is never one of them.
#include <fmt/format.h>

#include <thread>

#include "cached_chat.h"
#include "fixture.h"

namespace loom::wire {
namespace {

using Script = ScriptedUpstream::Script;

/// As the request asks for it.
std::string fitting_answer(const Message& request) {
    return contains(request.body, "\"stream\":true") ? whole_stream() : answer(chat_answer);
}

std::string answer_saying(std::string_view content, std::string_view finish = "stop") {
    return fmt::format(R"({{"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{{"index":0,)"
                       R"("message":{{"role":"assistant","content":"{}"}},"finish_reason":"{}"}}],"usage":)"
                       R"({{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}}})",
                       content, finish);
}

std::string chat_request_of(std::string_view key, std::string_view body) {
    return request("POST", "/v1/chat/completions",
                   fmt::format("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", key), body);
}

class Cache : public WireTest {
  protected:
    Cache() { conf.set("cache.exact.enabled", "on"); }
    void begin(Script script = answer_with(fitting_answer)) { start(std::move(script)); }
    static std::string status_of(const Message& message) { return message.head.value("x-loom-cache"); }
    std::string status(std::string_view body, std::string_view headers = "") {
        return status_of(ask(chat_request(body, headers)));
    }
    Message admin(std::string_view method, std::string_view target) {
        return ask_once(loom().admin_port(), request(method, target));
    }
    /// Asks until what it comes to is `wanted`; the last that it came to.
    std::string status_in_time(std::string_view body, std::string_view wanted) {
        const Deadline deadline = Deadline::standard();
        std::string came;
        do came = status(body);
        while (came != wanted && !deadline.passed());
        return came;
    }
};

TEST_F(Cache, TheSameRequestAgainAsksNobody) {
    begin();
    const Message first = ask(chat_request(chat_body));
    const Message second = ask(chat_request(chat_body));
    EXPECT_EQ(status_of(first), "miss");
    EXPECT_EQ(status_of(second), "hit");
    EXPECT_EQ(second.status(), 200);
    EXPECT_EQ(second.body, first.body);
    EXPECT_EQ(second.head.value("content-type"), "application/json");
    EXPECT_EQ(second.head.value("age"), "0");
    EXPECT_EQ(second.head.value("x-loom-cache-key"), first.head.value("x-loom-cache-key"));
    EXPECT_NE(second.head.value("x-request-id"), first.head.value("x-request-id"));
    EXPECT_EQ(upstream().request_count(), 1u);
    EXPECT_EQ(loom().eventually(R"(loom_ai_cache_requests_total{status="hit"})"), 1);
    EXPECT_EQ(loom().eventually(R"(loom_ai_cache_requests_total{status="miss"})"), 1);
    EXPECT_EQ(loom().eventually("loom_ai_cache_hits_total"), 1);
    EXPECT_EQ(loom().eventually("loom_ai_cache_misses_total"), 1);
    EXPECT_EQ(loom().eventually("loom_ai_cache_entries"), 1);
    EXPECT_EQ(loom().eventually(R"(loom_ai_cache_saved_tokens_total{type="output"})"), 12);
    EXPECT_EQ(loom().eventually_sum("loom_ai_tokens_total"), 21) << "a hit takes none";
    loom().wait_for_access_line(R"("cache":"hit")");
}

TEST_F(Cache, IsOffUnlessItIsSwitchedOn) {
    conf.set("cache.exact.enabled", "");
    begin();
    EXPECT_FALSE(ask(chat_request(chat_body)).head.has("x-loom-cache"));
    EXPECT_FALSE(ask(chat_request(chat_body)).head.has("x-loom-cache"));
    EXPECT_EQ(upstream().request_count(), 2u);
}

TEST_F(Cache, ARouteMayHaveNone) {
    conf.set("route.ai.cache", "off");
    begin();
    for (int i = 0; i < 2; ++i) EXPECT_FALSE(ask(chat_request(chat_body)).head.has("x-loom-cache"));
    EXPECT_EQ(upstream().request_count(), 2u);
}

TEST_F(Cache, WhatChangesTheAnswerIsAnotherRequest) {
    begin();
    EXPECT_EQ(status(body_of("enable it")), "miss");
    for (const std::string& other :
         {body_of("disable it"), body_of("enable it", R"(,"temperature":0.5)"),
          body_of("enable it", R"(,"tools":[{"type":"function","function":{"name":"f"}}])"),
          body_of("enable it", R"(,"response_format":{"type":"json_object"})"),
          body_of("enable it", R"(,"max_tokens":5)"), body_of("enable it", R"(,"x_vendor":1)"),
          std::string(R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"enable it"}]})"),
          std::string(R"({"model":"gpt-4o","messages":[{"role":"system","content":"be short"},)"
                      R"({"role":"user","content":"enable it"}]})")})
        EXPECT_EQ(status(other), "miss") << other;
    EXPECT_EQ(upstream().request_count(), 9u);
    EXPECT_EQ(status(body_of("enable it")), "hit");
    EXPECT_EQ(status(R"({ "messages": [{"role": "user", "content": "enable it"}], "user": "u-7", "model": "gpt-4o" })"),
              "hit");
}

TEST_F(Cache, AStreamIsGivenAgainAsItCame) {
    begin();
    const Message first = ask(chat_request(stream_body));
    const Message second = ask(chat_request(stream_body));
    EXPECT_EQ(status_of(second), "hit");
    EXPECT_EQ(second.body, first.body);
    EXPECT_TRUE(contains(second.head.value("content-type"), "text/event-stream"));
    EXPECT_TRUE(second.is_whole());
    EXPECT_EQ(upstream().request_count(), 1u);
}

TEST_F(Cache, WhoDidNotAskForUsageInTheStreamGetsNone) {
    begin();
    const Message told = ask(chat_request(stream_body));
    const Message untold = ask(chat_request(stream_body_no_usage));
    EXPECT_EQ(status_of(untold), "hit");
    EXPECT_TRUE(contains(told.body, "\"total_tokens\":21"));
    EXPECT_FALSE(contains(untold.body, "total_tokens")) << untold.body;
    EXPECT_TRUE(untold.body.ends_with("data: [DONE]\n\n"));
}

TEST_F(Cache, UsageThatWasStrippedIsToldToWhoAsksForIt) {
    begin();
    EXPECT_FALSE(contains(ask(chat_request(stream_body_no_usage)).body, "total_tokens"));
    const Message told = ask(chat_request(stream_body));
    EXPECT_EQ(status_of(told), "hit");
    EXPECT_TRUE(contains(told.body, "\"total_tokens\":21")) << told.body;
    EXPECT_EQ(upstream().request_count(), 1u);
}

TEST_F(Cache, AStreamIsTheAnswerToWhoWantsItWhole) {
    begin();
    EXPECT_EQ(status(stream_body_no_usage), "miss");
    const Message whole = ask(chat_request(R"({"model":"gpt-4o","messages":[{"role":"user","content":"Say hello"}]})"));
    EXPECT_EQ(status_of(whole), "hit");
    EXPECT_EQ(whole.head.value("content-type"), "application/json");
    EXPECT_EQ(json_text(whole.body, "content"), "Hello world") << whole.body;
    EXPECT_EQ(json_text(whole.body, "object"), "chat.completion");
    EXPECT_EQ(json_text(whole.body, "finish_reason"), "stop");
    EXPECT_TRUE(contains(whole.body, "\"completion_tokens\":12")) << whole.body;
    EXPECT_EQ(upstream().request_count(), 1u);
}

TEST_F(Cache, AWholeAnswerIsTheStreamOfWhoWantsOne) {
    begin(answer_with(plain_answer));
    EXPECT_EQ(status(R"({"model":"gpt-4o","messages":[{"role":"user","content":"Say hello"}]})"), "miss");
    const Message stream = ask(chat_request(stream_body));
    EXPECT_EQ(status_of(stream), "hit");
    EXPECT_TRUE(contains(stream.head.value("content-type"), "text/event-stream"));
    EXPECT_TRUE(contains(stream.body, R"("content":"Grüße 👋 \ud83d\ude00")")) << stream.body;
    EXPECT_TRUE(contains(stream.body, R"("finish_reason":"stop")"));
    EXPECT_TRUE(contains(stream.body, "\"total_tokens\":21"));
    EXPECT_TRUE(stream.body.ends_with("data: [DONE]\n\n"));
    EXPECT_EQ(upstream().request_count(), 1u);
}

/// Whatever provider has answered, each client reads it in its own protocol, in both forms.
TEST_F(Cache, EveryProtocolsAnswersAreKeptInBothForms) {
    conf.set("route.gemini.path", "/v1beta/*").set("route.gemini.ai_gateway", "on");
    conf.set("route.gemini.auth.type", "api_key");
    begin(answer_with(plain_answer));
    for (const std::string_view name : {"openai_chat", "anthropic", "gemini"}) {
        const ClientProtocol& client = client_protocol(name);
        for (const bool first_streams : {false, true}) {
            const std::string model = first_streams ? "gpt-4o" : "gpt-4o-mini";
            const Message first = ask(client.ask(model, first_streams, ""));
            EXPECT_EQ(status_of(first), "miss") << name << first.body;
            const Message same = ask(client.ask(model, first_streams, ""));
            EXPECT_EQ(status_of(same), "hit") << name;
            EXPECT_EQ(same.body, first.body) << name;
            const Message other = ask(client.ask(model, !first_streams, ""));
            EXPECT_EQ(status_of(other), "hit") << name << first_streams;
            const std::string_view said = first_streams ? "world" : "Gr";
            EXPECT_TRUE(contains(other.body, said)) << name << other.body;
            if (!first_streams) EXPECT_TRUE(contains(other.body, client.stream_end)) << name << other.body;
        }
    }
    EXPECT_EQ(upstream().request_count(), 6u);
}

TEST_F(Cache, ResponsesAreKeptWhereNothingIsStored) {
    begin();
    const auto responses = [this](std::string_view more) {
        return status_of(ask(request("POST", "/v1/responses", auth_header() + "Content-Type: application/json\r\n",
                                     fmt::format(R"({{"model":"gpt-4o","input":"Say hello"{}}})", more))));
    };
    conf.set("provider.mock.type", "openai");
    upstream().set_script(answer_always(answer(
        R"({"id":"resp_1","object":"response","created_at":1,"status":"completed","model":"gpt-4o","output":[{"type":)"
        R"("message","id":"m","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Hello",)"
        R"("annotations":[]}]}],"usage":{"input_tokens":9,"output_tokens":12,"total_tokens":21}})")));
    EXPECT_EQ(responses(R"(,"store":false)"), "miss");
    EXPECT_EQ(responses(R"(,"store":false)"), "hit");
    EXPECT_EQ(responses(""), "bypass");
    EXPECT_EQ(responses(R"(,"store":true)"), "bypass");
    EXPECT_EQ(responses(R"(,"store":false,"tools":[{"type":"web_search"}])"), "bypass");
}

TEST_F(Cache, EmbeddingsAreKept) {
    begin(answer_always(answer(R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],)"
                               R"("model":"gpt-4o","usage":{"prompt_tokens":2,"total_tokens":2}})")));
    const std::string asks = request("POST", "/v1/embeddings", auth_header() + "Content-Type: application/json\r\n",
                                     R"({"model":"gpt-4o","input":"a"})");
    EXPECT_EQ(status_of(ask(asks)), "miss");
    EXPECT_EQ(status_of(ask(asks)), "hit");
    EXPECT_EQ(upstream().request_count(), 1u);
}

// Whose they are.

class CacheOfTenants : public Cache {
  protected:
    CacheOfTenants() {
        for (const char* const name : {"alice", "bob", "carol"})
            conf.set(std::string("consumer.") + name + ".api_key", key_of(name));
        conf.set("consumer.alice.tenant", "acme").set("consumer.bob.tenant", "acme");
    }
    static std::string key_of(std::string_view name) { return fmt::format("sk-{}-0123456789abcdef", name); }
    std::string status_for(std::string_view name, std::string_view body = chat_body) {
        return status_of(ask(chat_request_of(key_of(name), body)));
    }
};

TEST_F(CacheOfTenants, NobodyGetsAnotherTenantsAnswer) {
    begin();
    EXPECT_EQ(status_for("alice"), "miss");
    EXPECT_EQ(status_for("carol"), "miss");
    EXPECT_EQ(status_for("bob"), "hit") << "of the same tenant";
    EXPECT_EQ(status_for("carol"), "hit");
    EXPECT_EQ(upstream().request_count(), 2u);
    // Nothing that a document or a head says is a way into another's answers.
    for (const char* const name : {"tenant", "scope", "consumer"})
        EXPECT_EQ(status_for("carol", body_of("Say", fmt::format(R"(,"{}":"tenant/acme")", name))), "miss") << name;
    EXPECT_EQ(status_for("alice", body_of("a secret")), "miss");
    for (const char* const name : {"user", "metadata"}) {
        const std::string body = body_of("a secret", fmt::format(R"(,"{}":"tenant/acme")", name));
        EXPECT_EQ(status_of(ask(request("POST", "/v1/chat/completions",
                                        fmt::format("Authorization: Bearer {}\r\nContent-Type: application/json\r\n"
                                                    "x-loom-cache: only\r\nx-tenant: acme\r\nx-loom-tenant: acme\r\n",
                                                    key_of("carol")),
                                        body))),
                  "miss")
            << name;
    }
}

TEST_F(CacheOfTenants, ByConsumer) {
    conf.set("cache.exact.scope", "consumer");
    begin();
    EXPECT_EQ(status_for("alice"), "miss");
    EXPECT_EQ(status_for("bob"), "miss");
    EXPECT_EQ(status_for("alice"), "hit");
}

TEST_F(CacheOfTenants, SharedIsEverybodys) {
    conf.set("cache.exact.scope", "shared");
    begin();
    EXPECT_EQ(status_for("alice"), "miss");
    EXPECT_EQ(status_for("carol"), "hit");
    EXPECT_TRUE(contains(loom().check_conf(), "across tenants"));
}

TEST_F(CacheOfTenants, AHitPassesNoCheck) {
    conf.set("cache.exact.scope", "shared").set("consumer.carol.models", "gpt-4o-mini");
    begin();
    EXPECT_EQ(status_for("alice"), "miss");
    EXPECT_EQ(ask(chat_request_of(key_of("carol"), chat_body)).status(), 403);
    EXPECT_EQ(ask(chat_request_of("sk-nobody-0123456789abcdef", chat_body)).status(), 401);
}

TEST_F(Cache, AHitCountsAsARequestOfItsClient) {
    conf.set("rate_limit.request_rate.limit", "2").set("rate_limit.request_rate.window", "1h");
    begin();
    EXPECT_EQ(status(chat_body), "miss");
    EXPECT_EQ(status(chat_body), "hit");
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 429);
}

TEST_F(Cache, AHitTakesNoTokensOfALimit) {
    conf.set("rate_limit.token_rate.limit", "600").set("rate_limit.token_rate.window", "1h");
    begin();
    const std::string body = body_of("Say", R"(,"max_tokens":100)");
    EXPECT_EQ(status(body), "miss");
    for (int i = 0; i < 20; ++i) EXPECT_EQ(status(body), "hit") << i;
}

// What is never kept.

TEST_F(Cache, WhatIsNoWholeAnswerIsNotKept) {
    begin();
    for (const std::string& bytes :
         {answer(answer_saying("a", "length")), answer(answer_saying("a", "content_filter")),
          answer(R"({"id":"c","object":"chat.completion","model":"gpt-4o","choices":[]})"), answer("{}"),
          answer(R"({"error":{"message":"no"}})"), answer("not JSON at all"), answer(answer_saying("a"), "201 Created"),
          answer(answer_saying("a"), "500 Internal Server Error"),
          answer(answer_saying("a"), "429 Too Many Requests")}) {
        upstream().set_script(answer_always(bytes));
        upstream().end_connections();
        EXPECT_EQ(status(chat_body), "miss") << bytes;
    }
    EXPECT_EQ(loom().eventually("loom_ai_cache_entries"), 0);
}

TEST_F(Cache, AStreamThatWasCutAnywhereIsNotKept) {
    allow_script_failures();
    begin();
    const std::string events = whole_stream();
    const size_t done = events.find("data: [DONE]");
    for (size_t cut = sse_head.size(); cut < done; cut += 41) {
        upstream().set_script([events, cut](UpstreamConnection& connection) {
            if (!connection.read_request()) return;
            connection.send(std::string_view(events).substr(0, cut));
            connection.close();
        });
        upstream().end_connections();
        (void)ask(chat_request(stream_body));
    }
    upstream().set_script(answer_with(fitting_answer));
    upstream().end_connections();
    EXPECT_EQ(status(stream_body), "miss");
    EXPECT_EQ(status(stream_body), "hit");
}

TEST_F(Cache, AStreamWithoutAFinishOrOneAtALimitIsNotKept) {
    begin();
    const auto finish = [](std::string_view reason) {
        return fmt::format(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o\","
            "\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":{}}}]}}\n\n",
            reason);
    };
    for (const std::string& events :
         {delta_event("a") + done_event, delta_event("a") + finish("\"length\"") + done_event,
          delta_event("a") + finish("\"content_filter\"") + done_event,
          delta_event("a") + "data: {\"error\":{\"message\":\"no\"}}\n\n" + done_event}) {
        upstream().set_script(answer_always(sse_answer(events)));
        upstream().end_connections();
        EXPECT_EQ(status(stream_body), "miss") << events;
    }
    EXPECT_EQ(loom().eventually("loom_ai_cache_entries"), 0);
}

TEST_F(Cache, AnAnswerWhoseClientHasLeftIsNotKept) {
    allow_script_failures();
    Gate left;
    begin([left](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(delta_event("Hello")));
        left.wait();
        (void)connection.wait_closed();
    });
    RawClient client = this->client();
    client.send(chat_request(stream_body));
    client.reader().start_response();
    client.reader().read_body_until("Hello");
    client.reset();
    left.open();
    EXPECT_EQ(loom().eventually("loom_client_cancels_total"), 1);
    upstream().set_script(answer_with(fitting_answer));
    EXPECT_EQ(status(stream_body), "miss");
    EXPECT_EQ(status(stream_body), "hit");
}

TEST_F(Cache, WhatALargerAnswerThanMayBeKeptPasses) {
    conf.set("cache.exact.max_entry", "1KiB");
    begin(answer_always(answer(answer_saying(std::string(5000, 'x')))));
    EXPECT_EQ(status(chat_body), "miss");
    EXPECT_EQ(status(chat_body), "miss");
}

// What clients may say.

TEST_F(Cache, AClientSaysWhatItWants) {
    begin();
    EXPECT_EQ(status(chat_body), "miss");
    EXPECT_EQ(status(chat_body, "Cache-Control: no-store\r\n"), "bypass");
    EXPECT_EQ(status(chat_body, "x-loom-cache: bypass\r\n"), "bypass");
    EXPECT_EQ(upstream().request_count(), 3u);
    EXPECT_EQ(status(chat_body, "Cache-Control: max-age=3600, private\r\n"), "hit");
    EXPECT_EQ(status(body_of("new"), "x-loom-cache: bypass\r\n"), "bypass");
    EXPECT_EQ(status(body_of("new")), "miss") << "nothing of a bypass is kept";
    upstream().set_script(answer_always(answer(answer_saying("newer"))));
    upstream().end_connections();
    for (const char* const refresh : {"Cache-Control: no-cache\r\n", "x-loom-cache: refresh\r\n"}) {
        const size_t before = upstream().request_count();
        EXPECT_EQ(status(chat_body, refresh), "miss");
        EXPECT_EQ(upstream().request_count(), before + 1);
        const Message again = ask(chat_request(chat_body));
        EXPECT_EQ(status_of(again), "hit");
        EXPECT_EQ(json_text(again.body, "content"), "newer");
    }
}

TEST_F(Cache, OnlyWhatIsKept) {
    begin();
    for (const char* const only : {"Cache-Control: only-if-cached\r\n", "x-loom-cache: only\r\n"}) {
        const Message refused = ask(chat_request(chat_body, only));
        expect_error(refused, 504, "not_cached");
        EXPECT_EQ(status_of(refused), "miss");
        EXPECT_EQ(refused.head.value("x-should-retry"), "false");
    }
    EXPECT_EQ(upstream().request_count(), 0u);
    EXPECT_EQ(status(chat_body), "miss");
    EXPECT_EQ(status(chat_body, "x-loom-cache: only\r\n"), "hit");
}

// Time.

TEST_F(Cache, AnAnswerEnds) {
    conf.set("cache.exact.ttl", "200ms");
    begin();
    EXPECT_EQ(status(chat_body), "miss");
    EXPECT_EQ(status_in_time(chat_body, "miss"), "miss");
    EXPECT_EQ(upstream().request_count(), 2u);
}

TEST_F(Cache, AnOldAnswerStandsInForAProviderThatFails) {
    conf.set("cache.exact.ttl", "1ms").set("cache.exact.stale", "1h");
    begin();
    const Message first = ask(chat_request(chat_body));
    upstream().set_script(answer_always(answer("{}", "500 Internal Server Error")));
    upstream().stop_listening();
    upstream().end_connections();
    EXPECT_EQ(status_in_time(chat_body, "stale"), "stale");
    const Message stale = ask(chat_request(chat_body));
    EXPECT_EQ(stale.status(), 200);
    EXPECT_EQ(status_of(stale), "stale");
    EXPECT_EQ(stale.body, first.body);
    EXPECT_TRUE(stale.head.has("age"));
    EXPECT_EQ(loom().eventually(R"(loom_ai_cache_requests_total{status="stale"})"), 2);
    EXPECT_GE(ask(chat_request(body_of("never asked"))).status(), 500);
}

// Purge.

TEST_F(Cache, AnOperatorPurges) {
    begin();
    const std::string mini = R"({"model":"gpt-4o-mini","messages":[]})";
    const auto fill = [&] {
        const std::string key = ask(chat_request(chat_body)).head.value("x-loom-cache-key");
        (void)ask(chat_request(mini));
        return key;
    };
    const auto there = [&] {
        const std::string_view only = "x-loom-cache: only\r\n";
        return status(chat_body, only) + " " + status(mini, only);
    };
    const std::string key = fill();
    EXPECT_EQ(there(), "hit hit");
    EXPECT_EQ(admin("POST", "/ai/cache/purge?model=gpt-4o-mini").status(), 200);
    EXPECT_EQ(there(), "hit miss");
    (void)fill();
    EXPECT_EQ(admin("POST", "/ai/cache/purge?key=" + key).status(), 200);
    EXPECT_EQ(there(), "miss hit");
    (void)fill();
    EXPECT_EQ(admin("POST", "/ai/cache/purge?tenant=nobody").status(), 200);
    EXPECT_EQ(there(), "hit hit");
    EXPECT_EQ(admin("POST", "/ai/cache/purge?all=true").status(), 200);
    EXPECT_EQ(there(), "miss miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_entries"), 0);
    const Message shown = admin("GET", "/ai/cache");
    EXPECT_EQ(shown.status(), 200);
    EXPECT_TRUE(contains(shown.body, "\"enabled\":true")) << shown.body;
    EXPECT_TRUE(contains(shown.body, "\"entries\":0")) << shown.body;
    for (const char* const wrong : {"", "?", "?key=12", "?key=", "?mode=x", "?all=true&model=x", "?all=yes", "?model"})
        EXPECT_EQ(admin("POST", std::string("/ai/cache/purge") + wrong).status(), 400) << wrong;
    EXPECT_EQ(admin("GET", "/ai/cache/purge?all=true").status(), 405);
    EXPECT_EQ(admin("POST", "/ai/cache").status(), 405);
}

/// Of the answer that was under way when it was purged nothing is kept.
TEST_F(Cache, APurgeMeetsWhatIsUnderWay) {
    Gate purged;
    begin([purged](UpstreamConnection& connection) {
        while (connection.read_request()) {
            purged.wait();
            connection.send(answer(chat_answer));
        }
    });
    RawClient client = this->client();
    client.send(chat_request(chat_body));
    (void)upstream().request(0);
    EXPECT_EQ(admin("POST", "/ai/cache/purge?all=true").status(), 200);
    purged.open();
    EXPECT_EQ(client.read_response().status(), 200);
    EXPECT_EQ(status(chat_body), "miss");
    EXPECT_EQ(status(chat_body), "hit");
}

// The same at once.

class CacheFlight : public Cache {
  protected:
    /// The first waits for the gate, and answers so; those behind it answer well at once.
    void begin_held(std::string first) {
        begin([this, first = std::move(first)](UpstreamConnection& connection) {
            bool is_first = connection.index() == 0;
            while (const auto asked = connection.read_request()) {
                const bool waits = std::exchange(is_first, false);
                if (waits) held.wait();
                connection.send(waits ? first : fitting_answer(*asked));
            }
        });
    }
    std::vector<RawClient> send_all_of(int count, std::string_view body = chat_body) {
        std::vector<RawClient> clients;
        for (int i = 0; i < count; ++i) {
            clients.push_back(client());
            clients.back().send(chat_request(body));
            if (i == 0) (void)upstream().request(0);
        }
        EXPECT_EQ(loom().eventually("loom_exchanges_live"), count);
        return clients;
    }
    Gate held;
};

TEST_F(CacheFlight, OneAsksAndAllAreAnswered) {
    begin_held(answer(chat_answer));
    std::vector<RawClient> clients = send_all_of(20);
    held.open();
    int hits = 0;
    for (RawClient& one : clients) {
        const Message answered = one.read_response();
        EXPECT_EQ(answered.body, chat_answer);
        hits += status_of(answered) == "hit";
    }
    EXPECT_EQ(hits, 19);
    EXPECT_EQ(upstream().request_count(), 1u);
    EXPECT_EQ(loom().eventually("loom_ai_cache_joined_total"), 19);
}

TEST_F(CacheFlight, OverAllShards) {
    conf.set("loop.shards", "3");
    begin_held(answer(chat_answer));
    std::vector<RawClient> clients = send_all_of(12);
    held.open();
    for (RawClient& one : clients) EXPECT_EQ(one.read_response().body, chat_answer);
    EXPECT_EQ(upstream().request_count(), 1u);
}

TEST_F(CacheFlight, WhoseFirstFailsTheOthersAskThemselves) {
    begin_held(answer("{}", "500 Internal Server Error"));
    std::vector<RawClient> clients = send_all_of(5);
    held.open();
    EXPECT_EQ(clients[0].read_response().status(), 500);
    for (size_t i = 1; i < clients.size(); ++i) EXPECT_EQ(clients[i].read_response().body, chat_answer) << i;
    EXPECT_EQ(upstream().request_count(), 5u);
}

TEST_F(CacheFlight, WhoseFirstLeavesTheOthersAskThemselves) {
    allow_script_failures();
    begin_held(answer(chat_answer));
    std::vector<RawClient> clients = send_all_of(3);
    clients[0].reset();
    for (size_t i = 1; i < clients.size(); ++i) EXPECT_EQ(clients[i].read_response().body, chat_answer) << i;
    held.open();
}

TEST_F(CacheFlight, NobodyWaitsLongerThanTheConfSays) {
    conf.set("cache.exact.single_flight", "300ms");
    begin_held(answer(chat_answer));
    std::vector<RawClient> clients = send_all_of(2);
    EXPECT_EQ(clients[1].read_response().body, chat_answer);
    EXPECT_EQ(upstream().request_count(), 2u);
    held.open();
    EXPECT_EQ(clients[0].read_response().body, chat_answer);
}

TEST_F(CacheFlight, SwitchedOffEachAsksForItself) {
    conf.set("cache.exact.single_flight", "0s");
    begin_held(answer(chat_answer));
    RawClient first = client();
    first.send(chat_request(chat_body));
    (void)upstream().request(0);
    EXPECT_EQ(ask(chat_request(chat_body)).body, chat_answer);
    held.open();
    EXPECT_EQ(first.read_response().body, chat_answer);
    EXPECT_EQ(upstream().request_count(), 2u);
}

TEST_F(CacheFlight, AFollowerThatLeavesKeepsNobody) {
    begin_held(answer(chat_answer));
    std::vector<RawClient> clients = send_all_of(3);
    clients[1].reset();
    EXPECT_EQ(loom().eventually("loom_exchanges_live"), 2);
    held.open();
    EXPECT_EQ(clients[0].read_response().body, chat_answer);
    EXPECT_EQ(clients[2].read_response().body, chat_answer);
}

// Where somebody else answers than who was asked first.

class CacheOfTwo : public Cache {
  protected:
    CacheOfTwo() : spare_(answer_always(answer(answer_saying("from the spare")))) {
        allow_script_failures();
        conf.set("provider.mock.priority", "1").set("provider.spare.priority", "2");
        conf.set("provider.spare.type", "openai").set("provider.spare.api_key", "sk-of-the-spare");
        conf.set("provider.spare.models", "gpt-4o").set("provider.spare.base_url", spare_.origin() + "/v1");
        conf.set("routing.failover.enabled", "on");
    }
    ScriptedUpstream& spare() { return spare_; }

  private:
    ScriptedUpstream spare_;
};

TEST_F(CacheOfTwo, TheAnswerOfAnotherProviderOfTheModelIsKept) {
    begin(answer_always(answer("{}", "500 Internal Server Error")));
    const Message first = ask(chat_request(chat_body));
    EXPECT_EQ(json_text(first.body, "content"), "from the spare");
    EXPECT_EQ(status_of(first), "miss");
    const Message second = ask(chat_request(chat_body));
    EXPECT_EQ(status_of(second), "hit");
    EXPECT_EQ(second.body, first.body);
    EXPECT_EQ(upstream().request_count(), 1u);
    EXPECT_EQ(spare().request_count(), 1u);
    EXPECT_FALSE(second.head.has("x-loom-failover"));
}

TEST_F(CacheOfTwo, AnOldAnswerStandsInWhenAllHaveFailed) {
    conf.set("cache.exact.ttl", "1ms").set("cache.exact.stale", "1h");
    conf.set("routing.failover.max_retries", "1");
    begin();
    EXPECT_EQ(status(chat_body), "miss");
    upstream().set_script(answer_always(answer("{}", "503 Service Unavailable")));
    spare().set_script(answer_always(answer("{}", "503 Service Unavailable")));
    upstream().end_connections();
    spare().end_connections();
    EXPECT_EQ(status_in_time(chat_body, "stale"), "stale");
}

TEST_F(Cache, AnOldAnswerStandsInForAnErrorOfTheProviders) {
    conf.set("cache.exact.ttl", "1ms").set("cache.exact.stale", "1h");
    begin();
    EXPECT_EQ(status(chat_body), "miss");
    for (const char* const error : {"500 Internal Server Error", "429 Too Many Requests"}) {
        upstream().set_script(answer_always(answer("{}", error)));
        upstream().end_connections();
        EXPECT_EQ(status_in_time(chat_body, "stale"), "stale") << error;
    }
    upstream().set_script(answer_always(answer("{}", "400 Bad Request")));
    upstream().end_connections();
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 400) << "that is the request's own fault";
}

TEST_F(CacheOfTwo, AnotherModelsAnswerIsNotKept) {
    conf.set("provider.mock.models", "gpt-4o, gpt-long").set("model_fallback.gpt-4o.context_window", "gpt-long");
    conf.set("provider.spare.models", "gpt-other");
    begin(answer_with([](const Message& asked) {
        const std::string refused = R"({"error":{"message":"too long","code":"context_length_exceeded"}})";
        return json_text(asked.body, "model") == "gpt-4o" ? answer(refused, "400 Bad Request") : answer(chat_answer);
    }));
    for (int i = 0; i < 2; ++i) {
        const Message answered = ask(chat_request(chat_body));
        EXPECT_EQ(answered.status(), 200);
        EXPECT_EQ(status_of(answered), "miss");
    }
}

/// It is not kept, and nobody waits for it.
TEST_F(CacheOfTwo, TheAnswerThatAHedgeHasWonKeepsNobodyWaiting) {
    conf.set("routing.hedge.after", "50ms").set("routing.hedge.budget", "100%");
    Gate over;
    begin([over](UpstreamConnection& connection) {
        while (connection.read_request()) over.wait();
    });
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(json_text(ask(chat_request(chat_body)).body, "content"), "from the spare") << i;
    over.open();
}

TEST_F(CacheOfTwo, AHitMakesNoCopyAndNoAttempt) {
    conf.set("routing.mirror.provider", "spare").set("provider.spare.weight", "0");
    begin();
    EXPECT_EQ(status(chat_body), "miss");
    EXPECT_EQ(loom().eventually(R"(loom_ai_mirrored_requests_total{result="answered"})"), 1);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(status(chat_body), "hit");
    EXPECT_EQ(upstream().request_count(), 1u);
    EXPECT_EQ(loom().metric(R"(loom_ai_mirrored_requests_total{result="answered"})"), 1);
    EXPECT_EQ(loom().eventually_sum("loom_ai_requests_total"), 1);
}

/// Who may take a request is part of what it asks for: a rule that leads elsewhere has an answer of its own.
TEST_F(CacheOfTwo, WhomARuleLeadsElsewhereGetsAnAnswerOfItsOwn) {
    conf.set("routing.rule.legal.when", "header.x-team == \"legal\"").set("routing.rule.legal.use", "spare");
    begin();
    EXPECT_EQ(status(chat_body), "miss");
    const Message legal = ask(chat_request(chat_body, "x-team: legal\r\n"));
    EXPECT_EQ(status_of(legal), "miss");
    EXPECT_EQ(json_text(legal.body, "content"), "from the spare");
    EXPECT_EQ(status(chat_body, "x-team: legal\r\n"), "hit");
    EXPECT_EQ(status(chat_body), "hit");
}

// The process.

TEST_F(Cache, OneAnswerIsGoodOnEveryShard) {
    conf.set("loop.shards", "4");
    begin();
    for (int key = 0; key < 8; ++key) {
        const std::string body = body_of(std::to_string(key));
        EXPECT_EQ(status(body), "miss");
        for (int i = 0; i < 12; ++i) EXPECT_EQ(status(body), "hit") << key;
    }
    EXPECT_EQ(upstream().request_count(), 8u);
    EXPECT_EQ(admin("POST", "/ai/cache/purge?all=true").status(), 200);
    for (int key = 0; key < 8; ++key) EXPECT_EQ(status(body_of(std::to_string(key))), "miss");
}

TEST_F(Cache, AReloadKeepsWhatItDoesNotChange) {
    begin();
    EXPECT_EQ(status(chat_body), "miss");
    conf.set("log.level", "warn");
    loom().reload(conf.text());
    EXPECT_EQ(status(chat_body), "hit");
    conf.set("cache.exact.enabled", "off");
    loom().reload(conf.text());
    EXPECT_FALSE(ask(chat_request(chat_body)).head.has("x-loom-cache"));
    EXPECT_EQ(loom().eventually("loom_ai_cache_entries"), 0);
    conf.set("cache.exact.enabled", "on");
    loom().reload(conf.text());
    EXPECT_EQ(status(chat_body), "miss");
    EXPECT_EQ(status(chat_body), "hit");
    conf.set("model_mapping.gpt-4o.mock", "gpt-4o-2024-11-20");
    loom().reload(conf.text());
    EXPECT_EQ(status(chat_body), "miss") << "another model answers now";
}

TEST_F(Cache, TheBoundHolds) {
    conf.set("cache.exact.max_size", "1MiB");
    begin(answer_always(answer(answer_saying(std::string(50'000, 'x')))));
    for (int i = 0; i < 220; ++i) {
        EXPECT_EQ(status(body_of(std::to_string(i))), "miss");
        if (i % 20 == 0) EXPECT_LE(loom().metric("loom_ai_cache_bytes"), 1 << 20);
    }
    EXPECT_LE(loom().metric("loom_ai_cache_bytes"), 1 << 20);
    EXPECT_GT(loom().metric("loom_ai_cache_entries"), 5);
}

TEST_F(Cache, ManyClientsFillPurgeAndFindAtOnce) {
    conf.set("loop.shards", "3").set("cache.exact.max_size", "1MiB").set("cache.exact.ttl", "20ms");
    begin();
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([this, t, &wrong] {
            for (int i = 0; i < 150; ++i) {
                const bool streams = (i + t) % 2 == 0;
                const std::string body = body_of(std::to_string(i % 7), streams ? R"(,"stream":true)" : "");
                const Message answered = ask_once(loom().port(), chat_request(body));
                const bool good = answered.status() == 200 && answered.is_whole() &&
                                  (!streams || answered.body.ends_with("data: [DONE]\n\n"));
                wrong += !good;
                if (i % 50 == 49) (void)ask_once(loom().admin_port(), request("POST", "/ai/cache/purge?model=gpt-4o"));
            }
        });
    for (std::thread& one : threads) one.join();
    EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace loom::wire

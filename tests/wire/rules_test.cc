// Routing rules, and models chosen by what a prompt is: who is asked, who never is, and what the client is told.
#include "three_providers.h"
#include "websocket.h"

namespace loom::wire {
namespace {

class Rules : public ThreeProviders {
  protected:
    void rule(const std::string& name, const std::string& when, const std::string& use) {
        conf.set("routing.rule." + name + ".when", when).set("routing.rule." + name + ".use", use);
    }
};

TEST_F(Rules, TheFirstThatHoldsLeadsTheRequestAndSaysSo) {
    rule("legal", R"(header.X-Team == "legal" && prompt_tokens < 8k)", "third");
    rule("tiny", "stream", "spare");
    start_all();
    EXPECT_EQ(asked(chat_body), "mock");
    EXPECT_EQ(asked(chat_body, "x-team: legal\r\n"), "third");
    EXPECT_EQ(asked(chat_body, "x-team: Legal\r\n"), "mock") << "values are compared to the byte";
    EXPECT_EQ(asked(chat_body, "x-team: legal\r\nX-Team: legal\r\n"), "mock") << "said twice is not known";
    const Message led = ask(chat_request(chat_body, "x-team: legal\r\n"));
    EXPECT_EQ(led.head.value("x-loom-rule"), "legal");
    EXPECT_EQ(led.head.value("x-loom-choice"), "priority");
    EXPECT_EQ(led.head.count("x-loom-task"), 0u);
    EXPECT_FALSE(ask(chat_request(chat_body)).head.has("x-loom-rule"));
    EXPECT_FALSE(third().request(0).head.has("x-team")) << "it is for the gateway";
}

TEST_F(Rules, AskForAllThatIsKnownOfARequest) {
    struct Case {
        std::string when;
        bool holds;
    };
    conf.set("consumer.tester.team", "legal").set("consumer.tester.tier", "gold").set("consumer.tester.tenant", "acme");
    conf.set("consumer.tester.project", "titan");
    start_all();
    const std::string request =
        R"({"model":"gpt-4o","user":"u-1","max_tokens":50,"tools":[{"type":"function","function":)"
        R"({"name":"f"}}],"response_format":{"type":"json_schema","json_schema":{}},"messages":[)"
        R"({"role":"user","content":[{"type":"text","text":"Translate this into French: hello"},)"
        R"({"type":"image_url","image_url":{"url":"data:,"}}]}]})";
    for (const Case& one : std::initializer_list<Case>{
             {R"(model == "gpt-4o" and model matches "gpt-*")", true},
             {R"(endpoint == "chat_completions" and route == "ai")", true},
             {R"(path starts_with "/v1/chat" and method == "POST")", true},
             {R"(query.kind == "a b" and query.other == "")", true},
             {R"(has(query.absent) or query.twice == "x")", false},
             {R"(ip in ["127.0.0.0/8"])", true},
             {R"(ip in ["10.0.0.0/8"])", false},
             {R"(consumer == "tester" and team == "legal" and tier == "gold")", true},
             {R"(tenant == "acme" and project == "titan" and user == "u-1")", true},
             {R"(tools and vision and json_schema and not stream)", true},
             {R"(messages == 1 and max_tokens == 50 and prompt_tokens > 5)", true},
             {R"(task == "translation" and complexity < 0.9)", true},
             {R"(task == "code")", false},
             {R"(time >= 00:00 and weekday in ["mon", "tue", "wed", "thu", "fri", "sat", "sun"])", true},
             {R"(has(header.authorization) and has(header.nothing))", false}}) {
        SCOPED_TRACE(one.when);
        rule("one", one.when, "third");
        loom().reload(conf.text());
        const Message response =
            ask(loom::wire::request("POST", "/v1/chat/completions?kind=a%20b&other&twice=x&twice=x",
                                    auth_header() + "Content-Type: application/json\r\n", request));
        EXPECT_EQ(response.head.value("x-loom-rule"), one.holds ? "one" : "") << response.raw();
        EXPECT_EQ(response.head.value("x-loom-provider"), one.holds ? "third" : "mock");
    }
}

TEST_F(Rules, HoldForEveryAttempt) {
    conf.set("routing.failover.enabled", "on").set("routing.failover.backoff", "20ms");
    conf.set("routing.failover.circuit_breaker.failure_threshold", "0").set("routing.failover.retry_budget", "100%");
    conf.set("routing.fallback.provider", "spare").set("provider.spare.models", "gpt-4o");
    rule("both", R"(header.x-team == "both")", "third, mock");
    rule("one", R"(header.x-team == "one")", "third");
    start_all();
    EXPECT_EQ(asked(chat_body, "x-team: both\r\n"), "third") << "in the rule's order";
    fail(third());
    EXPECT_EQ(asked(chat_body, "x-team: both\r\n"), "mock") << "then the next of it";
    const Message response = ask(chat_request(chat_body, "x-team: one\r\n"));
    EXPECT_EQ(response.status(), 500) << response.raw();
    EXPECT_EQ(response.head.value("x-loom-failover"), "third=status:500, third=status:500, third=status:500");
    EXPECT_EQ(response.head.value("x-loom-rule"), "one");
    EXPECT_EQ(spare().request_count(), 0u) << "the fallback is not in the rules' lists";
    EXPECT_EQ(upstream().request_count(), 1u);
}

TEST_F(Rules, LeadWhatIsRelayedUnreadToo) {
    rule("legal", R"(header.x-team == "legal")", "third");
    conf.set("route.ai.passthrough", "files").set("route.ai.auth.type", "none").set("consumer.tester.api_key", "");
    start_all();
    const auto list = [this](std::string_view headers) { return ask(request("GET", "/v1/files", headers)).status(); };
    EXPECT_EQ(list(""), 200);
    EXPECT_EQ(upstream().request_count(), 1u);
    EXPECT_EQ(list("x-team: legal\r\n"), 200);
    EXPECT_EQ(upstream().request_count(), 1u);
    EXPECT_EQ(third().request_count(), 1u);
}

TEST_F(Rules, ThatLeadToNobodyRefuse) {
    conf.set("provider.third.models", "gpt-4o");
    rule("narrow", "not stream", "third");
    start_all();
    EXPECT_EQ(asked(body("gpt-4o")), "third");
    const Message response = ask(chat_request(body("gpt-4o-mini")));
    expect_error(response, 403);
    EXPECT_TRUE(contains(response.body, "routing.rule.narrow")) << response.body;
    EXPECT_EQ(upstream().request_count() + spare().request_count(), 0u);
}

TEST_F(Rules, AProviderOfTheRouteStands) {
    rule("all", "not stream", "third");
    conf.set("route.ai.provider", "spare");
    start_all();
    const Message response = ask(chat_request(chat_body));
    EXPECT_EQ(json_text(response.body, "content"), "from spare");
    EXPECT_FALSE(response.head.has("x-loom-rule"));
}

TEST_F(Rules, OrderThemselvesBeforeAModelRoute) {
    conf.set("routing.model_route.gpt-4o", "spare");
    rule("two", R"(header.x == "1")", "third, spare");
    start_all();
    EXPECT_EQ(asked(chat_body), "spare");
    EXPECT_EQ(asked(chat_body, "x: 1\r\n"), "third");
}

TEST_F(Rules, LeadSessionsToo) {
    const auto talks = [](UpstreamConnection& connection) {
        if (auto end = accept_websocket(connection)) (void)end->read_to_end();
    };
    for (const char* const name : {"mock", "spare", "third"})
        conf.set("provider." + std::string(name) + ".models", "gpt-realtime");
    rule("legal", R"(header.x-team == "legal" and query.model == "gpt-realtime" and endpoint == "realtime")", "third");
    start(talks);
    third().set_script(talks);
    RawClient one = client();
    one.send(upgrade_request("/v1/realtime?model=gpt-realtime", auth_header() + "X-Team: legal\r\n"));
    const Message begun = one.reader().start_response(true);
    EXPECT_EQ(begun.status(), 101);
    EXPECT_EQ(begun.head.value("x-loom-rule"), "legal");
    EXPECT_EQ(third().request_count(), 1u);
    EXPECT_EQ(upstream().request_count(), 0u);
}

// --- by what the prompt is

const std::string hard_prompt =
    "Prove step by step that the algorithm is linearizable. Explain which invariants each lock protects, compare two "
    "alternatives under message loss and reordering, derive the worst-case complexity of both, and design a "
    "deterministic simulator; the interface must stay stable, every assumption has to be named, and the proof must "
    "cover crash recovery. Implement it in C++ with tests, and analyse how the memory model affects each fence.";

TEST_F(Rules, ByComplexityASmallOrALargeModel) {
    conf.set("routing.model.auto.strategy", "complexity");
    conf.set("routing.complexity.small", "gpt-4o-mini").set("routing.complexity.large", "gpt-4o");
    start_all();
    const Message small = ask(chat_request(body("auto", "Hi")));
    EXPECT_EQ(small.status(), 200) << small.raw();
    EXPECT_EQ(json_text(upstream().last_request().body, "model"), "gpt-4o-mini");
    EXPECT_EQ(small.head.value("x-loom-choice"), "complexity");
    EXPECT_EQ(small.head.value("x-loom-model"), "gpt-4o-mini");
    EXPECT_TRUE(small.head.value("x-loom-complexity").ends_with(" (small)")) << small.head.raw;
    const Message large = ask(chat_request(body("auto", hard_prompt)));
    EXPECT_EQ(json_text(upstream().last_request().body, "model"), "gpt-4o") << large.head.raw;
    EXPECT_TRUE(large.head.value("x-loom-complexity").ends_with(" (large)")) << large.head.raw;
    EXPECT_EQ(upstream().last_request().body, body("gpt-4o", hard_prompt)) << "nothing else is changed";
    EXPECT_EQ(ask(chat_request(body("gpt-4o"))).head.value("x-loom-model"), "") << "who names a model has it";
    loom().reload(conf.set("routing.strategy", "complexity").text());
    EXPECT_EQ(ask(chat_request(body("gpt-4o"))).head.value("x-loom-model"), "gpt-4o-mini") << "now it is of all models";
    expect_error(ask(chat_request(body("automatic"))), 404, "model_not_found");
    loom().reload(conf.set("routing.complexity.threshold", "0").text());
    EXPECT_EQ(ask(chat_request(body("auto"))).head.value("x-loom-model"), "gpt-4o");
}

TEST_F(Rules, ByComplexityAProviderFirst) {
    conf.set("routing.strategy", "complexity").set("routing.failover.enabled", "on");
    conf.set("routing.complexity.small", "third").set("routing.complexity.large", "mock");
    start_all();
    EXPECT_EQ(asked(body("gpt-4o", "Hi")), "third");
    EXPECT_EQ(asked(body("gpt-4o", hard_prompt)), "mock");
    EXPECT_EQ(json_text(third().last_request().body, "model"), "gpt-4o") << "the client's own model";
    fail(third());
    EXPECT_EQ(asked(body("gpt-4o", "Hi")), "mock") << "the others are there for failover";
}

TEST_F(Rules, ByTaskAModelEach) {
    conf.set("routing.model.auto.strategy", "task");
    conf.set("routing.task.chat", "gpt-4o-mini")
        .set("routing.task.code", "gpt-4o")
        .set("routing.task.translation", "spare");
    start_all();
    const auto task_of = [&](std::string_view prompt) {
        const Message response = ask(chat_request(body("auto", prompt)));
        return response.head.value("x-loom-task") + " " + response.head.value("x-loom-model");
    };
    EXPECT_EQ(task_of("Write a Python function that parses a CSV file"), "code gpt-4o");
    EXPECT_EQ(task_of("Hello, how are you today?"), "chat gpt-4o-mini");
    EXPECT_EQ(task_of("Write a poem about the sea"), "creative gpt-4o-mini")
        << "without a model of its own it is chat's";
    conf.set("routing.strategy", "task");
    loom().reload(conf.text());
    EXPECT_EQ(asked(body("gpt-4o", "Translate into German: good morning")), "spare") << "a provider, asked first";
}

TEST_F(Rules, TheModelOfAPromptIsFailedOverAndJudgedLikeAnyOther) {
    conf.set("routing.model.auto.strategy", "complexity").set("routing.failover.enabled", "on");
    conf.set("routing.complexity.small", "gpt-4o-mini");
    conf.set("model_mapping.gpt-4o-mini.spare", "mini-there");
    start_all();
    fail(upstream(), "503 Service Unavailable");
    const Message response = ask(chat_request(body("auto")));
    EXPECT_EQ(json_text(response.body, "content"), "from spare") << response.raw();
    EXPECT_EQ(json_text(spare().last_request().body, "model"), "mini-there");
    EXPECT_EQ(response.head.value("x-loom-model"), "gpt-4o-mini");
}

TEST_F(Rules, AConsumerKeepsToTheModelsThatItMayUse) {
    conf.set("routing.strategy", "complexity").set("consumer.tester.models", "gpt-4o-mini, auto");
    conf.set("routing.model.auto.strategy", "complexity");
    conf.set("routing.complexity.small", "gpt-4o-mini").set("routing.complexity.large", "gpt-4o");
    start_all();
    EXPECT_EQ(ask(chat_request(body("gpt-4o-mini", hard_prompt))).head.value("x-loom-model"), "") << "its own";
    EXPECT_EQ(json_text(upstream().last_request().body, "model"), "gpt-4o-mini");
    EXPECT_EQ(ask(chat_request(body("auto"))).head.value("x-loom-model"), "gpt-4o-mini");
    expect_error(ask(chat_request(body("auto", hard_prompt))), 403);
    expect_error(ask(chat_request(body("gpt-4o"))), 403);
}

// --- what a model can do

TEST_F(Rules, WhoCannotIsPassedOver) {
    conf.set("provider.mock.capabilities", "tools").set("provider.spare.capabilities", "tools, vision");
    conf.set("provider.third.model.gpt-4o-mini.capabilities", "tools").set("provider.mock.context_length", "500");
    conf.set("routing.failover.enabled", "on");
    start_all();
    const std::string tools = R"(,"tools":[{"type":"function","function":{"name":"f"}}])";
    const std::string schema = R"(,"response_format":{"type":"json_schema","json_schema":{}})";
    EXPECT_EQ(asked(body("gpt-4o", "Hi", tools)), "mock");
    const std::string image = R"({"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"image_url",)"
                              R"("image_url":{"url":"data:,"}}]}]})";
    EXPECT_EQ(asked(image), "spare");
    EXPECT_EQ(asked(body("gpt-4o", "Hi", schema)), "third") << "of which nothing is known but of another model";
    EXPECT_EQ(asked(body("gpt-4o", std::string(10'000, 'x'))), "spare") << "too long for the first";
    EXPECT_EQ(asked(body("gpt-4o", "Hi", R"(,"max_tokens":600)")), "spare") << "with its answer";
    fail(spare());
    EXPECT_EQ(asked(image), "third") << "failover keeps to those who can";
    const Message response = ask(chat_request(body("gpt-4o-mini", "Hi", schema)));
    expect_error(response, 400);
    EXPECT_TRUE(contains(response.body, "json_schema")) << response.body;
}

TEST_F(Rules, ARefusalForWhatIsMissingIsInTheClientsWords) {
    conf.set("provider.mock.capabilities", "tools").set("provider.spare.capabilities", "tools");
    conf.set("provider.third.capabilities", "vision");
    start_all();
    const std::string image =
        R"({"model":"gpt-4o","max_tokens":9,"tools":[{"name":"f","input_schema":{}}],"messages":[)"
        R"({"role":"user","content":[{"type":"image","source":{"type":"url","url":"x"}}]}]})";
    const Message response = ask(request("POST", "/v1/messages",
                                         "x-api-key: " + std::string(client_key) +
                                             "\r\nanthropic-version: 2023-06-01\r\n"
                                             "Content-Type: application/json\r\n",
                                         image));
    EXPECT_EQ(response.status(), 400);
    EXPECT_EQ(json_text(response.body, "type"), "error");
    EXPECT_TRUE(contains(response.body, "tools, vision")) << response.body;
}

TEST_F(Rules, APromptThatSeemsTooLongForAllGoesOnAllTheSame) {
    for (const char* const name : {"mock", "spare", "third"})
        conf.set("provider." + std::string(name) + ".context_length", "100");
    start_all();
    EXPECT_EQ(asked(body("gpt-4o", std::string(3000, 'x'))), "mock") << "an estimate refuses nothing";
}

TEST_F(Rules, WhoHasNoSuchEndpointIsPassedOver) {
    ScriptedUpstream embeds(answer_always(answer(
        R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"model":"e","usage":{}})")));
    conf.set("provider.mock.type", "anthropic").set("provider.mock.models", "emb");
    conf.set("provider.spare.models", "emb").set("provider.spare.base_url", embeds.origin() + "/v1");
    start_all();
    const Message response = ask(request("POST", "/v1/embeddings", auth_header() + "Content-Type: application/json\r\n",
                                         R"({"model":"emb","input":"x"})"));
    EXPECT_EQ(response.status(), 200) << response.raw();
    EXPECT_EQ(embeds.request_count(), 1u);
    loom().reload(conf.set("provider.spare.models", "gpt-4o").text());
    expect_error(ask(request("POST", "/v1/embeddings", auth_header() + "Content-Type: application/json\r\n",
                             R"({"model":"emb","input":"x"})")),
                 501);
}

}  // namespace
}  // namespace loom::wire

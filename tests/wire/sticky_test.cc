// Requests that belong together reach one provider, while it is well; and what that is worth is told.
#include <set>

#include "fixture.h"

namespace loom::wire {
namespace {

/// An answer that has read so many of its 100 input tokens from a cache.
std::string cached_answer(int cached) {
    return R"({"id":"chatcmpl-3","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,)"
           R"("message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,)"
           R"("completion_tokens":1,"total_tokens":101,"prompt_tokens_details":{"cached_tokens":)" +
           std::to_string(cached) + "}}}";
}

/// Three providers of one model: `mock`, `second` and `third`.
class Sticky : public WireTest {
  protected:
    Sticky() : second_(answer_always(answer(cached_answer(90)))), third_(answer_always(answer(cached_answer(90)))) {
        add("second", second_);
        add("third", third_);
        conf.set("routing.strategy", "round_robin");
    }
    void begin(const std::string& sticky) {
        conf.set("routing.sticky", sticky);
        start(answer_always(answer(cached_answer(90))));
    }
    void add(const std::string& name, const ScriptedUpstream& upstream) {
        const std::string prefix = "provider." + name;
        conf.set(prefix + ".type", "openai").set(prefix + ".api_key", "sk-of-" + name);
        conf.set(prefix + ".models", "gpt-4o").set(prefix + ".base_url", upstream.origin() + "/v1");
    }
    /// Who answers a request with these lines and members.
    std::string provider_of(const std::string& lines, const std::string& members = "") {
        const std::string body =
            R"({"model":"gpt-4o",)" + members + R"("messages":[{"role":"user","content":"Say hello"}]})";
        return choice_of(chat_request(body, lines)).first;
    }
    /// The provider, and why it was asked.
    std::pair<std::string, std::string> choice_of(const std::string& request) {
        const Message answered = ask(request);
        EXPECT_EQ(answered.status(), 200) << answered.raw();
        return {std::string(answered.head.value("x-loom-provider")), std::string(answered.head.value("x-loom-choice"))};
    }
    /// Each of many keys has one provider, and all providers have some.
    template <class Ask>
    void expect_apart(Ask provider_of_key) {
        std::set<std::string> seen;
        for (int key = 0; key < 24; ++key) {
            const std::string first = provider_of_key(std::to_string(key));
            for (int n = 0; n < 3; ++n) EXPECT_EQ(provider_of_key(std::to_string(key)), first) << key;
            seen.insert(first);
        }
        EXPECT_EQ(seen.size(), 3u);
    }
    /// Without a key requests take turns.
    template <class Ask>
    void expect_turns(Ask provider) {
        std::set<std::string> seen;
        for (int n = 0; n < 3; ++n) seen.insert(provider());
        EXPECT_EQ(seen.size(), 3u);
    }

  private:
    ScriptedUpstream second_, third_;
};

TEST_F(Sticky, ByAHeader) {
    begin("header:X-Session");
    expect_apart([&](const std::string& key) { return provider_of("x-session: s-" + key + "\r\n"); });
    expect_turns([&] { return provider_of(""); });
}

TEST_F(Sticky, ByACookie) {
    begin("cookie:sid");
    expect_apart(
        [&](const std::string& key) { return provider_of("Cookie: theme=dark;sid=s-" + key + "; sid2=other\r\n"); });
    expect_turns([&] { return provider_of("Cookie: xsid=a; sid2=b; sid\r\n"); });
}

TEST_F(Sticky, ByTheUserInWhicheverFieldItStands) {
    begin("user");
    expect_apart([&](const std::string& key) { return provider_of("", R"("user":"u-)" + key + "\","); });
    expect_apart([&](const std::string& key) { return provider_of("", R"("safety_identifier":"u-)" + key + "\","); });
    const auto said = [&](const std::string& members) { return provider_of("", members); };
    for (int key = 0; key < 8; ++key) {
        const std::string who = "\"u-" + std::to_string(key) + "\"";
        EXPECT_EQ(said("\"user\":" + who + ","), said("\"safety_identifier\":" + who + ","));
        EXPECT_EQ(said("\"user\":" + who + ","), said("\"metadata\":{\"user_id\":" + who + "},"));
    }
    const std::string consumers = said("");
    for (int n = 0; n < 5; ++n) EXPECT_EQ(said(""), consumers) << "the consumer stands in for the user";
}

TEST_F(Sticky, ByTheAddress) {
    begin("ip");
    const std::string first = provider_of("");
    for (int n = 0; n < 5; ++n) EXPECT_EQ(provider_of(""), first);
}

TEST_F(Sticky, ByTheAddressThatATrustedProxyTells) {
    conf.set("forwarded.trust", "127.0.0.0/8");
    begin("ip");
    expect_apart([&](const std::string& key) { return provider_of("X-Forwarded-For: 10.0.0." + key + "\r\n"); });
}

TEST_F(Sticky, AConversationStaysWhereItBegan) {
    begin("prompt_prefix");
    std::set<std::string> seen;
    for (int talk = 0; talk < 24; ++talk) {
        const std::string number = std::to_string(talk);
        std::string messages =
            R"({"role":"system","content":"Be brief."},{"role":"user","content":"Question )" + number + "\"}";
        const auto ask_turn = [&] {
            return choice_of(chat_request(R"({"model":"gpt-4o","messages":[)" + messages + "]}"));
        };
        const auto first = ask_turn();
        EXPECT_EQ(first.second, "sticky");
        for (int turn = 0; turn < 3; ++turn) {
            messages += R"(,{"role":"assistant","content":"a"},{"role":"user","content":"more of )" + number + "\"}";
            EXPECT_EQ(ask_turn(), first);
        }
        seen.insert(first.first);
    }
    EXPECT_EQ(seen.size(), 3u);
}

TEST_F(Sticky, TheClientsOwnCacheKeyTellsItsConversations) {
    begin("prompt_prefix");
    expect_apart([&](const std::string& key) { return provider_of("", R"("prompt_cache_key":"k-)" + key + "\","); });
}

TEST_F(Sticky, ARouteMayGoByAnother) {
    conf.set("route.ai.sticky", "header:x-session");
    begin("ip");
    expect_apart([&](const std::string& key) { return provider_of("x-session: s-" + key + "\r\n"); });
}

TEST_F(Sticky, WhoFailsLosesItsKeysAndWhatThatCostsIsTold) {
    allow_script_failures();
    conf.set("routing.failover.enabled", "on").set("routing.failover.circuit_breaker.failure_threshold", "1");
    conf.set("routing.failover.backoff", "20ms").set("routing.failover.retry_budget", "100%");
    begin("header:x-session");
    std::map<std::string, std::string> homes;
    for (int key = 0; key < 12; ++key) {
        const std::string lines = "x-session: s-" + std::to_string(key) + "\r\n";
        homes[lines] = provider_of(lines);
    }
    const auto of_mock =
        static_cast<double>(std::ranges::count_if(homes, [](const auto& one) { return one.second == "mock"; }));
    ASSERT_GT(of_mock, 0);
    wait_until("the last of them to be counted",
               [&] { return loom().metric_sum("loom_ai_sticky_requests_total") == 12; });
    EXPECT_EQ(loom().eventually(R"(loom_ai_sticky_requests_total{provider="mock",outcome="kept"})"), of_mock);
    EXPECT_EQ(loom().eventually(R"(loom_ai_sticky_tokens_total{provider="mock",outcome="kept",type="input"})"),
              100 * of_mock);
    EXPECT_EQ(loom().eventually(R"(loom_ai_sticky_tokens_total{provider="mock",outcome="kept",type="cached"})"),
              90 * of_mock);
    upstream().set_script(answer_always(answer("{}", "500 Internal Server Error")));
    upstream().end_connections();
    for (const auto& [lines, home] : homes) {
        const auto [provider, why] = choice_of(chat_request(chat_body, lines));
        EXPECT_EQ(provider == home, home != "mock");
        EXPECT_EQ(why, home == "mock" ? "sticky_moved" : "sticky");
    }
    wait_until("the last of them to be counted",
               [&] { return loom().metric_sum("loom_ai_sticky_requests_total") == 24; });
    const auto metrics = loom().metrics();
    EXPECT_EQ(sum_where(metrics, "loom_ai_sticky_requests_total", {R"(outcome="moved")"}), of_mock);
    const Message stats = ask_once(loom().admin_port(), request("GET", "/ai/providers/mock/stats"), false);
    EXPECT_TRUE(contains(stats.body, R"("sticky":{"kept":{"requests":)" + std::to_string(static_cast<int>(of_mock)) +
                                         R"(,"tokens_in":)" + std::to_string(static_cast<int>(100 * of_mock)) +
                                         R"(,"tokens_cached":)" + std::to_string(static_cast<int>(90 * of_mock)) +
                                         R"(},"moved":{"requests":0)"))
        << stats.body;
}

TEST_F(Sticky, OpenAIGetsACacheKeyThatStaysForTheConversation) {
    conf.set("routing.sticky.prompt_cache_key", "on").set("routing.providers", "mock");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    const std::string key = json_text(upstream().request(0).body, "prompt_cache_key");
    EXPECT_TRUE(key.starts_with("loom-") && key.size() == 21) << key;
    EXPECT_EQ(upstream().request(0).body, R"({"prompt_cache_key":")" + key + "\"," + chat_body.substr(1));
    const std::string next = R"({"model":"gpt-4o","messages":[{"role":"user","content":"Say hello"},)"
                             R"({"role":"assistant","content":"Hello"},{"role":"user","content":"Again"}]})";
    EXPECT_EQ(ask(chat_request(next)).status(), 200);
    EXPECT_EQ(json_text(upstream().request(1).body, "prompt_cache_key"), key);
    const std::string own = R"({"model":"gpt-4o","prompt_cache_key":"mine","messages":[]})";
    EXPECT_EQ(ask(chat_request(own)).status(), 200);
    EXPECT_EQ(upstream().request(2).body, own);
}

/// What was cached of a prompt is told in its answer's usage: nobody learns that another tenant has asked the same.
TEST_F(Sticky, CacheKeysOfOnePromptAreEachTenantsOwn) {
    conf.set("routing.sticky.prompt_cache_key", "on").set("routing.providers", "mock");
    for (const auto& [name, tenant] :
         {std::pair{"one", "acme"}, std::pair{"two", "acme"}, std::pair{"three", "globex"}, std::pair{"acme", ""}})
        conf.set(std::string("consumer.") + name + ".api_key", std::string("sk-of-") + name)
            .set(std::string("consumer.") + name + ".tenant", tenant);
    start(answer_always(answer(chat_answer)));
    std::vector<std::string> keys;
    for (const char* const name : {"one", "two", "three", "acme"}) {
        const std::string lines =
            std::string("Authorization: Bearer sk-of-") + name + "\r\nContent-Type: application/json\r\n";
        EXPECT_EQ(ask(request("POST", "/v1/chat/completions", lines, chat_body)).status(), 200);
        keys.push_back(json_text(upstream().last_request().body, "prompt_cache_key"));
    }
    EXPECT_EQ(keys[0], keys[1]);
    EXPECT_NE(keys[0], keys[2]);
    EXPECT_NE(keys[0], keys[3]) << "a consumer that is called as a tenant is";
}

/// What is left out of the client's document moves all behind it.
TEST_F(Sticky, ACacheKeyStandsInAChangedDocumentToo) {
    conf.set("routing.sticky.prompt_cache_key", "on").set("routing.providers", "mock");
    conf.set("provider.mock.quirks", "no_user");
    start(answer_always(answer(chat_answer)));
    const std::string messages = R"("messages":[{"role":"user","content":"Say hello"}]})";
    const std::string user = R"("user":")" + std::string(3'000, 'u') + "\",";
    EXPECT_EQ(ask(chat_request(R"({"model":"gpt-4o",)" + user + messages)).status(), 200);
    EXPECT_EQ(ask(chat_request(R"({"model":"gpt-4o",)" + messages)).status(), 200);
    const std::string key = json_text(upstream().request(0).body, "prompt_cache_key");
    EXPECT_EQ(upstream().request(0).body, R"({"prompt_cache_key":")" + key + R"(","model":"gpt-4o",)" + messages);
    EXPECT_EQ(json_text(upstream().request(1).body, "prompt_cache_key"), key);
}

}  // namespace
}  // namespace loom::wire

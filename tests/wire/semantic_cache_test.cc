// Answers to nearly the same requests: who gets them, and what is never taken for the same.
#include <fmt/format.h>

#include <fstream>
#include <thread>

#include "../cache/encoder_fixture.h"
#include "cached_chat.h"
#include "fixture.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

constexpr std::string_view asked = "How do I reset my password?";
constexpr std::string_view asked_again = "how do i reset my password";  // as another person types it

class SemanticCache : public WireTest {
  protected:
    SemanticCache() { conf.set("semantic_cache.enabled", "on"); }
    void begin() { start(answer_with(plain_answer)); }
    static std::string status_of(const Message& message) { return message.head.value("x-loom-cache"); }
    std::string status(std::string_view body, std::string_view headers = "") {
        return status_of(ask(chat_request(body, headers)));
    }
    /// Asks for the first time, and waits until the answer can be found.
    Message keep(std::string_view body, int entries = 1) {
        Message first = ask(chat_request(body));
        EXPECT_EQ(status_of(first), "miss");
        EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), entries);
        return first;
    }
    Message admin(std::string_view method, std::string_view target) {
        return ask_once(loom().admin_port(), request(method, target));
    }
};

TEST_F(SemanticCache, WhoAsksTheSameInOtherWordsGetsTheAnswerThatIsKept) {
    begin();
    const Message first = keep(body_of(asked));
    const Message second = ask(chat_request(body_of(asked_again)));
    EXPECT_EQ(status_of(second), "semantic");
    EXPECT_EQ(second.status(), 200);
    EXPECT_EQ(second.body, first.body);
    EXPECT_EQ(second.head.value("age"), "0");
    EXPECT_EQ(second.head.value("x-loom-cache-key"), first.head.value("x-loom-cache-key")) << "the entry's";
    const std::string similarity = second.head.value("x-loom-cache-similarity");
    EXPECT_GE(std::stod(similarity), 0.95) << similarity;
    EXPECT_LE(std::stod(similarity), 1.0) << similarity;
    EXPECT_EQ(upstream().request_count(), 1u);
    EXPECT_EQ(status(body_of(asked)), "hit") << "the very same is found without";
    EXPECT_EQ(loom().eventually(R"(loom_ai_cache_requests_total{status="semantic"})"), 1);
    EXPECT_EQ(loom().eventually(R"(loom_ai_cache_requests_total{status="miss"})"), 1);
    EXPECT_EQ(loom().eventually("loom_ai_cache_hits_total"), 2);
    EXPECT_EQ(loom().eventually("loom_ai_cache_similarity_count"), 1) << "the first had nothing to be compared with";
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_lookups_total"), 2);
    EXPECT_EQ(loom().eventually(R"(loom_ai_cache_saved_tokens_total{type="output"})"), 24);
    EXPECT_EQ(loom().eventually_sum("loom_ai_tokens_total"), 21) << "a hit takes none";
    loom().wait_for_access_line(R"("cache":"semantic")");
    const Message shown = admin("GET", "/ai/cache");
    EXPECT_TRUE(contains(shown.body, R"("semantic":{"enabled":true,"shadow":false,)")) << shown.body;
    EXPECT_TRUE(contains(shown.body, R"("entries":1,)")) << shown.body;
}

TEST_F(SemanticCache, ManyAWayToAskTheSame) {
    begin();
    constexpr std::string_view pairs[][2] = {
        {"Please explain quantum computing.", "Explain quantum computing"},
        {"Hi, can you tell me how to boil an egg?", "How to boil an egg?"},
        {"Give me three tips for better sleep", "Give me 3 tips for better sleep"},
        {"What's the weather like in Oslo?", "What is the weather like in Oslo?"},
    };
    int entries = 0;
    for (const auto& [one, other] : pairs) {
        (void)keep(body_of(one), ++entries);
        EXPECT_EQ(status(body_of(other)), "semantic") << other;
    }
}

TEST_F(SemanticCache, IsOffUnlessItIsSwitchedOn) {
    conf.set("semantic_cache.enabled", "");
    conf.set("cache.exact.enabled", "on");
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    EXPECT_EQ(status(body_of(asked)), "hit");
    EXPECT_EQ(status(body_of(asked_again)), "miss");
    EXPECT_TRUE(contains(admin("GET", "/ai/cache").body, R"("semantic":{"enabled":false})"));
    for (const auto& [name, value] : loom().metrics()) EXPECT_FALSE(contains(name, "semantic_")) << name;
}

TEST_F(SemanticCache, ARouteMayHaveNone) {
    conf.set("route.ai.cache", "off");
    begin();
    for (const std::string_view prompt : {asked, asked_again})
        EXPECT_FALSE(ask(chat_request(body_of(prompt))).head.has("x-loom-cache"));
    EXPECT_EQ(upstream().request_count(), 2u);
}

/// Nearer to each other than most paraphrases are.
TEST_F(SemanticCache, TheOppositeIsNotTheSame) {
    conf.set("semantic_cache.similarity_threshold", "0");
    begin();
    constexpr std::string_view pairs[][2] = {
        {"How do I enable two-factor authentication?", "How do I disable two-factor authentication?"},
        {"Convert 10 km to miles", "Convert 12 km to miles"},
        {"Translate this from English to French: good night", "Translate this from French to English: good night"},
        {"Is it safe to eat raw eggs?", "Is it not safe to eat raw eggs?"},
        {"Who is Ada Lovelace?", "Who is Grace Hopper?"},
    };
    int entries = 0;
    for (const auto& [one, other] : pairs) {
        (void)keep(body_of(one), ++entries);
        EXPECT_EQ(status(body_of(other)), "miss") << other;
        EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), ++entries);
    }
    EXPECT_GE(loom().eventually_sum("loom_ai_cache_vetoes_total"), 5);
}

TEST_F(SemanticCache, AllButTheLastTextIsTheSame) {
    begin();
    (void)keep(body_of(asked));
    int entries = 1;
    for (const std::string& other :
         {body_of(asked_again, R"(,"temperature":0.5)"), body_of(asked_again, R"(,"max_tokens":5)"),
          body_of(asked_again, R"(,"tools":[{"type":"function","function":{"name":"f"}}])"),
          body_of(asked_again, R"(,"response_format":{"type":"json_object"})"),
          fmt::format(R"({{"model":"gpt-4o-mini","messages":[{{"role":"user","content":"{}"}}]}})", asked_again),
          fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"system","content":"be short"}},)"
                      R"({{"role":"user","content":"{}"}}]}})",
                      asked_again),
          fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":"hi"}},)"
                      R"({{"role":"assistant","content":"hello"}},{{"role":"user","content":"{}"}}]}})",
                      asked_again)}) {
        EXPECT_EQ(status(other), "miss") << other;
        EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), ++entries);
    }
    // What is no one text of the user's has no like.
    const std::string parts =
        fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":[{{"type":"text","text":"{}"}},)"
                    R"({{"type":"text","text":"now"}}]}}]}})",
                    asked);
    EXPECT_EQ(status(parts), "miss");
    EXPECT_EQ(status(parts), "hit");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), entries);
    EXPECT_EQ(status(fmt::format(R"({{"messages":[{{"content":"{}","role":"user"}}],"user":"u","model":"gpt-4o"}})",
                                 asked_again)),
              "miss")
        << "a message that is spelt otherwise is another";
    EXPECT_EQ(status(fmt::format(R"({{"messages":[{{"role":"user","content":"{}"}}],"user":"u","model":"gpt-4o"}})",
                                 "How do I reset my password")),
              "semantic");
}

TEST_F(SemanticCache, AnAnswerIsGivenInTheFormThatIsAskedFor) {
    begin();
    (void)keep(body_of(asked));
    const Message stream = ask(chat_request(body_of(asked_again, R"(,"stream":true)")));
    EXPECT_EQ(status_of(stream), "semantic");
    EXPECT_TRUE(contains(stream.head.value("content-type"), "text/event-stream"));
    EXPECT_TRUE(contains(stream.body, R"("content":"Grüße)")) << stream.body;
    EXPECT_TRUE(stream.body.ends_with("data: [DONE]\n\n"));
    (void)admin("POST", "/ai/cache/purge?all=true");
    EXPECT_EQ(status(body_of(asked, R"(,"stream":true)")), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1);
    const Message whole = ask(chat_request(body_of(asked_again)));
    EXPECT_EQ(status_of(whole), "semantic");
    EXPECT_EQ(json_text(whole.body, "content"), "Hello world") << whole.body;
    EXPECT_EQ(upstream().request_count(), 2u);
}

TEST_F(SemanticCache, InEveryChatProtocol) {
    conf.set("route.gemini.path", "/v1beta/*").set("route.gemini.ai_gateway", "on");
    conf.set("route.gemini.auth.type", "api_key");
    begin();
    int entries = 0;
    for (const std::string_view name : {"openai_chat", "anthropic", "gemini"}) {
        const ClientProtocol& client = client_protocol(name);
        std::string first = client.ask("gpt-4o", false, "");
        std::string again = first;
        ASSERT_NE(first.find("Say hello"), std::string::npos);
        again.replace(again.find("Say hello"), 9, "say hello");
        const Message kept = ask(first);
        EXPECT_EQ(status_of(kept), "miss") << name;
        EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), ++entries);
        const Message given = ask(again);
        EXPECT_EQ(status_of(given), "semantic") << name;
        EXPECT_EQ(given.body, kept.body) << name;
    }
}

// Whose they are.

class SemanticCacheOfTenants : public SemanticCache {
  protected:
    SemanticCacheOfTenants() {
        for (const char* const name : {"alice", "bob", "carol"})
            conf.set(std::string("consumer.") + name + ".api_key", key_of(name));
        conf.set("consumer.alice.tenant", "acme").set("consumer.bob.tenant", "acme");
    }
    static std::string key_of(std::string_view name) { return fmt::format("sk-{}-0123456789abcdef", name); }
    std::string status_for(std::string_view name, std::string_view body) {
        return status_of(ask(request(
            "POST", "/v1/chat/completions",
            fmt::format("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", key_of(name)), body)));
    }
};

TEST_F(SemanticCacheOfTenants, NobodyGetsAnotherTenantsAnswer) {
    begin();
    EXPECT_EQ(status_for("alice", body_of(asked)), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1);
    EXPECT_EQ(status_for("carol", body_of(asked_again)), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 2);
    EXPECT_EQ(status_for("bob", body_of(asked_again)), "semantic") << "of the same tenant";
    EXPECT_EQ(status_for("carol", body_of("how can I reset my password")), "semantic");
    EXPECT_EQ(upstream().request_count(), 2u);
    EXPECT_EQ(admin("POST", "/ai/cache/purge?tenant=acme").status(), 200);
    EXPECT_EQ(status_for("carol", body_of("how can I reset my password")), "semantic");
    EXPECT_EQ(status_for("bob", body_of(asked_again)), "miss");
}

TEST_F(SemanticCacheOfTenants, OrOfAnotherConsumerWhereThatIsTheScope) {
    conf.set("cache.exact.scope", "consumer");
    begin();
    EXPECT_EQ(status_for("alice", body_of(asked)), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1);
    EXPECT_EQ(status_for("bob", body_of(asked_again)), "miss");
    EXPECT_EQ(status_for("alice", body_of(asked_again)), "semantic");
}

/// The very same question is nobody's secret where all alike may have its answer; what is near to it may be.
TEST_F(SemanticCacheOfTenants, NorWhereTheSameIsSharedByAll) {
    conf.set("cache.exact.scope", "shared");
    begin();
    EXPECT_EQ(status_for("alice", body_of(asked)), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1);
    EXPECT_EQ(status_for("carol", body_of(asked)), "hit");
    EXPECT_EQ(status_for("carol", body_of(asked_again)), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 2);
    EXPECT_EQ(status_for("bob", body_of("HOW do I reset my password")), "semantic") << "of alice's tenant";
    EXPECT_EQ(status_for("carol", body_of("HOW do I reset my password")), "semantic") << "near to her own";
    EXPECT_EQ(upstream().request_count(), 2u);
}

// What clients and operators say.

TEST_F(SemanticCache, AClientMayWantNoneOfIt) {
    begin();
    (void)keep(body_of(asked));
    EXPECT_EQ(status(body_of(asked_again), "x-loom-cache: only\r\n"), "semantic");
    EXPECT_EQ(ask(chat_request(body_of("What is the tallest mountain on Earth"), "cache-control: only-if-cached\r\n"))
                  .status(),
              504);
    EXPECT_EQ(upstream().request_count(), 1u);
    EXPECT_EQ(status(body_of(asked_again), "x-loom-cache: bypass\r\n"), "bypass");
    EXPECT_EQ(status(body_of(asked_again), "cache-control: no-store\r\n"), "bypass");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1) << "and nothing of theirs is kept";
    EXPECT_EQ(status(body_of(asked_again), "x-loom-cache: refresh\r\n"), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 2) << "what is new is";
    EXPECT_EQ(upstream().request_count(), 4u);
}

TEST_F(SemanticCache, APurgeIsOfBoth) {
    begin();
    int asked_upstream = 0;
    for (const std::string& purge : {std::string("all=true"), std::string("model=gpt-4o"), std::string("key=")}) {
        const Message kept = keep(body_of(asked));
        const std::string key = ask(chat_request(body_of(asked_again))).head.value("x-loom-cache-key");
        EXPECT_EQ(key, kept.head.value("x-loom-cache-key"));
        EXPECT_EQ(admin("POST", "/ai/cache/purge?model=another").status(), 200);
        EXPECT_EQ(status(body_of(asked_again)), "semantic");
        EXPECT_EQ(admin("POST", "/ai/cache/purge?" + purge + (purge == "key=" ? key : "")).status(), 200);
        EXPECT_EQ(status(body_of(asked_again), "x-loom-cache: only\r\n"), "miss") << purge;
        EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 0);
        EXPECT_EQ(upstream().request_count(), static_cast<size_t>(++asked_upstream));
    }
}

TEST_F(SemanticCache, AReloadSwitchesItOffAndOn) {
    begin();
    (void)keep(body_of(asked));
    conf.set("semantic_cache.similarity_threshold", "0.7");
    loom().reload(conf.text());
    EXPECT_EQ(status(body_of(asked_again)), "semantic") << "what is kept stays";
    conf.set("semantic_cache.enabled", "off").set("cache.exact.enabled", "on");
    loom().reload(conf.text());
    EXPECT_EQ(status(body_of(asked_again)), "miss");
    EXPECT_EQ(status(body_of(asked)), "hit");
    conf.set("semantic_cache.enabled", "on");
    loom().reload(conf.text());
    EXPECT_EQ(status(body_of("How can I reset my password?")), "miss") << "it was emptied";
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1);
    EXPECT_EQ(status(body_of("how can I reset my password")), "semantic");
}

TEST_F(SemanticCache, ItEndsWithItsTime) {
    conf.set("cache.exact.ttl", "1ms").set("semantic_cache.ttl", "2s");
    begin();
    (void)keep(body_of(asked));
    constexpr std::string_view only = "x-loom-cache: only\r\n";
    EXPECT_EQ(status(body_of(asked), only), "semantic") << "the same text is nearly the same, too";
    const Deadline deadline = Deadline::standard();
    while (status(body_of(asked_again), only) == "semantic" && !deadline.passed())
        std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the pace of it
    EXPECT_EQ(status(body_of(asked_again), only), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 0);
}

TEST_F(SemanticCache, InItsShadowItOnlyCounts) {
    conf.set("semantic_cache.shadow", "on").set("cache.exact.enabled", "on");
    begin();
    (void)keep(body_of(asked));
    EXPECT_EQ(status(body_of(asked_again)), "miss");
    EXPECT_EQ(upstream().request_count(), 2u);
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_would_hit_total"), 1);
    EXPECT_TRUE(contains(admin("GET", "/ai/cache").body, R"("shadow":true)"));
}

/// What the first is given, those who have waited for it are given, too, and ask nobody.
TEST_F(SemanticCache, WhoWaitsForTheFirstGetsWhatItIsGiven) {
    conf.set("loop.shards", "1").set("cache.exact.ttl", "1ms").set("cache.exact.single_flight", "10m");
    begin();
    const Message first = keep(body_of(asked));
    std::vector<RawClient> clients;
    for (int i = 0; i < 24; ++i) clients.push_back(client());
    const Deadline deadline = Deadline::standard();
    while (loom().metric("loom_ai_cache_joined_total") == 0 && !deadline.passed()) {  // it may be over too soon
        for (RawClient& one : clients) one.send(chat_request(body_of(asked_again)));
        for (RawClient& one : clients) {
            const Message given = one.read_response();
            EXPECT_EQ(status_of(given), "semantic");
            EXPECT_EQ(given.body, first.body);
            EXPECT_EQ(given.head.value("x-loom-cache-key"), first.head.value("x-loom-cache-key"));
            EXPECT_GE(std::stod(given.head.value("x-loom-cache-similarity")), 0.95);
        }
    }
    EXPECT_GT(loom().metric("loom_ai_cache_joined_total"), 0);
    EXPECT_EQ(upstream().request_count(), 1u);
}

/// Who leads the others goes on with them, whatever it finds.
TEST_F(SemanticCache, ManyAtOnceAreAllAnsweredAndNobodyIsAsked) {
    conf.set("loop.shards", "2").set("cache.exact.ttl", "1ms").set("cache.exact.single_flight", "10m");
    begin();
    (void)keep(body_of(asked));
    std::vector<RawClient> clients;
    for (int i = 0; i < 24; ++i) clients.push_back(client());
    for (RawClient& one : clients) one.send(chat_request(body_of(asked_again)));
    for (RawClient& one : clients) EXPECT_EQ(status_of(one.read_response()), "semantic");
    EXPECT_EQ(upstream().request_count(), 1u);
}

TEST_F(SemanticCache, WhoLeavesMeanwhileLeavesNothingBehind) {
    allow_script_failures();
    conf.set("loop.shards", "2").set("cache.exact.single_flight", "10m");
    begin();
    (void)keep(body_of(asked));
    for (int i = 0; i < 100; ++i) {
        RawClient leaves = client();
        leaves.send(chat_request(body_of(fmt::format("how do I reset my password {}", i))));
        leaves.reset();
    }
    EXPECT_EQ(loom().eventually("loom_exchanges_live"), 0);
    EXPECT_EQ(status(body_of(asked_again)), "semantic");
}

class SemanticCacheBudget : public SemanticCache {
  protected:
    SemanticCacheBudget() {
        conf.set("token_accounting.enabled", "on").set("token_accounting.limit.tester.daily_limit", "21");
    }
};

TEST_F(SemanticCacheBudget, WhoHasSpentItGetsNothingOfWhatIsKept) {
    begin();
    (void)keep(body_of(asked, R"(,"max_tokens":12)"));
    EXPECT_EQ(ask(chat_request(body_of(asked_again, R"(,"max_tokens":12)"))).status(), 429);
}

/// A sentence model of chance: what it makes near is told by its arithmetic, and not by the words.
class SemanticCacheModel : public SemanticCache {
  protected:
    SemanticCacheModel() {
        const cache::testing::SmallEncoder small;
        write("config.json", small.config());
        write("vocab.txt", small.vocabulary_file());
        write("model.safetensors", small.weights_file());
        conf.set("semantic_cache.embedding.model_path", directory.path());
    }
    void write(const std::string& name, const std::string& text) {
        std::ofstream(directory.path() + "/" + name, std::ios::binary) << text;
    }
    StateDirectory directory;
};

TEST_F(SemanticCacheModel, TextsAreComparedByTheModelInTheFolder) {
    begin();
    (void)keep(body_of(asked));
    const Message second = ask(chat_request(body_of("how do I reset my password ?")));
    EXPECT_EQ(status_of(second), "semantic");
    EXPECT_EQ(second.head.value("x-loom-cache-similarity"), "1.000") << "the same tokens";
}

TEST_F(SemanticCacheModel, WhatIsWrongWithItIsSaidAtTheStart) {
    write("model.safetensors", "no weights");
    const Exit broken = LoomProcess::run_to_end(conf.use_upstream(1).text());
    EXPECT_EQ(broken.code, 78) << broken.log;
    EXPECT_TRUE(contains(broken.log, "model.safetensors")) << broken.log;
    conf.set("semantic_cache.embedding.model_path", directory.path() + "/none");
    const Exit missing = LoomProcess::run_to_end(conf.text());
    EXPECT_EQ(missing.code, 78) << missing.log;
    EXPECT_TRUE(contains(missing.log, "fetch-embedder")) << missing.log;
}

}  // namespace
}  // namespace loom::wire

// How many tokens one request may take (max_tokens_per_request), and how many it has (tokenizer.NAME.path).
#include <fmt/format.h>

#include <fstream>

#include "loom/llm/token_estimate.h"
#include "protocols.h"
#include "tokenized.h"

namespace loom::wire {
namespace {

class RequestCap : public WireTest {
  protected:
    RequestCap() {
        conf.set("security.max_tokens_per_request", "100").set("provider.mock.models", "gpt-4o");
        conf.set("route.gemini.path", "/v1beta/*").set("route.gemini.ai_gateway", "on");
        conf.set("route.gemini.auth.type", "api_key");
    }
    void begin() { start(answer_always(answer(chat_answer))); }
    static std::string body(std::string_view members) {
        return fmt::format(R"({{"model":"gpt-4o",{}"messages":[{{"role":"user","content":"12345678"}}]}})", members);
    }
    /// What the provider was sent for it: the prompt is estimated to be 2 tokens.
    std::string sent(const std::string& bytes) {
        const Message response = ask(bytes);
        EXPECT_EQ(response.status(), 200) << response.raw();
        return upstream().last_request().body;
    }
    std::string sent_chat(std::string_view members) { return sent(chat_request(body(members))); }
};

TEST_F(RequestCap, AnAnswerIsBoundedByWhatThePromptLeaves) {
    begin();
    EXPECT_EQ(sent_chat(""), R"({"max_completion_tokens":98,)" + body("").substr(1)) << "where nobody has said a bound";
}

TEST_F(RequestCap, BoundsThatAreThereAreLowered_OthersStay) {
    begin();
    EXPECT_EQ(sent_chat(R"("max_tokens":98,)"), body(R"("max_tokens":98,)"));
    EXPECT_EQ(sent_chat(R"("max_tokens":99,)"), body(R"("max_tokens":98,)"));
    EXPECT_EQ(sent_chat(R"("max_tokens":18446744073709551615,)"), body(R"("max_tokens":98,)"));
    EXPECT_EQ(sent_chat(R"("max_completion_tokens":4000,"max_tokens":5,)"),
              body(R"("max_completion_tokens":98,"max_tokens":5,)"));
    EXPECT_EQ(sent_chat(R"("max_tokens":null,)"), body(R"("max_tokens":98,)"));
    EXPECT_EQ(sent_chat(R"("n":4,"max_tokens":50,)"), body(R"("n":4,"max_tokens":24,)")) << "of each choice";
    EXPECT_EQ(sent_chat(R"("max_completion_tokens":null,"max_tokens":7,)"),
              body(R"("max_completion_tokens":null,"max_tokens":7,)"));
}

TEST_F(RequestCap, OfEachEndpointByItsOwnName) {
    begin();
    const auto post = [](std::string_view path, std::string_view text) {
        return request("POST", path, auth_header() + "Content-Type: application/json\r\n", text);
    };
    EXPECT_EQ(sent(post("/v1/responses", R"({"model":"gpt-4o","input":"12345678"})")),
              R"({"max_output_tokens":98,"model":"gpt-4o","input":"12345678"})");
    EXPECT_EQ(sent(post("/v1/completions", R"({"model":"gpt-4o","prompt":"12345678"})")),
              R"({"max_tokens":98,"model":"gpt-4o","prompt":"12345678"})");
    EXPECT_EQ(sent(post("/v1/embeddings", R"({"model":"gpt-4o","input":"12345678"})")),
              R"({"model":"gpt-4o","input":"12345678"})")
        << "which has no output";
}

TEST_F(RequestCap, OfGeminisDocuments) {
    conf.set("provider.mock.type", "gemini");
    start(answer_always(answer(provider_protocol("gemini").answer)));
    const auto post = [](std::string_view text) {
        return request("POST", "/v1beta/models/gpt-4o:generateContent",
                       auth_header() + "Content-Type: application/json\r\n", text);
    };
    const std::string contents = R"("contents":[{"parts":[{"text":"12345678"}]}])";
    EXPECT_EQ(sent(post("{" + contents + "}")), R"({"generationConfig":{"maxOutputTokens":98},)" + contents + "}");
    EXPECT_EQ(sent(post("{" + contents + R"(,"generationConfig":{ }})")),
              "{" + contents + R"(,"generationConfig":{"maxOutputTokens":98 }})");
    EXPECT_EQ(sent(post("{" + contents + R"(,"generationConfig":{"topK":1}})")),
              "{" + contents + R"(,"generationConfig":{"maxOutputTokens":98,"topK":1}})");
    EXPECT_EQ(sent(post("{" + contents + R"(,"generationConfig":null})")),
              "{" + contents + R"(,"generationConfig":{"maxOutputTokens":98}})");
    EXPECT_EQ(sent(post("{" + contents + R"(,"generationConfig":{"maxOutputTokens":500}})")),
              "{" + contents + R"(,"generationConfig":{"maxOutputTokens":98}})");
    EXPECT_TRUE(contains(sent(post("{" + contents + R"(,"generationConfig":{"candidateCount":2}})")),
                         R"("maxOutputTokens":49,)"))
        << "of each";
    EXPECT_EQ(sent(post("{" + contents + R"(,"generationConfig":{"max_output_tokens":5}})")),
              "{" + contents + R"(,"generationConfig":{"max_output_tokens":5}})");
}

TEST_F(RequestCap, ABoundOfAnotherEndpointsIsNone) {
    begin();
    EXPECT_EQ(sent_chat(R"("max_output_tokens":5,)"),
              R"({"max_completion_tokens":98,)" + body(R"("max_output_tokens":5,)").substr(1));
    EXPECT_EQ(sent(request("POST", "/v1/responses", auth_header() + "Content-Type: application/json\r\n",
                           R"({"model":"gpt-4o","max_tokens":5,"input":"12345678"})")),
              R"({"max_output_tokens":98,"model":"gpt-4o","max_tokens":5,"input":"12345678"})");
}

TEST_F(RequestCap, OfGeminisDocumentsThatAreUnclear) {
    conf.set("provider.mock.type", "gemini");
    start(answer_always(answer(provider_protocol("gemini").answer)));
    const auto post = [](std::string_view config) {
        return request("POST", "/v1beta/models/gpt-4o:generateContent",
                       auth_header() + "Content-Type: application/json\r\n",
                       fmt::format(R"({{"contents":[{{"parts":[{{"text":"12345678"}}]}}],{}}})", config));
    };
    for (const char* const config :
         {R"("generationConfig":{"maxOutputTokens":"60000"})", R"("generationConfig":{"maxOutputTokens":6e4})",
          R"("generationConfig":{"maxOutputTokens":1,"max_output_tokens":60000})",
          R"("generationConfig":{"maxOutputTokens":1},"generation_config":{"maxOutputTokens":60000})",
          R"("generationConfig":{"m\u0061xOutputTokens":60000})"}) {
        const Message refused = ask(post(config));
        EXPECT_EQ(refused.status(), 400) << config;
        EXPECT_TRUE(contains(refused.body, "maxOutputTokens must be")) << refused.body;
    }
    EXPECT_EQ(upstream().request_count(), 0u);
    conf.set("security.max_tokens_per_request", "0");
    loom().reload(conf.text());
    EXPECT_EQ(ask(post(R"("generationConfig":{"maxOutputTokens":"60000"})")).status(), 200) << "nobody's business";
}

/// The second attempt counts as the first did, however long that makes its prompt.
TEST_F(RequestCap, AlsoOfAHedge) {
    ScriptedUpstream spare(answer_always(answer(provider_protocol("anthropic").answer)));
    conf.set("routing.failover.enabled", "on").set("routing.hedge.after", "50ms").set("routing.hedge.budget", "100%");
    conf.set("provider.mock.priority", "1");
    conf.set("provider.spare.type", "anthropic").set("provider.spare.models", "gpt-4o");
    conf.set("provider.spare.api_key", "sk-of-the-spare").set("provider.spare.base_url", spare.origin());
    start([](UpstreamConnection& connection) {
        if (connection.read_request()) connection.wait_closed();
    });
    EXPECT_EQ(ask(chat_request(body(R"("max_tokens":4000,)"))).status(), 200);
    EXPECT_TRUE(contains(spare.last_request().body, R"("max_tokens":98)")) << spare.last_request().body;
}

TEST_F(RequestCap, OfWhatIsTranslated) {
    conf.set("provider.mock.type", "anthropic");
    start(answer_always(answer(provider_protocol("anthropic").answer)));
    for (const char* const members : {"", R"("max_tokens":4000,)", R"("max_completion_tokens":99,)"})
        EXPECT_TRUE(contains(sent_chat(members), R"("max_tokens":98)")) << members;
    EXPECT_TRUE(contains(sent_chat(R"("max_tokens":5,)"), R"("max_tokens":5)"));
}

TEST_F(RequestCap, ATooLongPromptIsRefused) {
    begin();
    const std::string prompt(4000, 'x');
    const Message refused = ask(chat_request(
        fmt::format(R"({{"model":"gpt-4o","max_tokens":1,"messages":[{{"role":"user","content":"{}"}}]}})", prompt)));
    expect_error(refused, 400);
    EXPECT_TRUE(contains(refused.body, "max_tokens_per_request")) << refused.body;
    const std::string tokens = fmt::format("{} tokens", llm::estimated_tokens(std::string_view(prompt)));
    EXPECT_TRUE(contains(refused.body, tokens)) << refused.body;
    EXPECT_EQ(upstream().request_count(), 0u);
}

TEST_F(RequestCap, WhoAsksForTooMuchIsRefusedWhereTheConfWantsIt) {
    conf.set("security.max_tokens_policy", "refuse");
    begin();
    const Message refused = ask(chat_request(body(R"("max_tokens":99,)")));
    expect_error(refused, 400);
    EXPECT_TRUE(contains(refused.body, "98 are left")) << refused.body;
    EXPECT_EQ(sent_chat(R"("max_tokens":98,)"), body(R"("max_tokens":98,)"));
    EXPECT_TRUE(contains(sent_chat(""), R"("max_completion_tokens":98)"));
}

TEST_F(RequestCap, TheSmallestOfAllThatARequestIsUnder) {
    conf.set("security.max_tokens_per_request", "1000").set("consumer.tester.tier", "free");
    conf.set("rate_limit.tier.free.max_tokens_per_request", "500");
    begin();
    EXPECT_TRUE(contains(sent_chat(""), R"("max_completion_tokens":498)"));
    conf.set("rate_limit.consumer.tester.max_tokens_per_request", "300");
    loom().reload(conf.text());
    EXPECT_TRUE(contains(sent_chat(""), R"("max_completion_tokens":298)"));
    conf.set("rate_limit.route.ai.max_tokens_per_request", "200");
    loom().reload(conf.text());
    EXPECT_TRUE(contains(sent_chat(""), R"("max_completion_tokens":198)"));
    conf.set("security.max_tokens_per_request", "0").set("rate_limit.tier.free.max_tokens_per_request", "");
    conf.set("rate_limit.consumer.tester.max_tokens_per_request", "");
    conf.set("rate_limit.route.ai.max_tokens_per_request", "");
    loom().reload(conf.text());
    EXPECT_EQ(sent_chat(""), body(""));
}

TEST_F(RequestCap, AlsoOfTheAttemptThatFollows) {
    ScriptedUpstream spare(answer_always(answer(provider_protocol("anthropic").answer)));
    conf.set("routing.failover.enabled", "on")
        .set("routing.failover.backoff", "1ms")
        .set("provider.mock.priority", "1");
    conf.set("provider.spare.type", "anthropic").set("provider.spare.models", "gpt-4o");
    conf.set("provider.spare.api_key", "sk-of-the-spare").set("provider.spare.base_url", spare.origin());
    start(answer_always(answer("{}", "503 Service Unavailable")));
    EXPECT_EQ(ask(chat_request(body(""))).status(), 200);
    EXPECT_TRUE(contains(upstream().last_request().body, R"("max_completion_tokens":98)"));
    EXPECT_TRUE(contains(spare.last_request().body, R"("max_tokens":98)"));
}

/// Five words and a message's frame: nine tokens each.
TEST_F(Tokenized, AContextIsFilledAsFarAsItIsCounted) {
    conf.set("provider.mock.context_length", "1000").set("context_window.answer_tokens", "100");
    conf.set("context_window.on_overflow", "trim");
    start(answer_always(answer(chat_answer)));
    for (const int long_turns : {0, 3, 60}) {  // the oldest, whose text is dearer
        std::string messages;
        for (int n = 0; n < 500; ++n)
            messages += fmt::format(R"({{"role":"user","content":"{0}"}},{{"role":"assistant","content":"{0}"}},)",
                                    n < long_turns ? std::string(100, 'x') : "the the the the the");
        const Message response = ask(chat_request(
            fmt::format(R"({{"model":"gpt-4o","messages":[{}{{"role":"user","content":"the"}}]}})", messages)));
        EXPECT_EQ(response.status(), 200);
        const int left = (900 - 8) / 18;  // 8: the last one, and the answer's frame
        EXPECT_EQ(response.head.value("x-loom-context-trimmed"), std::to_string(2 * (500 - left))) << long_turns;
    }
}

TEST_F(Tokenized, APromptIsCountedWhereItIsAdmitted) {
    conf.set("security.max_tokens_per_request", "100");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(the_words)).status(), 200);
    // Three words, and the frame of a message and an answer: 3 + 4 + 3.
    EXPECT_TRUE(contains(upstream().last_request().body, R"("max_completion_tokens":90)"))
        << upstream().last_request().body;
    // Ninety words.
    std::string many = "the";
    for (int i = 0; i < 89; ++i) many += " the";
    const std::string fits = fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":"{}"}}]}})", many);
    EXPECT_EQ(ask(chat_request(fits)).status(), 200);
    EXPECT_TRUE(contains(upstream().last_request().body, R"("max_completion_tokens":3)"));
    // Of a model that the family does not know it is an estimate.
    conf.set("provider.mock.models", "gpt-4o, other");
    loom().reload(conf.text());
    std::string others = the_words;
    others.replace(others.find("gpt-4o"), 6, "other");
    EXPECT_EQ(ask(chat_request(others)).status(), 200);
    EXPECT_TRUE(contains(upstream().last_request().body, R"("max_completion_tokens":97)"));
    conf.set("tokenizer.o200k_base.models", "oth*");
    loom().reload(conf.text());
    EXPECT_EQ(ask(chat_request(others)).status(), 200);
    EXPECT_TRUE(contains(upstream().last_request().body, R"("max_completion_tokens":90)"));
}

/// A hundred " the" are a hundred tokens, and as many by the estimate; a hundred " a" are two hundred, but a hundred by
/// the estimate.
TEST_F(Tokenized, AHedgesPromptIsTheOneThatWasCounted) {
    ScriptedUpstream spare(answer_always(answer(chat_answer)));
    conf.set("security.max_tokens_per_request", "1000");
    conf.set("routing.failover.enabled", "on").set("routing.hedge.after", "50ms").set("routing.hedge.budget", "100%");
    conf.set("provider.mock.priority", "1");
    conf.set("provider.spare.type", "openai").set("provider.spare.models", "gpt-4o");
    conf.set("provider.spare.api_key", "sk-of-the-spare").set("provider.spare.base_url", spare.origin());
    start([](UpstreamConnection& connection) {
        if (connection.read_request()) connection.wait_closed();
    });
    std::string many;
    for (int i = 0; i < 100; ++i) many += " a";
    const std::string asked =
        fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":"{}"}}]}})", many);
    EXPECT_EQ(ask(chat_request(asked)).status(), 200);
    EXPECT_TRUE(contains(spare.last_request().body, R"("max_completion_tokens":793)")) << spare.last_request().body;
}

TEST_F(Tokenized, AStreamThatTellsNoUsageIsCountedByItsText) {
    conf.set("token_accounting.limit.tester.monthly_limit", "100000");
    std::string events;
    for (int i = 0; i < 10; ++i) events += delta_event("the the the");
    ScriptedUpstream::Script breaks = [events](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(events));
        connection.wait_until_loom_has_read();
        connection.reset();
    };
    start(breaks);
    const Message stream =
        ask(chat_request(R"({"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"the the the"}]})"));
    EXPECT_EQ(stream.status(), 200);
    // Thirty words in ten events.
    wait_until("it to be in the ledger", [&] {
        const std::string page = ask_once(loom().admin_port(), request("GET", "/ai/usage/tester"), false).body;
        return contains(page, "30") && contains(page, "40");
    });
}

/// Twenty " a" are forty tokens, and twenty by the estimate; in each client's protocol, from each provider's.
TEST_F(Tokenized, SoIsOneOfAnyProtocol) {
    conf.set("route.gemini.path", "/v1beta/*").set("route.gemini.ai_gateway", "on");
    conf.set("route.gemini.auth.type", "api_key");
    std::string words;
    for (int i = 0; i < 20; ++i) words += " a";
    const auto breaks_behind = [](std::string events) -> ScriptedUpstream::Script {
        return [events = std::move(events)](UpstreamConnection& connection) {
            if (!connection.read_request()) return;
            connection.send(sse_head + chunk(events));
            connection.wait_until_loom_has_read();
            connection.reset();
        };
    };
    double completion = 0;
    const auto check = [&](const ClientProtocol& client) {
        EXPECT_EQ(ask(client.ask("gpt-4o", true, "")).status(), 200);
        completion += 40;
        wait_until("it to be in the ledger", [&] {
            const std::string page = ask_once(loom().admin_port(), request("GET", "/ai/usage/tester"), false).body;
            return contains(page, fmt::format(R"("completion":{})", completion));
        });
    };
    for (const ProviderProtocol& provider : provider_protocols()) {
        const size_t at = provider.stream.find("Hello");
        if (!contains(provider.stream_type, "event-stream")) continue;  // frames have lengths
        std::string told = provider.stream.substr(0, provider.stream.find("\n\n", at) + 2);
        told.replace(at, 5, words);
        conf.set("provider.mock.type", provider.type);
        start(breaks_behind(told));
        upstream().set_script(breaks_behind(told));
        completion = 0;
        for (const ClientProtocol& client : client_protocols()) {
            if (std::string_view(client.name) == "openai_responses" && std::string_view(provider.type) == "openai")
                continue;  // it is asked in Responses' words
            SCOPED_TRACE(fmt::format("{} {}", provider.type, client.name));
            check(client);
        }
    }
    const std::string responses = fmt::format(
        "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"item_id\":\"i\","
        "\"output_index\":0,\"content_index\":0,\"delta\":\"{}\"}}\n\n",
        words);
    conf.set("provider.mock.type", "openai");
    start(breaks_behind(responses));
    upstream().set_script(breaks_behind(responses));
    completion = 0;
    check(client_protocol("openai_responses"));
}

TEST_F(Tokenized, AFileThatIsNoneIsRefusedByItsLine_AndWhatWasInForceStays) {
    conf.set("security.max_tokens_per_request", "100");
    start(answer_always(answer(chat_answer)));
    std::ofstream(path_, std::ios::app) << "dGhl 7000\n";  // "the" once more
    loom().reload(conf.text(), false);
    EXPECT_TRUE(contains(loom().log(), "tokenizer.o200k_base.path: ")) << loom().log();
    EXPECT_TRUE(contains(loom().log(), ":260 has a token that stands before it already")) << loom().log();
    EXPECT_EQ(ask(chat_request(the_words)).status(), 200);
    EXPECT_TRUE(contains(upstream().last_request().body, R"("max_completion_tokens":90)"));
}

}  // namespace
}  // namespace loom::wire

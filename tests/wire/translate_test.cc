// A provider of one protocol behind clients of another: what reaches it, what comes back, and what stays here.
#include <fmt/format.h>

#include "protocols.h"

namespace loom::wire {
namespace {

using namespace std::string_literals;

class Translate : public WireTest {
  protected:
    void SetUp() override { use_type("anthropic"); }
    void use_type(const char* type) {
        conf.set("provider.mock.type", type).set("provider.mock.models", "big");
        conf.set("route.gemini.path", "/v1beta/*").set("route.gemini.ai_gateway", "on");
        conf.set("route.gemini.auth.type", "api_key");
    }
    const std::string whole = provider_protocol("anthropic").answer;
};

const ClientProtocol& chat = client_protocol("openai_chat");
constexpr std::string_view stranger_names[] = {"openai_chat", "openai_responses", "gemini"};  // to Anthropic

std::string ask_chat_with(std::string_view fields) {
    return chat_request(fmt::format(R"({{"model":"big",{},"messages":[{{"role":"user","content":"hi"}}]}})", fields));
}

TEST_F(Translate, AWholeAnswerHoweverItIsFramed) {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    const std::string coded = gzipped(whole);
    const std::vector<std::pair<const char*, std::string>> framings = {
        {"length", answer(whole)},
        {"chunked", head + "Transfer-Encoding: chunked\r\n\r\n" + chunk(whole.substr(0, 40)) + chunk(whole.substr(40)) +
                        std::string(last_chunk)},
        {"gzip", head + fmt::format("Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", coded.size()) + coded},
        {"gzip, chunked", head + "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" +
                              chunk(coded.substr(0, 15)) + chunk(coded.substr(15)) + std::string(last_chunk)},
    };
    std::string bytes;
    size_t cut = 0;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send_cut_at(bytes, cut);
    });
    RawClient one = client();
    for (const auto& [name, framed] : framings) {
        bytes = framed;
        for (cut = 0; cut <= bytes.size(); ++cut) {
            const Message response = one.ask(chat.ask("big", false, ""));
            ASSERT_EQ(response.status(), 200) << name << ", cut at " << cut << ": " << response.body;
            ASSERT_EQ(json_text(response.body, "content"), "Hello world") << name << ", cut at " << cut;
            ASSERT_TRUE(contains(response.body, R"("prompt_tokens":9)")) << response.body;
            ASSERT_FALSE(response.head.has("Content-Encoding")) << name;
        }
    }
    EXPECT_EQ(upstream().connection_count(), 1U) << "a connection is used again when its answer is whole";
}

TEST_F(Translate, AWholeAnswerThatItsConnectionEnds) {
    start([this](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + whole);
    });
    RawClient one = client();
    for (int turn = 0; turn < 3; ++turn)
        EXPECT_EQ(json_text(one.ask(chat.ask("big", false, "")).body, "content"), "Hello world");
}

TEST_F(Translate, AnAnswerCutShortIs502InEveryProtocol) {
    const std::string bytes = answer(whole);
    start([&](UpstreamConnection& connection) {
        if (connection.read_request()) connection.send(std::string_view(bytes).substr(0, bytes.size() - 9));
    });
    for (const std::string_view name : stranger_names) {
        const ClientProtocol& one = client_protocol(name);
        const Message response = ask(one.ask("big", false, ""));
        EXPECT_EQ(response.status(), 502) << name << ": " << response.body;
        EXPECT_TRUE(response.body.starts_with(one.error_start)) << name << ": " << response.body;
    }
}

TEST_F(Translate, AnAnswerThatIsNoneOfItsProtocolIs502) {
    std::string body;
    start(answer_with([&](const Message&) { return answer(body); }));
    for (const char* nonsense : {"<html>busy</html>", "[]", "", "{\"content\":", "null"}) {
        body = nonsense;
        const Message response = ask(chat.ask("big", false, ""));
        expect_error(response, 502);
    }
}

TEST_F(Translate, AnAnswerTooLargeToHoldIs502HoweverItComes) {
    conf.set("limit.body_size", "8KiB");
    const std::string large = R"({"content":")" + std::string(9000, 'x') + "\"}";
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    const std::string coded = gzipped(large);
    std::string bytes;
    start(answer_with([&](const Message&) { return bytes; }));
    for (const std::string& framed :
         {answer(large), head + "Transfer-Encoding: chunked\r\n\r\n" + chunk(large) + std::string(last_chunk),
          head + fmt::format("Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", coded.size()) + coded}) {
        bytes = framed;
        expect_error(ask(chat.ask("big", false, "")), 502);
    }
    bytes = answer(whole);
    EXPECT_EQ(ask(chat.ask("big", false, "")).status(), 200);
}

TEST_F(Translate, AnErrorKeepsItsStatusItsMessageAndItsPatience) {
    int status = 0;
    start(answer_with([&](const Message&) {
        const std::string body = provider_protocol("anthropic").error(status, fmt::format("scripted {}", status));
        return answer(body, fmt::format("{} Said", status),
                      "Retry-After: 7\r\nanthropic-ratelimit-requests-limit: 50\r\n");
    }));
    for (status = 400; status < 600; ++status) {
        if (status == 407) continue;  // between proxies, and never an answer of a model
        for (const std::string_view name : stranger_names) {
            const ClientProtocol& one = client_protocol(name);
            const Message response = ask(one.ask("big", status % 2 == 0, ""));
            ASSERT_EQ(response.status(), status) << name << ": " << response.body;
            ASSERT_TRUE(response.body.starts_with(one.error_start)) << name << ": " << response.body;
            ASSERT_TRUE(contains(response.body, fmt::format("scripted {}", status))) << name << ": " << response.body;
            ASSERT_EQ(response.head.value("Retry-After"), "7") << name;
        }
        if (status == 429) status = 498;
    }
    EXPECT_EQ(upstream().connection_count(), 1U);
}

TEST_F(Translate, AnErrorThatIsNoJsonIsStillOneInEveryProtocol) {
    start(answer_always(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nContent-Length: 17\r\n\r\n<html>busy</html>"));
    for (const std::string_view name : stranger_names) {
        const ClientProtocol& one = client_protocol(name);
        const Message response = ask(one.ask("big", true, ""));
        EXPECT_EQ(response.status(), 503) << name;
        EXPECT_TRUE(response.body.starts_with(one.error_start)) << name << ": " << response.body;
        EXPECT_TRUE(contains(response.head.value("Content-Type"), "application/json")) << name;
    }
}

TEST_F(Translate, WhatCannotBeCarriedIsNamedUnlessTheConfSaysOtherwise) {
    start(answer_always(answer(whole)));
    const std::string asked = ask_chat_with(R"("seed":7,"logprobs":true)");
    const Message warned = ask(asked);
    EXPECT_EQ(warned.status(), 200) << warned.body;
    for (const char* name : {"seed", "logprobs"})
        EXPECT_TRUE(contains(warned.head.value("x-loom-dropped"), name)) << warned.head.raw;
    EXPECT_FALSE(contains(upstream().last_request().body, "seed"));
    EXPECT_FALSE(ask(ask_chat_with(R"("temperature":0.5)")).head.has("x-loom-dropped"));

    conf.set("translate.unsupported", "drop");
    loom().reload(conf.text());
    const Message dropped = ask(asked);
    EXPECT_EQ(dropped.status(), 200);
    EXPECT_FALSE(dropped.head.has("x-loom-dropped")) << dropped.head.raw;

    conf.set("translate.unsupported", "reject");
    loom().reload(conf.text());
    const size_t before = upstream().request_count();
    const Message rejected = ask(asked);
    expect_error(rejected, 400);
    EXPECT_TRUE(contains(rejected.body, "seed") && contains(rejected.body, "logprobs")) << rejected.body;
    EXPECT_FALSE(rejected.head.has("x-loom-dropped")) << "nothing was left out of what nobody was sent";
    EXPECT_EQ(upstream().request_count(), before);
    EXPECT_EQ(ask(ask_chat_with(R"("temperature":0.5)")).status(), 200);
}

/// Gemini has run code for its answer, of which no other protocol has a word.
TEST_F(Translate, WhatOfAWholeAnswerCannotBeCarriedIsNamedToo) {
    use_type("gemini");
    start(answer_always(answer(
        R"({"candidates":[{"content":{"role":"model","parts":[{"executableCode":{"language":"PYTHON","code":"1+1"}},)"
        R"({"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"2"}},{"text":"It is 2."}]},"finishReason":"STOP"}]})")));
    const Message response = ask(ask_chat_with(R"("temperature":0.5)"));
    EXPECT_EQ(json_text(response.body, "content"), "It is 2.") << response.body;
    const std::string lost = response.head.value("x-loom-dropped");
    EXPECT_TRUE(contains(lost, "executableCode") && contains(lost, "codeExecutionResult")) << lost;
    conf.set("translate.unsupported", "reject");
    loom().reload(conf.text());
    const Message whole_answer = ask(ask_chat_with(R"("temperature":0.5)"));
    EXPECT_EQ(whole_answer.status(), 200) << "what was asked could be done: " << whole_answer.body;
    EXPECT_FALSE(whole_answer.head.has("x-loom-dropped"));
}

TEST_F(Translate, WhatCannotBeCarriedIsNamedInAStreamsHeadToo) {
    start(answer_always(stream_answer(provider_protocol("anthropic"))));
    const Message response = ask(ask_chat_with(R"("stream":true,"seed":7)"));
    EXPECT_EQ(response.head.value("x-loom-dropped"), "seed") << response.head.raw;
    EXPECT_TRUE(response.body.ends_with(done_event)) << response.body;
}

class TranslatedHead : public Translate {
  protected:
    const std::string features =
        "anthropic-version: 2026-10-21\r\nanthropic-beta: b-1\r\nOpenAI-Beta: responses=v1\r\n"
        "OpenAI-Organization: org-of-the-client\r\nOpenAI-Project: p-of-the-client\r\n";
};

TEST_F(TranslatedHead, VersionsAndBetasOfAnotherProtocolStayHere) {
    start(answer_always(answer(whole)));
    for (const std::string_view name : stranger_names) {
        ask(client_protocol(name).ask("big", false, features));
        const Head seen = upstream().last_request().head;
        EXPECT_EQ(seen.count("anthropic-version"), 1U) << seen.raw;
        EXPECT_EQ(seen.value("anthropic-version"), "2023-06-01") << "Loom's own";
        EXPECT_EQ(seen.value("Content-Type"), "application/json");
        EXPECT_EQ(seen.count("Content-Type"), 1U) << seen.raw;
        for (const char* header : {"anthropic-beta", "openai-beta", "openai-organization", "openai-project"})
            EXPECT_FALSE(seen.has(header)) << name << ": " << seen.raw;
    }
}

TEST_F(TranslatedHead, VersionsAndBetasReachServersOfTheirOwnProtocol) {
    start(answer_always(answer(whole)));
    std::string bytes = client_protocol("anthropic").ask("big", false, "anthropic-beta: b-1\r\n");
    bytes.replace(bytes.find("2023-06-01"), 10, "2026-10-21");
    EXPECT_EQ(ask(bytes).body, whole) << "as it came";
    const Head seen = upstream().last_request().head;
    EXPECT_EQ(seen.value("anthropic-version"), "2026-10-21");
    EXPECT_EQ(seen.count("anthropic-version"), 1U) << seen.raw;
    EXPECT_EQ(seen.value("anthropic-beta"), "b-1");
}

TEST_F(TranslatedHead, NoCredentialOfAClientGoesAnywhere) {
    struct Case {
        const char* type;
        const char* header;
        std::string value;
        const char* target;
    };
    const std::string bearer = "Bearer " + std::string(provider_key);
    const Case cases[] = {
        {"anthropic", "x-api-key", std::string(provider_key), "/v1/messages"},
        {"gemini", "x-goog-api-key", std::string(provider_key), "/v1beta/models/big:generateContent"},
        {"openai", "authorization", bearer, "/v1/chat/completions"},
        {"bedrock", "authorization", bearer, "/model/big/converse"},
    };
    for (const Case& one : cases) {
        use_type(one.type);
        ScriptedUpstream there(answer_always(answer(provider_protocol(one.type).answer)));
        conf.use_upstream(there.port());
        LoomProcess here(conf.text());
        const std::string others = fmt::format(
            "x-api-key: {0}\r\nx-goog-api-key: {0}\r\napi-key: {0}\r\nCookie: key={0}\r\nProxy-Authorization: Basic "
            "{0}\r\n",
            client_key);
        for (const ClientProtocol& asker : client_protocols()) {
            std::string bytes = asker.ask("big", false, "");
            if (asker.name == "gemini"s) {  // ?key= alone
                bytes.replace(bytes.find(" HTTP/1.1"), 9, fmt::format("?key={} HTTP/1.1", client_key));
                const size_t key_line = bytes.find("x-goog-api-key");
                bytes.erase(key_line, bytes.find("\r\n", key_line) + 2 - key_line);
            } else if (asker.name == "openai_chat"s) {
                bytes.insert(bytes.find("Content-Type"), others);
            }
            const Message response = ask_once(here.port(), bytes);
            ASSERT_EQ(response.status(), 200) << asker.name << " → " << one.type << ": " << response.body;
            const Message seen = there.last_request();
            EXPECT_FALSE(contains(seen.raw(), client_key)) << asker.name << " → " << one.type << ": " << seen.head.raw;
            EXPECT_EQ(seen.head.value(one.header), one.value) << asker.name << " → " << one.type;
            EXPECT_FALSE(seen.head.has("Cookie")) << seen.head.raw;
            const bool as_it_came = asker.name == "openai_responses"s && one.type == "openai"s;
            if (!as_it_came) EXPECT_EQ(seen.target(), one.target) << asker.name;
            size_t credentials = 0;
            for (const char* header : {"authorization", "x-api-key", "x-goog-api-key", "api-key"})
                credentials += seen.head.count(header);
            EXPECT_EQ(credentials, 1U) << seen.head.raw;
        }
        EXPECT_FALSE(contains(here.log(), client_key));
        EXPECT_FALSE(contains(here.access_log(), client_key));
        here.stop_cleanly();
    }
}

TEST_F(TranslatedHead, AClientWithoutAKeyIsToldSoInItsOwnProtocol) {
    start(answer_always(answer(whole)));
    for (const ClientProtocol& one : client_protocols()) {
        std::string bytes = one.ask("big", false, "");
        bytes.replace(bytes.find(client_key), client_key.size(), "sk-wrong");
        const Message response = ask(bytes);
        EXPECT_EQ(response.status(), 401) << one.name << ": " << response.body;
        EXPECT_TRUE(response.body.starts_with(one.error_start)) << one.name << ": " << response.body;
    }
    EXPECT_EQ(upstream().connection_count(), 0U);
}

TEST_F(TranslatedHead, AKeyInTheQueryIsOfGeminisPathsAlone) {
    start(answer_always(answer(whole)));
    const std::string with_key = fmt::format("?a=b&key={}", client_key);
    const std::string headers = "Content-Type: application/json\r\n";
    EXPECT_EQ(ask(request("GET", "/v1beta/models" + with_key)).status(), 200);
    EXPECT_EQ(ask(request("GET", "/v1beta/models?monkey=" + std::string(client_key))).status(), 401);
    EXPECT_EQ(ask(request("GET", "/v1beta/models?key=sk-wrong&key=" + std::string(client_key))).status(), 401);
    EXPECT_EQ(ask(request("GET", "/v1/models" + with_key)).status(), 401);
    EXPECT_EQ(ask(request("POST", "/v1/messages" + with_key, headers, "{}")).status(), 401);
}

/// OpenAI's own document at a server that refuses some of it: edited, never rebuilt.
TEST_F(Translate, ADocumentThatGoesAsItCameObeysItsProvidersQuirks) {
    use_type("mistral");
    start(answer_always(answer(chat_answer)));
    const std::string front = R"({ "model":"big", "vendor" : {"keep":[1.0,1e2]},)";
    const std::string said =
        R"("messages":[{"role":"developer","content":"D"},{"role":"assistant","reasoning_content":"hm","content":"a"}])";
    const Message response =
        ask(chat_request(front + R"("max_completion_tokens":7,"seed":3,"user":"u","logprobs":false,)" + said + " }"));
    EXPECT_EQ(response.status(), 200) << response.body;
    EXPECT_EQ(upstream().last_request().body,
              front + R"("max_tokens":7,"random_seed":3,)" +
                  R"("messages":[{"role":"system","content":"D"},{"role":"assistant","content":"a"}] })");
    EXPECT_EQ(response.head.value("x-loom-dropped"), "user, reasoning_content");

    const std::string plain = R"({"model":"big",  "messages":[{"role":"user","content":"Hi"}], "temperature":0.50})";
    const Message same = ask(chat_request(plain));
    EXPECT_EQ(upstream().last_request().body, plain);
    EXPECT_FALSE(same.head.has("x-loom-dropped"));

    conf.set("provider.mock.quirks", "no_content_parts").set("translate.unsupported", "reject");
    loom().reload(conf.text());
    const Message rejected = ask(chat_request(front + R"("user":"u",)" + said + " }"));
    expect_error(rejected, 400);
    EXPECT_TRUE(contains(rejected.body, "user")) << rejected.body;
    (void)ask(chat_request(R"({"model":"big","messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]})"));
    EXPECT_EQ(upstream().last_request().body, R"({"model":"big","messages":[{"role":"user","content":"Hi"}]})");
}

/// The names of models still change, and usage is still asked for, in what is left.
TEST_F(Translate, QuirksAndOtherEditsMeetInOneDocument) {
    use_type("local");
    conf.set("model_mapping.big.mock", "bigger");
    start(answer_always(sse_answer(golden_streams().front().events)));
    const Message response = ask(chat_request(
        R"({"max_completion_tokens":7,"model":"big","stream":true,"messages":[{"role":"developer","content":"D"}]})"));
    EXPECT_EQ(response.status(), 200) << response.body;
    EXPECT_EQ(upstream().last_request().body,
              R"({"stream_options":{"include_usage":true},"max_tokens":7,"model":"bigger","stream":true,)"
              R"("messages":[{"role":"system","content":"D"}]})");
    EXPECT_FALSE(contains(response.body, "\"usage\":{"));
}

class TranslatedModel : public Translate {};

TEST_F(TranslatedModel, IsSpelledWithItsProviderInFront) {
    use_type("anthropic");
    start(answer_always(answer(whole)));
    for (const char* spelled : {"big", "mock/big", "mock:big"}) {
        for (const ClientProtocol& one : client_protocols()) {
            const Message response = ask(one.ask(spelled, false, ""));
            ASSERT_EQ(response.status(), 200) << one.name << ", " << spelled << ": " << response.body;
            EXPECT_EQ(json_text(upstream().last_request().body, "model"), "big") << one.name << ", " << spelled;
        }
        const Message answered = ask(chat.ask(spelled, false, ""));
        EXPECT_EQ(json_text(answered.body, "model"), spelled) << "the name that its client asked for";
    }
}

TEST_F(TranslatedModel, ThatNobodyHasIs404InEveryProtocol) {
    start(answer_always(answer(whole)));
    for (const ClientProtocol& one : client_protocols()) {
        for (const bool stream : {false, true}) {
            const Message response = ask(one.ask("bigg", stream, ""));
            EXPECT_EQ(response.status(), 404) << one.name << ": " << response.body;
            EXPECT_TRUE(response.body.starts_with(one.error_start)) << one.name << ": " << response.body;
            EXPECT_TRUE(contains(response.body, "'big'")) << one.name << ": " << response.body;
        }
    }
    EXPECT_EQ(upstream().connection_count(), 0U);
}

TEST_F(TranslatedModel, OfPalmIsRefusedWithWhatToAskForInstead) {
    conf.set("provider.mock.models", "*");
    start(answer_always(answer(whole)));
    for (const char* model : {"text-bison@002", "chat-bison", "textembedding-gecko@003"}) {
        for (const ClientProtocol& one : client_protocols()) {
            const Message response = ask(one.ask(model, false, ""));
            EXPECT_EQ(response.status(), 400) << one.name << ": " << response.body;
            EXPECT_TRUE(contains(response.body, "gemini-2.5-flash")) << one.name << ": " << response.body;
        }
    }
    EXPECT_EQ(upstream().connection_count(), 0U);
}

TEST_F(TranslatedModel, CountsItsTokensWithoutAskingAProviderThatCannot) {
    use_type("groq");
    start(answer_always(answer(chat_answer)));
    std::string bytes = client_protocol("anthropic").ask("big", false, "");
    bytes.replace(bytes.find("/v1/messages"), 12, "/v1/messages/count_tokens");
    const Message counted = ask(bytes);
    EXPECT_EQ(counted.status(), 200) << counted.body;
    EXPECT_TRUE(counted.body.starts_with(R"({"input_tokens":)")) << counted.body;
    EXPECT_EQ(counted.head.value("x-loom-token-count"), "estimated");
    EXPECT_EQ(upstream().connection_count(), 0U);
}

std::string count_request(std::string_view client, std::string_view model) {
    const std::string json = auth_header() + "Content-Type: application/json\r\n";
    if (client == "anthropic")
        return request("POST", "/v1/messages/count_tokens", json,
                       fmt::format(R"({{"model":"{}","messages":[{{"role":"user","content":"Hi"}}]}})", model));
    if (client == "gemini")
        return request("POST", fmt::format("/v1beta/models/{}:countTokens", model), json,
                       R"({"contents":[{"role":"user","parts":[{"text":"Hi"}]}]})");
    return request("POST", "/v1/responses/input_tokens", json, fmt::format(R"({{"model":"{}","input":"Hi"}})", model));
}
struct CountAnswer {
    std::string_view client;
    std::string_view told;  // of 8 tokens
};
constexpr CountAnswer count_answers[] = {{"anthropic", R"({"input_tokens":8})"},
                                         {"gemini", R"({"totalTokens":8})"},
                                         {"openai", R"({"object":"response.input_tokens","input_tokens":8})"}};

class CountOf : public TranslatedModel, public testing::WithParamInterface<size_t> {};

/// Each client's count at each provider that can be asked, in its own words there and back.
TEST_P(CountOf, TokensAsksTheProvider) {
    constexpr std::string_view paths[] = {"POST /v1/messages/count_tokens ", "POST /v1beta/models/big:countTokens ",
                                          "POST /v1/responses/input_tokens "};
    const CountAnswer& provider = count_answers[GetParam()];
    use_type(std::string(provider.client).c_str());
    start(answer_always(answer(provider.told)));
    for (const CountAnswer& one : count_answers) {
        const Message counted = ask(count_request(one.client, "big"));
        EXPECT_EQ(counted.status(), 200) << counted.body;
        EXPECT_EQ(counted.body, one.told);
        EXPECT_FALSE(counted.head.has("x-loom-token-count"));
        EXPECT_TRUE(upstream().last_request().head.start_line.starts_with(paths[GetParam()]))
            << upstream().last_request().head.start_line;
    }
    EXPECT_EQ(upstream().request_count(), 3u);
}
INSTANTIATE_TEST_SUITE_P(EachProvider, CountOf, testing::Values(0, 1, 2));

TEST_F(TranslatedModel, WhoseProviderKnowsNoCountAfterAllIsEstimated) {
    use_type("bedrock");
    conf.set("provider.mock.location", "eu-west-1").set("provider.mock.models", "eu.anthropic.claude-sonnet-4-5-v1:0");
    int status = 400;
    start(answer_with([&](const Message&) {
        if (status == 200) return answer(R"({"inputTokens":8})");
        return answer(R"({"message":"The provided model doesn't support counting tokens"})",
                      fmt::format("{} Status", status));
    }));
    const std::string asked = count_request("anthropic", "eu.anthropic.claude-sonnet-4-5-v1:0");
    for (const int known : {400, 403, 404}) {
        status = known;
        const Message estimated = ask(asked);
        EXPECT_EQ(estimated.status(), 200) << estimated.body;
        EXPECT_EQ(estimated.head.value("x-loom-token-count"), "estimated");
    }
    EXPECT_TRUE(upstream().last_request().head.start_line.starts_with(
        "POST /model/anthropic.claude-sonnet-4-5-v1%3A0/count-tokens "))
        << upstream().last_request().head.start_line;
    status = 200;
    EXPECT_EQ(ask(asked).body, R"({"input_tokens":8})");
    status = 429;
    const Message limited = ask(asked);
    EXPECT_EQ(limited.status(), 429) << "the client may try again";
    EXPECT_TRUE(limited.body.starts_with(R"({"type":"error")")) << limited.body;
}

TEST_F(TranslatedModel, ThatCannotBeAskedSoIsNotAskedAgain) {
    start(answer_always(answer(whole)));
    const Message refused = ask(request("POST", "/v1/responses", auth_header() + "Content-Type: application/json\r\n",
                                        R"({"model":"big","input":"hi","previous_response_id":"resp_1"})"));
    EXPECT_EQ(refused.status(), 501) << refused.body;
    EXPECT_TRUE(contains(refused.body, "previous_response_id")) << refused.body;
    EXPECT_EQ(refused.head.value("x-should-retry"), "false");
    EXPECT_EQ(upstream().connection_count(), 0U);
}

}  // namespace
}  // namespace loom::wire

// What a client and a provider may know of each other, and what Loom changes in a body.
#include "fixture.h"

namespace loom::wire {
namespace {

using namespace std::string_literals;

class Credentials : public WireTest {};

TEST_F(Credentials, OfTheClientNeverReachTheUpstream) {
    start(answer_always(answer(chat_answer)));
    const std::string headers =
        "X-Api-Key: client-secret-1\r\napi-key: client-secret-2\r\nX-Goog-Api-Key: client-secret-3\r\n"
        "Cookie: session=client-secret-4\r\nProxy-Authorization: Basic client-secret-5\r\n";
    EXPECT_EQ(ask(chat_request(chat_body, headers)).status(), 200);
    const Message seen = upstream().request(0);
    EXPECT_EQ(seen.head.count("Authorization"), 1U);
    EXPECT_EQ(seen.head.value("Authorization"), "Bearer " + std::string(provider_key));
    EXPECT_FALSE(contains(seen.head.raw, "client-secret")) << seen.head.raw;
    EXPECT_FALSE(contains(seen.head.raw, client_key)) << seen.head.raw;
}

/// Google's clients may send it so (translate_test.cc); whoever does, it goes no further.
TEST_F(Credentials, AKeyInTheQueryIsNotSentOn) {
    conf.set("route.ai.passthrough", "moderations");
    start(answer_always(answer(chat_answer)));
    const std::string key = "key=" + std::string(client_key);
    const std::string type = "Content-Type: application/json\r\n";
    expect_error(ask(request("POST", "/v1/chat/completions?" + key, type, chat_body)), 401);
    EXPECT_EQ(ask(request("POST", "/v1/chat/completions?" + key, auth_header() + type, chat_body)).status(), 200);
    const auto moderate = [&](const std::string& query) {
        return ask(request("POST", "/v1/moderations?" + query, auth_header() + type, R"({"input":"x"})"));
    };
    EXPECT_EQ(moderate("monkey=1&" + key + "&b=2&" + key).status(), 200);
    EXPECT_EQ(moderate(key).status(), 200);
    ASSERT_EQ(upstream().requests().size(), 3U);
    EXPECT_TRUE(contains(upstream().request(1).head.raw, "POST /v1/moderations?monkey=1&b=2 HTTP/1.1\r\n"));
    EXPECT_TRUE(contains(upstream().request(2).head.raw, "POST /v1/moderations HTTP/1.1\r\n"));
    for (const Message& seen : upstream().requests())
        EXPECT_FALSE(contains(seen.head.raw, client_key)) << seen.head.raw;
    loom().wait_for_access_line("moderations");
    EXPECT_FALSE(contains(loom().access_log(), client_key));
}

TEST_F(Credentials, OfTheProviderNeverReachTheClient) {
    start(answer_always(answer(chat_answer, "200 OK",
                               "Set-Cookie: up=1\r\nOpenAI-Organization: org-hidden\r\nWWW-Authenticate: Bearer\r\n"
                               "Authorization: Bearer " +
                                   std::string(provider_key) + "\r\n")));
    const Message response = ask(chat_request(chat_body));
    EXPECT_EQ(response.status(), 200);
    EXPECT_FALSE(response.head.has("Set-Cookie"));
    EXPECT_FALSE(response.head.has("WWW-Authenticate"));
    EXPECT_FALSE(contains(response.raw(), provider_key));
}

TEST_F(Credentials, TheKeyStandsInNoLog) {
    start(answer_always(answer(chat_answer)));
    ask(chat_request(chat_body));
    ask(chat_request("{broken"));
    loom().wait_for_access_line("400");
    for (const std::string& text : {loom().log(), loom().access_log()}) {
        EXPECT_FALSE(contains(text, client_key));
        EXPECT_FALSE(contains(text, provider_key));
    }
}

TEST_F(Credentials, TheProvidersOwnHeadersAreAdded) {
    conf.set("provider.mock.header.X-Custom-Header", "value 1").set("provider.mock.organization", "org-77");
    start(answer_always(answer(chat_answer)));
    ask(chat_request(chat_body, "X-Custom-Header: of the client\r\nOpenAI-Organization: org-of-client\r\n"));
    const Message seen = upstream().request(0);
    EXPECT_EQ(seen.head.value("X-Custom-Header"), "value 1");
    EXPECT_EQ(seen.head.count("X-Custom-Header"), 1U);
    EXPECT_EQ(seen.head.value("OpenAI-Organization"), "org-77");
    EXPECT_EQ(seen.head.count("OpenAI-Organization"), 1U);
}

TEST_F(Credentials, XApiKeyIsTakenTooAndBasicIsNot) {
    start(answer_always(answer(chat_answer)));
    const std::string json = "Content-Type: application/json\r\n";
    const std::string target = "/v1/chat/completions";
    EXPECT_EQ(ask(request("POST", target, json + "x-api-key: " + std::string(client_key) + "\r\n", chat_body)).status(),
              200);
    expect_error(ask(request("POST", target, json + "Authorization: Basic abc\r\n", chat_body)), 401);
    expect_error(ask(request("POST", target, json + "Authorization: Bearer sk-wrong\r\n", chat_body)), 401);
    expect_error(ask(request("POST", target, json + "Authorization: Bearer \r\n", chat_body)), 401);
    expect_error(ask(request("POST", target, json, chat_body)), 401);
    EXPECT_EQ(upstream().request_count(), 1U);
}

TEST_F(Credentials, TwoConsumersAndARotatedKey) {
    conf.set("consumer.other.api_key", "sk-other-00112233");
    start(answer_always(answer(chat_answer)));
    const std::string json = "Content-Type: application/json\r\n";
    EXPECT_EQ(
        ask(request("POST", "/v1/chat/completions", json + "Authorization: Bearer sk-other-00112233\r\n", chat_body))
            .status(),
        200);
    loom().wait_for_access_line("other");
}

/// The provider knows one customer: what two of them call alike must not be the same to it.
TEST_F(Credentials, AnIdempotencyKeyIsItsTenantsOwn) {
    conf.set("consumer.other.api_key", "sk-other").set("consumer.third.api_key", "sk-third");
    conf.set("consumer.tester.tenant", "team").set("consumer.third.tenant", "team");
    conf.set("consumer.team.api_key", "sk-team").set("loop.shards", "2");
    conf.set("route.plain.path", "/plain/*").set("route.plain.ai_gateway", "off");
    ScriptedUpstream plain(answer_always(answer("{}")));
    conf.set("route.plain.upstream", plain.origin());
    start(answer_always(answer(chat_answer)));
    const auto sent_on = [&](uint16_t port, std::string_view key, const std::string& lines) {
        const std::string head = "Authorization: Bearer " + std::string(key) + "\r\nContent-Type: application/json\r\n";
        EXPECT_EQ(ask_once(port, request("POST", "/v1/chat/completions", head + lines, chat_body)).status(), 200);
        const Message seen = upstream().last_request();
        EXPECT_LE(seen.head.count("Idempotency-Key"), 1U);
        return std::string(seen.head.value("Idempotency-Key"));
    };
    const std::string line = "Idempotency-Key: k-1\r\n";
    const std::string own = sent_on(loom().port(), client_key, line);
    EXPECT_EQ(own.size(), 64U);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(sent_on(loom().port(), client_key, line), own) << "on either shard";
    EXPECT_EQ(sent_on(loom().port(), "sk-third", line), own) << "one tenant";
    const std::string others = sent_on(loom().port(), "sk-other", line);
    EXPECT_NE(others, own);
    EXPECT_NE(sent_on(loom().port(), "sk-team", line), own) << "a consumer of a tenant's name is another";
    EXPECT_NE(sent_on(loom().port(), "sk-other", "Idempotency-Key: " + own + "\r\n"), own);
    EXPECT_NE(sent_on(loom().port(), client_key, "Idempotency-Key: k-2\r\n"), own);
    EXPECT_EQ(sent_on(loom().port(), client_key, line + "Idempotency-Key: k-2\r\n"), own) << "the first counts";
    EXPECT_EQ(sent_on(loom().port(), client_key, ""), "");
    EXPECT_EQ(ask(request("POST", "/plain/x", auth_header() + line, "{}")).status(), 200);
    EXPECT_EQ(plain.last_request().head.value("Idempotency-Key"), "k-1")
        << "a plain route's upstream is no shared account";
    LoomProcess second(conf.text());
    EXPECT_EQ(sent_on(second.port(), client_key, line), own) << "and behind a restart";
    second.stop_cleanly();
    conf.set("consumer.tester.api_key", "").set("consumer.other.api_key", "").set("consumer.third.api_key", "");
    conf.set("consumer.team.api_key", "").set("consumer.tester.tenant", "").set("consumer.third.tenant", "");
    conf.set("route.ai.auth.type", "none").set("route.plain.auth.type", "none");
    LoomProcess alone(conf.text());
    EXPECT_EQ(sent_on(alone.port(), client_key, line), "k-1") << "who is alone shares with nobody";
    alone.stop_cleanly();
}

/// Whom a route without keys lets in shares the account with those who have one.
TEST_F(Credentials, AnIdempotencyKeyOfNobodyIsNoConsumers) {
    conf.set("route.open.path", "/v1/chat/*").set("route.open.auth.type", "none");
    start(answer_always(answer(chat_answer)));
    const std::string lines = "Content-Type: application/json\r\nIdempotency-Key: ";
    ASSERT_EQ(ask(request("POST", "/v1/chat/completions", lines + "k-1\r\n", chat_body)).status(), 200);
    const std::string sent(upstream().last_request().head.value("Idempotency-Key"));
    EXPECT_EQ(sent.size(), 64U);
    EXPECT_NE(sent, "k-1");
    ASSERT_EQ(ask(request("POST", "/v1/chat/completions", lines + "k-2\r\n", chat_body)).status(), 200);
    EXPECT_NE(upstream().last_request().head.value("Idempotency-Key"), sent);
}

TEST_F(Credentials, AuthNoneLetsEveryoneInOnLoopback) {
    conf.set("route.ai.auth.type", "none").set("consumer.tester.api_key", "");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(request("POST", "/v1/chat/completions", "Authorization: Bearer anything\r\n", chat_body)).status(),
              200);
    EXPECT_EQ(upstream().request(0).head.value("Authorization"), "Bearer " + std::string(provider_key));
}

TEST_F(Credentials, ForwardedForIsBelievedOfTrustedPeersAlone) {
    start(answer_always(answer(chat_answer)));
    ask(chat_request(chat_body, "X-Forwarded-For: 203.0.113.9\r\n"));
    EXPECT_FALSE(contains(loom().wait_for_access_line("\"status\":200"), "203.0.113.9"));
}

TEST_F(Credentials, ForwardedForOfATrustedPeerIsTheClient) {
    conf.set("forwarded.trust", "127.0.0.0/8");
    start(answer_always(answer(chat_answer)));
    ask(chat_request(chat_body, "X-Forwarded-For: 203.0.113.9\r\n"));
    EXPECT_TRUE(contains(loom().wait_for_access_line("\"status\":200"), "203.0.113.9"));
}

// --- edits

class Edits : public WireTest {};

TEST_F(Edits, AMappedModelChangesItsBytesAlone) {
    conf.set("model_mapping.gpt-4o.mock", "gpt-4o-2024-11-20");
    start(answer_always(answer(chat_answer)));
    const std::string bodies[] = {
        chat_body,
        R"({ "messages" : [ {"role":"user","content":"the model \"gpt-4o\" is named here"} ] , "model"  :  "gpt-4o" , "n":1})",
        "{\n\t\"metadata\":{\"model\":\"gpt-4o\"},\n\t\"messages\":[],\n\t\"model\":\"gpt-4o\"\n}\n",
    };
    for (size_t index = 0; index < std::size(bodies); ++index) {
        EXPECT_EQ(ask(chat_request(bodies[index])).status(), 200);
        std::string expected = bodies[index];
        const size_t at = index == 0 ? expected.find("gpt-4o") : expected.rfind("gpt-4o");
        expected.replace(at, 6, "gpt-4o-2024-11-20");
        EXPECT_EQ(upstream().request(index).body, expected);
        EXPECT_EQ(upstream().request(index).head.value("Content-Length"), std::to_string(expected.size()));
    }
}

TEST_F(Edits, AModelSpelledWithEscapesIsTheSameModel) {
    start(answer_always(answer(chat_answer)));
    const std::string body = R"({"model":"gpt\u002d4o","messages":[]})";
    EXPECT_EQ(ask(chat_request(body)).status(), 200);
    EXPECT_EQ(upstream().request(0).body, body);
}

TEST_F(Edits, UsageIsAskedForUpstreamAndNothingElseChanges) {
    start(answer_always(sse_answer(golden_streams().front().events)));
    ask(chat_request(stream_body_no_usage));
    const std::string& seen = upstream().request(0).body;
    const std::string inserted = edited_run(stream_body_no_usage, seen);
    EXPECT_TRUE(contains(seen, R"("stream_options":{"include_usage":true})")) << seen;
    EXPECT_EQ(seen.size(), stream_body_no_usage.size() + inserted.size()) << "an insertion, and nothing taken away";
}

TEST_F(Edits, OtherStreamOptionsStay) {
    start(answer_always(sse_answer(golden_streams().front().events)));
    ask(chat_request(R"({"model":"gpt-4o","stream":true,"stream_options":{"vendor":1},"messages":[]})"));
    const std::string seen = upstream().request(0).body;
    EXPECT_TRUE(contains(seen, R"("vendor":1)")) << seen;
    EXPECT_TRUE(contains(seen, R"("include_usage":true)")) << seen;
}

TEST_F(Edits, TheUsageChunkNotAskedForIsStrippedForEveryCut) {
    const std::string before = delta_event("Hello") + delta_event(" world");
    const std::string bytes = sse_answer(before + usage_event + done_event);
    size_t cut = 0;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send_cut_at(bytes, cut);
    });
    RawClient one = client();
    for (cut = 0; cut <= bytes.size(); ++cut) {
        const Message response = one.ask(chat_request(stream_body_no_usage));
        ASSERT_EQ(response.body, before + done_event) << "cut at " << cut;
        ASSERT_TRUE(response.is_whole()) << "cut at " << cut;
    }
    EXPECT_GT(sum_where(loom().metrics(), "loom_ai_tokens_total"), 0) << "it is counted all the same";
}

TEST_F(Edits, TheUsageChunkAskedForIsKept) {
    const std::string events = delta_event("Hello") + usage_event + done_event;
    start(answer_always(sse_answer(events)));
    EXPECT_EQ(ask(chat_request(stream_body)).body, events);
    EXPECT_EQ(upstream().request(0).body, stream_body);
}

// --- content coding

class Coding : public WireTest {};

// {"object":"chat.completion","choices":[{"index":0,"message":{"content":"zipped zipped zipped"}}]}, by gzip -9n
const std::string gzipped_answer = std::string(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x55\xcb\x31\x0a\x80\x30\x0c\x46\xe1\xab\xc8\x3f\x17\x71"
    "\xee\x55\xc4\xa1\xa6\x41\x23\xb6\x29\x34\x83\x58\x7a\x77\x75\x74\x7a\xf0\xc1\x6b\xd0\xf5\x60\x32"
    "\x78\xd0\x1e\x6c\x24\x4d\xe5\x64\x13\xcd\x70\xaf\xa8\x10\x57\xf8\xb9\x41\x72\xe4\x0b\x7e\x72\x48"
    "\x5c\x6b\xd8\x18\xbe\x81\x34\x1b\xe7\x6f\xbe\xa5\x14\x8e\xc3\x2f\xe8\x7d\xe9\x0f\x53\x5f\x1b\x73"
    "\x61\x00\x00\x00",
    100);
const std::string plain_answer =
    R"({"object":"chat.completion","choices":[{"index":0,"message":{"content":"zipped zipped zipped"}}]})";

TEST_F(Coding, TheUpstreamIsAskedForIdentity) {
    start(answer_always(answer(chat_answer)));
    ask(chat_request(chat_body, "Accept-Encoding: gzip, br\r\n"));
    const Head seen = upstream().request(0).head;
    EXPECT_EQ(seen.count("Accept-Encoding"), 1U);
    EXPECT_TRUE(same_name(seen.value("Accept-Encoding"), "identity"));
}

TEST_F(Coding, AnAnswerCompressedAllTheSameIsDecodedForEveryCut) {
    const std::string bytes = answer(gzipped_answer, "200 OK", "Content-Encoding: gzip\r\n");
    size_t cut = 0;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send_cut_at(bytes, cut);
    });
    RawClient one = client();
    for (cut = 0; cut <= bytes.size(); ++cut) {
        const Message response = one.ask(chat_request(chat_body));
        ASSERT_EQ(response.body, plain_answer) << "cut at " << cut;
        ASSERT_FALSE(response.head.has("Content-Encoding"));
    }
}

TEST_F(Coding, ABrokenCompressedAnswerIsNoAnswer) {
    std::string broken = gzipped_answer;
    broken[broken.size() / 2] = static_cast<char>(~broken[broken.size() / 2]);
    start(answer_always(answer(broken, "200 OK", "Content-Encoding: gzip\r\n")));
    RawClient one = client();
    one.send(chat_request(chat_body));
    try {
        const Message response = one.read_response();
        EXPECT_TRUE(response.status() == 502 || !response.is_whole()) << response.raw();
    } catch (const WireError&) {
        // a connection cut before the head says it too
    }
}

}  // namespace
}  // namespace loom::wire

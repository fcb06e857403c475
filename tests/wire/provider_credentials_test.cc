// What providers know Loom by where it is no line of the conf.
#include "fixture.h"
#include "sigv4_verifier.h"

namespace loom::wire {
namespace {

const AwsCustomer customer{.access_key_id = "AKIDEXAMPLE0123",
                           .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                           .session_token = "",
                           .region = "eu-west-1"};
const std::string bedrock_model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const std::string bedrock_answer =
    answer(R"({"output":{"message":{"role":"assistant","content":[{"text":"Hello"}]}},"stopReason":"end_turn",)"
           R"("usage":{"inputTokens":9,"outputTokens":12,"totalTokens":21}})");

std::string chat_with(const std::string& model, const std::string& text) {
    return chat_request(R"({"model":")" + model + R"(","messages":[{"role":"user","content":")" + text + "\"}]}");
}

class Bedrock : public WireTest {
  protected:
    void SetUp() override {
        conf.set("provider.mock.type", "bedrock").set("provider.mock.api_key", "").set("provider.mock.models", "");
        conf.set("provider.mock.location", customer.region);
        conf.set("provider.mock.access_key_id", customer.access_key_id);
        conf.set("provider.mock.secret_access_key", customer.secret_access_key);
    }
    void expect_no_secret(const AwsCustomer& whose) {
        for (const std::string& text : {loom().log(), loom().access_log(), loom().check_conf(),
                                        ask_once(loom().admin_port(), request("GET", "/metrics")).body}) {
            EXPECT_FALSE(contains(text, whose.secret_access_key));
            EXPECT_TRUE(whose.session_token.empty() || !contains(text, whose.session_token));
        }
    }
};

TEST_F(Bedrock, EachRequestIsSignedAsItIsSent) {
    start(answer_always(bedrock_answer));
    RawClient one = client();
    for (const std::string& text : {std::string("Hi"), std::string("Grüße 👋"), std::string(200'000, 'x')}) {
        EXPECT_EQ(one.ask(chat_with(bedrock_model, text)).status(), 200);
        const Message seen = upstream().last_request();
        EXPECT_EQ(signature_fault(seen, customer), "");
        EXPECT_TRUE(seen.target().ends_with("/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"));
    }
    expect_no_secret(customer);
}

/// A large document is hashed in turns of 512 KiB, between which others are served.
TEST_F(Bedrock, ALargeRequestIsSignedAsItIsSentToo) {
    start(answer_always(bedrock_answer));
    RawClient one = client();
    constexpr size_t turn = 512 * 1024;
    for (const size_t bytes : {turn - 200, turn - 100, turn, turn + 1, 3 * turn - 120, 9 * turn}) {
        one.send(chat_with(bedrock_model, std::string(bytes, 'x')));
        EXPECT_EQ(ask(chat_with(bedrock_model, "Hi")).status(), 200);
        EXPECT_EQ(one.read_response().status(), 200);
    }
    for (size_t i = 0; i < upstream().request_count(); ++i)
        EXPECT_EQ(signature_fault(upstream().request(i), customer), "") << upstream().request(i).body.size();
}

TEST_F(Bedrock, WhoLeavesWhileItsRequestIsHashedLeavesNothingBehind) {
    start(answer_always(bedrock_answer));
    const std::string asked = chat_with(bedrock_model, std::string(24 << 20, 'x'));
    for (int turn = 0; turn < 3; ++turn) {
        RawClient one = client();
        one.send(asked);
        one.reset();
    }
    wait_until("all to have come home", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
    EXPECT_EQ(loom().eventually("loom_body_memory_bytes"), 0);
    EXPECT_EQ(ask(chat_with(bedrock_model, "Hi")).status(), 200);
}

TEST_F(Bedrock, ItsGuardrailIsNamedInEachConversation) {
    conf.set("provider.mock.guardrail", "gr1abc").set("provider.mock.guardrail_version", "3");
    start(answer_always(bedrock_answer));
    EXPECT_EQ(ask(chat_with(bedrock_model, "Hi")).status(), 200);
    EXPECT_TRUE(contains(upstream().last_request().body,
                         R"("guardrailConfig":{"guardrailIdentifier":"gr1abc","guardrailVersion":"3"})"))
        << upstream().last_request().body;
}

TEST_F(Bedrock, TheVerifierSeesAByteChanged) {
    start(answer_always(bedrock_answer));
    ask(chat_with(bedrock_model, "Hi"));
    Message seen = upstream().request(0);
    seen.body.back() = ' ';
    EXPECT_NE(signature_fault(seen, customer), "");
}

TEST_F(Bedrock, TemporaryKeysBringTheirToken) {
    AwsCustomer temporary = customer;
    temporary.session_token = "FwoGZXIvYXdzE/session" + std::string(1500, 't');
    conf.set("provider.mock.session_token", temporary.session_token);
    start(answer_always(bedrock_answer));
    EXPECT_EQ(ask(chat_with(bedrock_model, "Hi")).status(), 200);
    EXPECT_EQ(signature_fault(upstream().request(0), temporary), "");
    expect_no_secret(temporary);
}

TEST_F(Bedrock, AReloadChangesTheKeys) {
    start(answer_always(bedrock_answer));
    ask(chat_with(bedrock_model, "Hi"));
    AwsCustomer renewed = customer;
    renewed.access_key_id = "AKIDRENEWED";
    renewed.secret_access_key = "another-secret-access-key-0000";
    loom().reload(conf.set("provider.mock.access_key_id", renewed.access_key_id)
                      .set("provider.mock.secret_access_key", renewed.secret_access_key)
                      .text());
    ask(chat_with(bedrock_model, "Hi"));
    EXPECT_EQ(signature_fault(upstream().request(0), customer), "");
    EXPECT_EQ(signature_fault(upstream().request(1), renewed), "");
}

TEST_F(Bedrock, AnApiKeyOfBedrockIsABearer) {
    conf.set("provider.mock.api_key", std::string(provider_key));
    start(answer_always(bedrock_answer));
    EXPECT_EQ(ask(chat_with(bedrock_model, "Hi")).status(), 200);
    const Head seen = upstream().request(0).head;
    EXPECT_EQ(seen.value("Authorization"), "Bearer " + std::string(provider_key));
    EXPECT_EQ(seen.count("Authorization"), 1U);
    EXPECT_FALSE(seen.has("x-amz-date"));
}

/// A stale pooled connection: the second attempt carries a signature too.
TEST_F(Bedrock, ASecondAttemptIsSignedAnew) {
    start([](UpstreamConnection& connection) {
        for (size_t turn = 0; connection.read_request(); ++turn) {
            if (connection.index() == 0 && turn == 1) return connection.close();
            connection.send(bedrock_answer);
        }
    });
    RawClient one = client();
    EXPECT_EQ(one.ask(chat_with(bedrock_model, "first")).status(), 200);
    EXPECT_EQ(one.ask(chat_with(bedrock_model, "second")).status(), 200);
    ASSERT_EQ(upstream().request_count(), 3U);
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(signature_fault(upstream().request(i), customer), "") << i;
}

TEST_F(Bedrock, NothingIsRelayedUnreadToWhomItWouldHaveToBeSignedFor) {
    conf.set("route.ai.passthrough", "files");
    start(answer_always(answer("{}")));
    expect_error(ask(get("/v1/files")), 501);
    EXPECT_EQ(upstream().request_count(), 0U);
}

}  // namespace
}  // namespace loom::wire

// Vertex: access tokens that Loom fetches and renews beside its requests, and Claude's bodies there.
#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "../base/test_key.h"
#include "fixture.h"

namespace loom::wire {
namespace {

namespace fs = std::filesystem;

const std::string gemini_answer =
    answer(R"({"candidates":[{"content":{"role":"model","parts":[{"text":"Hello"}]},"finishReason":"STOP","index":0}],)"
           R"("usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":12,"totalTokenCount":21}})");
const std::string claude_answer = answer(
    R"({"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"Hello"}],)"
    R"("stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":12}})");
const std::string refresh_secret = "1//refresh-token-of-the-user";

std::string token_answer(const std::string& token, int seconds = 3600) {
    return answer(R"({"access_token":")" + token + R"(","expires_in":)" + std::to_string(seconds) +
                  R"(,"token_type":"Bearer"})");
}
std::string chat_with(const std::string& model) {
    return chat_request(R"({"model":")" + model + R"(","messages":[{"role":"user","content":"Hi"}]})");
}
std::string messages_request(std::string_view body, std::string_view path = "/v1/messages") {
    return request("POST", path, auth_header() + "Content-Type: application/json\r\n", body);
}

/// A Loom whose one provider is Vertex: `issuer` gives the tokens, the fixture's upstream is the model.
class Vertex : public WireTest {
  protected:
    void SetUp() override {
        char name[] = "/tmp/loom-google-XXXXXX";
        directory_ = ::mkdtemp(name);
        conf.set("provider.mock.type", "vertex").set("provider.mock.api_key", "").set("provider.mock.models", "");
        conf.set("provider.mock.project_id", "p-1").set("provider.mock.location", "us-central1");
        conf.set("provider.mock.credentials_file", file("account.json"));
    }
    void TearDown() override {
        WireTest::TearDown();
        fs::remove_all(directory_);
    }
    std::string file(const std::string& name) const { return directory_ + "/" + name; }
    void write(const std::string& name, std::string text) const {
        const std::string hole = "@ISSUER@";
        for (size_t at = 0; (at = text.find(hole, at)) != text.npos;) text.replace(at, hole.size(), issuer->origin());
        std::ofstream(file(name) + ".new", std::ios::trunc) << text;
        fs::rename(file(name) + ".new", file(name));
    }
    void write_user() const {
        write("account.json", R"({"type":"authorized_user","client_id":"id","client_secret":"client-secret-1",)"
                              R"("refresh_token":")" +
                                  refresh_secret + R"(","token_uri":"@ISSUER@/token"})");
    }
    void issue(ScriptedUpstream::Script script) { issuer = std::make_unique<ScriptedUpstream>(std::move(script)); }
    void wait_for_token(double renewals = 1) {
        wait_until("an access token", [&] {
            return loom().metric(R"(loom_access_token_renewals_total{provider="mock",result="success"})") >= renewals;
        });
    }
    void wait_for_failure(double failures = 1) {
        wait_until("a failure", [&] {
            return loom().metric(R"(loom_access_token_renewals_total{provider="mock",result="error"})") >= failures;
        });
    }
    /// The token has gone from the admin's thread to the shard's, which is not instant.
    Message ask_until_authorized(const std::string& bytes) {
        Message response = ask(bytes);
        wait_until("the shard to have the token", [&] {
            if (response.status() == 503) response = ask(bytes);
            return response.status() != 503;
        });
        return response;
    }
    void expect_nowhere(const std::vector<std::string>& secrets) {
        for (const std::string& text :
             {loom().log(), loom().access_log(), ask_once(loom().admin_port(), request("GET", "/metrics")).body})
            for (const std::string& secret : secrets) EXPECT_FALSE(contains(text, secret)) << secret << " in\n" << text;
    }

    Gate gate;  // outlives the scripts that wait for it
    std::unique_ptr<ScriptedUpstream> issuer;

  private:
    std::string directory_;
};

TEST_F(Vertex, AUsersTokenIsFetchedAtStartAndCarried) {
    issue(answer_always(token_answer("ya29.first")));
    write_user();
    start(answer_always(gemini_answer));
    wait_for_token();
    const Message response = ask_until_authorized(chat_with("gemini-2.5-flash"));
    EXPECT_EQ(response.status(), 200) << response.body;
    const Message seen = upstream().last_request();
    EXPECT_EQ(seen.head.value("Authorization"), "Bearer ya29.first");
    EXPECT_EQ(seen.head.count("Authorization"), 1U);
    EXPECT_TRUE(seen.target().ends_with(
        "/v1/projects/p-1/locations/us-central1/publishers/google/models/gemini-2.5-flash:generateContent"));
    const Message asked = issuer->request(0);
    EXPECT_EQ(asked.target(), "/token");
    EXPECT_EQ(asked.head.value("Content-Type"), "application/x-www-form-urlencoded");
    EXPECT_TRUE(contains(asked.body, "grant_type=refresh_token"));
    EXPECT_GT(loom().metric(R"(loom_access_token_expiry_timestamp_seconds{provider="mock"})"), 1.7e9);
    expect_nowhere({"ya29.first", refresh_secret, "client-secret-1"});
}

TEST_F(Vertex, AServiceAccountSignsForItsToken) {
    const test::TestKey key = test::make_rsa_key(2048);
    issue(answer_always(token_answer("ya29.service")));
    std::string pem = key.private_pem;
    for (size_t at = 0; (at = pem.find('\n', at)) != pem.npos;) pem.replace(at, 1, "\\n");
    write("account.json", R"({"type":"service_account","project_id":"p-1","private_key_id":"abc","private_key":")" +
                              pem +
                              R"(","client_email":"loom@p-1.iam.gserviceaccount.com","token_uri":"@ISSUER@/token"})");
    start(answer_always(gemini_answer));
    wait_for_token();
    EXPECT_EQ(ask_until_authorized(chat_with("gemini-2.5-flash")).status(), 200);
    EXPECT_EQ(upstream().last_request().head.value("Authorization"), "Bearer ya29.service");
    EXPECT_TRUE(contains(issuer->request(0).body, "grant-type%3Ajwt-bearer&assertion="));
}

TEST_F(Vertex, AnExternalAccountReadsItsTokenAnewAndBecomesAServiceAccount) {
    issue(answer_with([](const Message& asked) {
        if (asked.target() == "/sts") return token_answer("federated-1", 3600);
        return answer(R"({"accessToken":"ya29.impersonated","expireTime":"2099-01-01T00:00:00Z"})");
    }));
    write("subject", "subject-token-1");
    write("account.json", R"({"type":"external_account","audience":"//iam.googleapis.com/projects/1/providers/k8s",)"
                          R"("subject_token_type":"urn:ietf:params:oauth:token-type:jwt","token_url":"@ISSUER@/sts",)"
                          R"("service_account_impersonation_url":"@ISSUER@/v1/sa:generateAccessToken",)"
                          R"("credential_source":{"file":")" +
                              file("subject") + R"("}})");
    start(answer_always(gemini_answer));
    wait_for_token();
    EXPECT_EQ(ask_until_authorized(chat_with("gemini-2.5-flash")).status(), 200);
    EXPECT_EQ(upstream().last_request().head.value("Authorization"), "Bearer ya29.impersonated");
    EXPECT_TRUE(contains(issuer->request(0).body, "subject-token-1"));
    EXPECT_EQ(issuer->request(1).head.value("Authorization"), "Bearer federated-1");
    EXPECT_EQ(issuer->request(1).target(), "/v1/sa:generateAccessToken");
    expect_nowhere({"ya29.impersonated", "federated-1", "subject-token-1"});
}

TEST_F(Vertex, BeforeATokenIsThereRequestsAreToldSo) {
    issue([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            connection.send(token_answer("ya29.late"));
        }
    });
    write_user();
    start(answer_always(gemini_answer));
    const Message early = ask(chat_with("gemini-2.5-flash"));
    expect_error(early, 503, "provider_unauthenticated");
    EXPECT_TRUE(contains(early.body, "no access token has been fetched for this provider yet")) << early.body;
    EXPECT_TRUE(contains(early.body, "mock")) << "which provider";
    EXPECT_TRUE(early.head.has("Retry-After"));
    EXPECT_EQ(upstream().connection_count(), 0U);
    gate.open();
    EXPECT_EQ(ask_until_authorized(chat_with("gemini-2.5-flash")).status(), 200);
}

TEST_F(Vertex, ARefusalStandsInTheLogWithItsCauseAndIsTriedAgain) {
    std::atomic<int> turn = 0;
    issue(answer_with([&](const Message&) {
        return turn++ == 0 ? answer(R"({"error":"invalid_grant","error_description":"Token has been revoked."})",
                                    "400 Bad Request")
                           : token_answer("ya29.second");
    }));
    write_user();
    start(answer_always(gemini_answer));
    wait_for_failure();
    wait_for_token();
    EXPECT_EQ(ask_until_authorized(chat_with("gemini-2.5-flash")).status(), 200);
    EXPECT_TRUE(contains(loom().log(), "invalid_grant: Token has been revoked.")) << loom().log();
    expect_nowhere({"ya29.second", refresh_secret});
}

TEST_F(Vertex, ATokenIsRenewedBeforeItExpires) {
    std::atomic<int> turn = 0;
    issue(answer_with([&](const Message&) { return token_answer("ya29.n" + std::to_string(++turn), 4); }));
    write_user();
    start(answer_always(gemini_answer));
    wait_for_token();
    EXPECT_EQ(ask_until_authorized(chat_with("gemini-2.5-flash")).status(), 200);
    wait_until("the second token's use", [&] {  // every request until then has a token that is good
        EXPECT_EQ(ask(chat_with("gemini-2.5-flash")).status(), 200);
        return upstream().last_request().head.value("Authorization") == "Bearer ya29.n2";
    });
}

TEST_F(Vertex, ATokenThatItsProviderRefusesIsReplacedButNotWithoutEnd) {
    std::atomic<int> turn = 0;
    issue(answer_with([&](const Message&) { return token_answer("ya29.n" + std::to_string(++turn), 3600); }));
    write_user();
    std::atomic<bool> refuses_all = false;
    start(answer_with([&](const Message& asked) {
        const bool good = !refuses_all && asked.head.value("Authorization") != "Bearer ya29.n1";
        return good ? std::string(gemini_answer)
                    : answer(R"({"error":{"code":401,"message":"revoked","status":"UNAUTHENTICATED"}})",
                             "401 Unauthorized");
    }));
    wait_for_token();
    EXPECT_EQ(ask_until_authorized(chat_with("gemini-2.5-flash")).status(), 401) << "the provider's own word";
    wait_for_token(2);
    wait_until("the second token's use", [&] { return ask(chat_with("gemini-2.5-flash")).status() == 200; });
    EXPECT_TRUE(contains(loom().log(), "its access token was refused before its end")) << loom().log();
    refuses_all = true;
    const auto begun = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begun < std::chrono::seconds(2))
        EXPECT_EQ(ask(chat_with("gemini-2.5-flash")).status(), 401);
    EXPECT_EQ(issuer->request_count(), 2U) << "it is not the token's fault";
    expect_nowhere({"ya29.n1", "ya29.n2", refresh_secret});
}

TEST_F(Vertex, ATokenThatAnEmbedderRefusesIsReplacedToo) {
    std::atomic<int> turn = 0;
    issue(answer_with([&](const Message&) { return token_answer("ya29.n" + std::to_string(++turn), 3600); }));
    write_user();
    ScriptedUpstream embedder(answer_with([](const Message& asked) {
        return asked.head.value("Authorization") == "Bearer ya29.n1"
                   ? answer("{}", "401 Unauthorized")
                   : answer(R"({"predictions":[{"embeddings":{"values":[1,1,1,1,1,1,1,1],)"
                            R"("statistics":{"token_count":3}}}]})");
    }));
    for (const char* const key : {"project_id", "location", "credentials_file"})
        conf.set(std::string("provider.mock.") + key, "");
    conf.set("provider.mock.type", "openai").set("provider.mock.api_key", "sk-mock");
    conf.set("provider.mock.models", "gpt-4o");
    conf.set("provider.embed.type", "vertex").set("provider.embed.base_url", embedder.origin());
    conf.set("provider.embed.project_id", "p-1").set("provider.embed.location", "us-central1");
    conf.set("provider.embed.credentials_file", file("account.json"));
    conf.set("provider.embed.models", "text-embedding-005");
    conf.set("semantic_cache.enabled", "on").set("semantic_cache.embedding.provider", "embed");
    conf.set("semantic_cache.embedding.model", "text-embedding-005").set("semantic_cache.embedding.timeout", "5s");
    start(answer_always(answer(chat_answer)));
    int asked = 0;
    wait_until("a second token", [&] {
        (void)ask(chat_request(
            fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":"Number {}?"}}]}})", ++asked)));
        return loom().metric(R"(loom_access_token_renewals_total{provider="embed",result="success"})") >= 2;
    });
    EXPECT_TRUE(contains(loom().log(), "its access token was refused before its end")) << loom().log();
    wait_until("a vector", [&] {
        (void)ask(chat_request(
            fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":"Number {}?"}}]}})", ++asked)));
        return loom().metric("loom_ai_cache_semantic_entries") >= 1;
    });
}

TEST_F(Vertex, AnExpiredTokenIsNotSent) {
    std::atomic<int> turn = 0;
    issue(answer_with([&](const Message&) {
        return turn++ == 0 ? token_answer("ya29.short", 2) : answer("{}", "500 Internal Server Error");
    }));
    write_user();
    start(answer_always(gemini_answer));
    wait_for_token();
    EXPECT_EQ(ask_until_authorized(chat_with("gemini-2.5-flash")).status(), 200);
    Message response;
    wait_until("the token's end", [&] {
        response = ask(chat_with("gemini-2.5-flash"));
        return response.status() == 503;
    });
    EXPECT_TRUE(contains(response.body, "has expired and could not be renewed")) << response.body;
}

TEST_F(Vertex, AReloadKeepsTheTokenOfAFileThatStaysAndAsksForAnotherOne) {
    std::atomic<int> turn = 0;
    issue(answer_with([&](const Message&) { return token_answer("ya29.r" + std::to_string(++turn)); }));
    write_user();
    start(answer_always(gemini_answer));
    wait_for_token();
    EXPECT_EQ(ask_until_authorized(chat_with("gemini-2.5-flash")).status(), 200);
    loom().reload(conf.set("timeout.connect", "4s").text());
    EXPECT_EQ(ask(chat_with("gemini-2.5-flash")).status(), 200) << "the same account: no request without a token";
    EXPECT_EQ(turn, 1);
    write("account.json", R"({"type":"authorized_user","client_id":"id2","client_secret":"s2","refresh_token":"r2",)"
                          R"("token_uri":"@ISSUER@/token"})");
    loom().reload(conf.text());
    wait_for_token(2);
    EXPECT_EQ(ask_until_authorized(chat_with("gemini-2.5-flash")).status(), 200);
    EXPECT_EQ(upstream().last_request().head.value("Authorization"), "Bearer ya29.r2");
    write("account.json", "{");
    loom().reload(conf.text(), false);
    EXPECT_EQ(ask(chat_with("gemini-2.5-flash")).status(), 200) << "the old one stays in force";
}

TEST_F(Vertex, ARenewedFileIsPickedUpByItselfAndABrokenOneIsNot) {
    std::atomic<int> turn = 0;
    issue(answer_with([&](const Message&) { return token_answer("ya29.w" + std::to_string(++turn)); }));
    write_user();
    conf.set("tls.watch_interval", "20ms");
    start(answer_always(gemini_answer));
    wait_for_token();
    write("account.json", "{");
    wait_until("the broken file's line", [&] { return contains(loom().log(), "what it held before stays in force"); });
    EXPECT_EQ(ask_until_authorized(chat_with("gemini-2.5-flash")).status(), 200);
    write("account.json", R"({"type":"authorized_user","client_id":"id2","client_secret":"s2","refresh_token":"r2",)"
                          R"("token_uri":"@ISSUER@/token"})");
    wait_for_token(2);
    wait_until("the new token's use", [&] {
        ask(chat_with("gemini-2.5-flash"));
        return upstream().last_request().head.value("Authorization") == "Bearer ya29.w2";
    });
    EXPECT_TRUE(contains(issuer->last_request().body, "refresh_token=r2"));
}

TEST_F(Vertex, AStopIsHeldUpByNoTokenThatDoesNotCome) {
    issue([&](UpstreamConnection& connection) {
        (void)connection.read_request();
        gate.wait();
    });
    write_user();
    start(answer_always(gemini_answer));
    (void)issuer->request(0);
    loom().signal(SIGTERM);
    EXPECT_EQ(loom().wait_for_exit(Deadline::in(std::chrono::seconds(5))).code, 0);
    gate.open();
}

TEST_F(Vertex, ClaudesOwnBytesGoThereWithoutTheirModel) {
    issue(answer_always(token_answer("ya29.c")));
    write_user();
    start(answer_always(claude_answer));
    wait_for_token();
    const Message response = ask_until_authorized(messages_request(
        R"({"max_tokens":5, "model" : "claude-sonnet-4-5","messages":[{"role":"user","content":"Hi"}],"x":1e2})"));
    EXPECT_EQ(response.status(), 200) << response.body;
    const Message seen = upstream().last_request();
    EXPECT_EQ(
        seen.body,
        R"({"anthropic_version":"vertex-2023-10-16","max_tokens":5, "messages":[{"role":"user","content":"Hi"}],"x":1e2})");
    EXPECT_TRUE(seen.target().ends_with("/publishers/anthropic/models/claude-sonnet-4-5:rawPredict"));
    EXPECT_EQ(
        ask(messages_request(R"({"messages":[],"model":"claude-sonnet-4-5"})", "/v1/messages/count_tokens")).status(),
        200);
    EXPECT_EQ(upstream().last_request().body,
              R"({"anthropic_version":"vertex-2023-10-16","messages":[],"model":"claude-sonnet-4-5"})");
    EXPECT_TRUE(upstream().last_request().target().ends_with("/models/count-tokens:rawPredict"));
}

TEST_F(Vertex, ATranslatedDocumentForClaudeSaysItsVersionToo) {
    issue(answer_always(token_answer("ya29.c")));
    write_user();
    start(answer_always(claude_answer));
    wait_for_token();
    EXPECT_EQ(ask_until_authorized(chat_with("claude-sonnet-4-5")).status(), 200);
    const std::string& seen = upstream().last_request().body;
    EXPECT_TRUE(seen.starts_with(R"({"anthropic_version":"vertex-2023-10-16",)")) << seen;
    EXPECT_FALSE(contains(seen, R"("model")")) << seen;
}

TEST_F(Vertex, EmbeddingsAreAskedForByPredict) {
    issue(answer_always(token_answer("ya29.first")));
    write_user();
    start(answer_always(answer(
        R"({"predictions":[{"embeddings":{"values":[0.5,1],"statistics":{"truncated":false,"token_count":3}}}]})")));
    wait_for_token();
    const Message response = ask_until_authorized(
        request("POST", "/v1/embeddings", auth_header() + "Content-Type: application/json\r\n",
                R"({"model":"text-embedding-005","input":"Hi","dimensions":2,"encoding_format":"float"})"));
    EXPECT_EQ(response.status(), 200) << response.body;
    EXPECT_TRUE(contains(response.body, R"("embedding":[0.5,1])")) << response.body;
    EXPECT_TRUE(contains(response.body, R"("prompt_tokens":3)")) << response.body;
    const Message seen = upstream().last_request();
    EXPECT_TRUE(seen.target().ends_with("/publishers/google/models/text-embedding-005:predict")) << seen.target();
    EXPECT_EQ(seen.body, R"({"instances":[{"content":"Hi"}],"parameters":{"outputDimensionality":2}})");
}

}  // namespace
}  // namespace loom::wire

// Consumers who are known by their certificates (route.X.auth.type = mtls): by an alternative name, the whole subject,
// or the certificate itself; and all who are not.
#include "tls_listener_fixture.h"
#include "websocket.h"

namespace loom::wire {
namespace {

class TlsConsumer : public TlsListener {
  protected:
    TlsConsumer() {
        write("people.pem", people_.pem());
        conf.set("listener.http.tls.client_ca", file("people.pem")).set("route.ai.auth.type", "mtls");
        conf.set("consumer.tester.certificate", "URI:spiffe://example/agent-7");
    }
    std::unique_ptr<net::TlsContext> client_of(const HostSpec& spec) {
        return client_context({.trust = authority_.trust(), .certificate = people_.issue(spec)});
    }
    static std::string keyless(const std::string& lines = "") {
        return request("POST", "/v1/chat/completions", "Content-Type: application/json\r\n" + lines, chat_body);
    }
    Message ask_as(const HostSpec& spec, const std::string& lines = "") {
        return ask_over_tls(loom().port(), *client_of(spec), keyless(lines));
    }
    void begin() { start(answer_always(answer(chat_answer))); }

    Authority people_{"People CA"};
    const HostSpec agent = {.names = "URI:spiffe://example/agent-7", .common_name = "agent-7", .usage = "clientAuth"};
    const HostSpec other = {.names = "URI:spiffe://example/agent-8", .common_name = "agent-8", .usage = "clientAuth"};
};

TEST_F(TlsConsumer, AnAlternativeNameSaysWho_AndNoKeyIsNeeded) {
    conf.set("consumer.tester.team", "agents");
    begin();
    EXPECT_EQ(ask_as(agent).status(), 200);
    EXPECT_TRUE(contains(loom().wait_for_access_line("chat_completions"), R"("consumer":"tester")"));
    EXPECT_EQ(loom().eventually(R"(loom_ai_team_tokens_total{team="agents",type="input"})"), 9);
    EXPECT_EQ(upstream().request(0).head.value("Authorization"), "Bearer " + std::string(provider_key));
}

TEST_F(TlsConsumer, ItsMetadataAreClaimsForRules) {
    conf.set("consumer.tester.metadata.department", "legal");
    conf.set("consumer.second.certificate", "URI:spiffe://example/agent-8");
    conf.set("consumer.second.metadata.department", "sales");
    conf.set("access.rule.a.when", R"(claim.department == "sales")").set("access.rule.a.action", "deny");
    begin();
    EXPECT_EQ(ask_as(agent).status(), 200);
    expect_error(ask_as(other), 403);
}

TEST_F(TlsConsumer, WhoIsNobodysIsRefused_AKeyDoesNotHelp) {
    begin();
    const Message refused = ask_as(other);
    expect_error(refused, 401);
    EXPECT_TRUE(contains(refused.body, "this certificate is no consumer's here")) << refused.body;
    EXPECT_TRUE(contains(refused.body, "CN=agent-8"));
    expect_error(ask_as(other, auth_header()), 401);
    EXPECT_EQ(loom().eventually(R"(loom_ai_auth_failures_total{reason="consumer"})"), 2);
    EXPECT_EQ(upstream().request_count(), 0u);
}

TEST_F(TlsConsumer, TheSubjectIsTakenWhole) {
    conf.set("consumer.tester.certificate", "CN=agent-8");
    begin();
    EXPECT_EQ(ask_as(other).status(), 200);
    EXPECT_EQ(ask_as({.names = "", .common_name = "agent-80", .usage = "clientAuth"}).status(), 401);
    EXPECT_EQ(ask_as({.names = "DNS:agent-8", .common_name = "agent", .usage = "clientAuth"}).status(), 401);
    EXPECT_EQ(ask_as({.names = "", .common_name = std::string(60, 'a'), .usage = "clientAuth"}).status(), 401);
}

TEST_F(TlsConsumer, SeveralOfOneConsumer_AndEachItsOwn) {
    conf.set("consumer.second.certificate", "URI:spiffe://example/agent-8")
        .set("consumer.second.models", "gpt-4o-mini");
    begin();
    EXPECT_EQ(ask_as(agent).status(), 200);
    EXPECT_NE(ask_as(other).status(), 200) << "who is second may not use this model";
    EXPECT_EQ(ask_as({.names = "URI:spiffe://example/agent-7,URI:spiffe://example/agent-8",
                      .common_name = "both",
                      .usage = "clientAuth"})
                  .status(),
              401)
        << "one that is two consumers' is nobody's";
}

TEST_F(TlsConsumer, KeysGoBeforeCertificatesWhereBothAreTaken) {
    conf.set("route.ai.auth.type", "api_key, mtls");
    conf.set("consumer.second.api_key", "sk-of-the-second-0123456789");
    begin();
    EXPECT_EQ(ask_as(agent).status(), 200);
    EXPECT_EQ(ask_as(agent, "Authorization: Bearer sk-of-the-second-0123456789\r\n").status(), 200);
    EXPECT_EQ(ask_as(agent, "Authorization: Bearer sk-of-nobody\r\n").status(), 401);
    wait_until("the log", [&] {
        return contains(loom().access_log(), R"("consumer":"second")") &&
               contains(loom().access_log(), R"("consumer":"tester")");
    });
}

TEST_F(TlsConsumer, AReloadTakesItAway) {
    begin();
    const auto context = client_of(agent);
    EXPECT_EQ(ask_over_tls(loom().port(), *context, keyless()).status(), 200);
    conf.set("consumer.tester.certificate", "URI:spiffe://example/agent-9");
    loom().reload(conf.text());
    EXPECT_EQ(ask_over_tls(loom().port(), *context, keyless()).status(), 401) << "also on a session that is resumed";
}

/// A browser would show the certificate of its user for any page.
TEST_F(TlsConsumer, APageOfAnotherOriginMayNotUseIt) {
    conf.set("cors.origins", "*, https://chat.example").set("route.ai.auth.type", "api_key, mtls");
    begin();
    expect_error(ask_as(agent, "Origin: https://evil.example\r\n"), 403);
    expect_error(ask_as(agent, "Origin: null\r\nSec-Fetch-Site: cross-site\r\n"), 403);
    expect_error(ask_as(agent, "Sec-Fetch-Site: cross-site\r\n"), 403);
    EXPECT_EQ(upstream().request_count(), 0u);
    EXPECT_EQ(ask_as(agent, "Origin: https://chat.example\r\nSec-Fetch-Site: cross-site\r\n").status(), 200);
    EXPECT_EQ(ask_as(agent, "Origin: https://127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n").status(), 200);
    EXPECT_EQ(ask_as(agent, "Origin: https://evil.example\r\n" + auth_header()).status(), 200) << "a key is no page's";
}

TEST_F(TlsConsumer, AConnectionIsNoLongerGoodThanItsAuthority) {
    begin();
    const auto context = client_of(agent);
    TlsClient one(loom().port(), *context);
    EXPECT_EQ(one.ask(keyless()).status(), 200);
    const Authority others("Other CA");
    write("people.pem", people_.pem() + others.pem());
    loom().reload(conf.text());
    EXPECT_EQ(one.ask(keyless()).status(), 200) << "another one beside it";
    write("people.pem", others.pem());
    loom().reload(conf.text());
    const Message refused = one.ask(keyless());
    expect_error(refused, 401);
    EXPECT_TRUE(contains(refused.body, "no certificate")) << refused.body;
}

TEST_F(TlsConsumer, WithoutACertificateAKeyIsNoGuess) {
    conf.set("listener.local.address", "unix:@DIR@/loom.sock");
    begin();
    RawClient local{connect_unix(loom().path("loom.sock"))};
    const Message refused = local.ask(keyless("Authorization: Bearer sk-of-another-place\r\n"));
    expect_error(refused, 401);
    EXPECT_TRUE(contains(refused.body, "no certificate")) << refused.body;
    EXPECT_EQ(loom().eventually(R"(loom_ai_auth_failures_total{reason="missing"})"), 1);
    EXPECT_EQ(loom().eventually(R"(loom_ai_auth_failures_total{reason="key"})"), 0);
}

/// It shows a key too, which nobody has asked for.
TEST_F(TlsConsumer, ARealtimeSessionIsGoodAsLongAsItsCertificateIs) {
    conf.use_echo().set("consumer.second.api_key", "sk-of-the-second-0123456789");
    start_without_upstream();
    const auto context = client_of(agent);
    TlsClient one(loom().port(), *context);
    one.send(upgrade_request("/v1/realtime?model=echo", "Authorization: Bearer sk-of-the-second-0123456789\r\n"));
    ASSERT_EQ(one.reader().start_response(true).status(), 101);
    loom().reload(conf.set("consumer.second.models", "gpt-4o").text());
    EXPECT_EQ(ask_as(other).status(), 401);
    EXPECT_EQ(loom().metric_sum("loom_exchanges_live"), 1);
    loom().reload(conf.set("consumer.tester.certificate", "URI:spiffe://example/agent-9").text());
    one.send(frame_bytes(true, opcode::close, close_payload(1000)));
    wait_until("its end", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
    EXPECT_TRUE(contains(loom().wait_for_access_line("realtime"), "this key is no longer good for this session"));
}

TEST_F(TlsConsumer, WhatCouldNotWorkIsToldBeforeTheStart) {
    conf.set("listener.http.tls.client_ca", "");
    expect_start_refused({"route.ai.auth.type", "mtls needs a listener that asks clients for certificates"});
    conf.set("listener.http.tls.client_ca", file("people.pem")).set("consumer.tester.certificate", "agent-7");
    expect_start_refused({"consumer.tester.certificate", "expected URI:"});
    conf.set("consumer.tester.certificate", "sha256:AB");
    expect_start_refused({"64 hexadecimal digits in lower case"});
    conf.set("consumer.tester.certificate", "CN=a").set("consumer.second.certificate", "CN=a");
    expect_start_refused({"have the same certificate"});
}

}  // namespace
}  // namespace loom::wire

// Events told over TLS: to whom the conf trusts, and to nobody else.
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>

#include "fixture.h"
#include "tls_certificates.h"
#include "tls_front.h"

namespace loom::wire {
namespace {

using net::test::Authority;

class TlsAlerts : public WireTest {
  protected:
    TlsAlerts() : webhook_(answer_always(answer("ok"))) {
        front_ = std::make_unique<TlsFront>(
            webhook_.port(), net::TlsServerOptions{.certificates = {authority_.issue({.names = "IP:127.0.0.1"})}});
        conf.set("token_accounting.enabled", "on").set("token_accounting.limit.tester.monthly_limit", "100");
        conf.set("token_accounting.limit.tester.alert", "20%");
        conf.set("alerts.webhook.url", fmt::format("https://127.0.0.1:{}/hook", front_->port()));
        conf.set("alerts.webhook.tls.ca_file", ca_path_);
    }
    ~TlsAlerts() override { ::unlink(ca_path_.c_str()); }
    void trust(const Authority& authority) { std::ofstream(ca_path_, std::ios::trunc) << authority.pem(); }
    void begin() {
        start(answer_always(answer(chat_answer)));
        EXPECT_EQ(ask(chat_request(R"({"model":"gpt-4o","max_tokens":12,"messages":[{"role":"user","content":"Hi"}]})"))
                      .status(),
                  200);
    }
    void TearDown() override {
        WireTest::TearDown();
        front_.reset();
    }

    Authority authority_{"Loom's test CA"};
    ScriptedUpstream webhook_;
    std::unique_ptr<TlsFront> front_;
    std::string ca_path_ = fmt::format("{}/loom-wire-alert-ca-{}.pem", testing::TempDir(), ::getpid());
};

TEST_F(TlsAlerts, ToWhomTheConfsAuthorityVouchesFor) {
    trust(authority_);
    begin();
    EXPECT_EQ(loom().eventually("loom_alerts_sent_total"), 1);
    EXPECT_EQ(json_text(webhook_.request(0).body, "type"), "budget.share_reached");
}

TEST_F(TlsAlerts, AnImpostorHearsNothing) {
    const Authority other{"Another CA"};
    trust(other);
    begin();
    wait_until("a failure", [&] { return loom().metric("loom_alerts_failures_total") >= 1; });
    EXPECT_EQ(webhook_.request_count(), 0u);
    EXPECT_EQ(loom().eventually("loom_alerts_sent_total"), 0);
    EXPECT_EQ(loom().eventually("loom_alerts_waiting"), 1);
}

}  // namespace
}  // namespace loom::wire

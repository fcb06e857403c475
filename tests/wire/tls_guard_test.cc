// Guards outside of Loom over TLS: whom the conf trusts is asked, and nobody else sees a prompt.
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>

#include "fixture.h"
#include "tls_certificates.h"
#include "tls_front.h"

namespace loom::wire {
namespace {

using net::test::Authority;

class TlsGuards : public WireTest {
  protected:
    TlsGuards() : guard_(answer_always(answer(R"({"verdict":"allow"})"))) {
        front_ = std::make_unique<TlsFront>(
            guard_.port(), net::TlsServerOptions{.certificates = {authority_.issue({.names = "IP:127.0.0.1"})}});
        conf.set("security.guard.lakera.url", fmt::format("https://127.0.0.1:{}/check", front_->port()));
        conf.set("security.guard.lakera.tls.ca_file", ca_path_);
    }
    ~TlsGuards() override { ::unlink(ca_path_.c_str()); }
    void trust(const Authority& authority) { std::ofstream(ca_path_, std::ios::trunc) << authority.pem(); }
    void TearDown() override {
        WireTest::TearDown();
        front_.reset();
    }

    Authority authority_{"Loom's test CA"};
    ScriptedUpstream guard_;
    std::unique_ptr<TlsFront> front_;
    std::string ca_path_ = fmt::format("{}/loom-wire-guard-ca-{}.pem", testing::TempDir(), ::getpid());
};

TEST_F(TlsGuards, WhomTheConfsAuthorityVouchesForIsAsked) {
    trust(authority_);
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(guard_.request_count(), 2u);
}

TEST_F(TlsGuards, AnImpostorSeesNothingUntilItIsTrusted) {
    const Authority other{"Another CA"};
    trust(other);
    start(answer_always(answer(chat_answer)));
    expect_error(ask(chat_request(chat_body)), 503, "guard_unavailable");
    EXPECT_EQ(guard_.request_count(), 0u);
    EXPECT_TRUE(contains(loom().log(), "security.guard.lakera: 127.0.0.1:")) << loom().log();
    trust(authority_);
    loom().reload(conf.text());
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(guard_.request_count(), 1u);
}

}  // namespace
}  // namespace loom::wire

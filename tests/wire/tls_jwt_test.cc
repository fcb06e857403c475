// Keys of an issuer that are fetched over TLS: of whom the conf trusts, and of nobody else.
#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <fstream>

#include "../base/token_maker.h"
#include "fixture.h"
#include "tls_certificates.h"
#include "tls_front.h"

namespace loom::wire {
namespace {

using net::test::Authority;

class TlsJwt : public WireTest {
  protected:
    ~TlsJwt() override { ::unlink(ca_path_.c_str()); }
    void SetUp() override {
        trust(authority_);
        issuer_ = std::make_unique<ScriptedUpstream>(answer_with([this](const Message& asked) {
            if (asked.target() == "/keys") return answer(test::jwks_of({&maker_}));
            return answer(fmt::format(R"({{"issuer":"{0}","jwks_uri":"{0}/keys"}})", origin()));
        }));
        front_ = std::make_unique<TlsFront>(
            issuer_->port(), net::TlsServerOptions{.certificates = {authority_.issue({.names = "IP:127.0.0.1"})}});
        conf.set("jwt.corp.issuer", origin()).set("jwt.corp.tls.ca_file", ca_path_);
        conf.set("route.ai.auth.type", "jwt").set("route.ai.auth.jwt", "corp");
    }
    void TearDown() override {
        WireTest::TearDown();
        front_.reset();
    }
    void trust(const Authority& authority) { std::ofstream(ca_path_, std::ios::trunc) << authority.pem(); }
    std::string origin() const { return fmt::format("https://127.0.0.1:{}", front_->port()); }
    int ask_as_tester() {
        const std::string claims =
            fmt::format(R"({{"iss":"{}","sub":"tester","exp":{}}})", origin(), std::time(nullptr) + 3600);
        return ask(request("POST", "/v1/chat/completions",
                           "Content-Type: application/json\r\nAuthorization: Bearer " + maker_.token(claims) + "\r\n",
                           chat_body))
            .status();
    }

    Authority authority_{"Loom's test CA"};
    test::TokenMaker maker_{"k1"};
    std::unique_ptr<ScriptedUpstream> issuer_;
    std::unique_ptr<TlsFront> front_;
    std::string ca_path_ = fmt::format("{}/loom-wire-jwt-ca-{}.pem", testing::TempDir(), ::getpid());
};

TEST_F(TlsJwt, KeysAreDiscoveredAndFetchedByTheConfsOwnAuthority) {
    start(answer_always(answer(chat_answer)));
    wait_until("the keys", [&] { return ask_as_tester() == 200; });
    EXPECT_EQ(loom().eventually(R"(loom_jwt_key_fetches_total{issuer="corp",result="error"})"), 0);
}

TEST_F(TlsJwt, AnImpostorsKeysAreNotTaken) {
    const Authority other("another CA");
    trust(other);
    start(answer_always(answer(chat_answer)));
    wait_until("a failure",
               [&] { return loom().metric(R"(loom_jwt_key_fetches_total{issuer="corp",result="error"})") >= 1; });
    EXPECT_EQ(ask_as_tester(), 503);
    EXPECT_EQ(issuer_->received_bytes(), 0u) << "nothing was asked of it";
    EXPECT_TRUE(contains(loom().log(), "jwt corp: no keys from")) << loom().log();
}

}  // namespace
}  // namespace loom::wire

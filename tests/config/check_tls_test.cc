// What --check says of the files that TLS lives from.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "check/check.h"
#include "fake_source.h"
#include "tls_certificates.h"

namespace loom::app {
namespace {

using net::test::Authority;
using net::test::HostSpec;

constexpr long day_s = 86'400;

class CheckTls : public testing::Test {
  protected:
    CheckTls() {
        std::string pattern = testing::TempDir() + "loom-check-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
    }
    ~CheckTls() override { std::filesystem::remove_all(directory_); }

    std::string file(const std::string& name) const { return directory_ + "/" + name; }
    void write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        std::ofstream(file(name), std::ios::trunc) << text;
        ::chmod(file(name).c_str(), mode);
    }
    void write(const net::TlsKeyPair& pair) const {
        write("host.crt", pair.certificate_pem, 0644);
        write("host.key", pair.key_pem);
    }
    /// All that is said of a listener with this certificate, the file's directory taken out.
    std::string said() const {
        auto loaded = config::load_text(
            "listener.h.address = 127.0.0.1:1\nroute.ai.path = /v1/*\n"
            "provider.demo.type = echo\nlistener.h.tls.certificate = " +
            file("host.crt") + "\n");
        add_checks(loaded);
        std::string text = config::all_of(loaded.diagnostics);
        for (size_t at = 0; (at = text.find(directory_ + "/", at)) != std::string::npos;)
            text.erase(at, directory_.size() + 1);
        return text;
    }
    void expect_said(std::initializer_list<std::string> parts) const {
        const std::string text = said();
        for (const std::string& part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
    }
    HostSpec ending_in(long seconds) const {
        return {.names = "DNS:a", .common_name = "a", .ends_in_seconds = seconds};
    }

    Authority authority_{"Check CA"};

  private:
    std::string directory_;
};

TEST_F(CheckTls, AGoodCertificateIsNoNews) {
    write(authority_.issue(ending_in(60 * day_s)));
    EXPECT_EQ(said(), "");
}

TEST_F(CheckTls, OneThatHasEndedOrSoonWillIsNamed) {
    write(authority_.issue(ending_in(-60)));
    expect_said({"warning: listener.h.tls.certificate: host.crt (subject \"CN=a\", issuer \"CN=Check CA\"): expired on",
                 "remedy: renew it"});
    write(authority_.issue(ending_in(13 * day_s + 60)));
    expect_said({"expires on ", ", in 13 days; remedy: renew it"});
    write(authority_.issue(ending_in(14 * day_s + 60)));
    EXPECT_EQ(said(), "");
    HostSpec early = ending_in(60 * day_s);
    early.begins_in_seconds = day_s;
    write(authority_.issue(early));
    expect_said({"is not valid yet"});
}

TEST_F(CheckTls, AnExpiredIntermediateCountsToo) {
    net::TlsKeyPair pair = authority_.issue(ending_in(60 * day_s));
    pair.certificate_pem += authority_.pem();  // its own ends in a day
    write(pair);
    expect_said({"expires on "});
}

TEST_F(CheckTls, AKeyThatOthersCanReadIsWarnedOf) {
    const auto pair = authority_.issue(ending_in(60 * day_s));
    write(pair);
    write("host.key", pair.key_pem, 0644);
    expect_said({"warning: ", "host.key: every user of this machine can read this private key", "chmod 640"});
    std::filesystem::remove(file("host.key"));
    write("host.crt", pair.certificate_pem + pair.key_pem, 0644);
    expect_said({"host.crt: every user of this machine can read this private key"});
}

TEST_F(CheckTls, AKeyThatDoesNotMatchIsAnError) {
    write(authority_.issue(ending_in(60 * day_s)));
    write("host.key", authority_.issue(ending_in(60 * day_s)).key_pem);
    const std::string text = said();
    EXPECT_NE(text.find("the private key is not the one of its first certificate"), std::string::npos) << text;
    EXPECT_EQ(text.find("warning"), std::string::npos) << text;
}

TEST_F(CheckTls, AChainInTheWrongOrderIsWarnedOf) {
    net::TlsKeyPair pair = authority_.issue(ending_in(60 * day_s));
    pair.certificate_pem += Authority("Nobody's CA").pem() + authority_.pem();
    write(pair);
    expect_said({"its certificates are not in order"});
}

TEST_F(CheckTls, AFileThatCannotBeReadIsAnError) {
    expect_said({"host.crt: No such file or directory; remedy: name an existing file"});
    ::mkfifo(file("host.crt").c_str(), 0600);
    expect_said({"host.crt: not a file"});
}

}  // namespace
}  // namespace loom::app

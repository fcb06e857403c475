// An https listener with a certificate by an authority of the test's own, its files in a directory of its own.
#pragma once

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "fixture.h"
#include "tls_certificates.h"
#include "tls_client.h"

namespace loom::wire {

using net::test::Authority;
using net::test::HostSpec;

inline const HostSpec local = {.names = "IP:127.0.0.1,DNS:localhost", .common_name = "local"};

class TlsListener : public WireTest {
  protected:
    TlsListener() {
        std::string pattern = testing::TempDir() + "loom-tls-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        conf.set("listener.http.protocol", "https");
        conf.set("listener.http.tls.certificate", file("host.crt"));
        issue("host", local);
        trusting_ = client_context({.trust = authority_.trust()});
    }
    ~TlsListener() override { std::filesystem::remove_all(directory_); }

    std::string file(const std::string& name) const { return directory_ + "/" + name; }
    /// Moved into place, as renewing programs do: nobody meets half a file.
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(file(name + ".new")) << text;
        ::chmod(file(name + ".new").c_str(), 0600);
        std::filesystem::rename(file(name + ".new"), file(name));
    }
    void issue(const std::string& name, const HostSpec& spec) {
        const net::TlsKeyPair pair = authority_.issue(spec);
        write(name + ".key", pair.key_pem);
        write(name + ".crt", pair.certificate_pem);
    }
    static std::unique_ptr<net::TlsContext> client_context(const net::TlsClientOptions& options) {
        std::string text;
        auto context = net::TlsContext::client(options, &text);
        if (!context) throw WireError(text);
        return std::move(*context);
    }
    TlsClient connect(std::string_view host = "127.0.0.1") { return TlsClient(loom().port(), *trusting_, host); }
    Message ask_tls(std::string_view bytes) { return ask_over_tls(loom().port(), *trusting_, bytes); }
    std::string subject_shown(std::string_view host = "127.0.0.1") {
        const auto fresh = client_context({.trust = authority_.trust()});
        return TlsClient(loom().port(), *fresh, host).session().peer()->subject;
    }
    /// There is a certificate for that name, and not only the first of all.
    bool is_served(std::string_view host) {
        try {
            return !subject_shown(host).empty();
        } catch (const WireError&) {
            return false;
        }
    }
    Eventually handshakes(std::string_view result) {
        return loom().eventually(fmt::format("loom_tls_handshakes_total{{side=\"client\",result=\"{}\"}}", result));
    }
    void wait_for_log(std::string_view part) {
        wait_until(fmt::format("'{}' in the log", part), [&] { return contains(loom().log(), part); });
    }
    /// The text of the error that the client meets.
    std::string refusal_of(net::TlsContext& context, std::string_view host = "127.0.0.1") {
        try {
            TlsClient one(loom().port(), context, host);
            (void)one.ask(chat_request(chat_body));
        } catch (const WireError& error) {
            return error.what();
        }
        ADD_FAILURE() << "the client was let in";
        return "";
    }
    void expect_start_refused(std::initializer_list<std::string_view> parts) {
        const Exit exit = LoomProcess::run_to_end(conf.use_upstream(1).text());
        EXPECT_EQ(exit.code, 78);
        for (const std::string_view part : parts)
            EXPECT_TRUE(contains(exit.log, part)) << part << " is missing in\n" << exit.log;
    }

    Authority authority_{"Loom's test CA"};
    std::unique_ptr<net::TlsContext> trusting_;

  private:
    std::string directory_;
};

}  // namespace loom::wire

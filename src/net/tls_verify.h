// Is a peer's certificate good, and if not, what does a person need to know?
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <string>
#include <string_view>

namespace loom::net {

struct TlsVerdict {
    long code = X509_V_OK;
    const char* what = "";  // a literal, for Error
    std::string text;       // subject, issuer, reason, remedy
    [[nodiscard]] bool ok() const noexcept { return code == X509_V_OK; }
};

/// chain  as the peer sent it, leaf first.
/// host   name or numeric IP that the leaf must name; "" for clients' certificates, of which the CA is all there is to
/// check.
[[nodiscard]] TlsVerdict verify_chain(const STACK_OF(CRYPTO_BUFFER) * chain, X509_STORE* trusted,
                                      std::string_view host);

/// "CN=api.example.com,O=Example": RFC 2253, control characters escaped, at most 256 bytes.
[[nodiscard]] std::string to_text(const X509_NAME* name);

/// What BoringSSL's error queue holds, as a literal for Error and a line for people. Clears the queue.
struct TlsReason {
    const char* what;
    std::string text;
};
[[nodiscard]] TlsReason take_library_reason(bool server);

}  // namespace loom::net

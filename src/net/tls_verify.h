// What certificates say: is a peer's good, and if not, what does a person need to know? Whose is it, for which hosts?
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <optional>
#include <string>
#include <string_view>

#include "loom/net/tls_session.h"

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
/// "Nov 21 02:34:49 2026 GMT".
[[nodiscard]] std::string to_text(const ASN1_TIME* time);

/// As certificates, SNI and the session cache spell hosts: lower case, no brackets, no final dot.
[[nodiscard]] std::string canonical_host(std::string_view host);
/// The hosts that a certificate is for, wildcards included, so spelled.
[[nodiscard]] std::vector<std::string> dns_names(X509* leaf);

/// Nothing when it is not X.509.
[[nodiscard]] std::optional<TlsPeer> describe_peer(const CRYPTO_BUFFER* leaf);

/// What BoringSSL's error queue holds, as a literal for Error and a line for people. Clears the queue.
struct TlsReason {
    const char* what;
    std::string text;
};
[[nodiscard]] TlsReason take_library_reason(bool server);
/// A client that speaks HTTP where TLS is spoken.
[[nodiscard]] TlsReason plain_http_reason();

}  // namespace loom::net

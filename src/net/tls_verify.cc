#include "tls_verify.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <optional>

#include "loom/net/address.h"

namespace loom::net {
namespace {

constexpr size_t names_shown_max = 8;

struct Advice {
    long code;
    const char* what;
    const char* remedy;
};

constexpr Advice certificate_advice[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "the certificate has expired",
     "renew it, or set this machine's clock if it is wrong"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "the certificate is not valid yet",
     "set this machine's clock, or the date of issue"},
    {X509_V_ERR_HOSTNAME_MISMATCH, "the certificate is for other names",
     "connect by one of its names, or have it issued for this one"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, "the certificate is not for this IP address",
     "connect by one of its names, or have it issued with this IP address"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "the certificate is self-signed",
     "add it to the trusted CA file if it is meant to be trusted"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "the certificate is by an unknown CA",
     "add the root of this chain to the trusted CA file if it is meant to be trusted"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "the certificate is by an unknown CA",
     "add its issuer to the trusted CA file, or have the peer send its intermediate certificates"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "the certificate's chain is incomplete",
     "have the peer send its intermediate certificates"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "the certificate is by an unknown CA",
     "add its issuer to the trusted CA file, or have the peer send its intermediate certificates"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, "the certificate's signature is wrong",
     "have it issued again; if it is not the peer's own, someone is in between"},
    {X509_V_ERR_INVALID_PURPOSE, "the certificate is for another purpose",
     "have it issued with the extended key usage of this side (serverAuth or clientAuth)"},
    {X509_V_ERR_INVALID_CA, "the certificate's issuer is no CA", "have it issued by a CA"},
    {X509_V_ERR_CERT_REVOKED, "the certificate was revoked", "have it issued again"},
};

const Advice& advice_of(long code) {
    static constexpr Advice other = {0, "the certificate is not acceptable", "look at the certificate's chain"};
    for (const Advice& advice : certificate_advice) {
        if (advice.code == code) return advice;
    }
    return other;
}

std::string drain(BIO* bio, size_t bytes_max) {
    const uint8_t* bytes = nullptr;
    size_t size = 0;
    if (!BIO_mem_contents(bio, &bytes, &size)) return "";
    return std::string(reinterpret_cast<const char*>(bytes), std::min(size, bytes_max));
}

/// Names come from a stranger and end in a log.
std::string printable(const uint8_t* bytes, size_t size) {
    std::string text(reinterpret_cast<const char*>(bytes), std::min<size_t>(size, 128));
    for (char& c : text) {
        if (c < 0x20 || c > 0x7e) c = '?';
    }
    return text;
}

std::string ip_text(const uint8_t* bytes, size_t size) {
    return size == 4 || size == 16 ? Address::from_ip({bytes, size}, 0).ip_string() : "?";
}

/// The names a certificate is for: "a.example, *.b.example, 10.0.0.1".
std::string names_of(X509* leaf) {
    bssl::UniquePtr<GENERAL_NAMES> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
    std::string text;
    size_t shown = 0;
    for (size_t i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
        if (++shown > names_shown_max) return text + ", …";
        const ASN1_STRING* value = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
        const uint8_t* bytes = ASN1_STRING_get0_data(value);
        const size_t size = static_cast<size_t>(ASN1_STRING_length(value));
        text += (shown > 1 ? ", " : "") + (name->type == GEN_DNS ? printable(bytes, size) : ip_text(bytes, size));
    }
    return shown == 0 ? "no host at all" : text;
}

/// Names that somebody is known by are taken whole or not at all: two that differ must not read the same.
std::optional<std::string> identity(const char* kind, const ASN1_STRING* value) {
    const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                                static_cast<size_t>(ASN1_STRING_length(value)));
    const bool plain = std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
    if (!plain || text.empty() || text.size() > TlsPeer::name_bytes_max) return std::nullopt;
    return fmt::format("{}:{}", kind, text);
}

/// One alternative name with its kind; nothing for kinds that nobody identifies a client by.
std::optional<std::string> alternative_name(const GENERAL_NAME* name) {
    switch (name->type) {
        case GEN_DNS: return identity("DNS", name->d.dNSName);
        case GEN_URI: return identity("URI", name->d.uniformResourceIdentifier);
        case GEN_EMAIL: return identity("email", name->d.rfc822Name);
        case GEN_IPADD:
            return "IP:" + ip_text(ASN1_STRING_get0_data(name->d.iPAddress),
                                   static_cast<size_t>(ASN1_STRING_length(name->d.iPAddress)));
        default: return std::nullopt;
    }
}

std::vector<std::string> alternative_names(X509* leaf, size_t names_max) {
    bssl::UniquePtr<GENERAL_NAMES> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
    std::vector<std::string> texts;
    for (size_t i = 0; names && i < sk_GENERAL_NAME_num(names.get()) && texts.size() < names_max; ++i)
        if (auto text = alternative_name(sk_GENERAL_NAME_value(names.get(), i))) texts.push_back(std::move(*text));
    return texts;
}

std::string fingerprint_of(const CRYPTO_BUFFER* certificate) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256(CRYPTO_BUFFER_data(certificate), CRYPTO_BUFFER_len(certificate), digest);
    std::string hex;
    for (const uint8_t byte : digest) hex += fmt::format("{:02x}", byte);
    return hex;
}

std::string reason_of(X509* certificate, X509* leaf, long code) {
    switch (code) {
        case X509_V_ERR_CERT_HAS_EXPIRED: return fmt::format("expired on {}", to_text(X509_get0_notAfter(certificate)));
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return fmt::format("valid from {} only", to_text(X509_get0_notBefore(certificate)));
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH: return fmt::format("it is for {}", names_of(leaf));
        default: return X509_verify_cert_error_string(code);
    }
}

TlsVerdict refuse(X509* certificate, X509* leaf, long code, std::string_view host) {
    const Advice& advice = advice_of(code);
    const std::string whose = host.empty() ? "the client's certificate" : fmt::format("the certificate of {}", host);
    return {code, advice.what,
            fmt::format("{} is refused: {} (subject \"{}\", issuer \"{}\"); remedy: {}", whose,
                        reason_of(certificate, leaf, code), to_text(X509_get_subject_name(certificate)),
                        to_text(X509_get_issuer_name(certificate)), advice.remedy)};
}

TlsVerdict unreadable(std::string_view host) {
    return {X509_V_ERR_UNSPECIFIED, "the certificate cannot be read",
            fmt::format("the certificate of {} cannot be read as X.509; remedy: have it issued again",
                        host.empty() ? "the client" : host)};
}

bool set_expected_host(X509_VERIFY_PARAM* param, std::string_view host) {
    if (const auto address = Address::parse_ip(host)) {
        const auto ip = address->ip();
        return X509_VERIFY_PARAM_set1_ip(param, ip.data(), ip.size()) == 1;
    }
    // A subject's CN is no host name any more (RFC 9525), and a wildcard stands for one whole label.
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, host.data(), host.size()) == 1;
}

}  // namespace

std::string canonical_host(std::string_view host) {
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    if (host.ends_with('.')) host.remove_suffix(1);
    std::string lower(host);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    }
    return lower;
}

std::vector<std::string> dns_names(X509* leaf) {
    std::vector<std::string> hosts;
    for (const std::string& name : alternative_names(leaf, SIZE_MAX))
        if (name.starts_with("DNS:")) hosts.push_back(canonical_host(std::string_view(name).substr(4)));
    return hosts;
}

std::string to_text(const X509_NAME* name) {
    bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
    const unsigned long flags = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
    if (!bio || X509_NAME_print_ex(bio.get(), name, 0, flags) < 0) return "?";
    return drain(bio.get(), 256);
}

std::string to_text(const ASN1_TIME* time) {
    bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
    return bio && ASN1_TIME_print(bio.get(), time) ? drain(bio.get(), 64) : "?";
}

TlsVerdict verify_chain(const STACK_OF(CRYPTO_BUFFER) * chain, X509_STORE* trusted, std::string_view host) {
    bssl::UniquePtr<STACK_OF(X509)> certificates(sk_X509_new_null());
    for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(chain); ++i) {
        bssl::UniquePtr<X509> certificate(X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(chain, i)));
        if (!certificate || !bssl::PushToStack(certificates.get(), std::move(certificate))) return unreadable(host);
    }
    if (sk_X509_num(certificates.get()) == 0) return unreadable(host);
    X509* leaf = sk_X509_value(certificates.get(), 0);

    bssl::UniquePtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
    if (!context || !X509_STORE_CTX_init(context.get(), trusted, leaf, certificates.get()) ||
        !X509_STORE_CTX_set_default(context.get(), host.empty() ? "ssl_client" : "ssl_server")) {
        return unreadable(host);
    }
    X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_TRUSTED_FIRST);  // a served, expired cross-signature does no harm
    if (!host.empty() && !set_expected_host(param, host)) return unreadable(host);
    if (X509_verify_cert(context.get()) == 1) return {};

    X509* at_fault = X509_STORE_CTX_get_current_cert(context.get());
    int code = X509_STORE_CTX_get_error(context.get());
    if (code == X509_V_OK) code = X509_V_ERR_UNSPECIFIED;  // it said no, whatever it forgot to say
    return refuse(at_fault != nullptr ? at_fault : leaf, leaf, code, host);
}

std::optional<TlsPeer> describe_peer(const CRYPTO_BUFFER* leaf) {
    // Parsing takes a reference, and so a mutable pointer; the bytes stay as they are.
    bssl::UniquePtr<X509> certificate(X509_parse_from_buffer(const_cast<CRYPTO_BUFFER*>(leaf)));
    if (!certificate) return std::nullopt;
    return TlsPeer{to_text(X509_get_subject_name(certificate.get())),
                   alternative_names(certificate.get(), TlsPeer::names_max), fingerprint_of(leaf)};
}

TlsReason plain_http_reason() {
    constexpr const char* what = "the client speaks plain HTTP";
    return {what, fmt::format("TLS with the client failed: {}; remedy: use https:// for this listener", what)};
}

TlsReason take_library_reason(bool server) {
    const uint32_t error = ERR_peek_error();
    const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    const char* library = ERR_reason_error_string(error);
    ERR_clear_error();
    const auto say = [server](const char* what, const char* remedy) {
        return TlsReason{
            what, fmt::format("TLS with the {} failed: {}; remedy: {}", server ? "client" : "server", what, remedy)};
    };
    switch (reason) {
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        case SSL_R_UNKNOWN_PROTOCOL:
            return say("no common TLS version", "let the peer speak TLS 1.2 or 1.3; Loom does not go below");
        case SSL_R_WRONG_VERSION_NUMBER:
            return say("the peer does not speak TLS",
                       "look at the port, and whether it should be http instead of https");
        case SSL_R_NO_SHARED_CIPHER:
        case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
            return say("no common cipher or key",
                       "let the peer offer ECDHE with AES-GCM or ChaCha20, and a certificate");
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return say("the client shows no certificate",
                       "this listener has client_ca set: connect with a certificate by it");
        case SSL_R_TLSV1_ALERT_CERTIFICATE_REQUIRED:
            return say("the server asks for a certificate", "set tls.certificate of the provider or route");
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
            return say("the peer refuses our certificate",
                       "let the peer trust its issuer, and see that it is not expired");
        case SSL_R_NO_APPLICATION_PROTOCOL:
        case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
            return say("no common application protocol", "let the peer offer http/1.1");
        default:
            return {"TLS failed", fmt::format("TLS with the {} failed: {}", server ? "client" : "server",
                                              library != nullptr ? library : "no reason given")};
    }
}

}  // namespace loom::net

#include "tls_end.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>

#include "../net/tls_certificates.h"
#include "network.h"

namespace loom::sim {
namespace {

constexpr size_t record_bytes = 4096;

bssl::UniquePtr<EVP_PKEY> make_rsa_key() {
    bssl::UniquePtr<RSA> rsa(RSA_new());
    bssl::UniquePtr<BIGNUM> exponent(BN_new());
    BN_set_word(exponent.get(), RSA_F4);
    RSA_generate_key_ex(rsa.get(), 2048, exponent.get(), nullptr);
    bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
    EVP_PKEY_set1_RSA(key.get(), rsa.get());
    return key;
}

TlsIdentity make_identity() {
    net::test::Authority authority("Simulated CA", make_rsa_key());
    return {authority.issue({.names = "DNS:one.sim,DNS:two.sim,DNS:web.sim,DNS:sim"}, make_rsa_key()),
            authority.trust()};
}

bssl::UniquePtr<SSL_CTX> make_context(TlsEnd::Role role) {
    bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_method()));
    if (role == TlsEnd::Role::client) return context;
    const net::TlsKeyPair& host = TlsIdentity::get().host;
    bssl::UniquePtr<BIO> certificate(BIO_new_mem_buf(host.certificate_pem.data(), -1));
    bssl::UniquePtr<BIO> key(BIO_new_mem_buf(host.key_pem.data(), -1));
    bssl::UniquePtr<X509> x509(PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr));
    bssl::UniquePtr<EVP_PKEY> pkey(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
    LOOM_ASSERT(SSL_CTX_use_certificate(context.get(), x509.get()) == 1);
    LOOM_ASSERT(SSL_CTX_use_PrivateKey(context.get(), pkey.get()) == 1);
    return context;
}

SSL* make_ssl(TlsEnd::Role role) {
    static const bssl::UniquePtr<SSL_CTX> client = make_context(TlsEnd::Role::client);
    static const bssl::UniquePtr<SSL_CTX> server = make_context(TlsEnd::Role::server);
    SSL* const ssl = SSL_new(role == TlsEnd::Role::client ? client.get() : server.get());
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (role == TlsEnd::Role::client) {
        SSL_set_tlsext_host_name(ssl, "sim");
        SSL_set_connect_state(ssl);
    } else {
        SSL_set_accept_state(ssl);
    }
    return ssl;
}

}  // namespace

const TlsIdentity& TlsIdentity::get() {
    static const TlsIdentity identity = make_identity();
    return identity;
}

TlsEnd::TlsEnd(Role role) : ssl_(make_ssl(role)), in_(SSL_get_rbio(ssl_)), out_(SSL_get_wbio(ssl_)) {}

TlsEnd::~TlsEnd() { SSL_free(ssl_); }

void TlsEnd::consume(size_t count) noexcept {
    read_ += count;
    if (read_ < plaintext_.size()) return;
    plaintext_.clear();
    read_ = 0;
}

void TlsEnd::read_more() {
    std::array<char, record_bytes> room;
    while (!peer_ended_ && !failed_) {
        const int got = SSL_read(ssl_, room.data(), room.size());
        if (got > 0) {
            plaintext_.append(room.data(), static_cast<size_t>(got));
            continue;
        }
        const int why = SSL_get_error(ssl_, got);
        peer_ended_ = why == SSL_ERROR_ZERO_RETURN;
        failed_ = !peer_ended_ && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE;
        ERR_clear_error();
        return;
    }
}

/// A reader that is behind leaves the rest in the link, where the proxy feels it.
void TlsEnd::pump(Link& link) {
    if (!SSL_in_init(ssl_) || !failed_) read_more();
    while (readable().empty() && link.to_actor.size() > 0 && !failed_) {
        const std::string_view some = link.to_actor.view().substr(0, record_bytes);
        BIO_write(in_, some.data(), static_cast<int>(some.size()));
        link.to_actor.consume(some.size());
        read_more();
    }
    flush(link, link.to_proxy.room());
}

void TlsEnd::flush(Link& link, size_t bytes_max) {
    std::array<char, record_bytes> some;
    while (bytes_max > 0 && BIO_pending(out_) > 0) {
        const int got = BIO_read(out_, some.data(), static_cast<int>(std::min(bytes_max, some.size())));
        bytes_max -= static_cast<size_t>(got);
        if (link.reset_by_actor) continue;  // broken on the way: nobody gets them
        if (link.proxy_closed)
            link.reset_by_proxy = true;
        else
            link.to_proxy.write({some.data(), static_cast<size_t>(got)});
    }
}

size_t TlsEnd::write(Link& link, std::string_view bytes) {
    pump(link);
    size_t taken = 0;
    while (taken < bytes.size() && BIO_pending(out_) == 0 && !SSL_in_init(ssl_) && !failed_) {
        const std::string_view part = bytes.substr(taken, record_bytes);
        if (SSL_write(ssl_, part.data(), static_cast<int>(part.size())) <= 0) {
            failed_ = true;
            ERR_clear_error();
            break;
        }
        taken += part.size();
        flush(link, link.to_proxy.room());
    }
    return taken;
}

void TlsEnd::end_sending(Link& link) {
    if (!SSL_in_init(ssl_) && !failed_) SSL_shutdown(ssl_);
    ERR_clear_error();
    flush(link, SIZE_MAX);
}

}  // namespace loom::sim

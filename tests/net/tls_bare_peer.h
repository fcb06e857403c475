// A peer made of bare BoringSSL, for what Loom itself never says.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <functional>
#include <string>
#include <string_view>

#include "tls_certificates.h"

namespace loom::net::test {

struct BarePeer {
    bssl::UniquePtr<SSL_CTX> context{SSL_CTX_new(TLS_method())};
    bssl::UniquePtr<SSL> ssl;

    /// The first bytes of a client that was set up so.
    std::string hello(const std::function<void(SSL*)>& set_up) {
        ssl.reset(SSL_new(context.get()));
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
        SSL_set_bio(ssl.get(), in, out);
        set_up(ssl.get());
        SSL_set_connect_state(ssl.get());
        SSL_do_handshake(ssl.get());
        return contents(out);
    }
    /// How a server that speaks nothing newer than TLS 1.2 takes these first bytes: BoringSSL's reason for its refusal.
    int reason_of_tls12_server(std::string_view hello_bytes) {
        ssl.reset(SSL_new(context.get()));
        BIO* in = BIO_new_mem_buf(hello_bytes.data(), static_cast<ptrdiff_t>(hello_bytes.size()));
        SSL_set_bio(ssl.get(), in, BIO_new(BIO_s_mem()));
        SSL_set_max_proto_version(ssl.get(), TLS1_2_VERSION);
        SSL_set_accept_state(ssl.get());
        SSL_do_handshake(ssl.get());
        const uint32_t error = ERR_peek_error();
        ERR_clear_error();
        return ERR_GET_REASON(error);
    }
    /// Of one that speaks nothing newer than TLS 1.2.
    std::string tls12_hello() {
        return hello([](SSL* one) { SSL_set_max_proto_version(one, TLS1_2_VERSION); });
    }
};

}  // namespace loom::net::test

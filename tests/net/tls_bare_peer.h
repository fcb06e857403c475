// A peer made of bare BoringSSL, for what Loom itself never says.
#pragma once

#include <openssl/ssl.h>

#include <functional>
#include <string>

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
    /// Of one that speaks nothing newer than TLS 1.2.
    std::string tls12_hello() {
        return hello([](SSL* one) { SSL_set_max_proto_version(one, TLS1_2_VERSION); });
    }
};

}  // namespace loom::net::test

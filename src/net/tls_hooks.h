// What BoringSSL calls back. Each finds its session through the BIO, which costs a session no extra memory.
#pragma once

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "loom/net/tls_session.h"

namespace loom::net {

struct TlsHooks {
    static TlsSession& session_of(const SSL* ssl);
    static TlsContext::Impl& context_of(const SSL* ssl) { return session_of(ssl).context_.impl(); }

    /// What the peer showed, leaf first; null: nothing.
    static const STACK_OF(CRYPTO_BUFFER) * peer_chain(const TlsSession& session);

    /// A BIO that reads what the session was fed and writes into its blocks.
    static BIO* make_bio(TlsSession& session);
    static int read(BIO* bio, char* out, int size);
    static int write(BIO* bio, const char* bytes, int size);
    static long control(BIO* bio, int command, long, void*);

    static ssl_verify_result_t verify(SSL* ssl, uint8_t* out_alert);
    static int keep_session(SSL* ssl, SSL_SESSION* session);
    static ssl_select_cert_result_t select_certificate(const SSL_CLIENT_HELLO* hello);
    static int select_alpn(SSL* ssl, const uint8_t** out, uint8_t* out_size, const uint8_t* offered,
                           unsigned offered_size, void*);
};

}  // namespace loom::net

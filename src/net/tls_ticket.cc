#include "tls_ticket.h"

#include <openssl/aead.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "tls_context_impl.h"
#include "tls_hooks.h"
#include "tls_verify.h"

namespace loom::net {
namespace {

using Key = TlsTicketKeys::Key;

constexpr size_t name_bytes = sizeof Key::name;
constexpr size_t nonce_bytes = 12;
constexpr size_t tag_bytes = 16;
constexpr size_t overhead_bytes = tag_bytes + name_bytes + nonce_bytes;

/// Nonces are random, and shards draw them apart: with SIV one that comes twice gives nothing away.
bool set_key(EVP_AEAD_CTX* aead, const Key& key) {
    return EVP_AEAD_CTX_init(aead, EVP_aead_aes_256_gcm_siv(), key.secret.data(), key.secret.size(), tag_bytes,
                             nullptr) == 1;
}

const Key* find_key(const TlsTicketKeys& keys, const uint8_t* name) {
    for (size_t i = 0; i < keys.count; ++i) {
        if (std::memcmp(keys.keys[i].name.data(), name, name_bytes) == 0) return &keys.keys[i];
    }
    return nullptr;
}

/// A ticket names a client by the chain that it once showed. It may have expired since, however often it was renewed.
bool may_resume(const TlsContext::Impl& context, std::span<const uint8_t> session_bytes) {
    if (!context.trust) return true;
    const bssl::UniquePtr<SSL_SESSION> session(
        SSL_SESSION_from_bytes(session_bytes.data(), session_bytes.size(), context.ctx.get()));
    const bool good =
        session && verify_chain(SSL_SESSION_get0_peer_certificates(session.get()), context.trusted(), "").ok();
    ERR_clear_error();
    return good;
}

size_t max_overhead(SSL*) { return overhead_bytes; }

/// The key's name and the nonce come last, since `in` and `out` may be the same place.
int seal(SSL* ssl, uint8_t* out, size_t* out_size, size_t out_max, const uint8_t* in, size_t in_size) {
    const Key& key = TlsHooks::context_of(ssl).ticket_keys.keys.front();
    uint8_t nonce[nonce_bytes];
    RAND_bytes(nonce, sizeof nonce);
    bssl::ScopedEVP_AEAD_CTX aead;
    size_t sealed_bytes = 0;
    if (out_max < in_size + overhead_bytes || !set_key(aead.get(), key) ||
        !EVP_AEAD_CTX_seal(aead.get(), out, &sealed_bytes, out_max, nonce, sizeof nonce, in, in_size, key.name.data(),
                           name_bytes)) {
        return 0;
    }
    std::ranges::copy(key.name, out + sealed_bytes);
    std::ranges::copy(nonce, out + sealed_bytes + name_bytes);
    *out_size = sealed_bytes + name_bytes + nonce_bytes;
    return 1;
}

ssl_ticket_aead_result_t open(SSL* ssl, uint8_t* out, size_t* out_size, size_t out_max, const uint8_t* in,
                              size_t in_size) {
    const TlsContext::Impl& context = TlsHooks::context_of(ssl);
    if (in_size < overhead_bytes) return ssl_ticket_aead_ignore_ticket;
    const uint8_t* name = in + in_size - nonce_bytes - name_bytes;
    const uint8_t* nonce = name + name_bytes;
    const Key* key = find_key(context.ticket_keys, name);
    if (key == nullptr) return ssl_ticket_aead_ignore_ticket;  // too old, or another server's
    bssl::ScopedEVP_AEAD_CTX aead;
    if (!set_key(aead.get(), *key)) return ssl_ticket_aead_error;
    if (!EVP_AEAD_CTX_open(aead.get(), out, out_size, out_max, nonce, nonce_bytes, in,
                           in_size - nonce_bytes - name_bytes, name, name_bytes)) {
        ERR_clear_error();
        return ssl_ticket_aead_ignore_ticket;
    }
    return may_resume(context, {out, *out_size}) ? ssl_ticket_aead_success : ssl_ticket_aead_ignore_ticket;
}

}  // namespace

const SSL_TICKET_AEAD_METHOD* ticket_method() {
    static constexpr SSL_TICKET_AEAD_METHOD method = {.max_overhead = max_overhead, .seal = seal, .open = open};
    return &method;
}

void TlsTicketKeys::rotate() noexcept {
    for (size_t i = keys_max - 1; i > 0; --i) keys[i] = keys[i - 1];
    Key& fresh = keys.front();
    RAND_bytes(fresh.name.data(), fresh.name.size());
    RAND_bytes(fresh.secret.data(), fresh.secret.size());
    if (count < keys_max) count += 1;
}

}  // namespace loom::net

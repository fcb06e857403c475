#include "loom/net/tls_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/ssl.h>

#include "tls_context_impl.h"
#include "tls_hooks.h"
#include "tls_ticket.h"
#include "tls_verify.h"

namespace loom::net {
namespace {

/// Forward secrecy and authenticated encryption alone, for TLS 1.2 (those of 1.3 are all of that kind). BoringSSL puts
/// AES-GCM first where the CPU has AES.
constexpr const char* tls12_ciphers =
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-"
    "POLY1305]:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

std::unexpected<Error> bad(std::string* text, std::string line, const char* what) {
    ERR_clear_error();
    if (text != nullptr) *text = std::move(line);
    return fail(Errc::bad_conf, Side::internal, what);
}

Result<std::string> to_wire(const std::vector<std::string>& protocols, std::string* text) {
    std::string wire;
    for (const std::string& protocol : protocols) {
        if (protocol.empty() || protocol.size() > 255)
            return bad(text, "an ALPN protocol has 1 to 255 bytes", "a bad ALPN protocol");
        wire += static_cast<char>(protocol.size()) + protocol;
    }
    return wire;
}

uint16_t number_of(TlsVersion version) { return version == TlsVersion::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION; }

Result<void> set_up(TlsContext::Impl& impl, TlsVersion min_version) {
    impl.pool.reset(CRYPTO_BUFFER_POOL_new());
    impl.ctx.reset(SSL_CTX_new(TLS_with_buffers_method()));
    if (!impl.pool || !impl.ctx) return fail(Errc::exhausted, Side::internal, "no memory for TLS");
    SSL_CTX* ctx = impl.ctx.get();
    SSL_CTX_set0_buffer_pool(ctx, impl.pool.get());
    const bool set = SSL_CTX_set_min_proto_version(ctx, number_of(min_version)) &&
                     SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
                     SSL_CTX_set_strict_cipher_list(ctx, tls12_ciphers);
    LOOM_ASSERT(set);  // constants of ours
    return {};
}

Result<void> use_certificate(TlsContext::Impl& impl, const TlsCertificate& certificate) {
    std::vector<CRYPTO_BUFFER*> chain;
    for (const auto& buffer : certificate.chain) chain.push_back(buffer.get());
    if (SSL_CTX_set_chain_and_key(impl.ctx.get(), chain.data(), chain.size(), certificate.key.get(), nullptr))
        return {};
    ERR_clear_error();
    return fail(Errc::bad_conf, Side::internal, "a certificate of a kind that TLS does not take");
}

void index_names(TlsContext::Impl& impl) {
    for (size_t i = 0; i < impl.certificates.size(); ++i)
        for (const std::string& host : impl.certificates[i].hosts) impl.certificate_of.try_emplace(host, i);
}

/// Asks clients for a certificate and names the CAs, so that a browser offers the right one.
void require_clients(TlsContext::Impl& impl) {
    bssl::UniquePtr<STACK_OF(CRYPTO_BUFFER)> names(sk_CRYPTO_BUFFER_new_null());
    const STACK_OF(X509_OBJECT)* authorities = X509_STORE_get0_objects(impl.trust->store());
    for (size_t i = 0; i < sk_X509_OBJECT_num(authorities); ++i) {
        const X509* authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(authorities, i));
        uint8_t* der = nullptr;
        const int size = authority == nullptr ? 0 : i2d_X509_NAME(X509_get_subject_name(authority), &der);
        if (size <= 0) continue;
        bssl::PushToStack(names.get(),
                          bssl::UniquePtr<CRYPTO_BUFFER>(CRYPTO_BUFFER_new(der, static_cast<size_t>(size), nullptr)));
        OPENSSL_free(der);
    }
    SSL_CTX_set0_client_CAs(impl.ctx.get(), names.release());
    SSL_CTX_set_custom_verify(impl.ctx.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, TlsHooks::verify);
}

/// A ticket is good for the listener kind that gave it: shards share ticket keys, and a session without a client
/// certificate must not open a listener that asks for one.
void set_session_scope(TlsContext::Impl& impl) {
    static constexpr TlsTrust::Digest anyone{};
    const TlsTrust::Digest& scope = impl.trust ? impl.trust->digest() : anyone;
    SSL_CTX_set_session_id_context(impl.ctx.get(), scope.data(), scope.size());
}

void set_session_lifetime(SSL_CTX* ctx, std::chrono::seconds lifetime) {
    SSL_CTX_set_timeout(ctx, static_cast<uint32_t>(lifetime.count()));
    SSL_CTX_set_session_psk_dhe_timeout(ctx, static_cast<uint32_t>(lifetime.count()));
}

}  // namespace

const TlsCertificate& TlsContext::Impl::certificate_for(std::string_view name) const {
    std::string host = canonical_host(name);
    auto found = certificate_of.find(host);
    const size_t dot = host.find('.');
    if (found == certificate_of.end() && dot != std::string::npos)
        found = certificate_of.find(host.replace(0, dot, 1, '*'));
    return certificates[found == certificate_of.end() ? 0 : found->second];
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

TlsContext::~TlsContext() { OPENSSL_cleanse(&impl_->ticket_keys, sizeof impl_->ticket_keys); }

Result<std::unique_ptr<TlsContext>> TlsContext::client(const TlsClientOptions& options, std::string* text) {
    auto impl = std::make_unique<Impl>(false, options.session_hosts_max, options.sessions_per_host_max);
    LOOM_TRY(set_up(*impl, options.min_version));
    if (!options.trust) return bad(text, "TLS to a provider needs a CA store; remedy: load_tls_trust", "no CA store");
    impl->trust = options.trust;
    impl->alpn = LOOM_TRY(to_wire(options.alpn, text));
    SSL_CTX* ctx = impl->ctx.get();
    SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER, TlsHooks::verify);
    SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const uint8_t*>(impl->alpn.data()),
                            static_cast<unsigned>(impl->alpn.size()));
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, TlsHooks::keep_session);
    set_session_lifetime(ctx, options.session_lifetime);
    if (!options.certificate.certificate_pem.empty()) {
        LOOM_TRY(use_certificate(*impl, LOOM_TRY(parse_key_pair(options.certificate, impl->pool.get(), text))));
    }
    return std::unique_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

Result<std::unique_ptr<TlsContext>> TlsContext::server(const TlsServerOptions& options, std::string* text) {
    auto impl = std::make_unique<Impl>(true, 0, 0);
    LOOM_TRY(set_up(*impl, options.min_version));
    if (options.certificates.empty()) return bad(text, "a TLS listener needs a certificate", "no certificate");
    for (const TlsKeyPair& pair : options.certificates) {
        impl->certificates.push_back(LOOM_TRY(parse_key_pair(pair, impl->pool.get(), text)));
    }
    LOOM_TRY(use_certificate(*impl, impl->certificates.front()));
    index_names(*impl);
    impl->alpn = LOOM_TRY(to_wire(options.alpn, text));
    impl->ticket_keys.rotate();
    SSL_CTX* ctx = impl->ctx.get();
    SSL_CTX_set_select_certificate_cb(ctx, TlsHooks::select_certificate);
    SSL_CTX_set_alpn_select_cb(ctx, TlsHooks::select_alpn, nullptr);
    SSL_CTX_set_ticket_aead_method(ctx, ticket_method());
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);  // tickets hold the state, not we
    set_session_lifetime(ctx, options.session_lifetime);
    impl->trust = options.client_ca;
    set_session_scope(*impl);
    if (impl->trust) require_clients(*impl);
    return std::unique_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

void TlsContext::set_ticket_keys(const TlsTicketKeys& keys) noexcept {
    LOOM_ASSERT(keys.count > 0 && keys.count <= TlsTicketKeys::keys_max);
    impl_->ticket_keys = keys;
}

bool TlsContext::is_server() const noexcept { return impl_->server; }
size_t TlsContext::cached_sessions() const noexcept { return impl_->sessions.size(); }

}  // namespace loom::net

#include "tls_hooks.h"

#include "tls_context_impl.h"
#include "tls_verify.h"

namespace loom::net {
namespace {

const BIO_METHOD* bio_method() {
    static const BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(0, "loom memory");
        LOOM_ASSERT(made != nullptr);
        BIO_meth_set_read(made, TlsHooks::read);
        BIO_meth_set_write(made, TlsHooks::write);
        BIO_meth_set_ctrl(made, TlsHooks::control);
        return made;
    }();
    return method;
}

}  // namespace

TlsSession& TlsHooks::session_of(const SSL* ssl) { return *static_cast<TlsSession*>(BIO_get_data(SSL_get_rbio(ssl))); }

const STACK_OF(CRYPTO_BUFFER) * TlsHooks::peer_chain(const TlsSession& session) {
    const auto* chain = session.ssl_ == nullptr ? nullptr : SSL_get0_peer_certificates(session.ssl_);
    return chain == nullptr || sk_CRYPTO_BUFFER_num(chain) == 0 ? nullptr : chain;
}

BIO* TlsHooks::make_bio(TlsSession& session) {
    BIO* bio = BIO_new(bio_method());
    if (bio == nullptr) return nullptr;
    BIO_set_data(bio, &session);
    BIO_set_init(bio, 1);
    return bio;
}

int TlsHooks::read(BIO* bio, char* out, int size) {
    auto& input = static_cast<TlsSession*>(BIO_get_data(bio))->input_;
    BIO_clear_retry_flags(bio);
    if (input.empty()) {
        BIO_set_retry_read(bio);
        return -1;
    }
    const size_t taken = input.copy(out, static_cast<size_t>(size));
    input.remove_prefix(taken);
    return static_cast<int>(taken);
}

int TlsHooks::write(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    auto& session = *static_cast<TlsSession*>(BIO_get_data(bio));
    return session.append({bytes, static_cast<size_t>(size)}) ? size : -1;
}

long TlsHooks::control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

ssl_verify_result_t TlsHooks::verify(SSL* ssl, uint8_t* out_alert) {
    TlsSession& session = session_of(ssl);
    TlsVerdict verdict = verify_chain(SSL_get0_peer_certificates(ssl), context_of(ssl).trusted(), session.host_);
    if (verdict.ok()) return ssl_verify_ok;
    session.error_.what = verdict.what;
    session.error_text_ = std::make_unique<std::string>(std::move(verdict.text));
    *out_alert = static_cast<uint8_t>(SSL_alert_from_verify_result(verdict.code));
    return ssl_verify_invalid;
}

int TlsHooks::keep_session(SSL* ssl, SSL_SESSION* session) {
    const TlsSession& owner = session_of(ssl);
    context_of(ssl).sessions.put(owner.host_, owner.port_, bssl::UniquePtr<SSL_SESSION>(session));
    return 1;  // it is ours now
}

ssl_select_cert_result_t TlsHooks::select_certificate(const SSL_CLIENT_HELLO* hello) {
    const TlsContext::Impl& context = context_of(hello->ssl);
    const char* name = SSL_get_servername(hello->ssl, TLSEXT_NAMETYPE_host_name);
    if (context.certificates.size() < 2 || name == nullptr) return ssl_select_cert_success;  // the context's own
    const TlsCertificate& chosen = context.certificate_for(name);
    if (&chosen == &context.certificates.front()) return ssl_select_cert_success;
    std::vector<CRYPTO_BUFFER*> chain;
    for (const auto& certificate : chosen.chain) chain.push_back(certificate.get());
    const int set = SSL_set_chain_and_key(hello->ssl, chain.data(), chain.size(), chosen.key.get(), nullptr);
    return set == 1 ? ssl_select_cert_success : ssl_select_cert_error;
}

int TlsHooks::select_alpn(SSL* ssl, const uint8_t** out, uint8_t* out_size, const uint8_t* offered,
                          unsigned offered_size, void*) {
    const std::string& ours = context_of(ssl).alpn;
    uint8_t* chosen = nullptr;
    const int found = SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const uint8_t*>(ours.data()),
                                            static_cast<unsigned>(ours.size()), offered, offered_size);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace loom::net

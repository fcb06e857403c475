#include "loom/net/tls_peer.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include "tls_context_impl.h"
#include "tls_hooks.h"
#include "tls_pem.h"
#include "tls_verify.h"

namespace loom::net {

bool is_peer_trusted(const TlsSession& session, TlsContext& context) {
    const STACK_OF(CRYPTO_BUFFER)* const chain = TlsHooks::peer_chain(session);
    if (chain == nullptr || !context.impl().trust) return false;
    const bool good = verify_chain(chain, context.impl().trusted(), "").ok();
    ERR_clear_error();
    return good;
}

int64_t peer_expires_unix_s(const TlsSession& session) {
    const STACK_OF(CRYPTO_BUFFER)* const chain = TlsHooks::peer_chain(session);
    if (chain == nullptr) return 0;
    const bssl::UniquePtr<X509> leaf(X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(chain, 0)));
    return leaf ? seconds_of(X509_get0_notAfter(leaf.get())) : 0;
}

}  // namespace loom::net

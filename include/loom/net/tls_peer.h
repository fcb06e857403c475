// Whether a client's certificate is as good as it was at its handshake, for connections that stay open long.
#pragma once

#include <cstdint>

#include "loom/net/tls_session.h"

namespace loom::net {

/// Would a handshake by this context take the certificate that the peer showed? False without one, or where the context
/// asks clients for none. Verifies the whole chain: to be asked where the context is another, not by each request.
[[nodiscard]] bool is_peer_trusted(const TlsSession& session, TlsContext& context);

/// When the peer's certificate is over, in seconds since 1970 UTC; 0: it showed none, or it cannot be read.
[[nodiscard]] int64_t peer_expires_unix_s(const TlsSession& session);

}  // namespace loom::net

// Session tickets: a server's sessions, sealed, in its clients' keeping.
#pragma once

#include <openssl/ssl.h>

namespace loom::net {

/// Seals with the first of the context's ticket keys, opens with any. What does not open leads to a full handshake: a
/// key that is gone, and the session of a client whose certificate would be refused today.
[[nodiscard]] const SSL_TICKET_AEAD_METHOD* ticket_method();

}  // namespace loom::net

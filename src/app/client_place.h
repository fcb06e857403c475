// Where Loom asks something on its own behalf: a URL of the conf or of a document, as a client takes it.
#pragma once

#include <string>

#include "loom/upstream/client.h"

namespace loom::app {

struct ClientPlace {
    upstream::ClientOptions client;  // no connection is kept, and one exchange at a time
    std::string target;              // path and query
};

enum class PlainHttp : uint8_t { never, loopback_only, anywhere };

/// "localhost" or a loopback address: nobody is between here and there.
[[nodiscard]] bool is_loopback_host(std::string_view host) noexcept;

/// url    https, or http as `plain` allows; a query may follow its path.      trust  for https.
/// Errors  bad_conf; `what` says what is wrong.
[[nodiscard]] Result<ClientPlace> client_place(std::string_view url, const net::TlsTrustPtr& trust, PlainHttp plain);

}  // namespace loom::app

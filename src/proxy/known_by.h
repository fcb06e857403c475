// By what a client was identified, for sessions that ask again whether they may go on.
#pragma once

#include <string_view>

#include "loom/proxy/plan.h"

namespace loom::proxy {

class ClientConnection;

/// By its certificate, and not by this key or token that it has shown beside it.
[[nodiscard]] bool is_known_by_certificate(const RoutePlan& route, std::string_view key,
                                           const ClientConnection& client) noexcept;

}  // namespace loom::proxy

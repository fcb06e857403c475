// Where an issuer's keys are, as it tells itself (OpenID Connect Discovery 1.0, 4).
#pragma once

#include <string>
#include <string_view>

#include "loom/base/result.h"

namespace loom::tenant {

inline constexpr size_t discovery_bytes_max = size_t{256} * 1024;

/// "https://id.example/realm/" → "https://id.example/realm/.well-known/openid-configuration".
[[nodiscard]] std::string discovery_url(std::string_view issuer);

/// Of a provider's metadata: its jwks_uri, any text.
/// Errors  bad_message (upstream): no JSON object, or one that names a member twice; another issuer than the one that
///         was asked, to the letter (4.3: else anybody's document would do); no jwks_uri.
[[nodiscard]] Result<std::string> read_discovery(std::string_view document, std::string_view issuer);

}  // namespace loom::tenant

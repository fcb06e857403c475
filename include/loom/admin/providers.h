// What the admin listener tells of providers: how they do, as live requests have found it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loom/observe/metrics.h"
#include "loom/proxy/plan.h"

namespace loom::admin {

inline constexpr std::string_view providers_path = "/ai/providers";

/// The fields of a provider that operators set, as JSON without braces.
[[nodiscard]] std::string terms_json(const route::ProviderTerms& terms);

/// Of every provider. now_ms  of the shards' clock, monotonic.
[[nodiscard]] std::vector<observe::ProviderHealth> provider_health(const proxy::Plan& plan, uint64_t now_ms);

/// JSON for `/ai/providers`, `/ai/providers/NAME/health` and `/ai/providers/NAME/stats`; nothing for any other path.
[[nodiscard]] std::optional<std::string> show_providers(const proxy::Plan& plan, const observe::Metrics& metrics,
                                                        std::string_view path);

}  // namespace loom::admin

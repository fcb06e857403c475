// What a conf file says of a provider's instances: its base URLs and its keys.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "loom/config/config.h"
#include "loom/llm/provider_table.h"
#include "loom/proxy/plan.h"
#include "loom/route/target_state.h"

namespace loom::app {

/// As the file has them; none where its type's own is meant.
[[nodiscard]] std::vector<std::string> base_urls_of(const config::Config& config, const std::string& provider);
/// At least one, which may be "": without a key. Views of the configuration.
[[nodiscard]] std::vector<std::string_view> api_keys_of(const config::Config& config, const std::string& provider,
                                                        const llm::ProviderType& type);
/// Tells two instances apart, and neither's key: 64 bits of a SHA-256 are too few to find one by.
[[nodiscard]] std::string instance_hash(std::string_view provider, std::string_view base_url, std::string_view key);

/// Where the provider has several: the rows of each, found again in `targets`.
void fill_instance_set(const route::BreakerOptions& breaker, proxy::ProviderPlan& provider,
                       route::TargetTable& targets);

}  // namespace loom::app

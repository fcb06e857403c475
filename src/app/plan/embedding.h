// What a conf file says of a provider that makes vectors for semantic_cache.*, as the proxy takes it.
#pragma once

#include <string>
#include <vector>

#include "loom/config/config.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// The word of semantic_cache.embedding.provider for the process itself.
inline constexpr const char* local_embedder = "local";

/// Adds it to plan.cache. Behind the catalogue, which knows the model by other names too. One that cannot be asked is
/// told in `messages`.
void fill_embedding(const config::Config& config, proxy::Plan& plan, observe::Metrics& metrics,
                    std::vector<std::string>& messages);

/// The provider's certificates and accounts are others than before.
void renew_embedding(proxy::Plan& plan);

}  // namespace loom::app

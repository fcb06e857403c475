// What an operator sees of the cache of answers, and takes out of it.
//
//   GET  /ai/cache                                        what it holds, of all shards
//   POST /ai/cache/purge?key=HEX | model=M | tenant=T      what has all the parts that are named
//   POST /ai/cache/purge?all=true
//
// A purge takes effect before it is answered, for every request that comes later, on every shard; its memory comes back
// within moments. tenant is a consumer's tenant, or the consumer's own name where it has none.
#pragma once

#include "loom/proxy/cache_shards.h"
#include "loom/proxy/plan.h"

namespace loom::admin {

/// Is it a path of this table?
[[nodiscard]] bool is_cache(std::string_view path) noexcept;

/// JSON. cache  null: the process has none.
[[nodiscard]] proxy::LocalAnswer run_cache(proxy::CacheShards* cache, const proxy::Plan& plan,
                                           const proxy::LocalRequest& request);

}  // namespace loom::admin

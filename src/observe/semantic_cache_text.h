// What the exposition says of answers to nearly the same requests, and of what the cache keeps over a restart.
#pragma once

#include "loom/observe/metrics.h"
#include "text_format.h"

namespace loom::observe {

void write_semantic_cache(TextFormat& out, const SemanticCacheFacts& facts);
void write_cache_snapshots(TextFormat& out, const CacheSnapshotFacts& facts);

}  // namespace loom::observe

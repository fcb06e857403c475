// What the exposition says of answers to nearly the same requests.
#pragma once

#include "loom/observe/metrics.h"
#include "text_format.h"

namespace loom::observe {

void write_semantic_cache(TextFormat& out, const SemanticCacheFacts& facts);

}  // namespace loom::observe

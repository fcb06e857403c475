// What the translations of a shard share.
#pragma once

#include "loom/llm/translate.h"
#include "structure.h"

namespace loom::llm {

struct TranslateScratch::Parts {
    Structure structure;
    Structure nested;
};

}  // namespace loom::llm

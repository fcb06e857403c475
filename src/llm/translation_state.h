// What the translations of a shard share, and what each keeps of its exchange.
#pragma once

#include "dialect/context.h"
#include "loom/llm/translate.h"
#include "structure.h"

namespace loom::llm {

struct TranslateScratch::Parts {
    Structure structure;
    Structure nested;
};

/// Of one exchange, whatever is translated there; each call works with a Context on it.
struct TranslationState {
    TranslationState(TranslateScratch::Parts& scratch, BlockPool& pool, const TranslateTerms& terms)
        : terms(terms),
          scratch(scratch),
          pool(pool),
          kept(pool, kept_block_bytes),
          losses(kept),
          aliases(kept),
          call(pool, call_block_bytes) {}

    [[nodiscard]] Context context(Memo* memo = nullptr) {
        return {.arena = call,
                .structure = scratch.structure,
                .nested = scratch.nested,
                .losses = losses,
                .aliases = aliases,
                .terms = terms,
                .memo = memo};
    }
    /// What the call's context has made is gone.
    void finish_call() {
        call.release();
        scratch.structure.trim();
        scratch.nested.trim();
    }

    static constexpr size_t kept_block_bytes = 512;
    static constexpr size_t call_block_bytes = 2048;

    TranslateTerms terms;
    TranslateScratch::Parts& scratch;
    BlockPool& pool;
    Arena kept;  // for the exchange
    Losses losses;
    Aliases aliases;
    Arena call;  // for one call
};

}  // namespace loom::llm

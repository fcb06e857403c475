// What an exchange holds whose provider speaks another protocol than its client.
#pragma once

#include "collected_answer.h"
#include "loom/llm/translate.h"

namespace loom::proxy {

struct Translated {
    Translated(llm::TranslateScratch& scratch, BlockPool& blocks, const llm::TranslateTerms& terms, uint64_t answer_max)
        : translation(scratch, blocks, terms), request(blocks), answer(blocks, answer_max) {}

    llm::Translation translation;
    ByteBuffer request;      // the provider's document
    CollectedAnswer answer;  // where it does not stream
    llm::Usage usage;        // of such an answer
};

}  // namespace loom::proxy

// What an exchange holds whose provider speaks another protocol than its client.
#pragma once

#include "collected_answer.h"
#include "loom/llm/embed.h"
#include "loom/llm/translate.h"

namespace loom::proxy {

struct Translated {
    Translated(llm::TranslateScratch& scratch, BlockPool& blocks, const llm::TranslateTerms& terms, uint64_t answer_max)
        : translation(scratch, blocks, terms), request(blocks), answer(blocks, answer_max) {}

    /// The client's document for the answer that was collected, whatever its status.
    [[nodiscard]] Result<void> write_answer(ByteBuffer& out);

    llm::Translation translation;
    std::unique_ptr<llm::EmbedTranslation> embedding;  // of such a request: then `translation` is for errors alone
    ByteBuffer request;      // the provider's document
    CollectedAnswer answer;  // where it does not stream
    llm::Usage usage;        // of such an answer
};

}  // namespace loom::proxy

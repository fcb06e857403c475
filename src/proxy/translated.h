// What an exchange holds whose provider speaks another protocol than its client.
#pragma once

#include "body_budget.h"
#include "body_digest.h"
#include "collected_answer.h"
#include "loom/llm/count.h"
#include "loom/llm/embed.h"
#include "loom/llm/endpoint.h"
#include "loom/llm/translate.h"

namespace loom::proxy {

class Services;

struct Translated final : BodyHold {
    Translated(Services& services, const llm::TranslateTerms& terms);

    /// Counts its documents among the bodies of limit.bodies_in_memory. No waiting: who waits with a body in hand keeps
    /// others waiting.
    [[nodiscard]] Result<void> hold_documents();

    /// Of the provider's document, in its own protocol.
    [[nodiscard]] llm::Endpoint endpoint() const noexcept {
        if (counting != nullptr) return llm::Endpoint::count_tokens;
        return embedding != nullptr ? llm::Endpoint::embeddings : llm::Endpoint::chat_completions;
    }
    /// The client's document for the answer that was collected, whatever its status.
    [[nodiscard]] Result<void> write_answer(ByteBuffer& out);

    llm::Translation translation;
    std::unique_ptr<llm::EmbedTranslation> embedding;  // of such a request: then `translation` is for errors alone
    std::unique_ptr<llm::CountTranslation> counting;   // of a request that asks for a count: the same
    ByteBuffer request;                                // the provider's document
    std::unique_ptr<BodyDigest> digest;                // of a large document that has to be signed
    CollectedAnswer answer;                            // where it does not stream
    llm::Usage usage;                                  // of such an answer
    std::string_view error_type;  // the content type of an error that needs no translation; "": it needs one

  private:
    void on_room() noexcept override {}
};

}  // namespace loom::proxy

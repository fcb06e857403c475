// One answer in the other of its two forms: a stream's events as one document, a document as a stream's events. In the
// protocol that it is in; pure, bytes in, bytes out.
#pragma once

#include <memory>
#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/base/result.h"
#include "loom/llm/translate.h"
#include "loom/llm/usage.h"

namespace loom::llm {

class AnswerForms {
  public:
    /// terms  of the client that gets the other form; its protocol is the answer's, whatever `provider` says.
    AnswerForms(TranslateScratch& scratch, BlockPool& pool, const TranslateTerms& terms);
    ~AnswerForms();
    AnswerForms(const AnswerForms&) = delete;

    /// What the client asked for, whole: answers are written as that wants them.
    /// Errors  bad_message (downstream); unsupported (internal): it offers tools that are no functions, and what calls
    ///         them is said in other words.
    [[nodiscard]] Result<void> read_request(std::string_view body);

    /// Appends the events, whole ones, up to what ends the stream.
    /// usage   where the document does not tell it; provenance none: it is not known.
    /// Errors  unsupported (internal): there is something in it that this does not carry (logprobs, citations,
    ///         pictures, any member that is not known, a call of what is no function: answer_members.h); nothing of
    ///         what was appended is good then.
    ///         bad_message (upstream): it cannot be read.
    [[nodiscard]] Result<void> events_of(std::string_view document, const Usage& usage, ByteBuffer& out);

    /// The events of a stream, one after the other, then the document that says the same.
    /// False: it is no event of this protocol, or holds a member that is not known.
    [[nodiscard]] bool take_event(std::string_view name, std::string_view data);
    /// Errors  as events_of; a stream that is not whole is bad_message.
    [[nodiscard]] Result<void> document_of_taken(const Usage& usage, ByteBuffer& out);

    /// Has the model, in every choice of this document, said all that it had to say?
    [[nodiscard]] bool ends_well(std::string_view document);
    /// The same of the events that were taken; `choices` is how many there must be. Nothing is taken behind it.
    [[nodiscard]] bool taken_ends_well(uint32_t choices);
    /// Embeddings, in OpenAI's words (data) or Gemini's (embedding, embeddings), and no error beside them.
    [[nodiscard]] static bool has_embeddings(TranslateScratch& scratch, std::string_view document);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace loom::llm

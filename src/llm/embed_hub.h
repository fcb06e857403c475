// Texts to embed and their vectors, in no protocol's words; and what each protocol's reader and writer is.
#pragma once

#include <vector>

#include "dialect/arena_text.h"
#include "dialect/context.h"
#include "dialect/json_out.h"
#include "loom/llm/embed.h"
#include "loom/llm/json_text.h"

namespace loom::llm {

struct EmbeddingInput {
    Text text;
    Json tokens;  // an array of token ids in place of a text
};

/// What the vector is for. Some models embed a question and the text that answers it in different ways.
enum class EmbedTask : uint8_t {
    unset,
    query,
    document,
    classification,
    clustering,
    similarity,
    question_answering,
    fact_verification,
    code_query,
};

struct EmbeddingRequest {
    Text model;
    ArenaList<EmbeddingInput> inputs;
    uint64_t dimensions = 0;  // 0: the model's own
    EmbedTask task = EmbedTask::unset;
    bool as_floats = true;  // how the client wants its vectors; one of these, or both (Cohere)
    bool as_base64 = false;
    Text title;     // of a document
    Text truncate;  // Cohere's word for what to do with too long a text: NONE, START, END
    Text user;
    const char* unsupported = nullptr;  // set by a reader: what no other protocol could carry; error_param names it
};

/// A vector, in one of two forms.
struct Embedding {
    Json floats;  // an array as it stands
    Text base64;  // little-endian float32
};

struct EmbeddingAnswer {
    ArenaList<Embedding> vectors;  // in the order of the inputs
    Usage usage;
    Text id;
    Text model;
};

class EmbedDialect {
  public:
    virtual Result<void> read_request(std::string_view body, Context& context, EmbeddingRequest& request) const = 0;
    virtual Result<void> write_request(const EmbeddingRequest& request, Context& context, ByteBuffer& out) const = 0;
    virtual Result<void> read_answer(std::string_view body, Context& context, EmbeddingAnswer& answer) const = 0;
    /// wanted: the client's request; of it the form of the vectors alone is good still.
    /// Errors  bad_message (upstream): a vector that is none.
    virtual Result<void> write_answer(const EmbeddingAnswer& answer, const EmbeddingRequest& wanted, Context& context,
                                      ByteBuffer& out) const = 0;

  protected:
    ~EmbedDialect() = default;
};

[[nodiscard]] const EmbedDialect& dialect_of(EmbedProtocol protocol);
[[nodiscard]] const EmbedDialect& openai_embed_dialect();
[[nodiscard]] const EmbedDialect& gemini_embed_dialect(bool batch);
[[nodiscard]] const EmbedDialect& cohere_embed_dialect(bool bedrock);
[[nodiscard]] const EmbedDialect& titan_embed_dialect();
[[nodiscard]] const EmbedDialect& vertex_embed_dialect();

/// Reads a document with read(cursor); a fault becomes the error of that side.
template <class Read>
[[nodiscard]] Result<void> read_embed_document(std::string_view body, Side side, Context& context, Read&& read) {
    if (const size_t at = find_bad_escape(body); at != body.npos) {
        context.error_offset = static_cast<uint32_t>(at);
        return fail(Errc::bad_message, side, "a string of the document holds a broken escape");
    }
    Tokens tokens;
    Fault fault;
    const auto utf8 = side == Side::downstream ? Structure::Utf8::checked : Structure::Utf8::passed;
    if (context.structure.index(body, utf8, tokens, fault)) {
        Cursor cursor(body, tokens);
        if (read(cursor) && (cursor.at_end() || cursor.fail_here("bytes behind the document"))) return {};
        fault = cursor.fault();
    }
    context.error_offset = fault.offset;
    return fail(Errc::bad_message, side, fault.what);
}

// Vectors

/// As JSON: an array of numbers, or a string in base64. False for a vector that is none: nothing is written then.
[[nodiscard]] bool write_floats(const Embedding& vector, Context& context, JsonOut& json);
[[nodiscard]] bool write_base64(const Embedding& vector, Context& context, JsonOut& json);
/// Its numbers, all finite. False for a vector that is none: what stands in `into` then is of no use.
[[nodiscard]] bool read_numbers(const Embedding& vector, Context& context, std::vector<float>& into);

// Tasks

[[nodiscard]] EmbedTask task_of_gemini(Text word) noexcept;
[[nodiscard]] EmbedTask task_of_cohere(Text word) noexcept;
[[nodiscard]] std::string_view gemini_task(EmbedTask task) noexcept;  // empty for unset
/// Cohere wants to be told: a text of unset purpose is one to be found.
[[nodiscard]] std::string_view cohere_task(EmbedTask task) noexcept;
/// Has Cohere a word for it, or is the nearest one a loss?
[[nodiscard]] bool cohere_knows(EmbedTask task) noexcept;

// What a provider does not have

/// Errors  unsupported: token arrays.
[[nodiscard]] Result<void> require_texts(const EmbeddingRequest& request, Context& context);
/// Errors  unsupported: other than one input.
[[nodiscard]] Result<void> require_one(const EmbeddingRequest& request, Context& context);
inline void note_lost(bool lost, std::string_view name, Context& context) {
    if (lost) context.losses.add(name);
}

}  // namespace loom::llm

#include "loom/llm/embed.h"

#include "embed_hub.h"
#include "loom/base/assert.h"
#include "translation_state.h"

namespace loom::llm {

const EmbedDialect& dialect_of(EmbedProtocol protocol) {
    switch (protocol) {
        case EmbedProtocol::openai: return openai_embed_dialect();
        case EmbedProtocol::gemini: return gemini_embed_dialect(false);
        case EmbedProtocol::gemini_batch: return gemini_embed_dialect(true);
        case EmbedProtocol::cohere: return cohere_embed_dialect(false);
        case EmbedProtocol::bedrock_cohere: return cohere_embed_dialect(true);
        case EmbedProtocol::bedrock_titan: return titan_embed_dialect();
        case EmbedProtocol::vertex: return vertex_embed_dialect();
    }
    LOOM_ASSERT(!"a protocol without embeddings");
    return openai_embed_dialect();
}

struct EmbedTranslation::State : TranslationState {
    State(TranslateScratch::Parts& scratch, BlockPool& pool, const EmbedTerms& given)
        : TranslationState(
              scratch, pool,
              {.model = given.model, .client_model = given.client_model, .fallback_id = given.fallback_id}),
          client(dialect_of(given.client)),
          provider(dialect_of(given.provider)) {}

    Result<void> translate_request(std::string_view body, Context& context, ByteBuffer& out);
    Result<void> translate_answer(std::string_view body, Context& context, ByteBuffer& out, Usage& usage) const;

    const EmbedDialect& client;
    const EmbedDialect& provider;
    EmbeddingRequest wanted;  // the client's; after its call the flags alone
    uint32_t input_count = 0;
};

Result<void> EmbedTranslation::State::translate_request(std::string_view body, Context& context, ByteBuffer& out) {
    EmbeddingRequest request;
    LOOM_TRY(client.read_request(body, context, request));
    if (request.unsupported != nullptr) return fail(Errc::unsupported, Side::downstream, request.unsupported);
    context.error_param = "";
    if (request.inputs.empty()) {
        context.error_param = "input";
        return fail(Errc::bad_message, Side::downstream, "there is nothing to embed");
    }
    wanted = {.as_floats = request.as_floats, .as_base64 = request.as_base64};
    input_count = request.inputs.count();
    return provider.write_request(request, context, out);
}

Result<void> EmbedTranslation::State::translate_answer(std::string_view body, Context& context, ByteBuffer& out,
                                                       Usage& usage) const {
    EmbeddingAnswer answer;
    LOOM_TRY(provider.read_answer(body, context, answer));
    if (answer.vectors.count() != input_count)
        return fail(Errc::bad_message, Side::upstream, "another number of embeddings than of inputs");
    for (const Embedding& vector : answer.vectors)
        if (!has(vector.base64) && !vector.floats.starts_with('['))
            return fail(Errc::bad_message, Side::upstream, "an embedding that is no vector of numbers");
    LOOM_TRY(client.write_answer(answer, wanted, context, out));
    if (answer.usage.provenance != Usage::Provenance::none) usage = answer.usage;
    return {};
}

EmbedTranslation::EmbedTranslation(TranslateScratch& scratch, BlockPool& pool, const EmbedTerms& terms)
    : state_(std::make_unique<State>(*scratch.parts_, pool, terms)) {}
EmbedTranslation::~EmbedTranslation() = default;

Result<void> EmbedTranslation::request(std::string_view body, ByteBuffer& out) {
    Context context = state_->context();
    const Result<void> step = state_->translate_request(body, context, out);
    error_param_ = context.error_param;
    error_offset_ = context.error_offset;
    state_->finish_call();
    return step;
}

Result<void> EmbedTranslation::answer(std::string_view body, ByteBuffer& out, Usage& usage) {
    Context context = state_->context();
    const size_t before = out.size();
    const Result<void> step = state_->translate_answer(body, context, out, usage);
    if (!step && out.size() > before) out.resize(before);  // half a document is none
    state_->finish_call();
    return step;
}

const ArenaList<std::string_view>& EmbedTranslation::dropped() const noexcept { return state_->losses.names(); }

}  // namespace loom::llm

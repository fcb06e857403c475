#include "loom/llm/embed_text.h"

#include <algorithm>
#include <cmath>

#include "embed_hub.h"
#include "translation_state.h"

namespace loom::llm {

namespace {

Error useless(const char* what) noexcept { return {.code = Errc::bad_message, .side = Side::upstream, .what = what}; }

/// To length one, in place. False for what has no direction: zeros, and what is not finite.
bool make_unit(std::vector<float>& vector) noexcept {
    double sum = 0;
    for (const float one : vector) sum += double{one} * double{one};
    const double length = std::sqrt(sum);
    constexpr double least = 1e-12;
    if (!std::isfinite(length) || length < least) return false;
    for (float& one : vector) one = static_cast<float>(one / length);
    return true;
}

Result<void> take_vector(const EmbeddingAnswer& answer, size_t dimensions, Context& context, std::vector<float>& into) {
    if (answer.vectors.count() != 1) return std::unexpected(useless("not one vector for one text"));
    const Embedding& vector = answer.vectors.front();
    if (!has(vector.base64) && !vector.floats.starts_with('['))
        return std::unexpected(useless("an embedding that is no vector of numbers"));
    if (!read_numbers(vector, context, into)) return std::unexpected(useless("an embedding with what is no number"));
    if (dimensions != 0 && into.size() != dimensions)
        return std::unexpected(useless("a vector of another length (semantic_cache.embedding.dimensions)"));
    if (into.size() < vector_dimensions_min || into.size() > vector_dimensions_max)
        return std::unexpected(useless("a vector of fewer than 8 or more than 4096 numbers"));
    if (!make_unit(into)) return std::unexpected(useless("a vector without a direction"));
    return {};
}

}  // namespace

Result<void> EmbedText::write(const EmbedTextTerms& terms, std::string_view text, ByteBuffer& out) {
    TranslationState state(*scratch_.parts_, pool_, {.model = terms.model, .client_model = terms.model});
    Context context = state.context();
    EmbeddingRequest request;
    request.dimensions = terms.dimensions;
    // OpenAI's protocol has no word for it, and so what is alike is what the model was made to find alike.
    request.task = EmbedTask::similarity;
    request.inputs.add(context.arena, {.text = escaped(text, context.arena)});
    return dialect_of(terms.protocol).write_request(request, context, out);
}

Result<void> EmbedText::read(EmbedProtocol protocol, std::string_view body, size_t dimensions, std::vector<float>& into,
                             Usage& usage) {
    into.clear();
    TranslationState state(*scratch_.parts_, pool_, TranslateTerms{});
    Context context = state.context();
    EmbeddingAnswer answer;
    LOOM_TRY(dialect_of(protocol).read_answer(body, context, answer));
    // There is nothing but input: some tell the total alone.
    const uint64_t tokens = answer.usage.input != 0 ? answer.usage.input : answer.usage.total;
    if (answer.usage.provenance != Usage::Provenance::none && tokens != 0)
        usage = {.input = tokens, .total = tokens, .provenance = answer.usage.provenance};
    const Result<void> taken = take_vector(answer, dimensions, context, into);
    if (!taken) into.clear();
    return taken;
}

}  // namespace loom::llm

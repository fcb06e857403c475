#include "loom/llm/count.h"

#include "dialect/anthropic_count.h"
#include "dialect/dialect.h"
#include "dialect/gemini.h"
#include "dialect/json_out.h"
#include "dialect/openai_responses.h"
#include "loom/base/assert.h"
#include "loom/llm/json_text.h"
#include "translation_state.h"

namespace loom::llm {

namespace {

Protocol chat_protocol_of(CountProtocol protocol) noexcept {
    switch (protocol) {
        case CountProtocol::anthropic: return Protocol::anthropic;
        case CountProtocol::gemini:
        case CountProtocol::vertex: return Protocol::gemini;
        case CountProtocol::responses: return Protocol::openai_responses;
        case CountProtocol::bedrock: return Protocol::bedrock;
    }
    LOOM_ASSERT(!"a protocol without a count");
    return Protocol::anthropic;
}

/// The member of an answer that says it.
std::string_view member_of(CountProtocol protocol) noexcept {
    switch (protocol) {
        case CountProtocol::gemini:
        case CountProtocol::vertex: return "totalTokens";
        case CountProtocol::bedrock: return "inputTokens";
        default: return "input_tokens";
    }
}

/// What weighs nothing in a prompt, and what the endpoints of Google and AWS do not know.
void drop_what_does_not_count(ChatRequest& request) noexcept {
    request.max_tokens = 0;
    request.n = 1;
    request.stop = {};
    request.temperature = request.top_p = request.top_k = request.seed = {};
    request.presence_penalty = request.frequency_penalty = request.logit_bias = {};
    request.logprobs.reset();
    request.top_logprobs = 0;
    request.user = request.service_tier = request.verbosity = request.prompt_cache_key = {};
    request.metadata = {};
    request.stream = request.include_usage = false;
}
void drop_what_is_no_message(ChatRequest& request) noexcept {
    request.tool_choice = {};
    request.format = {};
    request.reasoning = {};
    for (Tool& tool : request.tools) tool.strict.reset();
}

}  // namespace

/// What cannot be carried is told to nobody: the count is the same.
struct CountTranslation::State : TranslationState {
    State(TranslateScratch::Parts& scratch, BlockPool& pool, const CountTerms& given)
        : TranslationState(scratch, pool,
                           {.client = chat_protocol_of(given.client),
                            .provider = chat_protocol_of(given.provider),
                            .model = given.model,
                            .quirks = given.quirks,
                            .body_version = given.body_version}),
          given(given) {}

    Result<void> translate(std::string_view body, Context& context, ByteBuffer& out) const;
    Result<void> write(ChatRequest& request, Context& context, ByteBuffer& out) const;
    Result<uint64_t> read_answer(std::string_view body, Context& context) const;

    const CountTerms given;
};

Result<void> CountTranslation::State::translate(std::string_view body, Context& context, ByteBuffer& out) const {
    ChatRequest request;
    if (given.client == CountProtocol::gemini)
        LOOM_TRY(gemini::read_count_request(body, context, request));
    else
        LOOM_TRY(dialect_of(terms.client).read_request(body, context, request));
    drop_what_does_not_count(request);
    out.reserve(out.size() + body.size() + body.size() / 4);
    return write(request, context, out);
}

Result<void> CountTranslation::State::write(ChatRequest& request, Context& context, ByteBuffer& out) const {
    const Dialect& provider = dialect_of(terms.provider);
    switch (given.provider) {
        case CountProtocol::anthropic: return anthropic::write_count_request(request, context, out);
        case CountProtocol::responses: return responses::write_count_request(request, context, out);
        case CountProtocol::gemini: return gemini::write_count_request(request, context, out);
        case CountProtocol::vertex:
            drop_what_is_no_message(request);
            return provider.write_request(request, context, out);
        case CountProtocol::bedrock:
            drop_what_is_no_message(request);
            out.append(R"({"input":{"converse":)");
            LOOM_TRY(provider.write_request(request, context, out));
            out.append("}}");
            return {};
    }
    return {};
}

Result<uint64_t> CountTranslation::State::read_answer(std::string_view body, Context& context) const {
    Tokens tokens;
    Fault fault;
    if (!context.structure.index(body, Structure::Utf8::passed, tokens, fault))
        return fail(Errc::bad_message, Side::upstream, fault.what);
    Cursor cursor(body, tokens);
    uint64_t count = 0;
    bool found = false;
    const bool good = cursor.each_member([&](Range key) {
        if (name_of(cursor, key) != member_of(given.provider) || !cursor.take_count(count)) return cursor.skip_value();
        found = true;
        return true;
    });
    if (!good || !cursor.at_end() || !found)
        return fail(Errc::bad_message, Side::upstream, "the provider's answer does not say how many tokens there are");
    return count;
}

CountTranslation::CountTranslation(TranslateScratch& scratch, BlockPool& pool, const CountTerms& terms)
    : state_(std::make_unique<State>(*scratch.parts_, pool, terms)) {}
CountTranslation::~CountTranslation() = default;

Result<void> CountTranslation::request(std::string_view body, ByteBuffer& out) {
    if (const size_t at = find_bad_escape(body); at != body.npos) {
        error_offset_ = static_cast<uint32_t>(at);
        return fail(Errc::bad_message, Side::downstream, "a string of the document holds a broken escape");
    }
    Context context = state_->context();
    const Result<void> step = state_->translate(body, context, out);
    error_param_ = context.error_param;
    error_offset_ = context.error_offset;
    state_->finish_call();
    return step;
}

Result<void> CountTranslation::answer(std::string_view body, ByteBuffer& out) {
    Context context = state_->context();
    const Result<uint64_t> count = state_->read_answer(body, context);
    if (count) write_count(state_->given.client, *count, out);
    state_->finish_call();
    return count ? Result<void>() : std::unexpected(count.error());
}

void write_count(CountProtocol client, uint64_t tokens, ByteBuffer& out) {
    JsonOut json(out);
    json.open_object();
    if (client == CountProtocol::responses) json.member_string("object", "response.input_tokens");
    json.member_number(member_of(client), tokens);
    json.close_object();
}

}  // namespace loom::llm

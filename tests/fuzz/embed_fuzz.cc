// Whatever the bytes: the translations of embeddings and of counts answer, and what they make of a document is one. The
// first byte says what comes (r, a: request and answer of embeddings; c, d: of counts), the second whose it is (a
// digit, of enum EmbedProtocol or CountProtocol).
#include <cstdlib>
#include <string_view>

#include "loom/base/json.h"
#include "loom/llm/count.h"
#include "loom/llm/embed.h"

using namespace loom;
using namespace loom::llm;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

bool is_json(std::string_view text) {
    static simdjson::dom::parser parser;
    return parser.parse(simdjson::padded_string(text)).error() == simdjson::SUCCESS;
}

struct Scratch {
    TranslateScratch translate;
    BlockPool pool;
};
Scratch& scratch() {
    static Scratch scratch;
    return scratch;
}

bool is_client(EmbedProtocol protocol) {
    return protocol == EmbedProtocol::openai || protocol == EmbedProtocol::gemini ||
           protocol == EmbedProtocol::gemini_batch || protocol == EmbedProtocol::cohere;
}
bool is_client(CountProtocol protocol) {
    return protocol != CountProtocol::vertex && protocol != CountProtocol::bedrock;
}

EmbedTerms terms_of(EmbedProtocol client, EmbedProtocol provider) {
    return {.client = client, .provider = provider, .model = "p", .client_model = "c", .fallback_id = "loom-1"};
}

/// Requests that are asked before the answer comes: one input, and two as base64.
std::string_view asked(EmbedProtocol client, bool two) {
    switch (client) {
        case EmbedProtocol::gemini: return R"({"content":{"parts":[{"text":"a"}]}})";
        case EmbedProtocol::gemini_batch:
            return two ? R"({"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}},)"
                         R"({"model":"models/m","content":{"parts":[{"text":"b"}]}}]})"
                       : R"({"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}}]})";
        case EmbedProtocol::cohere:
            return two ? R"({"model":"m","texts":["a","b"],"input_type":"search_query","embedding_types":["base64"]})"
                       : R"({"model":"m","texts":["a"],"input_type":"search_query","embedding_types":["float"]})";
        default:
            return two ? R"({"model":"m","input":["a","b"],"encoding_format":"base64"})"
                       : R"({"model":"m","input":"a"})";
    }
}

void embed_request(EmbedProtocol client, std::string_view body) {
    if (!is_client(client)) return;
    for (uint32_t i = 0; i < embed_protocol_count; ++i) {
        EmbedTranslation translation(scratch().translate, scratch().pool,
                                     terms_of(client, static_cast<EmbedProtocol>(i)));
        ByteBuffer out(scratch().pool);
        if (!translation.request(body, out)) {
            require(translation.error_offset() <= body.size());
            continue;
        }
        if (is_json(body)) require(is_json(out.view()));
    }
}

void embed_answer(EmbedProtocol provider, std::string_view body) {
    for (uint32_t i = 0; i < embed_protocol_count; ++i) {
        const auto client = static_cast<EmbedProtocol>(i);
        if (!is_client(client)) continue;
        for (const bool two : {false, true}) {
            EmbedTranslation translation(scratch().translate, scratch().pool, terms_of(client, provider));
            ByteBuffer request(scratch().pool), out(scratch().pool);
            if (!translation.request(asked(client, two), request)) continue;
            Usage usage;
            const bool good = translation.answer(body, out, usage).has_value();
            if (!good) require(out.empty());
            if (good && is_json(body)) require(is_json(out.view()));
        }
    }
}

void count_request(CountProtocol client, std::string_view body) {
    if (!is_client(client)) return;
    for (uint32_t i = 0; i < count_protocol_count; ++i) {
        CountTranslation translation(scratch().translate, scratch().pool,
                                     {.client = client, .provider = static_cast<CountProtocol>(i), .model = "p"});
        ByteBuffer out(scratch().pool);
        if (!translation.request(body, out)) {
            require(translation.error_offset() <= body.size());
            continue;
        }
        if (is_json(body)) require(is_json(out.view()));
    }
}

void count_answer(CountProtocol provider, std::string_view body) {
    for (uint32_t i = 0; i < count_protocol_count; ++i) {
        const auto client = static_cast<CountProtocol>(i);
        if (!is_client(client)) continue;
        CountTranslation translation(scratch().translate, scratch().pool, {.client = client, .provider = provider});
        ByteBuffer out(scratch().pool);
        const bool good = translation.answer(body, out).has_value();
        require(good ? is_json(out.view()) : out.empty());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const std::string body(reinterpret_cast<const char*>(data) + 2, size - 2);  // its end is guarded
    const auto digit = static_cast<uint32_t>(data[1] - '0');
    const auto embed = static_cast<EmbedProtocol>(digit % embed_protocol_count);
    const auto count = static_cast<CountProtocol>(digit % count_protocol_count);
    switch (data[0]) {
        case 'r': embed_request(embed, body); break;
        case 'a': embed_answer(embed, body); break;
        case 'c': count_request(count, body); break;
        default: count_answer(count, body); break;
    }
    return 0;
}

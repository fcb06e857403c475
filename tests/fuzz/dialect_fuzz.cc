// Whatever the bytes: every dialect's readers answer, and what every other dialect's writer makes of it is whole: a
// document is JSON where the input was, a stream is whole events. The first byte says what comes (r request, a answer,
// s stream, e error), the second whose it is (a digit, of enum Protocol); streams are event streams, Bedrock's too.
#include <array>
#include <cstdio>
#include <cstdlib>

#include "dialect.h"
#include "loom/base/json.h"
#include "loom/http/sse.h"
#include "loom/llm/translate.h"

using namespace loom;
using namespace loom::llm;

namespace {

std::string_view input;     // at work, for who reads of a failure
Protocol other_protocol{};  // and the other side

void require(bool good) {
    if (good) return;
    std::fprintf(stderr, "with %.*s: %.*s\n", static_cast<int>(protocol_name(other_protocol).size()),
                 protocol_name(other_protocol).data(), static_cast<int>(input.size()), input.data());
    std::abort();
}

bool is_json(std::string_view text) {
    static simdjson::dom::parser parser;
    return parser.parse(simdjson::padded_string(text)).error() == simdjson::SUCCESS;
}

bool is_client(Protocol protocol) {
    return protocol != Protocol::bedrock && protocol != Protocol::cohere && dialect_of(protocol).encoder() != nullptr;
}
bool is_provider(Protocol protocol) {
    return protocol != Protocol::openai_completions && dialect_of(protocol).decoder() != nullptr;
}

TranslateTerms terms_of(Protocol client, Protocol provider, bool stream) {
    return {.client = client,
            .provider = provider,
            .model = "provider-model",
            .client_model = "client-model",
            .fallback_id = "loom-1",
            .created = 1700000000,
            .stream = stream,
            .include_usage = true};
}

struct Work {
    explicit Work(const TranslateTerms& terms) : translation(scratch(), pool(), terms) {}
    static TranslateScratch& scratch() {
        static TranslateScratch scratch;
        return scratch;
    }
    static BlockPool& pool() {
        static BlockPool pool;
        return pool;
    }
    Translation translation;
    ByteBuffer out{pool()};
    Usage usage;
};

void request(Protocol client, Protocol provider, std::string_view body) {
    Work work(terms_of(client, provider, false));
    const auto step = work.translation.request(body, work.out);
    if (!step) {
        require(work.translation.error_offset() <= body.size() && step.error().what != nullptr);
        return;
    }
    if (is_json(body)) require(is_json(work.out.view()));
}

void answer(Protocol client, Protocol provider, std::string_view body) {
    Work work(terms_of(client, provider, false));
    if (work.translation.answer(body, work.out, work.usage) && is_json(body)) require(is_json(work.out.view()));
}

void error(Protocol client, Protocol provider, std::string_view body) {
    Work work(terms_of(client, provider, false));
    work.translation.error(500, body, work.out);
    if (is_json(body)) require(is_json(work.out.view()));
}

/// Every event that was made: whole, and JSON.
void check_events(std::string_view text) {
    http::SseSplitter splitter;
    std::array<char, 1 << 16> room;
    while (const size_t end = splitter.next_event_end(text)) {
        http::SseEvent event;
        require(http::parse_event(text.substr(0, end), event, room).has_value());
        require(!event.has_data || event.data == "[DONE]" || is_json(event.data));
        text.remove_prefix(end);
    }
    require(text.empty());
}

void stream(Protocol client, Protocol provider, std::string_view bytes) {
    Work work(terms_of(client, provider, true));
    http::SseSplitter splitter;
    std::array<char, 1 << 16> room;
    bool all_json = true;
    while (const size_t end = splitter.next_event_end(bytes)) {
        http::SseEvent event;
        const bool good = http::parse_event(bytes.substr(0, end), event, room).has_value();
        bytes.remove_prefix(end);
        if (!good || !event.has_data) continue;
        all_json &= event.data == "[DONE]" || is_json(event.data);
        const size_t before = work.out.size();
        const EventFacts facts = work.translation.event(event.event, event.data, work.out, work.usage);
        if (facts.malformed) require(work.out.size() == before);
    }
    if (!work.translation.end(work.out, work.usage)) work.translation.fail("the upstream broke", "api_error", work.out);
    if (all_json) check_events(work.out.view());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const auto whose = static_cast<Protocol>((data[1] - '0') % protocol_count);
    const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
    const bool is_request = data[0] == 'r';
    if (is_request ? !is_client(whose) : !is_provider(whose)) return 0;
    for (uint32_t i = 0; i < protocol_count; ++i) {
        const auto other = static_cast<Protocol>(i);
        if (is_request ? !is_provider(other) : !is_client(other)) continue;
        input = {reinterpret_cast<const char*>(data), size};
        other_protocol = other;
        switch (data[0]) {
            case 'r': request(whose, other, text); break;
            case 'a': answer(other, whose, text); break;
            case 's': stream(other, whose, text); break;
            default: error(other, whose, text); break;
        }
    }
    return 0;
}

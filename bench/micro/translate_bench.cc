// What a translation costs, by pair of protocols: a request of 4 KiB, and one event of a stream. Every bench checks its
// answer before it is timed. `events` of BM_stream is the length of the stream: per event it must not grow.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "dialect.h"
#include "loom/llm/translate.h"

namespace loom::llm {
namespace {

void check(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "translate_bench: wrong answer: %s\n", what);
    std::abort();
}

TranslateTerms terms_of(Protocol client, Protocol provider) {
    return {.client = client,
            .provider = provider,
            .model = "provider-model",
            .client_model = "client-model",
            .fallback_id = "loom-1",
            .created = 1700000000,
            .stream = true};
}

/// A conversation with tools of about 4 KiB in OpenAI's chat protocol.
std::string chat_request() {
    std::string body = R"({"model":"m","stream":true,"temperature":0.5,"max_completion_tokens":512,"tools":[)";
    for (int i = 0; i < 4; ++i) {
        body +=
            (i > 0 ? "," : "") + std::string(R"({"type":"function","function":{"name":"tool_)") + std::to_string(i) +
            R"(","description":"Looks something up","parameters":{"type":"object","properties":{"q":{"type":"string"}}}}})";
    }
    body += R"(],"messages":[{"role":"system","content":"Be brief."})";
    while (body.size() < 4096) {
        body += R"(,{"role":"user","content":"What is the weather like in \"Paris\" today, and will it hold?"})"
                R"(,{"role":"assistant","content":"Let me look.","tool_calls":[{"id":"call_)" +
                std::to_string(body.size()) +
                R"(","type":"function","function":{"name":"tool_1","arguments":"{\"q\":\"Paris\"}"}}]},)"
                R"({"role":"tool","tool_call_id":"call_)" +
                std::to_string(body.size()) + R"(","content":"18 degrees, sunny"})";
    }
    return body + "]}";
}

/// The same in another client's protocol: what a provider of it would be sent.
std::string request_of(Protocol client) {
    const std::string chat = chat_request();
    if (client == Protocol::openai_chat) return chat;
    TranslateScratch scratch;
    BlockPool pool;
    Translation translation(scratch, pool, terms_of(Protocol::openai_chat, client));
    ByteBuffer out(pool);
    check(translation.request(chat, out).has_value(), "the request in the client's protocol");
    return std::string(out.view());
}

using Event = std::pair<std::string_view, std::string_view>;

struct Stream {
    std::vector<Event> begin;
    Event delta;
};

Stream stream_of(Protocol provider) {
    switch (provider) {
        case Protocol::openai_chat:
            return {
                {{"",
                  R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})"}},
                {"",
                 R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" the word"},"logprobs":null,"finish_reason":null}],"usage":null})"}};
        case Protocol::openai_responses:
            return {
                {{"response.created",
                  R"({"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1,"status":"in_progress","model":"m","output":[]}})"},
                 {"response.output_item.added",
                  R"({"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}})"},
                 {"response.content_part.added",
                  R"({"type":"response.content_part.added","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}})"}},
                {"response.output_text.delta",
                 R"({"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"delta":" the word"})"}};
        case Protocol::anthropic:
            return {
                {{"message_start",
                  R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}})"},
                 {"content_block_start",
                  R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})"}},
                {"content_block_delta",
                 R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" the word"}})"}};
        case Protocol::gemini:
            return {
                {},
                {"",
                 R"({"candidates":[{"content":{"role":"model","parts":[{"text":" the word"}]},"index":0}],"modelVersion":"m","responseId":"r"})"}};
        case Protocol::bedrock:
            return {{{"messageStart", R"({"role":"assistant"})"}},
                    {"contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":" the word"},"p":"abcdefgh"})"}};
        case Protocol::cohere:
            return {
                {{"message-start",
                  R"({"type":"message-start","id":"c","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}})"},
                 {"content-start",
                  R"({"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}})"}},
                {"content-delta",
                 R"({"type":"content-delta","index":0,"delta":{"message":{"content":{"text":" the word"}}}})"}};
        default: break;  // no provider's
    }
    return {};
}

void BM_request(benchmark::State& state, Protocol client, Protocol provider) {
    const std::string body = request_of(client);
    TranslateScratch scratch;
    BlockPool pool;
    ByteBuffer out(pool);
    for (auto _ : state) {
        out.clear();
        Translation translation(scratch, pool, terms_of(client, provider));
        const auto step = translation.request(body, out);
        check(step.has_value() && out.view().find("18 degrees, sunny") != std::string_view::npos, "the request");
    }
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * body.size()));
}

void BM_stream(benchmark::State& state, Protocol client, Protocol provider) {
    const Stream stream = stream_of(provider);
    const int64_t events = state.range(0);
    TranslateScratch scratch;
    BlockPool pool;
    ByteBuffer out(pool);
    Usage usage;
    for (auto _ : state) {
        Translation translation(scratch, pool, terms_of(client, provider));
        for (const auto& [name, data] : stream.begin) translation.event(name, data, out, usage);
        for (int64_t i = 0; i < events; ++i) {
            out.clear();
            translation.event(stream.delta.first, stream.delta.second, out, usage);
        }
        check(out.view().find(" the word") != std::string_view::npos, "the event");
    }
    state.counters["per_event"] = benchmark::Counter(static_cast<double>(state.iterations() * events),
                                                     benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

bool is_provider(Protocol protocol) {
    return protocol != Protocol::openai_completions && dialect_of(protocol).decoder() != nullptr;
}
/// Its request is made by its own writer: of legacy completions there is none.
bool is_client(Protocol protocol) {
    return protocol != Protocol::bedrock && protocol != Protocol::cohere && is_provider(protocol) &&
           dialect_of(protocol).encoder() != nullptr;
}

void list() {
    for (uint32_t c = 0; c < protocol_count; ++c) {
        for (uint32_t p = 0; p < protocol_count; ++p) {
            const auto client = static_cast<Protocol>(c), provider = static_cast<Protocol>(p);
            if (client == provider || !is_client(client) || !is_provider(provider)) continue;
            const std::string pair = std::string(protocol_name(client)) + "/" + std::string(protocol_name(provider));
            benchmark::RegisterBenchmark(("request/" + pair).c_str(), BM_request, client, provider);
            benchmark::RegisterBenchmark(("stream/" + pair).c_str(), BM_stream, client, provider)->Arg(64)->Arg(4096);
        }
    }
}

}  // namespace
}  // namespace loom::llm

int main(int count, char** arguments) {
    loom::llm::list();
    benchmark::Initialize(&count, arguments);
    if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 64;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}

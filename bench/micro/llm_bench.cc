// Reading requests, splicing them, reading usage and stream events; each beside simdjson's DOM parse of the same bytes.
// Every bench checks its answer before it is timed.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "loom/base/json.h"
#include "loom/llm/edits.h"
#include "loom/llm/request.h"
#include "loom/llm/stream_reader.h"
#include "loom/llm/usage.h"

namespace loom::llm {
namespace {

void check(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "llm_bench: wrong answer: %s\n", what);
    std::abort();
}

/// A conversation of about `bytes`, in messages of `message_bytes`; padded for the DOM.
std::string chat_of(size_t bytes, size_t message_bytes) {
    std::mt19937 random(1);
    std::string body = R"({"model":"gpt-4o-mini","stream":true,"temperature":0.7,"messages":[)";
    const std::string tail = R"(],"max_tokens":256,"user":"u-42"})";
    while (true) {
        const size_t left = bytes > body.size() + tail.size() ? bytes - body.size() - tail.size() : 0;
        const size_t text_bytes = std::min(message_bytes, left > 40 ? left - 40 : 1);
        std::string text;
        while (text.size() < text_bytes) text += random() % 6 == 0 ? ' ' : static_cast<char>('a' + random() % 26);
        body += R"({"role":"user","content":")" + text + "\"}";
        if (body.size() + tail.size() + 60 > bytes) break;
        body += ',';
    }
    body += tail;
    body.reserve(body.size() + json::padding_bytes);
    return body;
}

void BM_chat_read(benchmark::State& state) {
    const std::string body = chat_of(static_cast<size_t>(state.range(0)), static_cast<size_t>(state.range(1)));
    RequestReader reader;
    const auto first = reader.read(Endpoint::chat_completions, body);
    check(first && first->model == "gpt-4o-mini" && first->stream && first->max_tokens == 256, "chat_read");
    for (auto _ : state) {
        auto request = reader.read(Endpoint::chat_completions, body);
        benchmark::DoNotOptimize(request);
    }
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * body.size()));
}
BENCHMARK(BM_chat_read)
    ->Args({300, 4096})
    ->Args({4096, 4096})
    ->Args({65536, 65536})
    ->Args({65536, 4096})
    ->Args({65536, 300});

/// The baseline: a parse of everything, from which nothing is read.
void BM_chat_dom(benchmark::State& state) {
    const std::string body = chat_of(static_cast<size_t>(state.range(0)), static_cast<size_t>(state.range(1)));
    simdjson::dom::parser parser;
    for (auto _ : state) {
        auto root = parser.parse(body.data(), body.size(), false);
        benchmark::DoNotOptimize(root);
    }
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * body.size()));
}
BENCHMARK(BM_chat_dom)
    ->Args({300, 4096})
    ->Args({4096, 4096})
    ->Args({65536, 65536})
    ->Args({65536, 4096})
    ->Args({65536, 300});

void BM_splice(benchmark::State& state) {
    const std::string body = chat_of(4096, 1000);
    RequestReader reader;
    const Request request = *reader.read(Endpoint::chat_completions, body);
    size_t bytes = 0, pieces = 0;
    for (auto _ : state) {
        Edits edits;
        rename_model(edits, request, "\"upstream-name\"");
        const bool asked = ask_for_usage(edits, request);
        benchmark::DoNotOptimize(asked);
        bytes = pieces = 0;
        edits.gather(body, [&](std::string_view piece) {
            bytes += piece.size();
            pieces += 1;
        });
        benchmark::DoNotOptimize(bytes);
        check(bytes == edits.output_bytes(body.size()) && pieces == 5, "splice");
    }
}
BENCHMARK(BM_splice);

const std::string answer_730 =
    R"({"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1741569952,"model":"gpt-4.1-2025-04-14","choices":[{"index":0,"message":{"role":"assistant","content":"Hello! How can I assist you today? I can help with a question, \"a draft\", a piece of code or a plan for the day; just tell me what you are working on.","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_44709d6fcb"})";

void BM_usage_read(benchmark::State& state) {
    UsageReader reader;
    Usage usage;
    check(reader.read(answer_730, usage).value_or(false) && usage.total == 29, "usage");
    for (auto _ : state) {
        auto found = reader.read(answer_730, usage);
        benchmark::DoNotOptimize(found);
    }
}
BENCHMARK(BM_usage_read);

void BM_usage_absent_64k(benchmark::State& state) {
    const std::string answer = R"({"choices":[{"message":{"content":")" + std::string(65536, 'x') + R"("}}]})";
    UsageReader reader;
    Usage usage;
    check(!reader.read(answer, usage).value_or(true), "usage absent");
    for (auto _ : state) {
        auto found = reader.read(answer, usage);
        benchmark::DoNotOptimize(found);
    }
}
BENCHMARK(BM_usage_absent_64k);

std::string event(std::string_view content, size_t stream) {
    return R"({"id":"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6P)" + std::to_string(stream) +
           R"(","object":"chat.completion.chunk","created":174157)" + std::to_string(1000 + stream) +
           R"(,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":")" +
           std::string(content) + R"("},"logprobs":null,"finish_reason":null}],"usage":null})";
}

/// Events of many streams in turn, with text of several lengths: what a shard sees.
std::vector<std::string> events_of_streams() {
    static constexpr const char* words[] = {" the", " a", "Hello", ",", " gateway", " \\\"quoted\\\"", "é", "."};
    std::vector<std::string> events;
    for (size_t i = 0; i < 64; ++i) events.push_back(event(words[i % std::size(words)], i % 9));
    return events;
}

void BM_delta_by_form(benchmark::State& state) {
    const auto events = events_of_streams();
    StreamReader reader;
    Usage usage;
    for (const std::string& data : events) check(reader.read(data, usage).has_content, "delta");
    size_t i = 0;
    for (auto _ : state) {
        auto facts = reader.read(events[i++ % events.size()], usage);
        benchmark::DoNotOptimize(facts);
    }
}
BENCHMARK(BM_delta_by_form);

/// Each event of another shape than the last: the whole parse, and the learning of a form, every time.
void BM_delta_by_parse(benchmark::State& state) {
    auto events = events_of_streams();
    for (size_t i = 0; i < events.size(); i += 2) events[i].insert(1, R"("x":1,)");
    StreamReader reader;
    Usage usage;
    for (const std::string& data : events) check(reader.read(data, usage).has_content, "delta");
    size_t i = 0;
    for (auto _ : state) {
        auto facts = reader.read(events[i++ % events.size()], usage);
        benchmark::DoNotOptimize(facts);
    }
}
BENCHMARK(BM_delta_by_parse);

void BM_delta_dom(benchmark::State& state) {
    auto events = events_of_streams();
    for (auto& data : events) data.reserve(data.size() + json::padding_bytes);
    simdjson::dom::parser parser;
    size_t i = 0;
    for (auto _ : state) {
        const std::string& data = events[i++ % events.size()];
        auto root = parser.parse(data.data(), data.size(), false);
        benchmark::DoNotOptimize(root);
    }
}
BENCHMARK(BM_delta_dom);

}  // namespace
}  // namespace loom::llm

BENCHMARK_MAIN();

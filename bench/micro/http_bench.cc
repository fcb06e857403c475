// What the parsers of http cost. Each bench checks its answer before it is timed; the time is per message, or per read
// of sixteen events. `*_scalar` is the reference the kernels are measured against.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "head_parser_impl.h"
#include "loom/http/body.h"
#include "loom/http/head_writer.h"
#include "loom/http/sse.h"

namespace loom::http {
namespace {

void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "http_bench: wrong answer: %s\n", what);
    std::abort();
}

/// What an OpenAI SDK sends, cut to about 250 bytes.
std::string small_head() {
    return "POST /v1/chat/completions HTTP/1.1\r\n"
           "Host: localhost:8080\r\n"
           "Authorization: Bearer sk-loom-0123456789abcdef\r\n"
           "Content-Type: application/json\r\n"
           "User-Agent: OpenAI/JS 4.104.0\r\n"
           "Accept: application/json\r\n"
           "Content-Length: 312\r\n"
           "Connection: keep-alive\r\n\r\n";
}

/// The same with the rest of what that SDK sends, and a proxy's additions: about 1 KiB.
std::string large_head() {
    std::string head = small_head();
    head.resize(head.size() - 2);
    head +=
        "X-Stainless-Lang: js\r\nX-Stainless-Package-Version: 4.104.0\r\nX-Stainless-OS: Linux\r\n"
        "X-Stainless-Arch: x64\r\nX-Stainless-Runtime: node\r\nX-Stainless-Runtime-Version: v20.11.1\r\n"
        "X-Stainless-Retry-Count: 0\r\nX-Stainless-Timeout: 600\r\nAccept-Language: *\r\nSec-Fetch-Mode: cors\r\n"
        "Accept-Encoding: gzip, deflate, br\r\nX-Forwarded-For: 203.0.113.7, 10.0.0.1\r\nX-Forwarded-Proto: https\r\n"
        "X-Request-Id: 5f0c2f6e-4b53-4a3f-9a6f-9d6f5f3f9c11\r\n"
        "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
        "Tracestate: vendor=opaque-value-of-some-length,other=another-opaque-value\r\n"
        "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n";
    return head;
}

std::string answer_head() {
    return "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/event-stream; "
           "charset=utf-8\r\n"
           "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nopenai-processing-ms: 312\r\n"
           "x-request-id: req_0123456789abcdef\r\nServer: cloudflare\r\n\r\n";
}

template <class Kernel>
void parse(benchmark::State& state, const std::string& bytes, size_t header_count) {
    RequestHead head;
    require(parse_request<Kernel>(bytes, head).has_value(), "the head parses");
    require(head.headers().size() == header_count && head.content_length == 312 && head.keep_alive,
            "the head's fields");
    for (auto _ : state) {
        benchmark::DoNotOptimize(bytes.data());
        auto parsed = parse_request<Kernel>(bytes, head);
        benchmark::DoNotOptimize(parsed);
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
    state.SetLabel(std::to_string(bytes.size()) + " B");
}

void request_small(benchmark::State& state) { parse<scan::Best>(state, small_head(), 7); }
void request_small_sse2(benchmark::State& state) { parse<scan::Baseline>(state, small_head(), 7); }
void request_small_scalar(benchmark::State& state) { parse<scan::Scalar>(state, small_head(), 7); }
void request_large(benchmark::State& state) { parse<scan::Best>(state, large_head(), 24); }
void request_large_scalar(benchmark::State& state) { parse<scan::Scalar>(state, large_head(), 24); }

void response_small(benchmark::State& state) {
    const std::string bytes = answer_head();
    ResponseHead head;
    require(parse_response_head(bytes, Method::post, head) && head.framing == BodyFraming::chunked,
            "the answer parses");
    for (auto _ : state) {
        benchmark::DoNotOptimize(bytes.data());
        auto parsed = parse_response_head(bytes, Method::post, head);
        benchmark::DoNotOptimize(parsed);
        benchmark::ClobberMemory();
    }
    state.SetLabel(std::to_string(bytes.size()) + " B");
}

void scan_end(benchmark::State& state, const std::string& bytes) {
    for (auto _ : state) {
        HeadScan scan;
        auto end = scan.end_of(bytes);
        require(*end == bytes.size(), "the head's end");
        benchmark::DoNotOptimize(end);
    }
    state.SetLabel(std::to_string(bytes.size()) + " B");
}
void head_end_small(benchmark::State& state) { scan_end(state, small_head()); }
void head_end_large(benchmark::State& state) { scan_end(state, large_head()); }

/// One event of an OpenAI stream: 200 bytes with its blank line.
std::string event(int number) {
    std::string text =
        "data: {\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
        "\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"";
    const std::string end = "\"},\"finish_reason\":null}]}\n\n";
    const std::string word = "w" + std::to_string(number);
    text += word +
            std::string(text.size() + word.size() + end.size() < 200 ? 200 - text.size() - word.size() - end.size() : 0,
                        '.');
    return text + end;
}

constexpr int events_a_read = 16;

std::string chunked_events() {
    std::string bytes;
    for (int i = 0; i < events_a_read; ++i) {
        char head[chunk_head_bytes_max];
        const std::string text = event(i);
        bytes.append(head, write_chunk_head(head, text.size())).append(text).append(crlf);
    }
    return bytes;
}

void chunk_walk_16(benchmark::State& state) {
    const std::string bytes = chunked_events();
    std::array<std::string_view, events_a_read> payloads;
    BodyReader reader;
    reader.start(BodyFraming::chunked, 0);
    for (auto _ : state) {
        benchmark::DoNotOptimize(bytes.data());
        const auto walk = reader.walk(bytes, payloads);
        require(walk.payload_count == events_a_read && walk.boundary && walk.consumed == bytes.size(),
                "the walk");
        benchmark::DoNotOptimize(payloads);
    }
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
}

void sse_split_16(benchmark::State& state) {
    std::string bytes;
    for (int i = 0; i < events_a_read; ++i) bytes += event(i);
    SseSplitter splitter;
    for (auto _ : state) {
        std::string_view rest = bytes;
        int count = 0;
        while (const size_t end = splitter.next_event_end(rest)) {
            rest.remove_prefix(end);
            count += 1;
        }
        require(count == events_a_read && rest.empty(), "the events");
    }
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
}

void sse_split_and_parse_16(benchmark::State& state) {
    std::string bytes;
    for (int i = 0; i < events_a_read; ++i) bytes += event(i);
    SseSplitter splitter;
    for (auto _ : state) {
        std::string_view rest = bytes;
        size_t data_bytes = 0;
        while (const size_t end = splitter.next_event_end(rest)) {
            SseEvent event;
            (void)parse_event(rest.substr(0, end), event, {});
            data_bytes += event.data.size();
            rest.remove_prefix(end);
        }
        require(data_bytes == bytes.size() - events_a_read * 8, "the data");
    }
}

void write_head(benchmark::State& state) {
    const auto write = [](char* buffer, size_t capacity) {
        HeadWriter writer(buffer, capacity);
        writer.request_line("POST", "/v1", "/chat/completions").header("host", "api.openai.com");
        writer.header("authorization", "Bearer ", "sk-0123456789abcdef0123456789abcdef");
        writer.header("content-type", "application/json").header("accept-encoding", "identity");
        writer.header("x-request-id", "5f0c2f6e-4b53-4a3f-9a6f-9d6f5f3f9c11").header("content-length", 312).end();
        return writer.ok() ? writer.size() : 0;
    };
    char buffer[1024];
    RequestHead head;
    const size_t size = write(buffer, sizeof buffer);
    require(size > 0 && parse_request_head({buffer, size}, head).has_value(), "the written head parses");
    for (auto _ : state) {
        benchmark::DoNotOptimize(write(buffer, sizeof buffer));
        benchmark::ClobberMemory();
    }
    state.SetLabel(std::to_string(size) + " B");
}

BENCHMARK(request_small);
BENCHMARK(request_small_sse2);
BENCHMARK(request_small_scalar);
BENCHMARK(request_large);
BENCHMARK(request_large_scalar);
BENCHMARK(response_small);
BENCHMARK(head_end_small);
BENCHMARK(head_end_large);
BENCHMARK(chunk_walk_16);
BENCHMARK(sse_split_16);
BENCHMARK(sse_split_and_parse_16);
BENCHMARK(write_head);

}  // namespace
}  // namespace loom::http

BENCHMARK_MAIN();

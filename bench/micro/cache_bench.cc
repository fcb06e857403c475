// What the cache costs a request: its key, and the look into the table. The bodies are those that people send: a short
// chat, a longer one, a document in the prompt; as compact as SDKs write them, and with blanks behind commas and
// colons.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>

#include "loom/cache/exact_store.h"
#include "loom/cache/fingerprint.h"

namespace loom::cache {
namespace {

constexpr uint64_t seed = 0x5eed;
constexpr std::string_view beside[] = {"tenant/acme", "ai", "gpt-4o", "gpt-4o", "12345678", "", "", "", "", ""};

std::string body_of(size_t bytes, bool spaced) {
    std::string body = spaced ? R"({"model": "gpt-4o", "messages": [{"role": "system", "content": "Be short."}, )"
                                R"({"role": "user", "content": ")"
                              : R"({"model":"gpt-4o","messages":[{"role":"system","content":"Be short."},)"
                                R"({"role":"user","content":")";
    const std::string end = spaced ? R"("}], "temperature": 0.7, "max_tokens": 100, "stream": true})"
                                   : R"("}],"temperature":0.7,"max_tokens":100,"stream":true})";
    while (body.size() + end.size() < bytes) body += "The quick brown fox. "[body.size() % 21];
    return body + end;
}

Key key_of(std::string_view body) {
    const Fingerprint made = fingerprint(Family::openai_chat, body, beside, seed);
    if (made.refusal != nullptr) std::abort();
    return made.key;
}

void fingerprints(benchmark::State& state) {
    const std::string body = body_of(static_cast<size_t>(state.range(0)), state.range(1) != 0);
    if (key_of(body) != key_of(body_of(static_cast<size_t>(state.range(0)), state.range(1) != 0))) std::abort();
    for (auto _ : state) benchmark::DoNotOptimize(key_of(body));
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * body.size()));
}
BENCHMARK(fingerprints)->ArgsProduct({{300, 2048, 65536}, {0, 1}});

AnswerPtr answer() {
    auto made = std::make_shared<Answer>();
    made->scope = "tenant/acme";
    made->model = "gpt-4o";
    made->body.assign(800, 'x');
    made->fresh_until_ms = made->kept_until_ms = 1'000'000;
    return made;
}

/// One of many entries, so that the table is not in the nearest cache.
void finds(benchmark::State& state) {
    ExactStore store(size_t{64} << 20);
    constexpr uint64_t entries = 20'000;
    const auto number = [](uint64_t i) { return hash128({reinterpret_cast<const char*>(&i), sizeof i}, seed); };
    for (uint64_t i = 0; i < entries; ++i) store.put(number(i), answer());
    uint64_t at = 0;
    for (auto _ : state) {
        const AnswerPtr found = store.find(number(at), "tenant/acme", 1);
        if (found == nullptr) std::abort();
        at = (at + 7919) % entries;
        benchmark::DoNotOptimize(found.get());
    }
}
BENCHMARK(finds);

void key_and_find(benchmark::State& state) {
    const std::string body = body_of(static_cast<size_t>(state.range(0)), false);
    ExactStore store(size_t{64} << 20);
    store.put(key_of(body), answer());
    for (auto _ : state) {
        const AnswerPtr found = store.find(key_of(body), "tenant/acme", 1);
        if (found == nullptr) std::abort();
        benchmark::DoNotOptimize(found.get());
    }
}
BENCHMARK(key_and_find)->Arg(300)->Arg(2048)->Arg(65536);

void puts_under_pressure(benchmark::State& state) {
    ExactStore store(size_t{8} << 20);
    uint64_t at = 0;
    for (auto _ : state) {
        ++at;
        store.put(hash128({reinterpret_cast<const char*>(&at), sizeof at}, seed), answer());
    }
    if (store.counts().bytes > size_t{8} << 20) std::abort();
}
BENCHMARK(puts_under_pressure);

}  // namespace
}  // namespace loom::cache

BENCHMARK_MAIN();

// What looking through a text costs: prose, a program, and digits. Each kernel finds the same places before it is
// timed.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "anchors.h"
#include "loom/guard/content.h"
#include "loom/guard/injection.h"
#include "loom/guard/pii_scanner.h"

namespace loom::guard {
namespace {

constexpr std::string_view prose =
    "The committee met on Tuesday and agreed to postpone the decision until the audit is finished. Nobody was "
    "surprised, "
    "since the figures had been late for months and the chair had warned that they would be. ";
constexpr std::string_view program =
    "for (size_t i = 0; i < items.size(); ++i) { const auto& item = items[i]; if (item.key == \"name\") total += "
    "item.count * "
    "2; else map[item.key] = std::max<uint64_t>(item.count, 1024); }\n";
constexpr std::string_view digits =
    "2026-11-22 01:48:17.249 412 10293 0.25 78.1 id=48213377 took 18.2 ms, 1209 of 4096 rows, 20481 bytes at "
    "0x7f3a12\n";

std::string filled(std::string_view with, size_t size) {
    std::string text;
    while (text.size() < size) text += with;
    text.resize(size);
    return text;
}

void check(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "guard_bench: wrong answer: %s\n", what);
    std::abort();
}

void scan(benchmark::State& state, std::string_view with) {
    const std::string text = filled(with, static_cast<size_t>(state.range(0)));
    const PiiScanner scanner(PiiTypes::all());
    uint64_t found = 0;
    scanner.scan(text, [&](const PiiSpan&) { found += 1; });
    check(found == 0, "something was found in plain text");
    for (auto _ : state) {
        scanner.scan(text, [&](const PiiSpan&) { found += 1; });
        benchmark::DoNotOptimize(found);
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
void BM_pii_prose(benchmark::State& state) { scan(state, prose); }
void BM_pii_program(benchmark::State& state) { scan(state, program); }
void BM_pii_digits(benchmark::State& state) { scan(state, digits); }
BENCHMARK(BM_pii_prose)->Arg(300)->Arg(4096)->Arg(65536);
BENCHMARK(BM_pii_program)->Arg(4096)->Arg(65536);
BENCHMARK(BM_pii_digits)->Arg(4096)->Arg(65536);

void BM_anchors(benchmark::State& state) {
    const AnchorKernel kernel = anchor_kernels()[static_cast<size_t>(state.range(0))];
    if (kernel == nullptr) return state.SkipWithError("not on this machine");
    const std::string text = filled(prose, 4096 + anchor_behind);
    const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
    for (size_t at = 64; at < 4096; at += 64)
        check(anchors_at(kernel, bytes + at) == anchors_at(&anchors_scalar, bytes + at), "a kernel");
    for (auto _ : state) {
        Anchors places;
        for (Pos at = 64; at < 4096; at += anchor_block) {
            at = kernel(bytes, at, 4096, places);
            benchmark::DoNotOptimize(places);
        }
    }
    state.SetBytesProcessed(state.iterations() * (4096 - 64));
}
BENCHMARK(BM_anchors)->Arg(0)->Arg(1)->Arg(2);

void BM_injection(benchmark::State& state) {
    const std::string text = filled(prose, static_cast<size_t>(state.range(0)));
    check(score_injection(text).points == 0, "plain prose has points");
    for (auto _ : state) {
        auto score = score_injection(text);
        benchmark::DoNotOptimize(score);
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_injection)->Arg(300)->Arg(4096)->Arg(65536);

/// Of an answer: whole, and in pieces of a token each.
void BM_answer_content(benchmark::State& state) {
    const std::string text = filled(prose, 65536);
    const auto piece = static_cast<size_t>(state.range(0));
    size_t found = 0;
    for (auto _ : state) {
        ContentScan scan(ContentSeverity::medium, 0x7f);
        for (size_t base = 0, end = piece; end <= text.size(); end += piece) {
            scan.advance(std::string_view(text).substr(base, end - base), end == text.size(),
                         [&found](const ContentFind&) { found += 1; });
            const size_t decided = scan.decided();
            scan.forget(decided);
            base += decided;
        }
    }
    check(found == 0, "plain prose is of no category");
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}
BENCHMARK(BM_answer_content)->Arg(4)->Arg(65536);

}  // namespace
}  // namespace loom::guard

BENCHMARK_MAIN();

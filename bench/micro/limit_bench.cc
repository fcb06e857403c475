// What the limits of clients cost a request: with none of them, with its consumer's alone, and with all there are.
// Every bench checks its answer before it is timed.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <deque>

#include "loom/tenant/address_limits.h"
#include "loom/tenant/limit.h"

namespace loom::tenant {
namespace {

constexpr uint64_t window_ms = 60'000;
constexpr uint64_t wide = 1'000'000'000;  // nobody is refused

void check(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "limit_bench: wrong answer: %s\n", what);
    std::abort();
}

/// So many limits of requests, tokens and requests at once.
std::deque<Limit> limits_of(size_t count) {
    std::deque<Limit> limits;
    for (size_t i = 0; i < count; ++i) {
        Limit& limit = limits.emplace_back();
        limit.terms = {.requests = WindowTerms::of(wide, window_ms),
                       .tokens = WindowTerms::of(wide, window_ms),
                       .concurrent_max = 100'000};
        limit.requests = std::make_shared<RateWindow>();
        limit.tokens = std::make_shared<RateWindow>();
        limit.level = std::make_shared<LimitLevel>();
    }
    return limits;
}

/// One request: admitted, its tokens reserved, settled. The clock goes on by a millisecond every thousand of them.
bool pass(const std::deque<Limit>& limits, uint64_t now_ms) {
    Admission admission;
    LimitRefusal why;
    for (const Limit& limit : limits)
        if (!admission.enter(limit, limit.row(), now_ms, why)) return false;
    if (!admission.reserve(now_ms, 600, why)) return false;
    admission.leave(now_ms, 20);
    return true;
}

void request_under_limits(benchmark::State& state) {
    const auto count = static_cast<size_t>(state.range(0));
    const std::deque<Limit> limits = limits_of(count);
    check(pass(limits, 1'000), "it was refused");
    for (const Limit& limit : limits)
        check(limit.tokens->used(limit.terms.tokens, 1'000) == 20 && limit.level->concurrent.load() == 0, "settled");
    uint64_t turn = 1'000'000;
    for (auto _ : state) benchmark::DoNotOptimize(pass(limits, turn++ / 1'000));
}
BENCHMARK(request_under_limits)->Arg(1)->Arg(3)->Arg(6);

/// The same where no plan has any: what the proxy asks then.
void request_without_limits(benchmark::State& state) {
    const std::deque<Limit>* none = nullptr;
    for (auto _ : state) {
        benchmark::DoNotOptimize(none);
        if (none != nullptr) benchmark::DoNotOptimize(pass(*none, 0));
    }
}
BENCHMARK(request_without_limits);

void row_of_an_address(benchmark::State& state) {
    AddressLimits table(LimitTerms{.requests = WindowTerms::of(wide, window_ms)}, 16'384);
    uint32_t turn = 0;
    const auto address = [](uint32_t i) {
        return IpBytes{0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0xff,
                       0xff,
                       10,
                       static_cast<uint8_t>(i >> 16),
                       static_cast<uint8_t>(i >> 8),
                       static_cast<uint8_t>(i)};
    };
    check(table.row(address(1), 1).requests == table.row(address(1), 2).requests, "one address, one row");
    for (auto _ : state) {
        turn += 1;
        benchmark::DoNotOptimize(table.row(address(turn % 4'096), turn / 1'000));
    }
}
BENCHMARK(row_of_an_address);

}  // namespace
}  // namespace loom::tenant

BENCHMARK_MAIN();

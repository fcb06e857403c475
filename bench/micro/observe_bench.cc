// What the front door and the books cost a request. Run under `meson test --benchmark` or by hand.
#include <benchmark/benchmark.h>

#include <cstdlib>

#include "loom/base/crypto.h"
#include "loom/observe/access_log.h"
#include "loom/observe/metrics.h"
#include "loom/route/catalogue.h"
#include "loom/route/route_table.h"
#include "loom/tenant/consumer.h"

namespace {

using namespace loom;

observe::AccessRecord typical_record() {
    observe::AccessRecord r;
    r.time_us = 1'735'787'045'006'789;
    r.request_id = "0b6f7d2c9a4e4f13";
    r.client = "10.20.30.40";
    r.consumer = "mobile-app";
    r.route = "ai";
    r.method = "POST";
    r.path = "/v1/chat/completions";
    r.endpoint = "chat_completions";
    r.model = "gpt-4o-mini";
    r.provider = "openai";
    r.user_agent = "OpenAI/Python 1.51.0";
    r.status = 200;
    r.attempts = 1;
    r.bytes_in = 312;
    r.bytes_out = 733;
    r.usage = observe::UsageSource::reported;
    r.tokens_input = 57;
    r.tokens_output = 17;
    r.total_us = 812'345;
    r.ttft_us = 312'345;
    r.overhead_us = 7;
    r.admit_us = 1;
    r.inspect_us = 2;
    r.forward_us = 2;
    r.upstream_wait_us = 811'000;
    r.relay_us = 2;
    return r;
}

void access_line(benchmark::State& state) {
    const observe::AccessRecord record = typical_record();
    static char out[observe::line_bytes_max];
    size_t bytes = 0;
    for (auto _ : state) {
        bytes = static_cast<size_t>(observe::format_access_line(record, "2025-01-02T03:04:05", out) - out);
        benchmark::DoNotOptimize(out);
    }
    state.counters["line_bytes"] = static_cast<double>(bytes);
}
BENCHMARK(access_line);

/// Formatting, the ring, and the writer's work beside it.
void access_record(benchmark::State& state) {
    auto log = observe::AccessLog::open({.lines = {.path = "/dev/null", .flush_interval_ms = 1}});
    if (!log) return state.SkipWithError("cannot open /dev/null");
    observe::AccessRecord record = typical_record();
    uint64_t count = 0;
    for (auto _ : state) {
        record.time_us += 10;
        if (++count % 1000 == 0) {  // so that no ring is full: a drop costs next to nothing
            state.PauseTiming();
            (*log)->lines().flush();
            state.ResumeTiming();
        }
        benchmark::DoNotOptimize((*log)->shard(0)->record(record));
    }
    state.counters["dropped"] = static_cast<double>((*log)->lines().dropped());
}
BENCHMARK(access_record);

/// Everything one request counts.
void metrics_request(benchmark::State& state) {
    observe::Metrics metrics(1);
    const uint16_t provider = metrics.provider("openai"), model = metrics.model("gpt-4");
    observe::ShardMetrics& m = metrics.shard(0);
    uint64_t us = 1;
    for (auto _ : state) {
        us = us * 6364136223846793005 + 1442695040888963407;
        const uint64_t duration = us >> 44;
        m.exchanges_live.add();
        m.connect(provider, observe::ConnectResult::reused);
        m.pool_idle(provider).sub();
        m.pool_busy(provider).add();
        m.overhead(observe::Stage::admit, duration & 1023);
        m.overhead(observe::Stage::inspect, duration & 2047);
        m.overhead(observe::Stage::forward, duration & 4095);
        m.overhead(observe::Stage::relay, duration & 4095);
        m.overhead(observe::Stage::total, duration & 8191);
        m.provider_latency(provider, duration);
        m.first_token(provider, duration);
        m.tokens(provider, {.input = 57, .output = 17});
        m.body_in_bytes.add(312);
        m.body_out_bytes.add(733);
        m.http_request(200);
        m.request_done(provider, model, observe::Outcome::success, duration);
        m.pool_busy(provider).sub();
        m.pool_idle(provider).add();
        m.exchanges_live.sub();
        benchmark::ClobberMemory();
    }
}
BENCHMARK(metrics_request);

/// `models` per provider, four providers, two shards.
void metrics_expose(benchmark::State& state) {
    observe::Metrics metrics(2);
    for (int p = 0; p < 4; ++p) {
        const uint16_t provider = metrics.provider("provider" + std::to_string(p));
        for (int m = 0; m < state.range(0); ++m) {
            const uint16_t model = metrics.model("model" + std::to_string(m));
            metrics.shard(0).request_done(provider, model, observe::Outcome::success, 1000);
        }
    }
    size_t bytes = 0;
    for (auto _ : state) bytes = metrics.expose({.now_us = 1}).size();
    state.counters["text_bytes"] = static_cast<double>(bytes);
}
BENCHMARK(metrics_expose)->Arg(5)->Arg(50);

void sha256_of_key(benchmark::State& state) {
    std::string key(50, 'k');
    for (auto _ : state) {
        key[7] = static_cast<char>(key[7] + 1);
        benchmark::DoNotOptimize(sha256(key));
    }
}
BENCHMARK(sha256_of_key);

/// A key of a thousand consumers (arg 1), or of none (arg 0).
void consumer_find(benchmark::State& state) {
    std::vector<tenant::ConsumerOptions> options;
    std::vector<std::string> keys;
    for (int i = 0; i < 1000; ++i) {
        keys.push_back("sk-loom-0123456789012345678901234567890123-" + std::to_string(100'000 + i));
        tenant::ConsumerOptions o;
        o.consumer.name = "consumer" + std::to_string(i);
        o.api_keys = {keys.back()};
        options.push_back(std::move(o));
    }
    const auto table = tenant::ConsumerTable::build(std::move(options));
    if (state.range(0) == 0) {
        for (std::string& key : keys) key[4] = 'X';
    }
    size_t i = 0;
    for (auto _ : state) {
        const tenant::Consumer* found = table->find(keys[i++ % keys.size()]);
        if ((found != nullptr) != (state.range(0) == 1)) std::abort();
    }
}
BENCHMARK(consumer_find)->Arg(1)->Arg(0);

void route_find(benchmark::State& state) {
    route::RouteTable table;
    for (const char* path : {"/v1/*", "/internal/*", "/v1/models", "/anthropic/v1/*"}) (void)table.add(path, 0);
    for (auto _ : state) benchmark::DoNotOptimize(table.find("/v1/chat/completions"));
}
BENCHMARK(route_find);

void catalogue_find(benchmark::State& state) {
    route::CatalogueOptions options;
    for (int p = 0; p < 4; ++p) {
        route::ProviderOptions& provider = options.providers.emplace_back();
        provider.name = "p" + std::to_string(p);
        provider.models.emplace();
        for (int m = 0; m < 50; ++m) provider.models->push_back("model-" + std::to_string(m));
    }
    const auto catalogue = route::Catalogue::build(options);
    for (auto _ : state) benchmark::DoNotOptimize(catalogue->find("model-33"));
}
BENCHMARK(catalogue_find);

}  // namespace

BENCHMARK_MAIN();

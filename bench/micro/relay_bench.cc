// What one event costs on its way through the relay: passed raw, with its usage chunk stripped, and rewritten by the
// observer of the tests, which stands where guards will. One read is one tick; the client takes all. Each variant's
// output is checked before it is timed; the ratio is to the raw relay with as many events a read.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "loom/proxy/relay.h"
#include "memory_stream.h"
#include "rewriting_observer.h"
#include "sim_ring.h"

namespace {

using namespace loom;
using namespace loom::proxy;

enum class Work { raw, strip_usage, rewrite };
constexpr std::array<const char*, 3> work_names{"raw", "strip_usage", "rewrite"};

/// Of this thread alone: what a busy machine does beside it does not count.
double cpu_ns() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

struct Owner final : RelayOwner {
    void pause_source() noexcept override { std::abort(); }
    void resume_source() noexcept override {}
    void on_content_came() noexcept override {}
    void on_first_content() noexcept override {}
    void on_event_passed() noexcept override {}
    void on_relay_end() noexcept override {}
};

std::string chunk(std::string_view bytes) { return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes); }

/// Sixteen deltas as a provider sends them; in each fourth the word to be rewritten ends, which began in the one
/// before.
std::string event(int number) {
    constexpr std::array<std::string_view, 4> texts{" so", " the sec", "ret is", " out"};
    return fmt::format(
        "data: "
        "{{\"id\":\"chatcmpl-9f2c\",\"object\":\"chat.completion.chunk\",\"created\":1735787045,\"model\":\"gpt-4o-"
        "mini-"
        "2024-07-18\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0aa8d3e20b\",\"choices\":[{{\"index\":0,"
        "\"delta\":{{\"content\":\"{}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n",
        texts[static_cast<size_t>(number) % texts.size()]);
}
const std::string usage_event =
    "data: "
    "{\"id\":\"chatcmpl-9f2c\",\"object\":\"chat.completion.chunk\",\"created\":1735787045,\"model\":\"gpt-4o-mini-"
    "2024-07-18\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":21}}\n\n";

struct Stream {
    Stream(Work work, sim::SimShard& shard) : sim(shard) {
        if (work == Work::rewrite) options.observer = &observer;
        options.strip_usage = work == Work::strip_usage;
        relay.begin(options);
    }
    ~Stream() { sender.abandon(); }

    void read(std::string_view bytes) {
        relay.on_source_bytes(sim.ring().lease(bytes));
        sim.tick();
        while (client.send_in_flight()) {
            (void)sender.on_sent(Result<size_t>(client.take()));
            relay.on_client_progress();
        }
    }

    sim::SimShard& sim;
    test::RewritingObserver observer{"secret", "[redacted]"};
    RelayOptions options{
        .source_framing = http::BodyFraming::chunked, .client_framing = ClientFraming::chunked, .event_stream = true};
    Owner owner;
    llm::StreamReader stream_reader;
    llm::UsageReader usage_reader;
    sim::MemoryStream client;
    net::Sender sender{client, sim.shard()};
    Relay relay{sim.shard(), sender, stream_reader, usage_reader, owner};
};

void check(Work work, Stream& stream, std::string_view bytes) {
    stream.read(bytes);
    stream.read(bytes);
    stream.read(chunk(usage_event));
    const std::string& got = stream.client.received;
    const std::string raw = std::string(bytes) + std::string(bytes) + chunk(usage_event);
    const bool has_usage = got.find("total_tokens") != got.npos;
    const bool right = work == Work::raw ? got == raw
                       : work == Work::strip_usage
                           ? !has_usage && raw.starts_with(got) && !got.empty()
                           : has_usage && got.find("[redacted]") != got.npos && got.find("ret is") == got.npos;
    if (!right) {
        std::fprintf(stderr, "relay_bench: %s gives a wrong answer:\n%s\n", work_names[static_cast<size_t>(work)],
                     got.c_str());
        std::exit(1);
    }
    stream.client.received.clear();
}

std::map<int64_t, double> raw_ns;  // an event, by events a read

void relay(benchmark::State& state, Work work) {
    const int64_t events_per_read = state.range(0);
    sim::SimShard sim;
    Stream stream(work, sim);
    std::string four, bytes;
    for (int i = 0; i < 4; ++i) four += chunk(event(i));
    check(work, stream, four);
    // Sixteen events in as many reads as they take: every variant sees each kind of event as often.
    std::vector<std::string> reads;
    for (int i = 0; i < 16; ++i) {
        bytes += chunk(event(i));
        if ((i + 1) % events_per_read == 0) reads.push_back(std::exchange(bytes, {}));
    }
    const double begun = cpu_ns();
    for (auto _ : state) {
        for (const std::string& read : reads) stream.read(read);
        stream.client.received.clear();
    }
    const double spent = cpu_ns() - begun;
    const double events = static_cast<double>(state.iterations()) * 16;
    const double ns = spent / events;
    state.counters["ns_per_event"] = ns;
    if (work == Work::raw) raw_ns[events_per_read] = ns;
    if (raw_ns.contains(events_per_read)) state.counters["x_of_raw"] = ns / raw_ns[events_per_read];
}

/// The floor of the harness: the same reads, tick and send without a relay between.
void no_relay(benchmark::State& state) {
    sim::SimShard sim;
    sim::MemoryStream client;
    net::Sender sender(client, sim.shard());
    std::string bytes;
    for (int i = 0; i < state.range(0); ++i) bytes += chunk(event(i));
    const double begun = cpu_ns();
    for (auto _ : state) {
        io::BufferLease lease = sim.ring().lease(bytes);
        sender.add_leased(lease.view());
        sender.keep(std::move(lease));
        sim.tick();
        sender.flush();
        while (client.send_in_flight()) (void)sender.on_sent(Result<size_t>(client.take()));
        client.received.clear();
    }
    const double spent = cpu_ns() - begun;
    state.counters["ns_per_event"] =
        spent / (static_cast<double>(state.iterations()) * static_cast<double>(state.range(0)));
}

BENCHMARK(no_relay)->Arg(1)->Arg(16);
BENCHMARK_CAPTURE(relay, raw, Work::raw)->Arg(1)->Arg(16);
BENCHMARK_CAPTURE(relay, strip_usage, Work::strip_usage)->Arg(1)->Arg(16);
BENCHMARK_CAPTURE(relay, rewrite, Work::rewrite)->Arg(1)->Arg(16);

}  // namespace

BENCHMARK_MAIN();

#include <cstdio>

#include "load_client.h"

namespace bench {

static void print_histogram(const char* name, const Histogram& histogram) {
    const auto us = [&](double share) { return double(histogram.percentile_ns(share)) * 1e-3; };
    std::printf(",\"%s_us\":{\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}", name,
                histogram.mean_ns() * 1e-3, us(0.5), us(0.9), us(0.99), us(0.999), double(histogram.max_ns()) * 1e-3);
}

static void print_errors(const LoadCounters& c) {
    std::printf(
        ",\"errors\":%lu,\"gaps\":%lu,\"refused\":%lu,\"cut\":%lu,\"bad_status\":%lu,\"bad_body\":%lu,"
        "\"bad_stream\":%lu,\"stuck\":%lu,\"reconnects\":%lu",
        c.errors(), c.gaps, c.refused, c.cut, c.bad_status, c.bad_body, c.bad_stream, c.stuck, c.reconnects);
}

void print_result(const LoadOptions& options, const LoadResult& result) {
    const LoadCounters& c = result.counters;
    const double seconds = result.window_s;
    std::printf("{\"requests\":%lu,\"rate\":%.1f,\"seconds\":%.3f,\"bytes\":%lu,\"connections\":%u", c.answers,
                double(c.answers) / seconds, seconds, c.bytes, result.connections_open);
    print_errors(c);
    print_histogram("latency", c.latency);
    if (options.stream) {
        std::printf(",\"events\":%lu,\"event_rate\":%.1f", c.events, double(c.events) / seconds);
        print_histogram("first_event", c.first_event);
        print_histogram("event_delay", c.event_delay);
    }
    std::printf(",\"cpu_ns\":%ld,\"rss_kb_before\":%ld,\"rss_kb\":%ld", result.after.cpu_ns - result.before.cpu_ns,
                result.before.rss_kb, result.after.rss_kb);
    std::printf(",\"load_cpu_share\":%.2f,\"aborted\":%s}\n", result.own_cpu_share, result.aborted ? "true" : "false");
}

}  // namespace bench

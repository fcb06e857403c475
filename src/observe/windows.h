// The recent past of a provider's latencies. Quantiles over the whole life of a process say nothing about now; a shard
// that forgot would need a clock and a rotation on the request path. So shards only ever add, and the reader remembers
// what the counts were: recent = now - then.
#pragma once

#include "loom/observe/metrics.h"

namespace loom::observe {

inline constexpr uint64_t latency_window_us = 300'000'000;  // routing.latency.window's default

struct Metrics::Window {
    LatencyHistogram::Counts older, newer;  // one window and two windows ago, at the most
    uint64_t rotated_us = 0;

    /// What was counted in the last one to two windows, or since the last reading. `now` is the sum over shards at
    /// `now_us`.
    [[nodiscard]] LatencyHistogram::Counts recent(const LatencyHistogram::Counts& now, uint64_t now_us) {
        if (rotated_us == 0) rotated_us = now_us;  // the first reader's window begins with the process
        if (now_us - rotated_us >= latency_window_us) {
            older = newer;  // after a silence of the reader, the window is that silence
            newer = now;
            rotated_us = now_us;
        }
        return now.since(older);
    }
};

}  // namespace loom::observe

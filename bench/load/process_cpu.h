#pragma once
#include <cstdint>
#include <vector>

namespace bench {

/// CPU time of all threads (user and system, in nanoseconds as the scheduler counts them; io_uring's workers are
/// threads of their process) and resident memory, summed over the processes.
struct ProcessSample {
    int64_t cpu_ns = 0;
    int64_t rss_kb = 0;
};

ProcessSample sample_processes(const std::vector<int>& pids);

}  // namespace bench

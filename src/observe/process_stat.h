#pragma once

#include <cstdint>

namespace loom::observe {

/// What the kernel says of this process; a figure that it does not give is 0.
struct ProcessStat {
    uint64_t resident_bytes = 0;
    uint64_t virtual_bytes = 0;
    double cpu_seconds = 0;
    double start_time_seconds = 0;  // since 1970
    uint64_t open_fds = 0;
    uint64_t max_fds = 0;
};
[[nodiscard]] ProcessStat read_process_stat() noexcept;

}  // namespace loom::observe

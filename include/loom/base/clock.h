// The two clocks. Deadlines use the monotonic one; only logs and headers use the wall's.
#pragma once

#include <cstdint>
#include <ctime>

namespace loom {

[[nodiscard]] inline uint64_t monotonic_ns() noexcept {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

[[nodiscard]] inline uint64_t wall_us() noexcept {
    timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_nsec) / 1'000;
}

}  // namespace loom

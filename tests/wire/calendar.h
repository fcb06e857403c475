// The wall's clock, by which budgets' periods go.
#pragma once

#include <chrono>
#include <cstdint>
#include <thread>

namespace loom::wire {

inline constexpr int64_t day_s = 86'400;

[[nodiscard]] inline int64_t unix_s() {
    using namespace std::chrono;
    return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

/// Until the day of UTC has so long to go, so that none of a budget's periods ends in the test.
inline void wait_for_a_day_that_lasts(std::chrono::seconds longest) {
    while (unix_s() % day_s >= day_s - longest.count()) std::this_thread::sleep_for(std::chrono::seconds(1));
}

}  // namespace loom::wire

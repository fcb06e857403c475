// How a guard that stands outside of Loom did, when it was asked about a request.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loom {

enum class GuardResult : uint8_t {
    allow,
    block,
    mask,
    timed_out,   // from here on: it has failed
    failed,      // it could not be reached, or answered with another status than 200
    bad_answer,  // what it said is no answer
    resting,     // it has failed so often of late that it was not asked
    busy,        // as many requests wait for it as may
    too_large,   // more text than it is sent
};
inline constexpr size_t guard_result_count = 9;
inline constexpr std::array<std::string_view, guard_result_count> guard_result_names = {
    "allow", "block", "mask", "timeout", "error", "bad_answer", "resting", "busy", "too_large"};
[[nodiscard]] constexpr bool is_failure(GuardResult result) noexcept { return result >= GuardResult::timed_out; }

}  // namespace loom

// Durations of the conf, as plans have them.
#pragma once

#include <cstdint>
#include <string_view>

#include "loom/config/config.h"

namespace loom::app {

[[nodiscard]] inline uint64_t ms(const config::Config& config, std::string_view key) {
    return static_cast<uint64_t>(config.milliseconds(key).count());
}

}  // namespace loom::app

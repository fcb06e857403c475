// What the machine lets this process have.
#pragma once

#include <cstdint>
#include <string>

namespace loom::app {

/// Memory that this process may use: the machine's, or the least of its control group's limits and those above it
/// (version 1 or 2) where one is less. 0 when the system does not say. `root` stands before each path that is read
/// ("" for the system's own). Blocks on files.
[[nodiscard]] uint64_t machine_memory_bytes(const std::string& root = "");

}  // namespace loom::app

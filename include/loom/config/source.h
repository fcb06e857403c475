// Where a configuration comes from. Tests hand in maps; the real world is `system_source()`.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "loom/base/result.h"

namespace loom::config {

struct Source {
    /// The value of an environment variable; nothing when it is unset.
    std::function<std::optional<std::string>(const std::string& name)> environment;
    /// The whole file. Errors: io or not_found with sys_errno; too_large when it has more than `bytes_max` bytes.
    std::function<Result<std::string>(const std::string& path, size_t bytes_max)> read_file;
    /// Paths that match a shell pattern, in any order.
    std::function<std::vector<std::string>(const std::string& pattern)> glob;
};

/// The process's environment and files.
[[nodiscard]] Source system_source();

}  // namespace loom::config

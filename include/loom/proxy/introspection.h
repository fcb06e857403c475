// What asking issuers about tokens takes.
#pragma once

#include <cstddef>

namespace loom::proxy {

struct Plan;

/// On each shard at worst, in bytes; 0 where nobody is asked.
[[nodiscard]] size_t introspection_memory_bytes(const Plan& plan) noexcept;

}  // namespace loom::proxy

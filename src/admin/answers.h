// Answers that several resources of the admin listener give.
#pragma once

#include <string>
#include <string_view>

#include "loom/proxy/plan.h"

namespace loom::admin {

/// An error in the shape that clients of the AI listeners know.
[[nodiscard]] proxy::LocalAnswer refuse(int status, std::string_view message, std::string_view type,
                                        std::string_view code);

/// As a JSON string.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace loom::admin

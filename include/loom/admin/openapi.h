// What the admin listener answers, as OpenAPI 3.1 (GET /ai/openapi.json).
#pragma once

#include <string_view>

namespace loom::admin {

inline constexpr std::string_view openapi_path = "/ai/openapi.json";

/// JSON, the same for the life of the process.
[[nodiscard]] std::string_view openapi_document() noexcept;

}  // namespace loom::admin

// `GET /v1/models` and `GET /v1/models/{id}`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace loom::llm {

struct ModelEntry {
    std::string_view id;
    std::string_view owned_by = "loom";
    int64_t created = 0;  // Unix seconds
};

/// Appends `{"object":"list","data":[…]}`.
void write_models(std::string& out, std::span<const ModelEntry> models);

/// Appends `{"id":…,"object":"model","created":…,"owned_by":…}`.
void write_model(std::string& out, const ModelEntry& model);

/// Decodes %XX of a model id in a path; false (out as before) for a broken escape.
[[nodiscard]] bool decode_path_id(std::string_view encoded, std::string& out);

}  // namespace loom::llm

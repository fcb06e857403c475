// `GET /v1/models` and `GET /v1/models/{id}`, in the shape of the protocol that the client speaks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "loom/base/result.h"
#include "loom/llm/protocol.h"

namespace loom::llm {

struct ModelEntry {
    std::string_view id;
    std::string_view owned_by = "loom";
    int64_t created = 0;  // Unix seconds
    bool is_embedding = false;
};

/// Appends `{"object":"list","data":[…]}`.
void write_models(std::string& out, std::span<const ModelEntry> models);

/// Appends `{"id":…,"object":"model","created":…,"owned_by":…}`.
void write_model(std::string& out, const ModelEntry& model);

/// The same in any protocol's shape.
/// Anthropic  {"data":[{"type":"model","id":…,"display_name":…,"created_at":RFC 3339}],"has_more":…,"first_id":…,
///            "last_id":…}: `limit` (20; 1..1000) models, the first, or those next to `after_id` or `before_id`.
/// Gemini     {"models":[{"name":"models/…",…}],"nextPageToken":…}: `pageSize` (50; more than 1000 is 1000) models,
/// from
///            behind `pageToken`.
/// All others' is OpenAI's, which has no pages.
/// query      what stands behind the target's '?'.
/// Errors     bad_message (downstream), out as before: a number out of its range, a cursor that is no model's.
[[nodiscard]] Result<void> write_models(std::string& out, Protocol protocol, std::string_view query,
                                        std::span<const ModelEntry> models);
void write_model(std::string& out, Protocol protocol, const ModelEntry& model);

/// Decodes %XX of a model id in a path; false (out as before) for a broken escape.
[[nodiscard]] bool decode_path_id(std::string_view encoded, std::string& out);

}  // namespace loom::llm

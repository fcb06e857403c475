// Finds the ids of what providers keep: those that a request names, those that an answer brings, and those of a list,
// which can be written again with some of its elements alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/result.h"
#include "loom/llm/range.h"
#include "loom/llm/resource.h"

namespace loom::llm {

class Structure;

struct ResourceName {
    ResourceKind kind = ResourceKind::none;
    std::string id;  // decoded
    friend bool operator==(const ResourceName&, const ResourceName&) = default;
};

/// What a request's document says of ids, and the two fields beside that decide.
struct ResourceRequest {
    std::vector<ResourceName> named;  // in their order, doubles included
    std::string model;                // of the top level; "" where there is none
    Range model_range;                // the raw JSON string
    std::string purpose;              // of an upload; where it stands twice, both
    bool names_file = false;          // Gemini's upload says what its file is to be called
    bool stores = true;               // `store` is not false
};

/// One element of a list.
struct ListedResource {
    Range range;                     // the element in the answer
    std::string id;                  // "" where it has none: then it is nobody's
    std::vector<ResourceName> made;  // that it brings beside: a batch's output
};

struct ResourceList {
    std::vector<ListedResource> elements;
    Range data_range;      // the array
    Range first_id_range;  // the raw values; absent where the answer has none
    Range last_id_range;
    Range has_more_range;
    bool has_more = false;
    std::string next_page;  // Gemini's token for it
};

/// One lives per shard; what it returns is the caller's.
class ResourceReader {
  public:
    ResourceReader();
    ~ResourceReader();
    ResourceReader(ResourceReader&&) noexcept;
    ResourceReader& operator=(ResourceReader&&) noexcept;

    /// Every member that names something by the API's own keys (`file_id`, `previous_response_id`, `vector_store_ids`,
    /// an item_reference's `id`, a `fileUri` or any `url` that leads to a file of Gemini's …), at any depth, also where
    /// a key is escaped or in another case. What a tool is called with, a schema or metadata may hold such keys too,
    /// which no provider reads as ids: these are passed over. Errors  bad_message (downstream): no JSON object.
    /// too_large: more than names_max ids.
    [[nodiscard]] Result<ResourceRequest> read_request(std::string_view body);

    /// The same of one line of a batch's file, whose request is its `body`.
    [[nodiscard]] Result<std::vector<ResourceName>> read_batch_line(std::string_view line);

    /// The ids that an answer of one object brings: its own, which is of `kind`, and those of what came with it (a
    /// batch's output files, an upload's file, a response's items).
    /// Errors  bad_message (upstream): no JSON object.
    [[nodiscard]] Result<std::vector<ResourceName>> read_made(ResourceKind kind, std::string_view answer);

    /// The same of an event of a streamed response: those of its `response`. None for an event that has none, or that
    /// is no JSON.
    [[nodiscard]] std::vector<ResourceName> read_event(std::string_view data);

    /// Errors  bad_message (upstream): no JSON object with an array `data`, or one of more than elements_max.
    [[nodiscard]] Result<ResourceList> read_list(ResourceKind kind, std::string_view answer);

    /// Anthropic says where the results of a message batch are by an address of its own, which its SDKs then ask.
    /// Appends `answer`, a batch or a list of them, with the path alone in each place, so that it is asked for here.
    /// Errors  bad_message (upstream): no JSON object.
    [[nodiscard]] Result<void> write_results_paths(std::string_view answer, std::string& out);

    static constexpr size_t names_max = 2'000;      // of one request
    static constexpr size_t elements_max = 10'000;  // of one list

  private:
    template <class Run>
    [[nodiscard]] Result<ResourceRequest> read_document(std::string_view document, Run&& run);
    std::unique_ptr<Structure> structure_;
};

/// Appends the list with those elements alone for which `keeps` says so (by index), as they stood. Its first_id and
/// last_id, where it has them, become those of the first and the last that stay, or null; has_more is the list's.
void write_list(std::string_view answer, const ResourceList& list, const std::vector<bool>& keeps, std::string& out);

}  // namespace loom::llm

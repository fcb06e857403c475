// What providers keep for their clients, and which calls name it: where ids stand in a path, in a body, in an answer.
//
// A gateway shares one key among many clients, so the provider itself cannot tell whose a file or a batch is. This
// table says what has to be asked before a call goes there, and what has to be remembered of its answer.
#pragma once

#include <cstdint>
#include <string_view>

#include "loom/llm/endpoint.h"

namespace loom::llm {

enum class ResourceKind : uint8_t {
    none,
    file,
    upload,
    batch,
    response,
    item,  // of a response or a conversation: a message, a call, a reasoning
    conversation,
    vector_store,
    fine_tuning_job,
    container,
    assistant,
    thread,
    gemini_file,    // of "files/{id}", as is everything of Gemini's
    gemini_upload,  // that has begun and brings a file
    cached_content,
};

/// "file", "vector_store", …: as it is kept on the disk.
[[nodiscard]] std::string_view kind_name(ResourceKind kind) noexcept;
/// The family whose calls make and read it: where a route does not relay that, nobody can know whose an id is.
[[nodiscard]] Endpoint family_of(ResourceKind kind) noexcept;

/// Do calls of this family leave something at the provider?
[[nodiscard]] bool stores_things(Endpoint family) noexcept;

enum class Verb : uint8_t { get, post, patch, remove, other };

/// What has to be done with the request's body before it goes on.
enum class CallBody : uint8_t {
    none,
    json,       // read: it may name ids, and a model
    multipart,  // passes as it comes; what its first part tells may name the model
    file_form,  // likewise; what its file's lines name is read on the way, where a batch may be made of it
};

/// What has to be done with an answer of success before the client sees it.
enum class CallAnswer : uint8_t {
    opaque,    // it passes
    object,    // its ids become the client's
    list,      // only what is the client's stays
    deletion,  // the id in the path is nobody's any more
};

/// One row of the table.
struct ResourceCall {
    Verb verb = Verb::other;
    std::string_view path;  // below the version: "files/{id}/content"; a last segment `*` stands for one or more
    Endpoint family = Endpoint::unknown;
    ResourceKind kind = ResourceKind::none;  // of the id in the path, else of what is made or listed
    CallBody body = CallBody::none;
    CallAnswer answer = CallAnswer::opaque;
    bool by_model = false;  // goes to a provider of the model that it names
};

struct ResourceMatch {
    const ResourceCall* call = nullptr;  // null: no call that is known
    std::string_view id;                 // of the path, as it stands there; empty where it has none
};

/// path  of the request line, without its query; a trailing slash is tolerated. Of Gemini's uploads, see upload_call.
/// An id is [A-Za-z0-9_.:-]+ and not dots alone: what would have to be decoded is not found.
[[nodiscard]] ResourceMatch match_resource_call(Verb verb, std::string_view path) noexcept;

/// Gemini's uploads (/upload/v1beta/files) are one path: what begins one, and, with an `upload_id` in the query, what
/// goes on with it.
[[nodiscard]] const ResourceCall& upload_call(bool begun) noexcept;

/// The name by which Gemini calls a file or a cached content: its id is what follows. "" for other kinds.
[[nodiscard]] std::string_view name_prefix(ResourceKind kind) noexcept;

/// The family that route.X.passthrough must name for a call of `endpoint`: stored responses and conversations go by
/// `responses`.
[[nodiscard]] Endpoint passthrough_family(Endpoint endpoint) noexcept;

/// An id as they stand in paths and bodies.
[[nodiscard]] bool is_resource_id(std::string_view id) noexcept;

/// The parameters of a list's query that name a place in it, by an id: `after`, `before`, `after_id`, `before_id`.
struct ListPlace {
    std::string_view name;
    std::string_view id;
};
/// The first such parameter behind `from` (an offset in `query`, moved on); an empty name where there is none.
[[nodiscard]] ListPlace next_list_place(std::string_view query, size_t& from) noexcept;

}  // namespace loom::llm

#include "loom/llm/resource.h"

#include <algorithm>
#include <array>
#include <span>

namespace loom::llm {
namespace {

using E = Endpoint;
using K = ResourceKind;
using enum Verb;
using B = CallBody;
using A = CallAnswer;

// Sources: OpenAI's and Anthropic's API references; Cohere's and Jina's of rerank. Of two rows that fit a path the
// first one counts. What lies below an id that is the client's own (a store's files, a thread's messages) is reached
// through it alone, so nothing of it needs a row or a name.
constexpr std::array calls{
    // Files: OpenAI's and Anthropic's.
    ResourceCall{get, "files", E::files, K::file, B::none, A::list},
    ResourceCall{post, "files", E::files, K::file, B::file_form, A::object},
    ResourceCall{get, "files/{id}", E::files, K::file},
    ResourceCall{remove, "files/{id}", E::files, K::file, B::none, A::deletion},
    ResourceCall{get, "files/{id}/content", E::files, K::file},
    // Uploads: a file in parts.
    ResourceCall{post, "uploads", E::uploads, K::upload, B::json, A::object},
    ResourceCall{post, "uploads/{id}/parts", E::uploads, K::upload, B::multipart},
    ResourceCall{post, "uploads/{id}/complete", E::uploads, K::upload, B::json, A::object},
    ResourceCall{post, "uploads/{id}/cancel", E::uploads, K::upload, B::json},
    // Batches: OpenAI's, and Anthropic's below messages.
    ResourceCall{get, "batches", E::batches, K::batch, B::none, A::list},
    ResourceCall{post, "batches", E::batches, K::batch, B::json, A::object},
    ResourceCall{get, "batches/{id}", E::batches, K::batch, B::none, A::object},
    ResourceCall{post, "batches/{id}/cancel", E::batches, K::batch, B::json, A::object},
    ResourceCall{get, "messages/batches", E::message_batches, K::batch, B::none, A::list},
    ResourceCall{post, "messages/batches", E::message_batches, K::batch, B::json, A::object},
    ResourceCall{get, "messages/batches/{id}", E::message_batches, K::batch, B::none, A::object},
    ResourceCall{remove, "messages/batches/{id}", E::message_batches, K::batch, B::none, A::deletion},
    ResourceCall{get, "messages/batches/{id}/results", E::message_batches, K::batch},
    ResourceCall{post, "messages/batches/{id}/cancel", E::message_batches, K::batch, B::json, A::object},
    // Stored responses, and conversations. That a response is made is an inspected call.
    ResourceCall{post, "responses/input_tokens", E::stored_responses, K::none, B::json, A::opaque, true},
    ResourceCall{get, "responses/{id}", E::stored_responses, K::response},
    ResourceCall{remove, "responses/{id}", E::stored_responses, K::response, B::none, A::deletion},
    ResourceCall{post, "responses/{id}/cancel", E::stored_responses, K::response, B::json},
    ResourceCall{get, "responses/{id}/input_items", E::stored_responses, K::response},
    ResourceCall{post, "conversations", E::conversations, K::conversation, B::json, A::object},
    ResourceCall{get, "conversations/{id}", E::conversations, K::conversation},
    ResourceCall{post, "conversations/{id}", E::conversations, K::conversation, B::json},
    ResourceCall{remove, "conversations/{id}", E::conversations, K::conversation, B::none, A::deletion},
    ResourceCall{get, "conversations/{id}/*", E::conversations, K::conversation},
    ResourceCall{post, "conversations/{id}/items", E::conversations, K::conversation, B::json},
    ResourceCall{remove, "conversations/{id}/items/*", E::conversations, K::conversation},
    // Vector stores: their files and file batches are files of the client's, named in bodies.
    ResourceCall{get, "vector_stores", E::vector_stores, K::vector_store, B::none, A::list},
    ResourceCall{post, "vector_stores", E::vector_stores, K::vector_store, B::json, A::object},
    ResourceCall{get, "vector_stores/{id}", E::vector_stores, K::vector_store},
    ResourceCall{post, "vector_stores/{id}", E::vector_stores, K::vector_store, B::json},
    ResourceCall{remove, "vector_stores/{id}", E::vector_stores, K::vector_store, B::none, A::deletion},
    ResourceCall{get, "vector_stores/{id}/*", E::vector_stores, K::vector_store},
    ResourceCall{post, "vector_stores/{id}/*", E::vector_stores, K::vector_store, B::json},
    ResourceCall{remove, "vector_stores/{id}/*", E::vector_stores, K::vector_store},
    // Fine-tuning.
    ResourceCall{get, "fine_tuning/jobs", E::fine_tuning, K::fine_tuning_job, B::none, A::list},
    ResourceCall{post, "fine_tuning/jobs", E::fine_tuning, K::fine_tuning_job, B::json, A::object},
    ResourceCall{get, "fine_tuning/jobs/{id}", E::fine_tuning, K::fine_tuning_job, B::none, A::object},
    ResourceCall{get, "fine_tuning/jobs/{id}/*", E::fine_tuning, K::fine_tuning_job},
    ResourceCall{post, "fine_tuning/jobs/{id}/*", E::fine_tuning, K::fine_tuning_job, B::json},
    // Containers of the code interpreter.
    ResourceCall{get, "containers", E::containers, K::container, B::none, A::list},
    ResourceCall{post, "containers", E::containers, K::container, B::json, A::object},
    ResourceCall{get, "containers/{id}", E::containers, K::container},
    ResourceCall{remove, "containers/{id}", E::containers, K::container, B::none, A::deletion},
    ResourceCall{get, "containers/{id}/*", E::containers, K::container},
    ResourceCall{post, "containers/{id}/files", E::containers, K::container, B::multipart},
    ResourceCall{remove, "containers/{id}/*", E::containers, K::container},
    // Assistants and threads, as long as they are served.
    ResourceCall{get, "assistants", E::assistants, K::assistant, B::none, A::list},
    ResourceCall{post, "assistants", E::assistants, K::assistant, B::json, A::object, true},
    ResourceCall{get, "assistants/{id}", E::assistants, K::assistant},
    ResourceCall{post, "assistants/{id}", E::assistants, K::assistant, B::json},
    ResourceCall{remove, "assistants/{id}", E::assistants, K::assistant, B::none, A::deletion},
    ResourceCall{post, "threads", E::threads, K::thread, B::json, A::object},
    ResourceCall{get, "threads/{id}", E::threads, K::thread},
    ResourceCall{post, "threads/{id}", E::threads, K::thread, B::json},
    ResourceCall{remove, "threads/{id}", E::threads, K::thread, B::none, A::deletion},
    ResourceCall{get, "threads/{id}/*", E::threads, K::thread},
    ResourceCall{post, "threads/{id}/*", E::threads, K::thread, B::json},
    ResourceCall{remove, "threads/{id}/*", E::threads, K::thread},
    // What leaves nothing behind.
    ResourceCall{post, "images/generations", E::images, K::none, B::json, A::opaque, true},
    ResourceCall{post, "images/edits", E::images, K::none, B::multipart, A::opaque, true},
    ResourceCall{post, "images/variations", E::images, K::none, B::multipart, A::opaque, true},
    ResourceCall{post, "audio/speech", E::audio, K::none, B::json, A::opaque, true},
    ResourceCall{post, "audio/transcriptions", E::audio, K::none, B::multipart, A::opaque, true},
    ResourceCall{post, "audio/translations", E::audio, K::none, B::multipart, A::opaque, true},
    ResourceCall{post, "moderations", E::moderations, K::none, B::json, A::opaque, true},
    ResourceCall{post, "rerank", E::rerank, K::none, B::json, A::opaque, true},
};

// Below /v1beta/; source: ai.google.dev/api.
constexpr std::array gemini_calls{
    ResourceCall{get, "files", E::gemini_files, K::gemini_file, B::none, A::list},
    ResourceCall{get, "files/{id}:download", E::gemini_files, K::gemini_file},
    ResourceCall{get, "files/{id}", E::gemini_files, K::gemini_file},
    ResourceCall{remove, "files/{id}", E::gemini_files, K::gemini_file, B::none, A::deletion},
    ResourceCall{get, "cachedContents", E::cached_contents, K::cached_content, B::none, A::list},
    ResourceCall{post, "cachedContents", E::cached_contents, K::cached_content, B::json, A::object, true},
    ResourceCall{get, "cachedContents/{id}", E::cached_contents, K::cached_content},
    ResourceCall{patch, "cachedContents/{id}", E::cached_contents, K::cached_content, B::json},
    ResourceCall{remove, "cachedContents/{id}", E::cached_contents, K::cached_content, B::none, A::deletion},
};
constexpr ResourceCall upload_begin{post, "files", E::gemini_files, K::gemini_upload, B::json, A::object};
constexpr ResourceCall upload_go_on{post, "files", E::gemini_files, K::gemini_upload, B::none, A::object};

std::string_view take_segment(std::string_view& path) noexcept {
    const size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
    return segment;
}

/// Every segment is one that an id could be: nothing that is encoded, and no dots that lead elsewhere.
bool is_plain_path(std::string_view path) noexcept {
    while (!path.empty())
        if (!is_resource_id(take_segment(path))) return false;
    return true;
}

bool fits(std::string_view pattern, std::string_view path, std::string_view& id) noexcept {
    id = {};
    while (!pattern.empty() && !path.empty()) {
        const std::string_view wanted = take_segment(pattern);
        if (wanted == "*") return true;
        const std::string_view given = take_segment(path);
        if (wanted == "{id}") {
            id = given;
        } else if (wanted.starts_with("{id}:")) {  // one of Google's methods
            const std::string_view method = wanted.substr(4);
            if (!given.ends_with(method) || given.size() == method.size()) return false;
            id = given.substr(0, given.size() - method.size());
        } else if (wanted != given)
            return false;
    }
    return pattern.empty() && path.empty();
}

}  // namespace

std::string_view kind_name(ResourceKind kind) noexcept {
    switch (kind) {
        case K::none: return "";
        case K::file: return "file";
        case K::upload: return "upload";
        case K::batch: return "batch";
        case K::response: return "response";
        case K::item: return "item";
        case K::conversation: return "conversation";
        case K::vector_store: return "vector_store";
        case K::fine_tuning_job: return "fine_tuning_job";
        case K::container: return "container";
        case K::assistant: return "assistant";
        case K::thread: return "thread";
        case K::gemini_file: return "gemini_file";
        case K::gemini_upload: return "gemini_upload";
        case K::cached_content: return "cached_content";
    }
    return "";
}

Endpoint family_of(ResourceKind kind) noexcept {
    switch (kind) {
        case K::none: return E::unknown;
        case K::gemini_file:
        case K::gemini_upload:
        case K::file: return E::files;
        case K::upload: return E::uploads;
        case K::batch: return E::batches;
        case K::response:
        case K::item:
        case K::conversation: return E::responses;
        case K::vector_store: return E::vector_stores;
        case K::fine_tuning_job: return E::fine_tuning;
        case K::container: return E::containers;
        case K::assistant: return E::assistants;
        case K::thread: return E::threads;
        case K::cached_content: return E::cached_contents;
    }
    return E::unknown;
}

bool stores_things(Endpoint family) noexcept {
    if (family == E::unknown) return false;
    for (auto kind = K::file; kind <= K::cached_content; kind = static_cast<K>(static_cast<uint8_t>(kind) + 1))
        if (family_of(kind) == family) return true;
    return false;
}

Endpoint passthrough_family(Endpoint endpoint) noexcept {
    if (endpoint == E::stored_responses || endpoint == E::conversations) return E::responses;
    if (endpoint == E::gemini_files) return E::files;
    return endpoint == E::message_batches ? E::batches : endpoint;
}

bool is_resource_id(std::string_view id) noexcept {
    bool only_dots = true;
    for (const char c : id) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '-' && c != '_' && c != '.' && c != ':') return false;
        only_dots = only_dots && c == '.';
    }
    return !id.empty() && !only_dots;
}

ResourceMatch match_resource_call(Verb verb, std::string_view path) noexcept {
    if (path.ends_with('/')) path.remove_suffix(1);
    const auto match = [verb](std::span<const ResourceCall> table, std::string_view rest) -> ResourceMatch {
        if (!is_plain_path(rest)) return {};
        for (const ResourceCall& call : table) {
            std::string_view id;
            if (call.verb == verb && fits(call.path, rest, id)) return {&call, id};
        }
        return {};
    };
    constexpr std::string_view gemini = "/v1beta/";
    if (path.starts_with(gemini)) return match(gemini_calls, path.substr(gemini.size()));
    const bool second = path == "/v2/rerank";  // Cohere's
    if (!path.starts_with("/v1/") && !second) return {};
    return match(calls, path.substr(4));
}

const ResourceCall& upload_call(bool begun) noexcept { return begun ? upload_go_on : upload_begin; }

std::string_view name_prefix(ResourceKind kind) noexcept {
    if (kind == K::gemini_file) return "files/";
    return kind == K::cached_content ? "cachedContents/" : "";
}

ListPlace next_list_place(std::string_view query, size_t& from) noexcept {
    constexpr std::array names{std::string_view("after"), std::string_view("before"), std::string_view("after_id"),
                               std::string_view("before_id")};
    while (from < query.size()) {
        const std::string_view parameter = query.substr(from, query.find('&', from) - from);
        from += std::min(query.size() - from, parameter.size() + 1);
        const size_t equals = parameter.find('=');
        const std::string_view name = parameter.substr(0, equals);
        if (std::ranges::find(names, name) == names.end()) continue;
        return {name, equals == parameter.npos ? std::string_view() : parameter.substr(equals + 1)};
    }
    return {};
}

}  // namespace loom::llm

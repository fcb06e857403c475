// What a path is: which requests are read, in which protocol, and which pass by family name only.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "loom/llm/protocol.h"

namespace loom::llm {

enum class Endpoint : uint8_t {
    // inspected
    chat_completions,
    completions,
    embeddings,
    models,  // GET /v1/models
    model,   // GET /v1/models/{id}
    responses,
    messages,
    input_tokens,             // POST /v1/responses/input_tokens
    count_tokens,             // POST /v1/messages/count_tokens
    generate_content,         // POST /v1beta/models/{model}:generateContent
    stream_generate_content,  // … and so on, as Google's own are called
    gemini_count_tokens,
    embed_content,
    batch_embed_contents,
    // relayed only where route.X.passthrough names the family
    files,
    batches,
    audio,
    images,
    moderations,
    uploads,
    fine_tuning,
    assistants,
    threads,
    vector_stores,
    rerank,
    realtime,
    containers,
    conversations,     // with `responses`
    stored_responses,  // /v1/responses/{id} and below: likewise
    message_batches,   // /v1/messages/batches, Anthropic's: with `batches`
    gemini_files,      // /v1beta/files and /upload/v1beta/files, Gemini's, also below /v1/: with `files`
    cached_contents,   // /v1beta/cachedContents, likewise
    unknown,
};

/// path    as in the request line: `/v1/chat/completions`, with or without a query; a trailing slash is tolerated.
/// Gemini's paths are known by their end, below /v1beta, /v1, /v1alpha and (of Vertex) /v1/projects/….
/// Only an exact create call (`POST /v1/chat/completions`, not GET and not `/v1/chat/completions/{id}`) is inspected;
/// stored chats (`GET /v1/chat/completions/{id}`) are `unknown`: nobody may read them through a shared key. Stored
/// responses and the like are families: see resource.h.
[[nodiscard]] Endpoint classify(bool method_is_get, std::string_view path) noexcept;

/// The `{id}` of `/v1/models/{id}` or `/v1beta/models/{id}:method`, still percent-encoded; may contain slashes and
/// colons. Empty for other paths.
[[nodiscard]] std::string_view model_of_path(std::string_view path) noexcept;

/// "chat_completions", "files", …: the spelling of metrics labels and of route.X.passthrough.
[[nodiscard]] std::string_view endpoint_name(Endpoint endpoint) noexcept;

/// The inverse of endpoint_name; `unknown` for a name nobody has.
[[nodiscard]] Endpoint endpoint_of_name(std::string_view name) noexcept;

/// Does a RequestReader read its body?
[[nodiscard]] constexpr bool is_inspected(Endpoint e) noexcept {
    return e < Endpoint::files && e != Endpoint::models && e != Endpoint::model;
}

/// Does it ask how many tokens a prompt is?
[[nodiscard]] constexpr bool counts_tokens(Endpoint e) noexcept {
    return e == Endpoint::input_tokens || e == Endpoint::count_tokens || e == Endpoint::gemini_count_tokens;
}

/// Is it one of Gemini's, whose path names the model and says whether it streams?
[[nodiscard]] constexpr bool names_model_in_path(Endpoint e) noexcept {
    return e >= Endpoint::generate_content && e <= Endpoint::batch_embed_contents;
}

/// The protocol of a conversation that it carries; nothing for what is none (embeddings, counts, files …).
[[nodiscard]] std::optional<Protocol> chat_protocol_of(Endpoint endpoint) noexcept;

/// The protocol in which its client reads an error.
[[nodiscard]] Protocol error_protocol_of(Endpoint endpoint) noexcept;

/// Is it of what Gemini keeps?
[[nodiscard]] constexpr bool is_gemini_family(Endpoint e) noexcept {
    return e == Endpoint::gemini_files || e == Endpoint::cached_contents;
}

/// Is it relayed as a family (files, batches, …)?
[[nodiscard]] constexpr bool is_passthrough(Endpoint e) noexcept {
    return e >= Endpoint::files && e != Endpoint::unknown;
}

}  // namespace loom::llm

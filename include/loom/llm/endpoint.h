// What a path under `/v1` is: which requests are read, and which pass by family name only.
#pragma once

#include <cstdint>
#include <string_view>

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
    unknown,
};

/// path    as in the request line: `/v1/chat/completions`, with or without a query; a trailing slash is tolerated.
/// Only an exact create call (`POST /v1/chat/completions`, not GET and not `/v1/chat/completions/{id}`) is inspected;
/// stored chats and responses (`GET /v1/responses/{id}`, …) are `unknown`: nobody may read them through a shared key.
[[nodiscard]] Endpoint classify(bool method_is_get, std::string_view path) noexcept;

/// The `{id}` of `/v1/models/{id}`, still percent-encoded; may contain slashes. Empty for other paths.
[[nodiscard]] std::string_view model_of_path(std::string_view path) noexcept;

/// "chat_completions", "files", …: the spelling of metrics labels and of route.X.passthrough.
[[nodiscard]] std::string_view endpoint_name(Endpoint endpoint) noexcept;

/// The inverse of endpoint_name; `unknown` for a name nobody has.
[[nodiscard]] Endpoint endpoint_of_name(std::string_view name) noexcept;

/// Does a RequestReader read its body?
[[nodiscard]] constexpr bool is_inspected(Endpoint e) noexcept {
    return e == Endpoint::chat_completions || e == Endpoint::completions || e == Endpoint::embeddings ||
           e == Endpoint::responses || e == Endpoint::messages;
}

/// Is it relayed as a family (files, batches, …)?
[[nodiscard]] constexpr bool is_passthrough(Endpoint e) noexcept {
    return e >= Endpoint::files && e != Endpoint::unknown;
}

}  // namespace loom::llm

// Who can be asked: a row for each `provider.X.type`. What differs between providers of one protocol is here, and
// nowhere else.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "loom/llm/count.h"
#include "loom/llm/embed.h"
#include "loom/llm/endpoint.h"
#include "loom/llm/protocol.h"

namespace loom::llm {

/// How a provider's paths are made.
enum class PathStyle : uint8_t {
    openai,     // base_url carries the /v1
    azure,      // /openai/deployments/{deployment}/… with an api_version, /openai/v1/… without one
    anthropic,  // /v1/messages
    gemini,     // /v1beta/models/{model}:method
    vertex,     // /v1/projects/{project}/locations/{location}/publishers/{publisher}/models/{model}:method
    bedrock,    // /model/{model}/converse
    cohere,     // /v2/chat
};

/// How a provider knows its customer.
enum class AuthStyle : uint8_t {
    none,
    bearer,        // Authorization: Bearer KEY
    header,        // ProviderType::auth_header: KEY
    google_token,  // Authorization: Bearer, of a token that is fetched and renewed
    aws_sigv4,     // each request signed; or Bearer, with a Bedrock API key
};

using EndpointSet = uint64_t;
[[nodiscard]] constexpr EndpointSet set_of(auto... endpoints) noexcept {
    return ((EndpointSet{1} << static_cast<unsigned>(endpoints)) | ... | 0);
}

struct ProviderType {
    std::string_view name;                      // of provider.X.type
    std::string_view base_url;                  // when the conf gives none; may hold {location}; empty: it must
    Protocol protocol = Protocol::openai_chat;  // of a conversation that has to be translated for it
    PathStyle path = PathStyle::openai;
    AuthStyle auth = AuthStyle::bearer;
    std::string_view auth_header = {};
    std::string_view lines = {};  // header lines of a request whose client did not write them
    std::string_view body_version =
        {};                     // Anthropic's protocol where the path names the model: what the body says of it
    EndpointSet endpoints = 0;  // taken as they come: the client's bytes with edits
    Quirks quirks = {};
    bool key_optional = false;
    bool serves_families = false;  // files, batches, audio … under the same base URL
};

[[nodiscard]] std::span<const ProviderType> provider_types() noexcept;
/// Null for a name that no row has.
[[nodiscard]] const ProviderType* find_provider_type(std::string_view name) noexcept;

[[nodiscard]] constexpr bool takes_endpoint(const ProviderType& type, Endpoint endpoint) noexcept {
    return (type.endpoints & set_of(endpoint)) != 0;
}

/// Vertex serves Claude in Anthropic's protocol beside Gemini in its own: the row, or the one that the model asks for.
[[nodiscard]] const ProviderType& type_for_model(const ProviderType& type, std::string_view model) noexcept;

/// The protocol in which embeddings of this model are asked for; nothing where the provider has none.
[[nodiscard]] std::optional<EmbedProtocol> embed_protocol_of(const ProviderType& type, std::string_view model) noexcept;

/// The protocol in which the provider is asked how many tokens a prompt of this model is; nothing where it cannot be
/// asked. Cohere's /v1/tokenize counts a text alone, and no conversation.
[[nodiscard]] std::optional<CountProtocol> count_protocol_of(const ProviderType& type, std::string_view model) noexcept;

/// A model that Google has withdrawn (PaLM): its name is refused, and what to ask for instead is said. Null for others.
[[nodiscard]] const char* withdrawn_model(std::string_view model) noexcept;

struct UpstreamPath {
    std::string_view model;  // the name there (Azure: the deployment); percent-encoded by the writer
    std::string_view api_version;
    std::string_view project;
    std::string_view location;
    bool stream = false;
    bool transcribes = false;  // of a realtime session
};
/// Appends the path below the base URL's own, with its query: what `type` calls `endpoint`. An endpoint that the type
/// does not take as it comes stands for a conversation in the type's own protocol.
void write_upstream_path(std::string& out, const ProviderType& type, Endpoint endpoint, const UpstreamPath& path);

/// The same of a call that goes on as its client spelled it: `target` is path and query, `/v1/files?limit=2`.
void write_family_path(std::string& out, const ProviderType& type, std::string_view target,
                       std::string_view api_version);

}  // namespace loom::llm

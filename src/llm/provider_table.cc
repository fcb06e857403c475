#include "loom/llm/provider_table.h"

#include <algorithm>
#include <array>

#include "loom/base/percent.h"

namespace loom::llm {

namespace {

using E = Endpoint;

constexpr EndpointSet chat = set_of(E::chat_completions);
constexpr EndpointSet chat_embed = set_of(E::chat_completions, E::embeddings);
constexpr EndpointSet classic = set_of(E::chat_completions, E::completions, E::embeddings);
constexpr EndpointSet all_openai = classic | set_of(E::responses);
constexpr EndpointSet local_servers = classic | set_of(E::responses, E::messages);
constexpr EndpointSet realtime = set_of(E::realtime);
constexpr EndpointSet all_anthropic = set_of(E::messages, E::count_tokens);
constexpr EndpointSet all_gemini = set_of(E::generate_content, E::stream_generate_content, E::gemini_count_tokens,
                                          E::embed_content, E::batch_embed_contents);

constexpr std::string_view anthropic_lines = "anthropic-version: 2023-06-01\r\n";

// What a server of OpenAI's API that is older than its latest fields refuses or does not know.
constexpr Quirks older{.no_developer_role = true, .max_tokens_only = true};

// Sources: each provider's API reference, "OpenAI compatibility" where there is such a page.
constexpr std::array types{
    ProviderType{.name = "openai",
                 .base_url = "https://api.openai.com/v1",
                 .endpoints = all_openai | realtime | set_of(E::input_tokens),
                 .serves_families = true},
    ProviderType{.name = "azure_openai",
                 .path = PathStyle::azure,
                 .auth = AuthStyle::header,
                 .auth_header = "api-key",
                 .endpoints = all_openai | realtime,
                 .serves_families = true},
    ProviderType{.name = "anthropic",
                 .base_url = "https://api.anthropic.com",
                 .protocol = Protocol::anthropic,
                 .path = PathStyle::anthropic,
                 .auth = AuthStyle::header,
                 .auth_header = "x-api-key",
                 .lines = anthropic_lines,
                 .endpoints = all_anthropic,
                 .serves_families = true},
    ProviderType{.name = "gemini",
                 .base_url = "https://generativelanguage.googleapis.com",
                 .protocol = Protocol::gemini,
                 .path = PathStyle::gemini,
                 .auth = AuthStyle::header,
                 .auth_header = "x-goog-api-key",
                 .endpoints = all_gemini,
                 .serves_families = true},
    ProviderType{.name = "vertex",
                 .base_url = "https://{location}-aiplatform.googleapis.com",
                 .protocol = Protocol::gemini,
                 .path = PathStyle::vertex,
                 .auth = AuthStyle::google_token,
                 .endpoints = set_of(E::generate_content, E::stream_generate_content, E::gemini_count_tokens)},
    ProviderType{.name = "bedrock",
                 .base_url = "https://bedrock-runtime.{location}.amazonaws.com",
                 .protocol = Protocol::bedrock,
                 .path = PathStyle::bedrock,
                 .auth = AuthStyle::aws_sigv4},
    ProviderType{.name = "cohere",
                 .base_url = "https://api.cohere.com",
                 .protocol = Protocol::cohere,
                 .path = PathStyle::cohere},
    ProviderType{.name = "mistral",
                 .base_url = "https://api.mistral.ai/v1",
                 .endpoints = chat_embed,
                 .quirks = {.no_stream_options = true,
                            .no_developer_role = true,
                            .max_tokens_only = true,
                            .no_tool_choice_required = true,
                            .no_logprobs = true,
                            .no_user = true,
                            .seed_is_random_seed = true,
                            .no_reasoning_content = true},
                 .serves_families = true},
    ProviderType{
        .name = "ollama",
        .base_url = "http://127.0.0.1:11434/v1",
        .endpoints = classic,
        .quirks = {.no_developer_role = true, .max_tokens_only = true, .no_parallel_tool_calls = true, .no_n = true},
        .key_optional = true},
    ProviderType{.name = "echo", .auth = AuthStyle::none, .endpoints = classic | realtime, .key_optional = true},
    ProviderType{.name = "local",
                 .endpoints = classic | realtime,
                 .quirks = older,
                 .key_optional = true,
                 .serves_families = true},
    ProviderType{.name = "vllm",
                 .base_url = "http://127.0.0.1:8000/v1",
                 .endpoints = local_servers | realtime,
                 .key_optional = true,
                 .serves_families = true},
    ProviderType{.name = "sglang",
                 .base_url = "http://127.0.0.1:30000/v1",
                 .endpoints = classic,
                 .quirks = older,
                 .key_optional = true},
    ProviderType{.name = "lmstudio",
                 .base_url = "http://127.0.0.1:1234/v1",
                 .endpoints = all_openai,
                 .quirks = older,
                 .key_optional = true},
    ProviderType{.name = "llamacpp",
                 .base_url = "http://127.0.0.1:8080/v1",
                 .endpoints = classic,
                 .quirks = older,
                 .key_optional = true},
    ProviderType{.name = "groq",
                 .base_url = "https://api.groq.com/openai/v1",
                 .endpoints = set_of(E::chat_completions, E::responses),
                 .quirks = {.no_n = true, .no_logprobs = true},
                 .serves_families = true},
    ProviderType{.name = "deepseek",
                 .base_url = "https://api.deepseek.com/v1",
                 .endpoints = chat,
                 .quirks = {.no_developer_role = true,
                            .max_tokens_only = true,
                            .no_parallel_tool_calls = true,
                            .no_json_schema = true,
                            .no_seed = true,
                            .no_n = true,
                            .no_user = true}},
    ProviderType{.name = "together",
                 .base_url = "https://api.together.xyz/v1",
                 .endpoints = classic,
                 .quirks = older,
                 .serves_families = true},
    ProviderType{.name = "fireworks",
                 .base_url = "https://api.fireworks.ai/inference/v1",
                 .endpoints = all_openai,
                 .quirks = older},
    ProviderType{.name = "openrouter",
                 .base_url = "https://openrouter.ai/api/v1",
                 .endpoints = all_openai | set_of(E::messages)},
    ProviderType{.name = "xai",
                 .base_url = "https://api.x.ai/v1",
                 .endpoints = set_of(E::chat_completions, E::responses, E::messages, E::realtime),
                 .serves_families = true},
    ProviderType{.name = "perplexity",
                 .base_url = "https://api.perplexity.ai",
                 .endpoints = chat,
                 .quirks = {.no_stream_options = true,
                            .no_developer_role = true,
                            .max_tokens_only = true,
                            .no_parallel_tool_calls = true,
                            .no_seed = true,
                            .no_n = true,
                            .no_logprobs = true,
                            .no_user = true}},
    ProviderType{.name = "cerebras",
                 .base_url = "https://api.cerebras.ai/v1",
                 .endpoints = set_of(E::chat_completions, E::completions),
                 .quirks = {.no_penalties = true, .no_n = true, .no_reasoning_content = true}},
    ProviderType{
        .name = "nvidia", .base_url = "https://integrate.api.nvidia.com/v1", .endpoints = classic, .quirks = older},
    ProviderType{.name = "huggingface",
                 .base_url = "https://router.huggingface.co/v1",
                 .endpoints = set_of(E::chat_completions, E::responses),
                 .quirks = older},
    ProviderType{
        .name = "sambanova", .base_url = "https://api.sambanova.ai/v1", .endpoints = chat_embed, .quirks = older},
    ProviderType{
        .name = "deepinfra", .base_url = "https://api.deepinfra.com/v1/openai", .endpoints = classic, .quirks = older},
    ProviderType{
        .name = "novita", .base_url = "https://api.novita.ai/openai/v1", .endpoints = classic, .quirks = older},
    ProviderType{.name = "hyperbolic", .base_url = "https://api.hyperbolic.xyz/v1", .endpoints = chat, .quirks = older},
    ProviderType{
        .name = "nebius", .base_url = "https://api.studio.nebius.com/v1", .endpoints = classic, .quirks = older},
    ProviderType{.name = "moonshot", .base_url = "https://api.moonshot.ai/v1", .endpoints = chat, .quirks = older},
    ProviderType{.name = "dashscope",
                 .base_url = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
                 .endpoints = chat_embed,
                 .quirks = older},
    ProviderType{.name = "zai", .base_url = "https://api.z.ai/api/paas/v4", .endpoints = chat, .quirks = older},
    ProviderType{.name = "github", .base_url = "https://models.github.ai/inference", .endpoints = chat_embed},
};

constexpr ProviderType vertex_claude{.name = "vertex",
                                     .protocol = Protocol::anthropic,
                                     .path = PathStyle::vertex,
                                     .auth = AuthStyle::google_token,
                                     .body_version = "vertex-2023-10-16",
                                     .endpoints = all_anthropic,
                                     .quirks = {.no_system_in_messages = true}};

struct Alias {
    std::string_view name, of;
};
constexpr std::array aliases{Alias{"azure", "azure_openai"}, Alias{"google", "gemini"}, Alias{"vertex_ai", "vertex"},
                             Alias{"openai_compatible", "local"}};

bool is_claude(std::string_view model) noexcept { return model.starts_with("claude"); }

/// Bedrock counts for Claude alone, and only under the model's bare name: not under a profile's ("us.anthropic.…").
std::string_view bedrock_counted_model(std::string_view model) noexcept {
    return model.substr(std::min(model.find("anthropic."), model.size()));
}

/// One segment of a path. RFC 3986, 3.3; colons too, since `:method` follows (and an ARN's would split Bedrock's path).
void append_segment(std::string& out, std::string_view text) { percent_encode(text, out); }

std::string_view openai_path(Endpoint endpoint) noexcept {
    switch (endpoint) {
        case E::completions: return "/completions";
        case E::embeddings: return "/embeddings";
        case E::responses: return "/responses";
        case E::messages: return "/messages";
        case E::realtime: return "/realtime";
        case E::input_tokens: return "/responses/input_tokens";
        default: return "/chat/completions";
    }
}

std::string_view gemini_method(Endpoint endpoint, bool stream) noexcept {
    switch (endpoint) {
        case E::gemini_count_tokens:
        case E::count_tokens:
        case E::input_tokens: return ":countTokens";
        case E::embed_content: return ":embedContent";
        case E::embeddings:
        case E::batch_embed_contents: return ":batchEmbedContents";
        default: return stream ? ":streamGenerateContent?alt=sse" : ":generateContent";
    }
}

/// A session's model is in its query; a transcription's in its events, and there alone.
void append_realtime(std::string& out, std::string_view model_parameter, char separator, const UpstreamPath& path) {
    out += separator;
    if (path.transcribes) {
        out += "intent=transcription";
        return;
    }
    out += model_parameter;
    out += '=';
    append_segment(out, path.model);
}

void append_azure_realtime(std::string& out, const UpstreamPath& path) {
    if (path.api_version.empty()) {
        out += "/openai/v1/realtime";
        return append_realtime(out, "model", '?', path);
    }
    out += "/openai/realtime?api-version=";
    append_segment(out, path.api_version);
    append_realtime(out, "deployment", '&', path);
}

void append_azure(std::string& out, Endpoint endpoint, const UpstreamPath& path) {
    if (endpoint == E::realtime) return append_azure_realtime(out, path);
    if (path.api_version.empty()) {
        out += "/openai/v1";
        out += openai_path(endpoint);
        return;
    }
    out += "/openai";
    if (endpoint != E::responses) {  // which names its deployment in the body
        out += "/deployments/";
        append_segment(out, path.model);
    }
    out += openai_path(endpoint);
    out += "?api-version=";
    append_segment(out, path.api_version);
}

void append_vertex(std::string& out, Endpoint endpoint, const UpstreamPath& path) {
    out += "/v1/projects/";
    append_segment(out, path.project);
    out += "/locations/";
    append_segment(out, path.location);
    const bool claude = is_claude(path.model);
    out += claude ? "/publishers/anthropic/models/" : "/publishers/google/models/";
    if (claude && counts_tokens(endpoint)) {
        out += "count-tokens:rawPredict";
        return;
    }
    append_segment(out, path.model);
    if (endpoint == E::embeddings)
        out += ":predict";
    else if (claude)
        out += path.stream ? ":streamRawPredict" : ":rawPredict";
    else
        out += gemini_method(endpoint, path.stream);
}

}  // namespace

std::span<const ProviderType> provider_types() noexcept { return types; }

const ProviderType* find_provider_type(std::string_view name) noexcept {
    for (const Alias& alias : aliases)
        if (alias.name == name) name = alias.of;
    const auto found = std::ranges::find(types, name, &ProviderType::name);
    return found == types.end() ? nullptr : &*found;
}

const ProviderType& type_for_model(const ProviderType& type, std::string_view model) noexcept {
    return type.path == PathStyle::vertex && is_claude(model) ? vertex_claude : type;
}

std::optional<EmbedProtocol> embed_protocol_of(const ProviderType& type, std::string_view model) noexcept {
    switch (type.path) {
        case PathStyle::openai:
        case PathStyle::azure:
            if ((type.endpoints & set_of(E::embeddings)) != 0) return EmbedProtocol::openai;
            return std::nullopt;
        case PathStyle::gemini: return EmbedProtocol::gemini_batch;
        case PathStyle::cohere: return EmbedProtocol::cohere;
        case PathStyle::bedrock:
            if (model.find("titan-embed") != model.npos) return EmbedProtocol::bedrock_titan;
            if (model.find("cohere.embed") != model.npos) return EmbedProtocol::bedrock_cohere;
            return std::nullopt;
        case PathStyle::vertex:
            if (is_claude(model)) return std::nullopt;
            return EmbedProtocol::vertex;
        case PathStyle::anthropic: return std::nullopt;
    }
    return std::nullopt;
}

std::optional<CountProtocol> count_protocol_of(const ProviderType& type, std::string_view model) noexcept {
    switch (type.path) {
        case PathStyle::openai:
            if ((type.endpoints & set_of(E::input_tokens)) != 0) return CountProtocol::responses;
            return std::nullopt;
        case PathStyle::anthropic: return CountProtocol::anthropic;
        case PathStyle::gemini: return CountProtocol::gemini;
        case PathStyle::vertex: return is_claude(model) ? CountProtocol::anthropic : CountProtocol::vertex;
        case PathStyle::bedrock:
            if (!bedrock_counted_model(model).empty()) return CountProtocol::bedrock;
            return std::nullopt;
        case PathStyle::azure:
        case PathStyle::cohere: return std::nullopt;
    }
    return std::nullopt;
}

const char* withdrawn_model(std::string_view model) noexcept {
    for (const std::string_view name : {"text-bison", "chat-bison", "code-bison", "codechat-bison", "code-gecko",
                                        "text-unicorn", "textembedding-gecko"})
        if (model.starts_with(name)) return "PaLM models are withdrawn: name a Gemini model, such as gemini-2.5-flash";
    return nullptr;
}

void write_upstream_path(std::string& out, const ProviderType& type, Endpoint endpoint, const UpstreamPath& path) {
    switch (type.path) {
        case PathStyle::openai:
            out += openai_path(counts_tokens(endpoint) ? E::input_tokens : endpoint);
            if (endpoint == E::realtime) append_realtime(out, "model", '?', path);
            return;
        case PathStyle::azure: return append_azure(out, endpoint, path);
        case PathStyle::anthropic:
            out += counts_tokens(endpoint) ? "/v1/messages/count_tokens" : "/v1/messages";
            return;
        case PathStyle::gemini:
            out += "/v1beta/models/";
            append_segment(out, path.model);
            out += gemini_method(endpoint, path.stream);
            return;
        case PathStyle::vertex: return append_vertex(out, endpoint, path);
        case PathStyle::bedrock:
            out += "/model/";
            append_segment(out, counts_tokens(endpoint) ? bedrock_counted_model(path.model) : path.model);
            if (counts_tokens(endpoint))
                out += "/count-tokens";
            else if (endpoint == E::embeddings)
                out += "/invoke";
            else
                out += path.stream ? "/converse-stream" : "/converse";
            return;
        case PathStyle::cohere:
            out += endpoint == E::embeddings || endpoint == E::embed_content || endpoint == E::batch_embed_contents
                       ? "/v2/embed"
                       : "/v2/chat";
            return;
    }
}

void write_family_path(std::string& out, const ProviderType& type, std::string_view target,
                       std::string_view api_version) {
    const bool versioned = target.starts_with("/v1/") || target.starts_with("/v2/");
    const std::string_view rest = versioned ? target.substr(3) : target;
    if (type.path == PathStyle::openai) {
        out += rest;
    } else if (type.path == PathStyle::azure) {
        out += api_version.empty() ? "/openai/v1" : "/openai";
        out += rest;
        if (api_version.empty()) return;
        out += rest.find('?') == rest.npos ? "?api-version=" : "&api-version=";
        append_segment(out, api_version);
    } else {
        out += target;
    }
}

}  // namespace loom::llm

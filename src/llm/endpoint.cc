#include "loom/llm/endpoint.h"

#include <array>

namespace loom::llm {

namespace {

struct Family {
    std::string_view name;  // also its path below /v1, but for those of named_otherwise
    Endpoint endpoint;
};

constexpr std::array families{
    Family{"files", Endpoint::files},
    Family{"batches", Endpoint::batches},
    Family{"audio", Endpoint::audio},
    Family{"images", Endpoint::images},
    Family{"moderations", Endpoint::moderations},
    Family{"uploads", Endpoint::uploads},
    Family{"fine_tuning", Endpoint::fine_tuning},
    Family{"assistants", Endpoint::assistants},
    Family{"threads", Endpoint::threads},
    Family{"vector_stores", Endpoint::vector_stores},
    Family{"rerank", Endpoint::rerank},
    Family{"realtime", Endpoint::realtime},
    Family{"containers", Endpoint::containers},
    Family{"conversations", Endpoint::conversations},
};

/// What no first segment tells.
constexpr std::array named_otherwise{
    Family{"chat_completions", Endpoint::chat_completions},
    Family{"completions", Endpoint::completions},
    Family{"embeddings", Endpoint::embeddings},
    Family{"models", Endpoint::models},
    Family{"model", Endpoint::model},
    Family{"responses", Endpoint::responses},
    Family{"messages", Endpoint::messages},
    Family{"input_tokens", Endpoint::input_tokens},
    Family{"count_tokens", Endpoint::count_tokens},
    Family{"generate_content", Endpoint::generate_content},
    Family{"stream_generate_content", Endpoint::stream_generate_content},
    Family{"gemini_count_tokens", Endpoint::gemini_count_tokens},
    Family{"embed_content", Endpoint::embed_content},
    Family{"batch_embed_contents", Endpoint::batch_embed_contents},
    Family{"stored_responses", Endpoint::stored_responses},
    Family{"message_batches", Endpoint::message_batches},
    Family{"gemini_files", Endpoint::gemini_files},
    Family{"cached_contents", Endpoint::cached_contents},
};

constexpr std::array gemini_methods{
    Family{"generateContent", Endpoint::generate_content},
    Family{"streamGenerateContent", Endpoint::stream_generate_content},
    Family{"countTokens", Endpoint::gemini_count_tokens},
    Family{"embedContent", Endpoint::embed_content},
    Family{"batchEmbedContents", Endpoint::batch_embed_contents},
};

/// Without query and trailing slashes.
std::string_view without_query(std::string_view path) {
    path = path.substr(0, path.find_first_of("?#"));
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    return path;
}

/// What follows `/v1/`, or Gemini's `/v1beta/`; empty when there is nothing.
std::string_view below_version(std::string_view path, std::string_view version) {
    path = without_query(path);
    return path.starts_with(version) ? path.substr(version.size()) : std::string_view();
}
std::string_view below_v1(std::string_view path) { return below_version(path, "/v1/"); }

/// `models/{model}:method`, wherever below a version the resource begins (Vertex:
/// projects/…/publishers/google/models/).
struct GeminiCall {
    std::string_view model;
    Endpoint endpoint = Endpoint::unknown;
};
GeminiCall gemini_call_of(std::string_view path) {
    path = without_query(path);
    constexpr std::string_view models = "/models/";
    const size_t colon = path.rfind(':');
    const size_t begin = path.find(models);
    if (!path.starts_with("/v1") || colon == path.npos || begin == path.npos || begin + models.size() > colon)
        return {};
    for (const Family& method : gemini_methods) {
        if (path.substr(colon + 1) != method.name) continue;
        const size_t model = begin + models.size();
        return {path.substr(model, colon - model), method.endpoint};
    }
    return {};
}

/// A path with `.` or `..` or empty segments may be another one to the upstream: it belongs to no family.
bool is_plain(std::string_view path) {
    return path.find("//") == path.npos && path.find("..") == path.npos && path.find("/.") == path.npos &&
           path.find("%2e") == path.npos && path.find("%2E") == path.npos && path.find('\\') == path.npos;
}

/// Gemini's, below their version. /v1/files is OpenAI's too: there its client tells (Exchange::admit_route).
Endpoint gemini_family_of(std::string_view path) {
    if (!is_plain(path)) return Endpoint::unknown;
    if (below_version(path, "/upload/v1beta/") == "files" || below_version(path, "/upload/v1/") == "files")
        return Endpoint::gemini_files;
    const auto first_below = [path](std::string_view version) {
        const std::string_view rest = below_version(path, version);
        return rest.substr(0, rest.find('/'));
    };
    const std::string_view first = first_below("/v1beta/");
    if (first == "files") return Endpoint::gemini_files;
    const bool cached = first == "cachedContents" || first_below("/v1/") == "cachedContents";
    return cached ? Endpoint::cached_contents : Endpoint::unknown;
}

Endpoint family_of(std::string_view segment) {
    for (const Family& family : families) {
        if (family.name == segment) return family.endpoint;
    }
    return Endpoint::unknown;
}

}  // namespace

Endpoint classify(bool method_is_get, std::string_view path) noexcept {
    const std::string_view rest = below_v1(path);
    if (method_is_get) {
        const std::string_view beta = below_version(path, "/v1beta/");
        if (rest == "models" || beta == "models") return Endpoint::models;
        if (rest.starts_with("models/") || beta.starts_with("models/")) return Endpoint::model;
    } else {
        if (rest == "chat/completions") return Endpoint::chat_completions;
        if (rest == "responses") return Endpoint::responses;
        if (rest == "messages") return Endpoint::messages;
        if (rest == "embeddings") return Endpoint::embeddings;
        if (rest == "completions") return Endpoint::completions;
        if (rest == "responses/input_tokens") return Endpoint::input_tokens;
        if (rest == "messages/count_tokens") return Endpoint::count_tokens;
        if (const GeminiCall call = gemini_call_of(path); !call.model.empty() && is_plain(path)) return call.endpoint;
        if (without_query(path) == "/v2/rerank") return Endpoint::rerank;  // Cohere's
    }
    if (is_plain(rest) && rest.starts_with("responses/")) return Endpoint::stored_responses;
    if (is_plain(rest) && (rest == "messages/batches" || rest.starts_with("messages/batches/")))
        return Endpoint::message_batches;
    if (const Endpoint family = gemini_family_of(path); family != Endpoint::unknown) return family;
    return is_plain(rest) ? family_of(rest.substr(0, rest.find('/'))) : Endpoint::unknown;
}

std::string_view model_of_path(std::string_view path) noexcept {
    if (const GeminiCall call = gemini_call_of(path); !call.model.empty()) return call.model;
    constexpr std::string_view prefix = "models/";
    for (const std::string_view version : {"/v1/", "/v1beta/"}) {
        const std::string_view rest = below_version(path, version);
        if (rest.starts_with(prefix)) return rest.substr(prefix.size());
    }
    return {};
}

std::optional<Protocol> chat_protocol_of(Endpoint endpoint) noexcept {
    switch (endpoint) {
        case Endpoint::chat_completions: return Protocol::openai_chat;
        case Endpoint::completions: return Protocol::openai_completions;
        case Endpoint::responses: return Protocol::openai_responses;
        case Endpoint::messages: return Protocol::anthropic;
        case Endpoint::generate_content:
        case Endpoint::stream_generate_content: return Protocol::gemini;
        default: return std::nullopt;
    }
}

Protocol error_protocol_of(Endpoint endpoint) noexcept {
    if (endpoint == Endpoint::messages || endpoint == Endpoint::count_tokens || endpoint == Endpoint::message_batches)
        return Protocol::anthropic;
    if (names_model_in_path(endpoint) || is_gemini_family(endpoint)) return Protocol::gemini;
    const bool responses = endpoint == Endpoint::responses || endpoint == Endpoint::input_tokens;
    return responses ? Protocol::openai_responses : Protocol::openai_chat;
}

std::string_view endpoint_name(Endpoint endpoint) noexcept {
    for (const Family& family : named_otherwise) {
        if (family.endpoint == endpoint) return family.name;
    }
    for (const Family& family : families) {
        if (family.endpoint == endpoint) return family.name;
    }
    return "unknown";
}

Endpoint endpoint_of_name(std::string_view name) noexcept {
    for (const Family& family : named_otherwise) {
        if (family.name == name) return family.endpoint;
    }
    return family_of(name);
}

}  // namespace loom::llm

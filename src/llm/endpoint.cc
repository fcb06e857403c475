#include "loom/llm/endpoint.h"

#include <array>

namespace loom::llm {

namespace {

struct Family {
    std::string_view name;  // also its path below /v1, but for the inspected ones
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
};

constexpr std::array inspected{
    Family{"chat_completions", Endpoint::chat_completions},
    Family{"completions", Endpoint::completions},
    Family{"embeddings", Endpoint::embeddings},
    Family{"models", Endpoint::models},
    Family{"model", Endpoint::model},
    Family{"responses", Endpoint::responses},
    Family{"messages", Endpoint::messages},
};

/// What follows `/v1/`, without query and trailing slashes; empty when there is nothing.
std::string_view below_v1(std::string_view path) {
    path = path.substr(0, path.find_first_of("?#"));
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    constexpr std::string_view prefix = "/v1/";
    return path.starts_with(prefix) ? path.substr(prefix.size()) : std::string_view();
}

/// A path with `.` or `..` or empty segments may be another one to the upstream: it belongs to no family.
bool is_plain(std::string_view path) {
    return path.find("//") == path.npos && path.find("..") == path.npos && path.find("/.") == path.npos &&
           path.find("%2e") == path.npos && path.find("%2E") == path.npos && path.find('\\') == path.npos;
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
        if (rest == "models") return Endpoint::models;
        if (rest.starts_with("models/")) return Endpoint::model;
    } else {
        if (rest == "chat/completions") return Endpoint::chat_completions;
        if (rest == "embeddings") return Endpoint::embeddings;
        if (rest == "completions") return Endpoint::completions;
        if (rest == "responses") return Endpoint::responses;
        if (rest == "messages") return Endpoint::messages;
    }
    return is_plain(rest) ? family_of(rest.substr(0, rest.find('/'))) : Endpoint::unknown;
}

std::string_view model_of_path(std::string_view path) noexcept {
    const std::string_view rest = below_v1(path);
    constexpr std::string_view prefix = "models/";
    return rest.starts_with(prefix) ? rest.substr(prefix.size()) : std::string_view();
}

std::string_view endpoint_name(Endpoint endpoint) noexcept {
    for (const Family& family : inspected) {
        if (family.endpoint == endpoint) return family.name;
    }
    for (const Family& family : families) {
        if (family.endpoint == endpoint) return family.name;
    }
    return "unknown";
}

Endpoint endpoint_of_name(std::string_view name) noexcept {
    for (const Family& family : inspected) {
        if (family.name == name) return family.endpoint;
    }
    return family_of(name);
}

}  // namespace loom::llm

// A request's query, parameter by parameter.
#pragma once

#include <algorithm>
#include <expected>
#include <string>
#include <string_view>

#include "loom/base/result.h"
#include "loom/llm/models.h"

namespace loom::admin {

/// Calls `take(name, value)`, whose errors are texts, for each parameter, its value decoded.
/// Errors  take's first, as it is; a parameter without a value, or badly encoded.
template <class Take>
[[nodiscard]] std::expected<void, std::string> each_parameter(std::string_view query, Take&& take) {
    while (!query.empty()) {
        const std::string_view one = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), one.size() + 1));
        const size_t equals = one.find('=');
        std::string value;
        if (equals == one.npos || !llm::decode_path_id(one.substr(equals + 1), value))
            return std::unexpected(std::string("say parameters as name=value, percent-encoded"));
        std::expected<void, std::string> taken = take(one.substr(0, equals), std::string_view(value));
        if (!taken) return taken;
    }
    return {};
}

}  // namespace loom::admin

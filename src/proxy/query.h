// A request's query.
#pragma once

#include <algorithm>
#include <string_view>

namespace loom::proxy {

/// The parameter's value; "" where it is not there.
[[nodiscard]] inline std::string_view query_value(std::string_view query, std::string_view name) noexcept {
    while (!query.empty()) {
        const std::string_view parameter = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), parameter.size() + 1));
        if (parameter.size() > name.size() && parameter[name.size()] == '=' && parameter.starts_with(name))
            return parameter.substr(name.size() + 1);
    }
    return {};
}

}  // namespace loom::proxy

#include "loom/route/route_table.h"

namespace loom::route {

std::expected<void, std::string> RouteTable::add(std::string_view path, uint32_t route_ix) {
    const std::string quoted = "path '" + std::string(path) + "'";
    if (!path.starts_with('/')) return std::unexpected(quoted + " does not begin with '/'");
    const size_t star = path.find('*');
    const bool prefix = star != path.npos;
    if (prefix && (star + 1 != path.size() || path[star - 1] != '/'))
        return std::unexpected(quoted + ": '*' may only stand at the end, after a '/'");
    if (path.find_first_of("?#") != path.npos) return std::unexpected(quoted + " has a query or a fragment");
    Map& map = prefix ? prefixes_ : exact_;
    if (!map.try_emplace(std::string(prefix ? path.substr(0, star) : path), route_ix).second)
        return std::unexpected(quoted + " belongs to two routes");
    return {};
}

uint32_t RouteTable::find(std::string_view path) const noexcept {
    if (const auto it = exact_.find(path); it != exact_.end()) return it->second;
    if (prefixes_.empty()) return no_route;
    for (size_t slash = path.rfind('/'); slash != path.npos; slash = path.rfind('/', slash - 1)) {
        if (const auto it = prefixes_.find(path.substr(0, slash + 1)); it != prefixes_.end()) return it->second;
        if (slash == 0) break;
    }
    return no_route;
}

}  // namespace loom::route

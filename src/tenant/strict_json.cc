#include "strict_json.h"

#include <algorithm>
#include <vector>

#include "loom/base/bounded_json.h"

namespace loom::tenant {

namespace {

namespace dom = simdjson::dom;

bool has_each_once(const dom::element& element);

bool names_each_once(const dom::object& object) {
    std::vector<std::string_view> names;
    for (const auto member : object) {
        names.push_back(member.key);
        if (names.size() > StrictJson::members_max || !has_each_once(member.value)) return false;
    }
    std::ranges::sort(names);
    return std::ranges::adjacent_find(names) == names.end();
}

bool has_each_once(const dom::element& element) {
    dom::array array;
    if (element.get(array) == simdjson::SUCCESS) return std::ranges::all_of(array, has_each_once);
    dom::object object;
    return element.get(object) != simdjson::SUCCESS || names_each_once(object);
}

}  // namespace

bool StrictJson::read(std::string_view text, dom::object& out) {
    return json::parse_bounded(parser_, text, depth_max, out) && names_each_once(out);
}

std::string_view text_at(const dom::object& object, std::string_view name) noexcept {
    std::string_view text;
    return object.at_key(name).get(text) == simdjson::SUCCESS ? text : std::string_view();
}

bool has(const dom::object& object, std::string_view name) noexcept {
    return object.at_key(name).error() == simdjson::SUCCESS;
}

}  // namespace loom::tenant

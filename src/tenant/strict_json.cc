#include "strict_json.h"

#include <algorithm>
#include <vector>

namespace loom::tenant {

namespace {

namespace dom = simdjson::dom;

bool each_once(const dom::element& element) {
    dom::array array;
    if (element.get(array) == simdjson::SUCCESS) return std::ranges::all_of(array, each_once);
    dom::object object;
    if (element.get(object) != simdjson::SUCCESS) return true;
    std::vector<std::string_view> names;
    for (const auto member : object) {
        names.push_back(member.key);
        if (names.size() > StrictJson::members_max || !each_once(member.value)) return false;
    }
    std::ranges::sort(names);
    return std::ranges::adjacent_find(names) == names.end();
}

}  // namespace

bool StrictJson::read(std::string_view text, dom::object& out) {
    if (text.empty()) return false;
    // Below its least capacity a parser would help itself to one of another depth.
    const size_t capacity = std::max<size_t>(text.size(), 1024);
    if (parser_.capacity() < capacity && parser_.allocate(capacity, depth_max) != simdjson::SUCCESS) return false;
    dom::element root;
    if (parser_.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS) return false;
    return root.get(out) == simdjson::SUCCESS && each_once(root);
}

std::string_view text_at(const dom::object& object, std::string_view name) noexcept {
    std::string_view text;
    return object.at_key(name).get(text) == simdjson::SUCCESS ? text : std::string_view();
}

bool has(const dom::object& object, std::string_view name) noexcept {
    return object.at_key(name).error() == simdjson::SUCCESS;
}

}  // namespace loom::tenant

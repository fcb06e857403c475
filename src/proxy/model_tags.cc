#include "loom/proxy/model_tags.h"

#include <algorithm>

namespace loom::proxy {
namespace {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

}  // namespace

bool ModelTags::is_meant(std::string_view pattern, std::string_view model) noexcept {
    const bool is_open = pattern.ends_with('*');
    if (is_open) pattern.remove_suffix(1);
    if (is_open ? model.size() < pattern.size() : model.size() != pattern.size()) return false;
    return std::ranges::equal(pattern, model.substr(0, pattern.size()), {}, lower, lower);
}

}  // namespace loom::proxy

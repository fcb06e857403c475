#include "loom/proxy/model_tags.h"

#include "loom/http/message.h"

namespace loom::proxy {
bool ModelTags::is_meant(std::string_view pattern, std::string_view model) noexcept {
    const bool is_open = pattern.ends_with('*');
    if (is_open) pattern.remove_suffix(1);
    if (is_open ? model.size() < pattern.size() : model.size() != pattern.size()) return false;
    return http::equal_ignoring_case(pattern, model.substr(0, pattern.size()));
}

}  // namespace loom::proxy

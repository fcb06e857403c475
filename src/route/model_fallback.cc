#include "loom/route/model_fallback.h"

#include <algorithm>

namespace loom::route {

std::string_view cause_name(FallbackCause cause) noexcept {
    switch (cause) {
        case FallbackCause::context_window: return "context_window";
        case FallbackCause::content_policy: return "content_policy";
        case FallbackCause::budget: return "budget";
    }
    return "";
}

void ModelFallbacks::set(std::string_view model, FallbackCause cause, std::string_view instead) {
    by_model_[static_cast<size_t>(cause)].insert_or_assign(std::string(model), std::string(instead));
}

std::string_view ModelFallbacks::next(std::string_view model, FallbackCause cause) const noexcept {
    const Map& map = map_of(cause);
    auto it = map.find(model);
    if (it == map.end()) it = map.find(std::string_view());
    // What stands in for all others does not stand in for itself.
    return it == map.end() || it->second == model ? std::string_view() : std::string_view(it->second);
}

std::vector<std::string_view> ModelFallbacks::chain(std::string_view model, FallbackCause cause) const {
    std::vector<std::string_view> models = {model};
    for (;;) {
        const std::string_view after = next(models.back(), cause);
        if (after.empty()) return models;
        const bool again = std::ranges::find(models, after) != models.end();
        models.push_back(after);
        if (again) return models;
    }
}

}  // namespace loom::route

// Checks of what becomes of prompts that do not fit their model's context.
#include <algorithm>
#include <string>
#include <string_view>

#include "check/report.h"

namespace loom::app {

void check_context(Report& report) {
    const config::Config& config = report.config;
    const bool knows_any = std::ranges::any_of(config.keys(), [](std::string_view key) {
        return key.starts_with("provider.") && key.ends_with(".context_length");
    });
    std::vector<std::string> keys = {"context_window.on_overflow"};
    for (const std::string& route : config.names("route"))
        keys.push_back(fmt::format("route.{}.context_window.on_overflow", route));
    bool acts = false;
    for (const std::string& key : keys) {
        if (!config.has(key) || config.text(key) == "serve") continue;
        acts = true;
        if (!knows_any)
            report.warning(key,
                           "no context is known: say how large they are, provider.NAME.context_length = 128000 or "
                           "provider.NAME.model.MODEL.context_length");
    }
    if (!acts && config.has("context_window.answer_tokens"))
        report.warning("context_window.answer_tokens", "means nothing without context_window.on_overflow");
}

}  // namespace loom::app

#include "plan/custom_types.h"

#include <fmt/format.h>

#include <algorithm>

namespace loom::app {

namespace {

guard::CustomCheck check_of(std::string_view text) {
    using enum guard::CustomCheck;
    if (text == "luhn") return luhn;
    if (text == "verhoeff") return verhoeff;
    if (text == "mod_11_10") return mod_11_10;
    return text == "mod_97" ? mod_97 : none;
}

}  // namespace

std::vector<guard::CustomType> custom_types_of(const config::Config& config) {
    std::vector<guard::CustomType> types;
    for (const std::string& name : config.names("security.rule")) {
        const auto key = [&name](std::string_view last) { return fmt::format("security.rule.{}.{}", name, last); };
        types.push_back({.name = name,
                         .pattern = config.has(key("pattern")) ? config.text(key("pattern")) : std::string(),
                         .words = config.list(key("words")),
                         .check = check_of(config.text(key("check"))),
                         .repeat_max = static_cast<uint32_t>(config.integer(key("max_length")))});
    }
    return types;
}

}  // namespace loom::app

#include "plan_security.h"

#include <fmt/format.h>

#include "loom/guard/pii.h"

namespace loom::app {

namespace {

guard::PiiTypes types_of(const config::Config& config) {
    guard::PiiTypes types;
    for (const std::string& name : config.list("security.pii_detection.types")) {
        if (name == "all") {
            for (uint32_t i = 0; i < pii_type_count; ++i)
                if (guard::PiiTypes::reliable().has(static_cast<PiiType>(i))) types.add(static_cast<PiiType>(i));
        } else if (const auto type = guard::pii_type(name)) {
            types.add(*type);
        }
    }
    return types;
}

proxy::GuardAction action_of(std::string_view text) {
    if (text == "block") return proxy::GuardAction::block;
    return text == "log" ? proxy::GuardAction::log : proxy::GuardAction::mask;
}

}  // namespace

bool is_pii_type(std::string_view name) noexcept { return guard::pii_type(name).has_value(); }

bool is_pii_asked_for(const config::Config& config, std::string_view name) {
    const auto type = guard::pii_type(name);
    return type && types_of(config).has(*type);
}

void fill_security(const config::Config& config, proxy::Plan& plan) {
    proxy::GuardPlan guards;
    if (config.boolean("security.pii_detection.enabled")) {
        proxy::PiiPlan& pii = guards.pii.emplace();
        pii.scanner = guard::PiiScanner(types_of(config));
        for (uint32_t i = 0; i < pii_type_count; ++i) {
            const auto own = fmt::format("security.pii_detection.type.{}.action", pii_type_names[i]);
            pii.actions[i] = action_of(config.text(config.has(own) ? own : "security.pii_detection.action"));
        }
    }
    if (config.boolean("security.prompt_injection.enabled")) {
        using enum guard::InjectionSensitivity;
        const std::string& sensitivity = config.text("security.prompt_injection.sensitivity");
        guards.injection = {.sensitivity = sensitivity == "low"    ? low
                                           : sensitivity == "high" ? high
                                                                   : medium,
                            .action = action_of(config.text("security.prompt_injection.action"))};
    }
    if (guards.pii || guards.injection) plan.guard = std::make_shared<const proxy::GuardPlan>(std::move(guards));
}

}  // namespace loom::app

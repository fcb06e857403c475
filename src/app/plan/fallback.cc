#include "plan/fallback.h"

#include <fmt/format.h>

namespace loom::app {
namespace {

using config::Config;

constexpr size_t name_bytes_max = 128;  // it stands in the head of an answer: x-loom-model

/// what(model, cause, key): model "" for the one of all others.
template <class Do>
void each_fallback(const Config& config, Do what) {
    for (const route::FallbackCause cause : route::fallback_causes) {
        const auto general = fmt::format("routing.fallback.{}", route::cause_name(cause));
        if (config.has(general)) what(std::string(), cause, general);
        for (const std::string& model : config.names("model_fallback")) {
            const auto key = fmt::format("model_fallback.{}.{}", model, route::cause_name(cause));
            if (config.has(key)) what(model, cause, key);
        }
    }
}

route::ModelFallbacks fallbacks_of(const Config& config) {
    route::ModelFallbacks fallbacks;
    each_fallback(config, [&](const std::string& model, route::FallbackCause cause, const std::string& key) {
        fallbacks.set(model, cause, config.text(key));
    });
    return fallbacks;
}

std::string arrows(const std::vector<std::string_view>& models) {
    std::string text;
    for (const std::string_view model : models)
        text += fmt::format("{}{}", text.empty() ? "" : " → ", config::printable(std::string(model)));
    return text;
}

}  // namespace

void check_fallback_models(Report& report) {
    const Config& config = report.config;
    const route::ModelFallbacks fallbacks = fallbacks_of(config);
    const bool enabled = config.boolean("routing.failover.enabled");
    each_fallback(config, [&](const std::string& model, route::FallbackCause cause, const std::string& key) {
        const bool is_name = route::is_one_model(config.text(key)) && fits_a_header(config.text(key));
        if (!is_name) return report.error(key, "must be one model's name");
        if (config.text(key).size() > name_bytes_max)
            return report.error(key, fmt::format("is longer than {} bytes", name_bytes_max));
        if (!model.empty() && !route::is_one_model(model)) return report.error(key, "must be for one model");
        const auto chain = fallbacks.chain(model, cause);
        if (chain.size() > 1 && chain.back() == model)  // told at each that stands in the round, not before it
            report.error(key, fmt::format("{} goes round: no request would come to its end", arrows(chain)));
        if (!report.complete) return;
        if (cause == route::FallbackCause::budget) {
            if (!config.boolean("token_accounting.enabled"))
                report.warning(key, "is asked by nobody: set token_accounting.enabled = on, and a budget");
        } else if (!enabled) {
            report.warning(key, "is asked by nobody: set routing.failover.enabled = on");
        }
    });
}

void fill_fallback_models(const Config& config, proxy::Plan& plan, std::vector<std::string>& messages) {
    each_fallback(config, [&](const std::string& model, route::FallbackCause cause, const std::string& key) {
        if (cause != route::FallbackCause::budget && !plan.failover.enabled) return;
        plan.model_fallbacks.set(model, cause, config.text(key));
        const route::ModelMatch match = plan.catalogue.match(config.text(key));
        if (!match.candidates.empty()) return;
        messages.push_back(fmt::format("{}: {}: no provider {} {}; add it to provider.NAME.models, or a model_mapping",
                                       config::to_string(config.place(key)), config::printable(key),
                                       match.known ? "is in use that serves" : "serves",
                                       config::printable(config.text(key))));
    });
    plan.tells_routing = plan.tells_routing || !plan.model_fallbacks.empty_of(route::FallbackCause::budget);
}

}  // namespace loom::app

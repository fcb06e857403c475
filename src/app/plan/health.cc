#include "plan/health.h"

#include "plan/milliseconds.h"

#include <fmt/format.h>

#include <algorithm>

namespace loom::app {
namespace {

using config::Config;
using llm::PathStyle;

/// The list of models below the base URL, which every key may see and nobody pays for.
std::string models_path(const proxy::ProviderPlan& provider) {
    switch (provider.type->path) {
        case PathStyle::openai: return "/models";
        case PathStyle::azure:
            if (provider.api_version.empty()) return "/openai/v1/models";
            return "/openai/models?api-version=" + provider.api_version;
        case PathStyle::anthropic:
        case PathStyle::cohere: return "/v1/models";
        case PathStyle::gemini: return "/v1beta/models";
        case PathStyle::vertex:
        case PathStyle::bedrock: return "";
    }
    return "";
}

}  // namespace

std::shared_ptr<const proxy::HealthCheckPlan> health_check(const Config& config, const proxy::ProviderPlan& provider) {
    const auto prefix = fmt::format("provider.{}.health_check.", provider.name);
    if (!config.boolean(prefix + "enabled") || provider.kind == proxy::ProviderKind::echo) return nullptr;
    auto check = std::make_shared<proxy::HealthCheckPlan>();
    check->interval_ms = ms(config, prefix + "interval");
    check->timeout_ms = ms(config, prefix + "timeout");
    check->by_conf = config.has(prefix + "endpoint");
    check->path = check->by_conf ? config.text(prefix + "endpoint") : models_path(provider);
    return check;
}

void check_health_check(Report& report, const std::string& provider, const llm::ProviderType& type) {
    const auto prefix = fmt::format("provider.{}.health_check.", provider);
    const auto endpoint = prefix + "endpoint";
    const std::string& path = report.config.text(endpoint);
    const auto is_printed = [](char c) { return c > ' ' && c < 0x7f && c != '#'; };
    if (report.config.has(endpoint) && (!path.starts_with('/') || !std::ranges::all_of(path, is_printed)))
        report.error(endpoint, "expected a path such as /v1/models");
    if (!report.config.boolean(prefix + "enabled")) {
        for (const char* const word : {"interval", "timeout", "endpoint"})
            if (report.config.has(prefix + word) && report.complete)
                report.warning(prefix + word, fmt::format("nothing is checked: set {}enabled = on", prefix));
    } else if (type.name == "echo") {
        report.warning(prefix + "enabled", "means nothing to the embedded provider");
    }
}

}  // namespace loom::app

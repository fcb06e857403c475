#include "plan/guards.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "client_place.h"
#include "plan/milliseconds.h"

namespace loom::app {
namespace {

using config::Config;

constexpr uint32_t idle_connections_max = 8;

std::string key_of(const std::string& name, const char* word) {
    return fmt::format("security.guard.{}.{}", name, word);
}

/// "violence:0.8"
std::expected<guard::ModerationTerms::Threshold, std::string> threshold_of(const std::string& text) {
    const size_t colon = text.rfind(':');
    guard::ModerationTerms::Threshold threshold;
    if (colon == std::string::npos || colon == 0)
        return std::unexpected(fmt::format("'{}' is not CATEGORY:SCORE", config::printable(text)));
    threshold.category = text.substr(0, colon);
    const char* const end = text.data() + text.size();
    const auto [behind, error] = std::from_chars(text.data() + colon + 1, end, threshold.score);
    if (error != std::errc() || behind != end || !(threshold.score > 0 && threshold.score <= 1))
        return std::unexpected(fmt::format("'{}' has no score above 0 and up to 1", config::printable(text)));
    return threshold;
}

Secret lines_of(const Config& config, const std::string& name) {
    Secret lines;
    const std::string& key = config.text(key_of(name, "key"));
    lines.text().reserve(key.size() + 128);
    lines.text() += "content-type: application/json\r\n";
    if (key.empty()) return lines;
    lines.text() += "authorization: Bearer ";
    lines.text() += key;
    lines.text() += "\r\n";
    return lines;
}

}  // namespace

std::expected<guard::ModerationTerms, std::string> moderation_terms(const Config& config, const std::string& name) {
    guard::ModerationTerms terms{.categories = config.list(key_of(name, "categories")), .thresholds = {}};
    for (const std::string& text : config.list(key_of(name, "thresholds"))) {
        auto threshold = threshold_of(text);
        if (!threshold) return std::unexpected(std::move(threshold.error()));
        terms.thresholds.push_back(std::move(*threshold));
    }
    return terms;
}

std::expected<proxy::ExternalGuardPlan, std::string> external_guard_plan(const Config& config,
                                                                         const std::string& name) {
    const auto key = [&name](const char* word) { return key_of(name, word); };
    auto place = client_place(config.text(key("url")), nullptr, PlainHttp::anywhere);
    if (!place) return std::unexpected(fmt::format("{}: {}", key("url"), place.error().what));
    proxy::ExternalGuardPlan plan;
    plan.name = name;
    plan.shape =
        config.text(key("type")) == "moderations" ? proxy::GuardShape::moderations : proxy::GuardShape::webhook;
    plan.client = std::move(place->client);
    plan.target = std::move(place->target);
    plan.client.timeout_ms = ms(config, key("timeout"));
    plan.client.answer_bytes_max =
        plan.has_large_answers()
            ? proxy::ExternalGuardPlan::moderations_bytes_max(proxy::ExternalGuardPlan::few_texts_max)
            : proxy::ExternalGuardPlan::answer_bytes_max;
    plan.client.exchange_count_max = static_cast<size_t>(config.integer(key("max_in_flight")));
    plan.client.endpoint.idle_max = idle_connections_max;
    plan.lines = std::make_shared<const Secret>(lines_of(config, name));
    plan.model = config.text(key("model"));
    auto terms = moderation_terms(config, name);
    if (!terms) return std::unexpected(fmt::format("{}: {}", key("thresholds"), terms.error()));
    plan.terms = std::move(*terms);
    plan.is_closed = config.text(key("on_failure")) == "closed";
    plan.acts = config.text(key("action")) == "block";
    plan.text_bytes_max = static_cast<size_t>(config.bytes(key("max_text")));
    plan.breaker.timeout_ms = ms(config, key("rest"));
    return plan;
}

void mark_external_guards(const Config& config, Mark& mark) {
    const auto names = config.names("security.guard");
    mark.add_count(names.size());
    for (const std::string& name : names) {
        mark.add(name);
        for (const char* const word : {"url", "type", "on_failure", "action", "model"})
            mark.add(config.text(key_of(name, word)));
        for (const char* const word : {"categories", "thresholds"}) mark.add_list(config.list(key_of(name, word)));
        mark.add_count(static_cast<size_t>(config.bytes(key_of(name, "max_text"))));
    }
}

void fill_guards(const Config& config, proxy::GuardPlan& guards, observe::Metrics& metrics, TlsFiles& files,
                 std::vector<std::string>& messages) {
    for (const std::string& name : config.names("security.guard")) {
        auto plan = external_guard_plan(config, name);
        if (!plan) {
            messages.push_back(std::move(plan.error()));
            continue;
        }
        plan->client.endpoint.terms.trust = files.trust_of_key(config, key_of(name, "tls.ca_file"), messages);
        plan->series = metrics.external_guard(name);
        guards.external.push_back(std::make_shared<const proxy::ExternalGuardPlan>(std::move(*plan)));
    }
}

void renew_guards(const Config& config, proxy::Plan& plan, TlsFiles& files, std::vector<std::string>& messages) {
    if (plan.guard == nullptr) return;
    auto renewed = std::make_shared<proxy::GuardPlan>(*plan.guard);
    bool changes = false;
    for (auto& guard : renewed->external) {
        const net::TlsTrustPtr trust = files.trust_of_key(config, key_of(guard->name, "tls.ca_file"), messages);
        if (trust == guard->client.endpoint.terms.trust) continue;
        auto other = std::make_shared<proxy::ExternalGuardPlan>(*guard);
        other->client.endpoint.terms.trust = trust;
        guard = std::move(other);
        changes = true;
    }
    if (changes) plan.guard = std::move(renewed);
}

}  // namespace loom::app

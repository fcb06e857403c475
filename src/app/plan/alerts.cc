#include "plan/alerts.h"

#include <fmt/format.h>

#include "client_place.h"
#include "loom/base/base64.h"
#include "plan/milliseconds.h"

namespace loom::app {
namespace {

using config::Config;

constexpr size_t secret_bytes_min = 24;  // Standard Webhooks: 192 bits
constexpr std::string_view secret_prefix = "whsec_";
constexpr const char* ca_key = "alerts.webhook.tls.ca_file";

}  // namespace

std::expected<Secret, std::string> parse_webhook_secret(std::string_view text) {
    Secret secret;
    if (text.starts_with(secret_prefix)) {
        text.remove_prefix(secret_prefix.size());
        secret.text().reserve(text.size());
        if (!base64_decode(text, secret.text())) return std::unexpected("is no Base64 behind whsec_");
    } else {
        secret = Secret(std::string(text));
    }
    if (secret.view().size() < secret_bytes_min)
        return std::unexpected(
            fmt::format("has fewer than {} bytes: signatures could be forged by guessing it; "
                        "openssl rand -base64 32 makes one",
                        secret_bytes_min));
    return secret;
}

void fill_alerts(const Config& config, proxy::Plan& plan, TlsFiles& files, std::vector<std::string>& messages) {
    const std::string& url = config.text("alerts.webhook.url");
    if (url.empty()) return;
    const auto trust = files.trust_of_key(config, ca_key, messages);
    if (trust == nullptr) return;
    auto place = client_place(url, trust, PlainHttp::anywhere);
    if (!place) return messages.push_back(fmt::format("alerts.webhook.url: {}", place.error().what));
    auto alerts = std::make_shared<proxy::AlertPlan>();
    alerts->endpoint = std::move(place->client.endpoint);
    alerts->authority = std::move(place->client.authority);
    alerts->target = std::make_shared<const Secret>(std::move(place->target));
    if (config.has("alerts.webhook.secret")) {
        auto secret = parse_webhook_secret(config.text("alerts.webhook.secret"));
        if (!secret) return messages.push_back(fmt::format("alerts.webhook.secret: {}", secret.error()));
        alerts->key = std::make_shared<const Secret>(std::move(*secret));
    }
    std::string lines;
    for (const auto& [name, value] : config.entries_below("alerts.webhook.header."))
        lines += fmt::format("{}: {}\r\n", name, value);
    alerts->lines = std::make_shared<const Secret>(std::move(lines));
    alerts->timeout_ms = ms(config, "alerts.webhook.timeout");
    alerts->retry_for_ms = ms(config, "alerts.webhook.retry_for");
    alerts->queue_max = static_cast<uint32_t>(config.integer("alerts.webhook.queue"));
    plan.alerts = std::move(alerts);
}

void renew_alerts(const Config& config, proxy::Plan& plan, TlsFiles& files, std::vector<std::string>& messages) {
    if (plan.alerts == nullptr) return;
    auto renewed = std::make_shared<proxy::AlertPlan>(*plan.alerts);
    renewed->endpoint.terms.trust = files.trust_of_key(config, ca_key, messages);
    plan.alerts = std::move(renewed);
}

}  // namespace loom::app

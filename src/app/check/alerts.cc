// Checks of where events are told.
#include <algorithm>
#include <string_view>

#include "check/report.h"
#include "client_place.h"
#include "loom/http/message.h"
#include "plan/alerts.h"

namespace loom::app {
namespace {

/// What Loom writes itself.
constexpr std::string_view own_headers[] = {
    "host",       "content-length", "content-type",      "transfer-encoding", "connection", "accept", "accept-encoding",
    "webhook-id", "expect",         "webhook-timestamp", "webhook-signature"};

void check_place(Report& report) {
    constexpr const char* url = "alerts.webhook.url";
    const auto place = client_place(report.config.text(url), nullptr, PlainHttp::anywhere);
    if (!place) return report.error(url, place.error().what);
    if (!place->client.endpoint.tls && !is_loopback_host(place->client.endpoint.host))
        report.warning(url, "whoever is on the way reads and may change what is told; use https://");
    if (!place->client.endpoint.tls && report.config.has("alerts.webhook.tls.ca_file"))
        report.warning("alerts.webhook.tls.ca_file", "means nothing for a URL without TLS");
}

void check_headers(Report& report) {
    constexpr std::string_view prefix = "alerts.webhook.header.";
    for (const auto& [header, value] : report.config.entries_below(prefix)) {
        const auto key = fmt::format("{}{}", prefix, header);
        if (!fits_a_header(value)) report.error(key, "holds a control byte");
        if (std::ranges::any_of(own_headers, [&header](auto own) { return http::equal_ignoring_case(own, header); }))
            report.error(key, "this header is Loom's own to write");
    }
}

bool any_budget(const config::Config& config) {
    return config.boolean("token_accounting.enabled") && std::ranges::any_of(config.keys(), [](std::string_view key) {
               return (key.starts_with("token_accounting.") && key.ends_with("ly_limit")) ||
                      key.find(".budget.") != key.npos;
           });
}

}  // namespace

void check_alerts(Report& report) {
    const config::Config& config = report.config;
    check_headers(report);
    if (config.has("alerts.webhook.secret")) {
        const auto secret = parse_webhook_secret(config.text("alerts.webhook.secret"));
        if (!secret) report.error("alerts.webhook.secret", secret.error());
    }
    if (!config.text("alerts.webhook.url").empty()) {
        check_place(report);
        if (!any_budget(config) && !config.boolean("alerts.anomaly.enabled"))
            report.warning(
                "alerts.webhook.url",
                "nothing is told: there is no limit or budget (token_accounting.limit.NAME.daily_limit …), and "
                "alerts.anomaly.enabled is off");
        return;
    }
    if (config.has("alerts.webhook.url")) return report.error("alerts.webhook.url", "is empty");
    for (const std::string_view key : config.keys())
        if (key.starts_with("alerts.webhook."))
            return report.warning(std::string(key), "means nothing without alerts.webhook.url");
}

}  // namespace loom::app

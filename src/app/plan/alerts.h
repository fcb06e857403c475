// Where events are told, read from the configuration.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/secret.h"
#include "loom/config/config.h"
#include "loom/proxy/plan.h"
#include "tls_files.h"

namespace loom::app {

/// The bytes of alerts.webhook.secret: those behind `whsec_`, or the text itself.
/// Errors  what is wrong with it, for a person.
[[nodiscard]] std::expected<Secret, std::string> parse_webhook_secret(std::string_view text);

void fill_alerts(const config::Config& config, proxy::Plan& plan, TlsFiles& files, std::vector<std::string>& messages);
/// Its file of authorities has changed.
void renew_alerts(const config::Config& config, proxy::Plan& plan, TlsFiles& files, std::vector<std::string>& messages);

}  // namespace loom::app

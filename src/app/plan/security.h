// What a conf file says of the guards, as the proxy takes it.
#pragma once

#include <string_view>

#include "loom/config/config.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/plan.h"
#include "tls_files.h"

namespace loom::app {

[[nodiscard]] bool is_pii_type(std::string_view name) noexcept;
/// Does security.pii_detection.types name it, or say all?
[[nodiscard]] bool is_pii_asked_for(const config::Config& config, std::string_view name);

/// messages  what a guard outside of Loom cannot be asked for.
void fill_security(const config::Config& config, proxy::Plan& plan, observe::Metrics& metrics, TlsFiles& files,
                   std::vector<std::string>& messages);

}  // namespace loom::app

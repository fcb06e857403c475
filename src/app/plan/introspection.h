// Issuers that are asked about tokens, as the conf says them.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "loom/config/config.h"
#include "loom/proxy/plan.h"
#include "tls_files.h"

namespace loom::app {

/// Where it is asked, and by whom; without what its server is trusted by.
/// Errors  a line that names the key.
[[nodiscard]] std::expected<proxy::IntrospectionPlan, std::string> introspection_plan(const config::Config& config,
                                                                                      const std::string& name);
/// What its answers must say, and where they name whom.
/// Errors  likewise.
[[nodiscard]] std::expected<tenant::JwtOptions, std::string> introspection_options(const config::Config& config,
                                                                                   const std::string& name);

/// Behind the issuers of signed tokens, before the routes.
void fill_introspection(const config::Config& config, proxy::Plan& plan, TlsFiles& files,
                        std::vector<std::string>& messages);
/// What their servers are trusted by, as the files are now. `config` needs no secrets.
void renew_introspection(const config::Config& config, proxy::Plan& plan, TlsFiles& files,
                         std::vector<std::string>& messages);

}  // namespace loom::app

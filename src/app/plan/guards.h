// Guards that stand outside of Loom, as the conf says them.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "loom/config/config.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/external_guard.h"
#include "loom/proxy/plan.h"
#include "plan/mark.h"
#include "tls_files.h"

namespace loom::app {

/// Where it is asked, and what counts of what it says; without what its server is trusted by.
/// Errors  a line that names the key.
[[nodiscard]] std::expected<proxy::ExternalGuardPlan, std::string> external_guard_plan(const config::Config& config,
                                                                                       const std::string& name);
/// What counts of moderations.
/// Errors  what is wrong with the key .thresholds.
[[nodiscard]] std::expected<guard::ModerationTerms, std::string> moderation_terms(const config::Config& config,
                                                                                  const std::string& name);
/// Whatever may make another verdict of the same request.
void mark_external_guards(const config::Config& config, Mark& mark);

/// Behind the route's and fill_security().
void fill_guards(const config::Config& config, proxy::GuardPlan& guards, observe::Metrics& metrics, TlsFiles& files,
                 std::vector<std::string>& messages);
/// What their servers are trusted by, as the files are now. `config` needs no secrets.
void renew_guards(const config::Config& config, proxy::Plan& plan, TlsFiles& files, std::vector<std::string>& messages);

}  // namespace loom::app

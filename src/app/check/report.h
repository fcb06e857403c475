// What the checks share: a place to write to, and the questions that more than one of them asks.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "loom/config/config.h"
#include "loom/llm/provider_table.h"

namespace loom::app {

struct Report {
    const config::Config& config;
    bool complete;  // see check()
    std::vector<config::Diagnostic> diagnostics;

    /// `key: text` where the key's value stands.
    void error(const std::string& key, std::string_view text) { add(config.place(key), true, key, text); }
    void warning(const std::string& key, std::string_view text) { add(config.place(key), false, key, text); }
    /// Something is not there: said only when all that is there could be read.
    void missing(const config::Place& place, const std::string& key, std::string_view text) {
        if (complete) add(place, true, key, text);
    }
    void add(const config::Place& place, bool is_error, const std::string& key, std::string_view text) {
        diagnostics.push_back({place, is_error, fmt::format("{}: {}", config::printable(key), text), key});
    }
};

/// No control byte in it.
[[nodiscard]] bool fits_a_header(std::string_view value);

[[nodiscard]] bool is_defined_provider(const config::Config& config, std::string_view name);

/// A name of `names("provider")` must be there; else an error at `key`'s value.
void require_provider(Report& report, const std::string& key, const std::string& name);

/// prefix  "provider.X.tls." or "route.X.tls.".
void check_upstream_tls(Report& report, const std::string& prefix, bool is_https);
void check_listener_tls(Report& report, const std::string& listener);
/// What a provider knows its customer by.
void check_credentials(Report& report, const std::string& provider, const llm::ProviderType& type);
void check_providers(Report& report);
void check_routing(Report& report);
void check_hold(Report& report);
void check_sticky(Report& report);
void check_experiments(Report& report);
void check_mirror(Report& report);
void check_hedge(Report& report);
void check_cache(Report& report);
void check_consumers(Report& report);
/// Issuers of tokens, what routes ask for, and addresses.
void check_identity(Report& report);
/// Issuers that are asked about tokens.
void check_introspection(Report& report);
/// Rules, prompts' targets, regions.
void check_selection(Report& report);
void check_limits(Report& report);
void check_ledger(Report& report);
void check_security(Report& report);
void check_custom_types(Report& report);
/// Guards that stand outside of Loom.
void check_guards(Report& report);
/// Of clients.
void check_rate_limits(Report& report);
/// The windows of their request_rate and token_rate: what cannot be read, and what never counts.
void check_rates(Report& report);
/// What may be spent by the calendar.
void check_budgets(Report& report);
/// What becomes of prompts that are too long.
void check_context(Report& report);
/// Where events are told.
void check_alerts(Report& report);
/// Which sudden changes are told.
void check_anomalies(Report& report);

}  // namespace loom::app

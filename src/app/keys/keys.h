// The whole table of configuration keys.
#pragma once

#include <span>

#include "loom/base/key_row.h"

namespace loom::app {

/// Each folder's rows, in the order in which --keys and conf/loom.conf show them. Static: never dies.
[[nodiscard]] std::span<const std::span<const KeyRow>> all_keys();

/// Rows of the keys that say who is asked, and what follows a failure.
[[nodiscard]] std::span<const KeyRow> routing_keys();

/// Rows of the keys of active health checks.
[[nodiscard]] std::span<const KeyRow> health_keys();
/// Rows of the keys that say which model stands in for one that cannot take a request.
[[nodiscard]] std::span<const KeyRow> fallback_keys();

/// Rows of the keys that say what models cost: at a provider, by model, and what a table of prices has beside those by
/// model.
[[nodiscard]] std::span<const KeyRow> price_keys();
[[nodiscard]] std::span<const KeyRow> model_price_keys();
[[nodiscard]] std::span<const KeyRow> price_table_keys();
/// Rows of the keys that narrow who may be asked: rules, prompts, capabilities, regions.
[[nodiscard]] std::span<const KeyRow> selection_keys();
/// Rows of the keys that say how much providers may be asked.
[[nodiscard]] std::span<const KeyRow> limit_keys();
/// Rows of the keys that say how long a stream's start waits.
[[nodiscard]] std::span<const KeyRow> hold_keys();
/// Rows of the keys that keep requests of one client, user or conversation at one provider.
[[nodiscard]] std::span<const KeyRow> sticky_keys();

/// Rows of the keys that lead shares of a model's users elsewhere.
[[nodiscard]] std::span<const KeyRow> experiment_keys();

/// Rows of the keys that send copies of requests to a shadow.
[[nodiscard]] std::span<const KeyRow> mirror_keys();
/// Of src/app/keys/hedge.cc: a second provider beside one that is slow.
[[nodiscard]] std::span<const KeyRow> hedge_keys();

/// Rows of the keys that keep answers.
[[nodiscard]] std::span<const KeyRow> cache_keys();

/// Rows of the keys that say how much clients may ask for.
[[nodiscard]] std::span<const KeyRow> rate_limit_keys();

/// Rows of the keys that say what may be spent by the calendar.
[[nodiscard]] std::span<const KeyRow> budget_keys();
/// Rows of the keys that say where events are told.
[[nodiscard]] std::span<const KeyRow> alert_keys();
/// Rows of the keys that say which sudden changes are told.
[[nodiscard]] std::span<const KeyRow> anomaly_keys();
/// Rows of the keys that say who is let in.
[[nodiscard]] std::span<const KeyRow> identity_keys();
/// Rows of the keys that say who is asked about tokens.
[[nodiscard]] std::span<const KeyRow> introspection_keys();
/// Rows of the keys of the ledger.
[[nodiscard]] std::span<const KeyRow> ledger_keys();

/// Rows of the keys of the guards.
[[nodiscard]] std::span<const KeyRow> security_keys();
/// Rows of the keys of guards that stand outside of Loom.
[[nodiscard]] std::span<const KeyRow> guard_keys();
/// Rows of the keys that say how tokens are counted, and how many a request may take.
[[nodiscard]] std::span<const KeyRow> token_keys();

}  // namespace loom::app

// Who may take a request, and in which order: found out once, and kept through failover.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "loom/llm/request.h"
#include "loom/route/choose.h"
#include "loom/route/estimate.h"
#include "loom/route/rules.h"

namespace loom::proxy {

/// In the exchange's texts; only of requests that something narrows. What it points to there goes along where another
/// exchange gets a copy (Exchange::take_selection_of).
struct Selection {
    route::Tried unfit;                // of the candidates: they cannot, or must not, take it
    std::span<const uint8_t> regions;  // their classes, the nearest lowest (routing.prefer_region); empty: all alike
    std::span<const uint16_t> order;  // all candidates' places, those first that the rule prefers; empty: as they stand
    const route::RoutingRule* rule = nullptr;  // that holds
    int preferred_ix = -1;                     // the provider that such a prompt is for
    std::string_view model;                    // that is asked in place of the client's
    bool by_budget = false;                    // that one's budget did not do; else by its prompt
    bool is_led = false;                       // which model it is for was chosen (ContextVisit)
    std::optional<route::Estimate> estimate;
    route::Strategy decided = route::Strategy::priority;  // complexity or task, where the estimate has decided
    std::span<rule::Value> headers;                       // as SelectionPlan::rule_headers
};

/// What a prompt asks for, and how hard it is.
[[nodiscard]] route::Estimate estimate_prompt(const llm::Request& request) noexcept;

}  // namespace loom::proxy

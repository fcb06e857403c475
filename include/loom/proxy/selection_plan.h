// What narrows who may take a request, beside its model: rules, what its prompt is like, what it needs, and where it
// may go.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "loom/route/capability.h"
#include "loom/route/estimate.h"
#include "loom/route/proximity.h"
#include "loom/route/residency.h"
#include "loom/route/rules.h"
#include "loom/route/strategy.h"

namespace loom::proxy {

/// Whom a prompt of some kind is for: a model in place of the client's, or the provider that is asked first for it.
struct PromptTarget {
    std::string model;
    int provider_ix = -1;
    [[nodiscard]] bool empty() const noexcept { return model.empty() && provider_ix < 0; }
};

/// Immutable: part of a Plan, which has none where its conf says nothing of all this.
struct SelectionPlan {
    route::RoutingRules rules;
    std::vector<std::string> rule_headers;  // what rules ask of a request's head, by name, in lower case

    float complexity_threshold = route::complexity_threshold;
    PromptTarget small;
    PromptTarget large;
    std::array<PromptTarget, route::task_count> tasks;
    /// Names that have such a strategy of their own (routing.model.NAME.strategy): they need be nobody's model.
    std::vector<std::pair<std::string, route::Strategy>> by_prompt;

    route::Capabilities capabilities;
    std::vector<route::RegionRequirement> route_regions;     // by route; none: no route requires any
    std::vector<route::RegionRequirement> consumer_regions;  // by consumer; likewise
    route::RegionPreference preferred_regions;

    [[nodiscard]] const PromptTarget& of_complexity(float complexity) const noexcept {
        return complexity >= complexity_threshold ? large : small;
    }
    /// What has no target of its own is chat.
    [[nodiscard]] const PromptTarget& of_task(route::Task task) const noexcept {
        const PromptTarget& own = tasks[static_cast<size_t>(task)];
        return own.empty() ? tasks[static_cast<size_t>(route::Task::chat)] : own;
    }
};

}  // namespace loom::proxy

// How much one request may take: its prompt and what its answer is allowed, together.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loom/base/hash.h"

namespace loom::proxy {

/// Tokens; 0 where a scope has no bound. Of those that a request is under, the smallest counts.
struct RequestCaps {
    using ByName = std::unordered_map<std::string, uint64_t, StringHash, std::equal_to<>>;

    uint64_t all = 0;
    ByName tiers, consumers;
    std::vector<uint64_t> routes;  // by the route's index
    bool refuses = false;          // who asks for more output than there is room; else it is lowered

    [[nodiscard]] bool any() const noexcept {
        return all != 0 || !tiers.empty() || !consumers.empty() ||
               std::ranges::any_of(routes, [](uint64_t one) { return one != 0; });
    }
    /// consumer, tier  empty where there is none.
    [[nodiscard]] uint64_t of(std::string_view consumer, std::string_view tier, size_t route_ix) const noexcept {
        uint64_t least = 0;
        const auto take = [&least](uint64_t one) {
            if (one != 0 && (least == 0 || one < least)) least = one;
        };
        take(all);
        take(routes[route_ix]);
        if (const auto found = consumers.find(consumer); found != consumers.end()) take(found->second);
        if (const auto found = tiers.find(tier); found != tiers.end()) take(found->second);
        return least;
    }
};

}  // namespace loom::proxy

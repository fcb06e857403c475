#include "loom/route/affinity.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "loom/base/assert.h"
#include "loom/base/hash.h"

namespace loom::route {
namespace {

/// In (0, 1), never an end of it.
double unit_of(uint64_t hash) noexcept { return (static_cast<double>(hash >> 11) + 0.5) * 0x1p-53; }

}  // namespace

std::optional<AffinityTerms> parse_affinity(std::string_view text) {
    if (text == "off") return AffinityTerms{};
    if (text == "ip") return AffinityTerms{.by = AffinityBy::ip};
    if (text == "user") return AffinityTerms{.by = AffinityBy::user};
    if (text == "prompt_prefix") return AffinityTerms{.by = AffinityBy::prompt_prefix};
    const size_t colon = text.find(':');
    if (colon == text.npos || colon + 1 == text.size()) return std::nullopt;
    const std::string name(text.substr(colon + 1));
    if (text.substr(0, colon) == "cookie") return AffinityTerms{.by = AffinityBy::cookie, .name = name};
    if (text.substr(0, colon) == "header") return AffinityTerms{.by = AffinityBy::header, .name = name};
    return std::nullopt;
}

uint64_t affinity_key(std::string_view text) noexcept { return text.empty() ? 0 : std::max<uint64_t>(hash64(text), 1); }

/// Of independent draws -w/ln(u) the highest is a member's as often as its weight says.
double affinity_score(uint64_t key, uint64_t identity, uint32_t weight) noexcept {
    const std::array<uint64_t, 2> both = {key, identity};
    const uint64_t hash = hash64({reinterpret_cast<const char*>(both.data()), sizeof both});
    return -static_cast<double>(weight) / std::log(unit_of(hash));
}

size_t pick_by_affinity(uint64_t key, std::span<const AffinityMember> members, double load_factor) noexcept {
    LOOM_ASSERT(!members.empty() && load_factor >= 1);
    int64_t load = 1;
    uint64_t weight = 0;
    for (const AffinityMember& one : members) {
        load += one.load;
        weight += one.weight;
    }
    const auto has_room = [&](const AffinityMember& one) {
        const double share = load_factor * static_cast<double>(load) * one.weight / static_cast<double>(weight);
        return static_cast<double>(one.load) + 1 <= std::ceil(share);
    };
    size_t best = members.size();
    double best_score = 0;
    for (size_t i = 0; i < members.size(); ++i) {
        if (!has_room(members[i])) continue;
        const double score = affinity_score(key, members[i].identity, members[i].weight);
        if (best < members.size() && score <= best_score) continue;
        best = i;
        best_score = score;
    }
    LOOM_ASSERT(best < members.size());  // else all together would have more than there is
    return best;
}

}  // namespace loom::route

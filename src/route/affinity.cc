#include "loom/route/affinity.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "loom/base/assert.h"
#include "loom/base/hash.h"

namespace loom::route {
namespace {

/// In (0, 1), never an end of it.
double unit_of(uint64_t hash) noexcept { return (static_cast<double>(hash >> 12) + 0.5) * 0x1p-52; }

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

/// Of independent draws -w/ln(u) the highest is a member's as often as its weight says. As -ln(u) >= 1 - u, most
/// members are out without a logarithm; those that the bound's rounding might cost their place are looked at.
bool raise_affinity_score(uint64_t key, uint64_t identity, uint32_t weight, double& most) noexcept {
    constexpr double rounding = 1 - 1e-9;
    const std::array<uint64_t, 2> both = {key, identity};
    const double unit = unit_of(hash64({reinterpret_cast<const char*>(both.data()), sizeof both}));
    if (static_cast<double>(weight) < most * (1 - unit) * rounding) return false;
    const double score = -static_cast<double>(weight) / std::log(unit);
    if (score <= most) return false;
    most = score;
    return true;
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
        return static_cast<double>(one.load) < share;  // so one more is no more than the share, rounded up
    };
    size_t best = members.size();
    double most = 0;
    for (size_t i = 0; i < members.size(); ++i) {
        if (!has_room(members[i])) continue;
        if (raise_affinity_score(key, members[i].identity, members[i].weight, most)) best = i;
    }
    LOOM_ASSERT(best < members.size());  // else all together would have more than there is
    return best;
}

}  // namespace loom::route

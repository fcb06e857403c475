#include <algorithm>
#include <array>
#include <optional>

#include "strategies.h"

namespace loom::route {
namespace {

constexpr uint64_t nearly_percent = 150;  // of the least: what is as good as that

/// Positions in a field, in its order.
struct Positions {
    std::array<uint16_t, candidates_max> at;
    size_t count = 0;

    /// best  stays, whatever other shards have made of what it was chosen by since.
    template <class Fits>
    void keep(const Field& field, size_t best, Fits fits) noexcept {
        for (size_t i = 0; i < field.eligible.size(); ++i)
            if (i == best || fits(field.at(i))) at[count++] = static_cast<uint16_t>(i);
    }
};

/// Of a candidate, the lowest the best; 0: nothing is known.
using ScoreOf = uint64_t (*)(const Field&, const Candidate&) noexcept;

void keep_fastest(const Field& field, size_t fastest, ScoreOf score_of, Positions& first) noexcept {
    const uint64_t least = score_of(field, field.at(fastest));
    first.keep(field, fastest, [&](const Candidate& one) {
        const uint64_t score = score_of(field, one);
        return least == 0 || (score != 0 && score <= least * nearly_percent / 100);
    });
}

size_t fastest_of(const Field& field, ScoreOf score_of) noexcept {
    size_t best = 0;
    uint64_t least = 0;
    for (size_t i = 0; i < field.eligible.size(); ++i) {
        const uint64_t score = score_of(field, field.at(i));
        if (score == 0 || (least != 0 && score >= least)) continue;
        best = i;
        least = score;
    }
    return best;
}

/// Those that the strategy would take first.
/// looked  the one that a strategy which goes by times has picked; nothing: the one that is the fastest.
void keep_first(const Field& field, std::optional<size_t> looked, Positions& first) noexcept {
    switch (field.terms.strategy) {
        case Strategy::priority:
        case Strategy::complexity:
        case Strategy::task:
            return first.keep(field, 0,
                              [&field](const Candidate& one) { return stands_first(field.terms, one, field.at(0)); });
        case Strategy::cost: {
            const size_t best = pick_cost(field);
            const std::optional<Money> least = cost_of(field, field.at(best));
            return first.keep(field, best, [&](const Candidate& one) { return cost_of(field, one) == least; });
        }
        case Strategy::latency:
            return keep_fastest(field, looked.value_or(fastest_of(field, latency_of)), latency_of, first);
        case Strategy::throughput:
            return keep_fastest(field, looked.value_or(fastest_of(field, pace_of)), pace_of, first);
        default: return first.keep(field, 0, [](const Candidate&) { return true; });
    }
}

}  // namespace

size_t pick_sticky(const Field& field, bool& explored) noexcept {
    std::optional<size_t> looked;
    if (field.terms.strategy == Strategy::latency) looked = pick_latency(field, explored);
    if (field.terms.strategy == Strategy::throughput) looked = pick_throughput(field, explored);
    if (explored) return *looked;
    Positions first;
    keep_first(field, looked, first);
    if (first.count == 1) return first.at[0];
    std::array<AffinityMember, candidates_max> members;
    for (size_t i = 0; i < first.count; ++i) {
        const Candidate& one = field.at(first.at[i]);
        const TargetState* const state = one.provider_state.get();
        const int64_t load = state == nullptr ? 0 : state->in_flight.load(std::memory_order_relaxed);
        // An operator may have drained it since it was found eligible.
        members[i] = {.identity = one.identity, .weight = std::max(1u, one.weight_now()), .load = load};
    }
    const size_t chosen =
        pick_by_affinity(field.terms.affinity, {members.data(), first.count}, field.options.load_factor);
    return first.at[chosen];
}

size_t sticky_home(const Field& field) noexcept {
    Positions first;
    keep_first(field, std::nullopt, first);
    size_t home = first.at[0];
    double most = 0;
    for (size_t i = 0; i < first.count; ++i) {
        const Candidate& one = field.at(first.at[i]);
        if (raise_affinity_score(field.terms.affinity, one.identity, std::max(1u, one.weight_now()), most))
            home = first.at[i];
    }
    return home;
}

}  // namespace loom::route

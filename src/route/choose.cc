#include "loom/route/choose.h"

#include <algorithm>
#include <array>
#include <utility>

#include "loom/base/assert.h"
#include "strategy/strategies.h"

namespace loom::route {
namespace {

/// How well a candidate is: what step of a choice may take it.
enum class Standing : uint8_t { well, recovering, resting, limited, broken };

/// One choice under way.
class Chooser {
  public:
    Chooser(const ChoiceOptions& options, const ChoiceTerms& terms, std::span<const Candidate> candidates,
            const Tried& tried, Turn& turn, Random& random) noexcept
        : options_(options), terms_(terms), candidates_(candidates), out_(tried), turn_(turn), random_(random) {
        LOOM_ASSERT(terms.order.empty() || terms.order.size() == candidates.size());
        LOOM_ASSERT(terms.regions.empty() || terms.regions.size() == candidates.size());
        if (terms.unfit != nullptr) out_ |= *terms.unfit;
    }

    std::optional<Choice> run() noexcept {
        // A race for the last probe may be lost: then that one is broken, and the choice is made again.
        for (size_t n = 0; n <= candidates_.size(); ++n) {
            const auto choice = once();
            if (!choice) return std::nullopt;
            Choice chosen = *choice;
            if (enter(chosen)) return chosen;
        }
        return std::nullopt;
    }

  private:
    std::optional<Choice> once() noexcept {
        if (terms_.fallback_only) return fallback(terms_.trouble);
        if (goes_by_order(terms_.strategy) && terms_.affinity == 0 && terms_.regions.empty()) {
            if (const auto first = first_well()) return first;
        } else if (const auto chosen = by_strategy(Standing::well)) {
            return chosen;
        }
        if (const auto chosen = by_strategy(Standing::recovering)) return chosen;
        if (const auto chosen = fallback(terms_.trouble != Trouble::none ? terms_.trouble : trouble_of_all()))
            return chosen;
        if (const auto chosen = by_strategy(Standing::resting, ChoiceReason::unrested)) return chosen;
        return panics() ? by_strategy(Standing::broken, ChoiceReason::last_resort) : std::nullopt;
    }

    /// The common case, at its cost: the first that is well.
    std::optional<Choice> first_well() noexcept {
        for (size_t n = 0; n < candidates_.size(); ++n) {
            const size_t i = place(n);
            if (usable(i) && standing(candidates_[i]) == Standing::well) return Choice{.index = i};
        }
        return std::nullopt;
    }

    /// Among those that are no worse than `worst`.
    std::optional<Choice> by_strategy(Standing worst, ChoiceReason reason = ChoiceReason::strategy) noexcept {
        std::array<uint16_t, candidates_max> eligible;
        size_t count = 0;
        for (size_t n = 0; n < candidates_.size(); ++n) {
            const size_t i = place(n);
            if (!usable(i)) continue;
            const Standing standing = this->standing(candidates_[i]);
            if (standing > worst || standing == Standing::limited) continue;
            if (standing == Standing::broken && !within_limits(candidates_[i])) continue;
            if (candidates_[i].routed && count == 0) return Choice{.index = i, .reason = reason};
            eligible[count++] = static_cast<uint16_t>(i);
        }
        if (count == 0) return std::nullopt;
        if (!terms_.regions.empty()) count = keep_nearest({eligible.data(), count});
        const Field field{options_, terms_, candidates_, {eligible.data(), count}, turn_, random_};
        bool explored = false;
        if (terms_.affinity != 0) {
            const size_t own = eligible[count == 1 ? 0 : pick_sticky(field, explored)];
            if (!explored && reason == ChoiceReason::strategy)
                reason = is_own(own) ? ChoiceReason::sticky : ChoiceReason::moved;
            return Choice{.index = own, .reason = explored ? ChoiceReason::explored : reason};
        }
        const size_t position = count == 1 ? 0 : pick(field, explored);
        return Choice{.index = eligible[position], .reason = explored ? ChoiceReason::explored : reason};
    }

    /// Of the lowest class; returns how many.
    [[nodiscard]] size_t keep_nearest(std::span<uint16_t> eligible) const noexcept {
        uint8_t lowest = UINT8_MAX;
        for (const uint16_t i : eligible) lowest = std::min(lowest, terms_.regions[i]);
        const auto is_farther = [&](uint16_t i) { return terms_.regions[i] > lowest; };
        return static_cast<size_t>(std::remove_if(eligible.begin(), eligible.end(), is_farther) - eligible.begin());
    }

    static size_t pick(const Field& field, bool& explored) noexcept {
        switch (field.terms.strategy) {
            case Strategy::priority:
            case Strategy::complexity:
            case Strategy::task: return 0;
            case Strategy::round_robin: return pick_round_robin(field);
            case Strategy::weighted: return pick_weighted(field);
            case Strategy::random: return pick_random(field);
            case Strategy::least_connections: return pick_least_connections(field);
            case Strategy::latency: return pick_latency(field, explored);
            case Strategy::cost: return pick_cost(field);
            case Strategy::throughput: return pick_throughput(field, explored);
        }
        return 0;
    }

    /// Of the candidate that is `n`th in turn.
    [[nodiscard]] size_t place(size_t n) const noexcept {
        return terms_.order.empty() || !goes_by_order(terms_.strategy) ? n : terms_.order[n];
    }
    /// Would the affinity have it, were all well and idle?
    [[nodiscard]] bool is_own(size_t index) const noexcept {
        std::array<uint16_t, candidates_max> all;
        size_t count = 0;
        for (size_t n = 0; n < candidates_.size(); ++n) {
            const size_t i = place(n);
            if (!counts(i)) continue;
            if (candidates_[i].routed && count == 0) return i == index;
            all[count++] = static_cast<uint16_t>(i);
        }
        if (!terms_.regions.empty()) count = keep_nearest({all.data(), count});
        if (count == 0) return false;  // an operator has drained it since
        return all[sticky_home({options_, terms_, candidates_, {all.data(), count}, turn_, random_})] == index;
    }

    /// Where it is the only one, it is no fallback but who is asked.
    [[nodiscard]] bool usable(size_t index) const noexcept {
        const Candidate& one = candidates_[index];
        return !out_[index] && one.weight_now() > 0 && (!one.fallback || alone());
    }
    /// Is it among those whom the state of all depends on?
    [[nodiscard]] bool counts(size_t index) const noexcept {
        return can_take(index) && (!candidates_[index].fallback || alone());
    }
    [[nodiscard]] bool can_take(size_t index) const noexcept {
        return (terms_.unfit == nullptr || !(*terms_.unfit)[index]) && candidates_[index].weight_now() > 0;
    }
    /// Is there but one that can take such a request? Asked of the fallback alone.
    [[nodiscard]] bool alone() const noexcept {
        size_t count = 0;
        for (size_t i = 0; i < candidates_.size() && count < 2; ++i) count += can_take(i) ? 1 : 0;
        return count < 2;
    }

    std::optional<Choice> fallback(Trouble trouble) noexcept {
        const size_t last = candidates_.size() - 1;
        if (!candidates_[last].fallback || out_[last] || candidates_[last].weight_now() == 0 || alone())
            return std::nullopt;
        const bool wanted =
            trouble == Trouble::rate_limit ? options_.fallback_on_rate_limit : options_.fallback_on_error;
        if (!wanted || standing(candidates_[last]) >= Standing::limited) return std::nullopt;
        return Choice{.index = last, .reason = ChoiceReason::fallback};
    }

    [[nodiscard]] Standing standing(const Candidate& candidate) noexcept {
        const TargetState* const provider = candidate.provider_state.get();
        const TargetState* const model = candidate.model_state.get();
        Standing worst = candidate.instances == nullptr ? Standing::well : best_of(*candidate.instances);
        if (worst == Standing::broken) return worst;
        if (provider != nullptr && provider->probe.unhealthy()) return Standing::broken;
        for (const TargetState* const state : {provider, model}) {
            if (state == nullptr) continue;
            if (!state->breaker.admits(options_.breaker, terms_.now_ms)) return Standing::broken;
            if (state->rests(terms_.now_ms) ||
                !state->has_room(terms_.now_ms, terms_.input_tokens, terms_.output_tokens))
                worst = Standing::resting;
            if (worst == Standing::well && !takes_its_share(state->breaker)) worst = Standing::recovering;
        }
        return within_limits(candidate) ? worst : Standing::limited;
    }
    [[nodiscard]] bool within_limits(const Candidate& candidate) const noexcept {
        return candidate.limits == nullptr || (candidate.limits->admits(terms_.now_ms, terms_.tokens()) &&
                                               !candidate.limits->state->waited_for(terms_.yields_from));
    }
    /// A provider is as well as the best of its instances.
    [[nodiscard]] Standing best_of(const InstanceSet& instances) noexcept {
        const auto draw = static_cast<uint32_t>(random_.next() >> 56);
        switch (best_standing(instances, terms_.now_ms, 0, draw)) {
            case InstanceStanding::well: return Standing::well;
            case InstanceStanding::recovering: return Standing::recovering;
            case InstanceStanding::resting: return Standing::resting;
            case InstanceStanding::broken: return Standing::broken;
        }
        return Standing::broken;
    }
    [[nodiscard]] bool takes_its_share(const Breaker& breaker) noexcept {
        const uint32_t share = breaker.share(options_.breaker, terms_.now_ms);
        return share >= 256 || (random_.next() >> 56) < share;
    }

    [[nodiscard]] bool panics() noexcept {
        for (size_t i = 0; i < candidates_.size(); ++i)
            if (counts(i) && standing(candidates_[i]) != Standing::broken) return false;
        return true;
    }
    [[nodiscard]] Trouble trouble_of_all() noexcept {
        for (size_t i = 0; i < candidates_.size(); ++i)
            if (counts(i) && standing(candidates_[i]) == Standing::broken) return Trouble::error;
        return Trouble::rate_limit;
    }

    bool enter(Choice& choice) noexcept {
        const Candidate& candidate = candidates_[choice.index];
        if (candidate.limits != nullptr &&
            !route::enter(*candidate.limits, terms_.now_ms, terms_.tokens(), choice.passage.limits))
            return false;
        if (choice.reason == ChoiceReason::last_resort) return count(candidate, choice.passage);
        if (candidate.provider_state != nullptr &&
            !candidate.provider_state->breaker.enter(options_.breaker, terms_.now_ms, choice.passage.provider)) {
            leave(options_, candidate, terms_.now_ms, choice.passage);
            return false;
        }
        if (candidate.model_state != nullptr &&
            !candidate.model_state->breaker.enter(options_.breaker, terms_.now_ms, choice.passage.model)) {
            leave(options_, candidate, terms_.now_ms, choice.passage);
            return false;
        }
        return count(candidate, choice.passage);
    }
    bool count(const Candidate& candidate, Passage& passage) noexcept {
        const bool counted = options_.counts_in_flight || terms_.strategy == Strategy::least_connections;
        if (!counted || candidate.provider_state == nullptr) return true;
        candidate.provider_state->in_flight.fetch_add(1, std::memory_order_relaxed);
        passage.counted = true;
        return true;
    }

    const ChoiceOptions& options_;
    const ChoiceTerms& terms_;
    std::span<const Candidate> candidates_;
    Tried out_;
    Turn& turn_;
    Random& random_;
};

}  // namespace

std::string_view reason_name(ChoiceReason reason) noexcept {
    switch (reason) {
        case ChoiceReason::strategy: return "strategy";
        case ChoiceReason::sticky: return "sticky";
        case ChoiceReason::moved: return "sticky_moved";
        case ChoiceReason::explored: return "explored";
        case ChoiceReason::fallback: return "fallback";
        case ChoiceReason::unrested: return "unrested";
        case ChoiceReason::last_resort: return "last_resort";
    }
    return "";
}

std::optional<Choice> choose(const ChoiceOptions& options, const ChoiceTerms& terms,
                             std::span<const Candidate> candidates, const Tried& tried, Turn& turn,
                             Random& random) noexcept {
    if (candidates.empty()) return std::nullopt;
    return Chooser(options, terms, candidates, tried, turn, random).run();
}

std::optional<uint64_t> limited_ms(const ChoiceTerms& terms, std::span<const Candidate> candidates) noexcept {
    std::optional<uint64_t> shortest_ms;
    for (size_t i = 0; i < candidates.size(); ++i) {
        const ProviderLimits* const limits = candidates[i].limits.get();
        if (limits == nullptr || candidates[i].weight_now() == 0 || (terms.unfit != nullptr && (*terms.unfit)[i]))
            continue;
        const uint64_t behind_ms =
            limits->state->waited_for(terms.yields_from) ? ProviderLimits::concurrency_wait_ms : 0;
        const uint64_t wait_ms = std::max(behind_ms, limits->wait_ms(terms.now_ms, terms.tokens()));
        if (wait_ms > 0 && (!shortest_ms || wait_ms < *shortest_ms)) shortest_ms = wait_ms;
    }
    return shortest_ms;
}

void judge(const ChoiceOptions& options, const Candidate& candidate, uint64_t now_ms, Passage& passage,
           Verdicts verdicts) noexcept {
    if (candidate.provider_state != nullptr)
        candidate.provider_state->breaker.leave(options.breaker, now_ms, passage.provider, verdicts.provider);
    if (candidate.model_state != nullptr)
        candidate.model_state->breaker.leave(options.breaker, now_ms, passage.model, verdicts.model);
}

void leave(const ChoiceOptions& options, const Candidate& candidate, uint64_t now_ms, Passage& passage) noexcept {
    judge(options, candidate, now_ms, passage, {});
    leave(passage.limits, now_ms, {});
    if (std::exchange(passage.counted, false))
        candidate.provider_state->in_flight.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace loom::route

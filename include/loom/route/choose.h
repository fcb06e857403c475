// Which candidate takes a request: those that are well, by the strategy; else those that must do.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "loom/route/affinity.h"
#include "loom/route/catalogue.h"

namespace loom::route {

/// xorshift64* (Vigna): for spreading load, not for secrets.
class Random {
  public:
    explicit Random(uint64_t seed) noexcept : state_(seed | 1) {}
    [[nodiscard]] uint64_t next() noexcept {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545'f491'4f6c'dd1d;
    }

  private:
    uint64_t state_;
};

/// How the attempts of a request are chosen, for all requests of a configuration.
struct ChoiceOptions {
    BreakerOptions breaker{.failure_threshold = 0};  // without failover there is none
    LatencyOptions latency;
    LatencyOptions throughput{.percentile = 50};  // a pause in one stream says little of the others
    bool fallback_on_error = true;
    bool fallback_on_rate_limit = true;
    double load_factor = 1.25;      // of AffinityMember::load; see pick_by_affinity
    bool counts_in_flight = false;  // of every provider, for those who ask (Strategy::least_connections does anyway)
};

/// Why a candidate was passed over, or an attempt failed: the fallback may be meant for one and not for the other.
enum class Trouble : uint8_t { none, error, rate_limit };

using Tried = std::bitset<candidates_max>;

struct ChoiceTerms {
    Strategy strategy = Strategy::priority;
    uint64_t now_ms = 0;    // monotonic, the same for all shards
    uint64_t affinity = 0;  // requests of one key go to one candidate; 0: each chooses for itself
    bool stream = false;
    uint64_t input_tokens = 0;               // as far as can be told
    uint64_t output_tokens = 0;              // expected
    uint64_t output_tokens_max = 0;          // that the client wants; 0: it sets no bound
    std::string_view model;                  // the client's name for it
    Trouble trouble = Trouble::none;         // how the attempt before ended
    uint8_t yields_from = priority_classes;  // those who wait for a provider in this class or a higher one go first
    bool fallback_only = false;              // the others have had their attempts
    const Tried* unfit = nullptr;  // candidates that cannot take such a request, as if they were none; null: all can
    std::span<const uint8_t> regions;  // all candidates' classes, the lowest first, before any strategy; empty: alike
    std::span<const uint16_t> order;   // all candidates' places, best first, where the strategy goes by it; else empty

    [[nodiscard]] uint64_t tokens() const noexcept { return input_tokens + output_tokens; }
};

/// What was taken of a candidate's rows when it was chosen: to be given back by `leave`, once.
struct Passage {
    BreakerPass provider;
    BreakerPass model;
    bool counted = false;  // among the provider's attempts under way
    LimitPass limits;
};

enum class ChoiceReason : uint8_t {
    strategy,
    sticky,       // the affinity's own candidate
    moved,        // another than the affinity's own, which is not well, has its load or is not the strategy's
    explored,     // to see how it does
    fallback,     // the others have failed, or are known to
    unrested,     // all that are well have asked for rest
    last_resort,  // every breaker is open: somebody has to be asked
};
[[nodiscard]] std::string_view reason_name(ChoiceReason reason) noexcept;

struct Choice {
    size_t index = 0;  // of the candidates
    ChoiceReason reason = ChoiceReason::strategy;
    Passage passage;
};

/// Chooses among candidates that were not tried, and enters the chosen one's breakers. Nothing when none is left.
/// Within each step those of the lowest class of region that has any go before the others.
///   1. not the fallback; breaker closed or probing, not resting; while it recovers, its growing share of the requests
///   2. the same, whatever their share    3. the fallback    4. those that rest
///   5. where the breaker of every candidate but the fallback is open, tried or not: the strategy among those left
/// Each step goes by the strategy. Where there is an affinity, it decides among those that the strategy would take
/// first: a request's own order, its first; priority, those of the first one's number; cost, those as cheap as the
/// cheapest; latency and throughput, those nearly as fast as the fastest; the others, which only spread, all. One that
/// is at its limit is none of them. No allocation.
[[nodiscard]] std::optional<Choice> choose(const ChoiceOptions& options, const ChoiceTerms& terms,
                                           std::span<const Candidate> candidates, const Tried& tried, Turn& turn,
                                           Random& random) noexcept;

/// Where nothing was chosen: is somebody merely at its limit? Milliseconds until the first of them may be asked, if
/// nobody else comes.
[[nodiscard]] std::optional<uint64_t> limited_ms(const ChoiceTerms& terms,
                                                 std::span<const Candidate> candidates) noexcept;

/// How an attempt ended, for the provider and for its model: a connection that fails is the provider's fault, an error
/// that it answers may be the model's alone.
struct Verdicts {
    BreakerOutcome provider = BreakerOutcome::none;
    BreakerOutcome model = BreakerOutcome::none;
    BreakerOutcome instance = BreakerOutcome::none;  // of a provider that has several, see instances.h
};
/// Tells the candidate's breakers. Once for a passage; again is nothing.
void judge(const ChoiceOptions& options, const Candidate& candidate, uint64_t now_ms, Passage& passage,
           Verdicts verdicts) noexcept;
/// The attempt is over; what was not judged was broken off, and what was not settled was not asked.
void leave(const ChoiceOptions& options, const Candidate& candidate, uint64_t now_ms, Passage& passage) noexcept;

}  // namespace loom::route

#include "loom/route/breaker.h"

#include <algorithm>

namespace loom::route {
namespace {

constexpr uint32_t whole_share = 256;
constexpr uint32_t first_share = whole_share / 10;

// 10 bits a count: failures while closed, successes and probes while half open; the first two never at once, so they
// share their bits.
constexpr unsigned phase_bits = 2;
constexpr unsigned restoring_bits = 1;
constexpr unsigned era_bits = 8;
constexpr unsigned count_bits = 10;
static_assert(BreakerOptions::threshold_max < 1u << count_bits);
constexpr unsigned written_off_bits = 1;
static_assert(phase_bits + restoring_bits + written_off_bits + era_bits + 2 * count_bits + 32 <= 64);

/// Shards tell the time by their own tick, so that one's may lie before what another has noted: nothing has passed
/// then, not 49 days.
uint32_t elapsed(uint64_t now_ms, uint32_t since_ms) noexcept {
    constexpr uint32_t behind_ms_max = 60'000;
    const uint32_t passed_ms = static_cast<uint32_t>(now_ms) - since_ms;
    return passed_ms > UINT32_MAX - behind_ms_max ? 0 : passed_ms;
}

}  // namespace

bool BreakerState::timed_out(const BreakerOptions& options, uint64_t now_ms) const noexcept {
    return elapsed(now_ms, since_ms) >= options.timeout_ms;
}

bool BreakerState::admits(const BreakerOptions& options, uint64_t now_ms) const noexcept {
    if (options.failure_threshold == 0) return true;
    switch (phase) {
        case BreakerPhase::closed: return true;
        case BreakerPhase::open: return timed_out(options, now_ms);
        case BreakerPhase::half_open:
            // Probes that were never told of, a shard's that died with its thread, must not close the door for ever.
            return probes + successes < options.success_threshold || timed_out(options, now_ms);
    }
    return true;
}

bool BreakerState::enter(const BreakerOptions& options, uint64_t now_ms, BreakerPass& pass) noexcept {
    pass = {};
    if (options.failure_threshold == 0) return true;
    if (!admits(options, now_ms)) return false;
    if (phase != BreakerPhase::closed) {
        if (phase == BreakerPhase::open) {
            phase = BreakerPhase::half_open;
            era += 1;
            probes = successes = 0;
            since_ms = static_cast<uint32_t>(now_ms);
        } else if (probes + successes >= options.success_threshold) {
            // It waits no longer for those that are out, but they are of the same recovery: what they tell late counts,
            // or answers that take longer than the timeout would never close it.
            written_off = true;
            probes = 0;
            since_ms = static_cast<uint32_t>(now_ms);
        }
        probes += 1;
    }
    pass = {.era = era, .probe = phase == BreakerPhase::half_open, .entered = true};
    return true;
}

void BreakerState::open(uint64_t now_ms) noexcept {
    phase = BreakerPhase::open;
    era += 1;
    failures = successes = probes = 0;
    since_ms = static_cast<uint32_t>(now_ms);
    restored = true;
    written_off = false;
}

void BreakerState::leave(const BreakerOptions& options, uint64_t now_ms, BreakerPass pass,
                         BreakerOutcome outcome) noexcept {
    if (!pass.entered || pass.era != era || pass.probe != (phase == BreakerPhase::half_open)) return;
    if (phase == BreakerPhase::open) return;
    if (phase == BreakerPhase::half_open) {
        if (probes == 0 && !written_off) return;  // of an era of the same number, 256 eras ago
        probes -= probes != 0;  // one that was written off takes another's place here: their sum admits no more for it
        if (outcome == BreakerOutcome::failure) return open(now_ms);
        if (outcome == BreakerOutcome::none) return;
        successes += 1;
        if (successes < options.success_threshold) return;
        phase = BreakerPhase::closed;
        era += 1;  // a probe that is still out tells nothing of what comes now
        failures = successes = probes = 0;
        since_ms = static_cast<uint32_t>(now_ms);
        restored = options.restore_ms == 0;
        written_off = false;
        return;
    }
    if (outcome == BreakerOutcome::none) return;
    if (!restored && elapsed(now_ms, since_ms) >= options.restore_ms) restored = true;
    if (outcome == BreakerOutcome::success) {
        failures = 0;
        return;
    }
    failures += 1;
    if (failures >= std::clamp(options.failure_threshold, 1u, BreakerOptions::threshold_max)) open(now_ms);
}

uint32_t BreakerState::share(const BreakerOptions& options, uint64_t now_ms) const noexcept {
    if (restored || phase != BreakerPhase::closed) return whole_share;
    const uint64_t elapsed_ms = elapsed(now_ms, since_ms);
    if (elapsed_ms >= options.restore_ms) return whole_share;
    return first_share + static_cast<uint32_t>((whole_share - first_share) * elapsed_ms / options.restore_ms);
}

uint64_t Breaker::pack(const BreakerState& state) noexcept {
    const bool half_open = state.phase == BreakerPhase::half_open;
    uint64_t word = static_cast<uint64_t>(state.phase);
    word = word << restoring_bits | (state.restored ? 0u : 1u);
    word = word << written_off_bits | (state.written_off ? 1u : 0u);
    word = word << era_bits | state.era;
    word = word << count_bits | (half_open ? state.successes : state.failures);
    word = word << count_bits | state.probes;
    return word << 32 | state.since_ms;
}

BreakerState Breaker::unpack(uint64_t word) noexcept {
    constexpr uint64_t count_mask = (1u << count_bits) - 1;
    BreakerState state;
    state.since_ms = static_cast<uint32_t>(word);
    word >>= 32;
    state.probes = static_cast<uint16_t>(word & count_mask);
    word >>= count_bits;
    const auto count = static_cast<uint16_t>(word & count_mask);
    word >>= count_bits;
    state.era = static_cast<uint8_t>(word);
    word >>= era_bits;
    state.written_off = (word & 1) != 0;
    word >>= written_off_bits;
    state.restored = (word & 1) == 0;
    state.phase = static_cast<BreakerPhase>(word >> restoring_bits);
    (state.phase == BreakerPhase::half_open ? state.successes : state.failures) = count;
    return state;
}

bool Breaker::enter(const BreakerOptions& options, uint64_t now_ms, BreakerPass& pass) noexcept {
    uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
        BreakerState state = unpack(word);
        if (!state.enter(options, now_ms, pass)) return false;
        const uint64_t next = pack(state);
        if (next == word || word_.compare_exchange_weak(word, next, std::memory_order_relaxed)) return true;
    }
}

void Breaker::leave(const BreakerOptions& options, uint64_t now_ms, BreakerPass& pass,
                    BreakerOutcome outcome) noexcept {
    if (!pass.entered) return;
    uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
        BreakerState state = unpack(word);
        state.leave(options, now_ms, pass, outcome);
        const uint64_t next = pack(state);
        if (next == word || word_.compare_exchange_weak(word, next, std::memory_order_relaxed)) break;
    }
    pass.entered = false;
}

}  // namespace loom::route

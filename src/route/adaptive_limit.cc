#include "loom/route/adaptive_limit.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace loom::route {
namespace {

constexpr double tolerance = 1.5;  // of the baseline: what is within it is no queue
constexpr double gradient_min = 0.25;
constexpr double smoothing = 0.5;  // of a window's move: what it takes away is three eighths at most
constexpr float cut_to = 0.75F;    // when one was refused
constexpr uint32_t window_samples_min = 6, window_samples_max = 64;
constexpr uint64_t measure_samples = 20;  // times as long as a sample between two measurements, at the least
constexpr uint64_t halved_samples = 8;    // times as long as a sample, at the most
constexpr uint64_t quiet_gaps = 4;
constexpr uint32_t resisted_min = 2;  // one window may be chance

constexpr uint64_t count_bits = 20;
constexpr uint64_t count_mask = (uint64_t{1} << count_bits) - 1;
constexpr double times_scale = 256;
constexpr double times_max = 64;  // of one sample: an outlier does not stand for all

constexpr uint64_t sum_bits = 56;
constexpr uint64_t sum_mask = (uint64_t{1} << sum_bits) - 1;
constexpr uint64_t sample_us_max = uint64_t{1} << 40;
constexpr uint64_t one_sample = uint64_t{1} << sum_bits;

}  // namespace

/// Loaded samples leave a window as it stands: of a model that is seldom asked, the unloaded ones come a few at a time.
/// The first baseline is made of what there is.
std::optional<double> TimeBaseline::record(uint64_t us, bool unloaded) noexcept {
    us = std::clamp<uint64_t>(us, 1, sample_us_max);
    uint64_t mean_us = mean_us_.load(std::memory_order_relaxed);
    if (!unloaded && mean_us != 0) return static_cast<double>(us) / static_cast<double>(mean_us);
    uint64_t before = window_.load(std::memory_order_relaxed);
    uint64_t after;
    bool whole;
    do {
        after = before + one_sample + us;
        whole = after / one_sample >= samples;
    } while (!window_.compare_exchange_weak(before, whole ? 0 : after, std::memory_order_relaxed));
    if (whole) {
        const uint64_t seen_us = (after & sum_mask) / samples;
        const uint64_t next_us = mean_us == 0 ? seen_us : (mean_us + seen_us) / 2;
        mean_us_.store(std::max<uint64_t>(next_us, 1), std::memory_order_relaxed);  // of two at once, one is enough
    }
    if (mean_us == 0) return std::nullopt;
    return static_cast<double>(us) / static_cast<double>(mean_us);
}

uint64_t TimeBaseline::value_us() const noexcept { return mean_us_.load(std::memory_order_relaxed); }

AdaptiveLimit::Course AdaptiveLimit::course_of(uint64_t word) noexcept {
    return word == 0 ? Course{static_cast<float>(initial), Phase::start} : std::bit_cast<Course>(word);
}

uint32_t AdaptiveLimit::in_force(const AdaptiveTerms& terms, const Course& course) const noexcept {
    if (!is_halved(course.phase))
        return std::clamp(static_cast<uint32_t>(std::max(course.limit, 1.0F)), terms.min, terms.max);
    // And without the room to grow: of a few, the half may still be more than it serves at once.
    const float half = course.limit / 2 - std::sqrt(course.limit);
    const auto least = static_cast<float>(halved_least_.load(std::memory_order_relaxed));
    // What was under way before a cut may be more than is let in now.
    const float wanted = std::min(std::max(half, least), course.limit);
    return std::clamp(static_cast<uint32_t>(std::max(wanted, 1.0F)), terms.min, terms.max);
}

uint32_t AdaptiveLimit::limit(const AdaptiveTerms& terms) const noexcept {
    return in_force(terms, course_of(course_.load(std::memory_order_relaxed)));
}

float AdaptiveLimit::bounded(const AdaptiveTerms& terms, uint64_t now_ms, float limit) const noexcept {
    const uint64_t refused = refused_.load(std::memory_order_relaxed);
    if (refused >> count_bits > now_ms) limit = std::min(limit, static_cast<float>((refused & count_mask) - 1));
    return std::clamp(limit, static_cast<float>(terms.min), static_cast<float>(terms.max));
}

void AdaptiveLimit::record(const AdaptiveTerms& terms, uint64_t now_ms, uint64_t us, uint32_t in_flight,
                           TimeBaseline& baseline) noexcept {
    note_gap(terms, now_ms);
    const Course now = course_of(course_.load(std::memory_order_relaxed));
    const uint32_t in_force = this->in_force(terms, now);
    sample_us_.record(us);
    uint32_t peak = peak_.load(std::memory_order_relaxed);
    while (peak < in_flight && !peak_.compare_exchange_weak(peak, in_flight, std::memory_order_relaxed)) {
    }
    peak = std::max({peak, in_flight, peak_before_.load(std::memory_order_relaxed)});
    // At the least there is, a queue is not of our making.
    const bool unloaded = now.phase == Phase::measure || peak * 2 < in_force || in_force == 1;
    const std::optional<double> times = baseline.record(us, unloaded);
    const bool late = is_halved(now.phase) && is_late(now_ms);
    if (!times && !late) return;
    const auto scaled = static_cast<uint64_t>(std::min(times.value_or(1), times_max) * times_scale);
    const uint64_t before = window_.fetch_add((scaled << count_bits) + 1, std::memory_order_relaxed);
    const uint32_t least = now.phase == Phase::measure ? TimeBaseline::samples : window_samples_min;
    const uint32_t wanted = std::clamp(in_force, least, window_samples_max);
    if (((before & count_mask) + 1 < wanted && !late) || !is_over(now_ms, now.phase)) return;
    const uint64_t window = window_.exchange(0, std::memory_order_relaxed);
    const uint64_t count = window & count_mask;
    if (count == 0) return;
    const double mean = static_cast<double>(window >> count_bits) / times_scale / static_cast<double>(count);
    peak = peak_.exchange(0, std::memory_order_relaxed);
    peak_before_.store(peak, std::memory_order_relaxed);
    conclude(terms, now_ms, mean, peak);
}

/// After a pause, as long as none that samples come at, what came before it tells of the past: the window begins anew,
/// and a limit that was low as at first. How long answers hold their places is not known here: it shows in how fast
/// samples come.
void AdaptiveLimit::note_gap(const AdaptiveTerms& terms, uint64_t now_ms) noexcept {
    now_ms = std::max<uint64_t>(now_ms, 1);
    const uint64_t last_ms = sample_ms_.exchange(now_ms, std::memory_order_relaxed);
    if (last_ms == 0) window_from_ms_.store(now_ms, std::memory_order_relaxed);
    if (last_ms == 0 || now_ms < last_ms) return;
    const uint64_t gap_ms = now_ms - last_ms;
    const bool paused = gap_ms > quiet_ms + quiet_gaps * gap_ms_.value();
    gap_ms_.record(gap_ms);
    if (!paused) return;
    window_.store(0, std::memory_order_relaxed);
    window_from_ms_.store(now_ms, std::memory_order_relaxed);
    peak_.store(0, std::memory_order_relaxed);
    peak_before_.store(0, std::memory_order_relaxed);
    resisted_.store(0, std::memory_order_relaxed);
    uint64_t word = course_.load(std::memory_order_relaxed);
    uint64_t next;
    do {
        const Course before = course_of(word);
        const bool low = before.limit < static_cast<float>(initial);
        const Course anew{bounded(terms, now_ms, std::max(before.limit, static_cast<float>(initial))),
                          low || before.phase == Phase::start ? Phase::start : Phase::steady};
        next = std::bit_cast<uint64_t>(anew);
    } while (!course_.compare_exchange_weak(word, next, std::memory_order_relaxed));
}

/// A window is as long as its samples take, so that those which the last one let in are among them; twice as long until
/// a queue is gone. True for one alone.
bool AdaptiveLimit::is_over(uint64_t now_ms, Phase phase) noexcept {
    const uint64_t mean_ms = sample_us_.value() / 1'000;
    uint64_t from_ms = window_from_ms_.load(std::memory_order_relaxed);
    if (now_ms < from_ms + std::max(window_ms_min, mean_ms) * (phase == Phase::settle ? 2 : 1)) return false;
    return window_from_ms_.compare_exchange_strong(from_ms, std::max<uint64_t>(now_ms, 1), std::memory_order_relaxed);
}

/// Too few samples came for the halved limit to end by their number.
bool AdaptiveLimit::is_late(uint64_t now_ms) const noexcept {
    const uint64_t most_ms = std::max(halved_ms_max, sample_us_.value() / 1'000 * halved_samples);
    return now_ms > window_from_ms_.load(std::memory_order_relaxed) + most_ms;
}

void AdaptiveLimit::conclude(const AdaptiveTerms& terms, uint64_t now_ms, double times, uint32_t peak) noexcept {
    uint64_t word = course_.load(std::memory_order_relaxed);
    uint64_t next;
    do {
        next = std::bit_cast<uint64_t>(after(terms, now_ms, course_of(word), times, peak));
    } while (!course_.compare_exchange_weak(word, next, std::memory_order_relaxed));
}

AdaptiveLimit::Course AdaptiveLimit::after(const AdaptiveTerms& terms, uint64_t now_ms, Course before, double times,
                                           uint32_t peak) noexcept {
    if (before.phase == Phase::settle) return {before.limit, Phase::measure};
    const bool binding = peak * 2 >= in_force(terms, before);
    if (before.phase == Phase::measure || !binding) {  // what few requests tell is no word on more
        measured_ms_.store(now_ms, std::memory_order_relaxed);
        return {before.limit, before.phase == Phase::measure ? Phase::steady : before.phase};
    }
    const double gradient = std::clamp(tolerance / times, gradient_min, 1.0);
    const uint32_t resisted = gradient < 1 ? resisted_.load(std::memory_order_relaxed) + 1 : 0;
    resisted_.store(resisted, std::memory_order_relaxed);
    if (before.phase == Phase::start && gradient == 1) return {bounded(terms, now_ms, before.limit * 2), Phase::start};
    const auto limit = static_cast<double>(before.limit);
    const double wanted = limit * gradient + std::sqrt(limit);
    const uint64_t every_ms = std::max(measure_ms, sample_us_.value() / 1'000 * measure_samples);
    const bool measures = resisted >= resisted_min && now_ms >= measured_ms_.load(std::memory_order_relaxed) + every_ms;
    // Who asks for less than may be is not refused for a measurement's sake more than must be.
    const bool full = peak >= in_force(terms, before);
    if (measures) halved_least_.store(full ? peak / 4 : (peak + 1) / 2, std::memory_order_relaxed);
    return {bounded(terms, now_ms, static_cast<float>(limit + (wanted - limit) * smoothing)),
            measures ? Phase::settle : Phase::steady};
}

void AdaptiveLimit::refuse(const AdaptiveTerms& terms, uint64_t now_ms, uint64_t began_ms,
                           uint32_t in_flight) noexcept {
    uint64_t cut_ms = cut_ms_.load(std::memory_order_relaxed);
    do {
        if (cut_ms != 0 && began_ms <= cut_ms) return;
    } while (!cut_ms_.compare_exchange_weak(cut_ms, now_ms, std::memory_order_relaxed));
    uint64_t word = course_.load(std::memory_order_relaxed);
    uint64_t next;
    uint32_t refused;
    do {
        const Course before = course_of(word);
        const float flight = std::min(static_cast<float>(std::max(in_flight, 1u)), before.limit);
        // A few that fail tell nothing of how many would do; nor do those under way while it is halved.
        const bool binding = !is_halved(before.phase) && flight * 2 >= before.limit;
        refused = binding ? static_cast<uint32_t>(std::max(flight, 2.0F)) : 0;
        const float cut = std::clamp((binding ? flight : before.limit) * cut_to, static_cast<float>(terms.min),
                                     static_cast<float>(terms.max));
        next = std::bit_cast<uint64_t>(Course{cut, Phase::steady});
    } while (!course_.compare_exchange_weak(word, next, std::memory_order_relaxed));
    if (refused == 0) return;
    refused_.store((now_ms + refused_ms) << count_bits | std::min<uint64_t>(refused, count_mask),
                   std::memory_order_relaxed);
}

}  // namespace loom::route

// How many requests at once a provider takes well, learned from its own answers: their times, and its refusals.
//
// Method  The gradient of Netflix's concurrency-limits (Gradient2Limit: a window of samples moves the limit by baseline
//         over time, with a tolerance of 1.5 and a square root of room to grow), except that the baseline is no long
//         average, which rises with the queue that it should show: it is learned where our own load cannot be in it,
//         when few requests are under way, or in two windows now and then for which the limit is halved (BBRv2's
//         ProbeRTT, draft-cardwell-iccrg-bbr-congestion-control): only while answers take longer than the baseline, and
//         where less is asked than may be, no further than to half of that. A refusal (429, 503, 529, a timeout) cuts
//         it to three quarters, of what is under way where that is half of the limit or more, once for all that were on
//         their way together (RFC 5681), and for ten seconds what was refused is not tried again. It begins as TCP
//         does, doubling until something resists, and does so again after a pause.
//         At a provider that serves C at once and lets others queue it ends between C and 2.25 C + 6, and below 3 C +
//         15 where times vary as much as they are long; at one that refuses what is beyond C, between C/2 and C + 1.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "loom/base/moving_average.h"

namespace loom::route {

/// Of a configuration.
struct AdaptiveTerms {
    uint32_t min = 0;  // 0: the limit is not learned
    uint32_t max = 0;  // not below min

    static constexpr uint32_t max_default = 1'000;
    [[nodiscard]] bool on() const noexcept { return min != 0; }
    bool operator==(const AdaptiveTerms&) const = default;
};

/// What an answer takes that does not wait for others of ours: the mean of a model's times where nothing else is going
/// on. Shared by all shards; one per kind of time.
class TimeBaseline {
  public:
    /// A sample, in microseconds.
    /// unloaded  too few were under way to have waited for each other. Others are not learned from, but the first.
    /// Returns the time as a multiple of the baseline; nothing before there is one.
    std::optional<double> record(uint64_t us, bool unloaded) noexcept;
    /// Microseconds; 0 before it is known.
    [[nodiscard]] uint64_t value_us() const noexcept;

    static constexpr uint32_t samples = 8;  // whose mean moves it by half the way

  private:
    std::atomic<uint64_t> window_{0};  // of unloaded samples; count:8 sum_us:56
    std::atomic<uint64_t> mean_us_{0};
};

/// What a time is of: each kind takes its own.
enum class AnswerKind : uint8_t {
    stream,      // until the first content
    whole,       // a conversation's, until the answer begins: for most providers, until it is generated
    embeddings,  // likewise
};
inline constexpr size_t answer_kind_count = 3;

/// Of one model of a provider.
struct TimeBaselines {
    std::array<TimeBaseline, answer_kind_count> kinds;
    [[nodiscard]] TimeBaseline& of(AnswerKind kind) noexcept { return kinds[static_cast<size_t>(kind)]; }
};

/// One for all shards; times are a monotonic clock's milliseconds, the same for all. No lock: words that are changed by
/// compare and swap, a window is concluded by whoever finds it whole.
class AdaptiveLimit {
  public:
    /// In force now: terms.min..terms.max.
    [[nodiscard]] uint32_t limit(const AdaptiveTerms& terms) const noexcept;
    /// An answer that began well.
    /// us         from its request's sending.      in_flight  under way at its provider, itself among them.
    void record(const AdaptiveTerms& terms, uint64_t now_ms, uint64_t us, uint32_t in_flight,
                TimeBaseline& baseline) noexcept;
    /// One that the provider had no room for.
    /// began_ms   when its request was sent: who was on the way at the last cut is no reason for another.
    void refuse(const AdaptiveTerms& terms, uint64_t now_ms, uint64_t began_ms, uint32_t in_flight) noexcept;

    static constexpr uint32_t initial = 10;         // RFC 6928
    static constexpr uint64_t refused_ms = 10'000;  // in which it stays below what was refused
    static constexpr uint64_t measure_ms = 10'000;  // or twenty times a sample: then the baseline is looked for
    static constexpr uint64_t window_ms_min = 100;
    static constexpr uint64_t halved_ms_max = 2'000;  // or eight times a sample: then it is halved no longer
    static constexpr uint64_t quiet_ms = 60'000;      // and four times what is between two samples: a pause

  private:
    enum class Phase : uint32_t {
        start,  // nothing has resisted yet
        steady,
        settle,   // halved: those of before are on their way
        measure,  // halved: what is seen is the baseline
    };
    struct Course {
        float limit;
        Phase phase;
    };
    [[nodiscard]] static Course course_of(uint64_t word) noexcept;
    [[nodiscard]] uint32_t in_force(const AdaptiveTerms& terms, const Course& course) const noexcept;
    [[nodiscard]] float bounded(const AdaptiveTerms& terms, uint64_t now_ms, float limit) const noexcept;
    [[nodiscard]] static bool is_halved(Phase phase) noexcept {
        return phase == Phase::settle || phase == Phase::measure;
    }
    void note_gap(const AdaptiveTerms& terms, uint64_t now_ms) noexcept;
    [[nodiscard]] bool is_over(uint64_t now_ms, Phase phase) noexcept;
    [[nodiscard]] bool is_late(uint64_t now_ms) const noexcept;
    void conclude(const AdaptiveTerms& terms, uint64_t now_ms, double times, uint32_t peak) noexcept;
    [[nodiscard]] Course after(const AdaptiveTerms& terms, uint64_t now_ms, Course before, double times,
                               uint32_t peak) noexcept;

    std::atomic<uint64_t> course_{0};  // a Course; 0: it has not begun
    std::atomic<uint64_t> window_{0};  // count:20 sum:44, of multiples of the baseline
    std::atomic<uint64_t> window_from_ms_{0};
    std::atomic<uint32_t> peak_{0};         // under way, in this window
    std::atomic<uint32_t> peak_before_{0};  // in the one before
    std::atomic<uint64_t> cut_ms_{0};
    std::atomic<uint64_t> refused_{0};  // until_ms:44 count:20
    std::atomic<uint64_t> measured_ms_{0};
    std::atomic<uint32_t> resisted_{0};      // windows in a row whose answers took longer
    std::atomic<uint32_t> halved_least_{0};  // in force, however far it is halved
    std::atomic<uint64_t> sample_ms_{0};     // when the last came
    MovingAverage gap_ms_;                   // between two
    MovingAverage sample_us_;
};

}  // namespace loom::route

// What is known of a target: a provider, or one model of a provider. One row for all shards, which read and write it
// with relaxed atomics, and which a reload finds again by the target's identity.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "loom/base/hash.h"
#include "loom/base/moving_average.h"
#include "loom/route/breaker.h"
#include "loom/route/headroom.h"
#include "loom/route/latency_window.h"
#include "loom/route/probe_record.h"
#include "loom/route/provider_control.h"
#include "loom/route/rate_limit.h"
#include "loom/route/region_state.h"

namespace loom::route {

/// Where a request's time is measured: streams until their first content, others until their end.
struct TargetLatency {
    LatencyWindow first_token;
    LatencyWindow whole;
    LatencyWindow per_token;  // of streams, behind their first content: nanoseconds, not micro
    [[nodiscard]] LatencyWindow& of(bool stream) noexcept { return stream ? first_token : whole; }
};

/// Lines of its own: what one target's traffic writes keeps no other's reader waiting.
class alignas(64) TargetState {
  public:
    explicit TargetState(bool measured) {
        if (measured) measure();
    }

    Breaker breaker;
    /// Of active health checks, where there are any.
    ProbeRecord probe;
    /// Attempts under way, of all shards. Counted where a strategy asks for it.
    std::atomic<int64_t> in_flight{0};
    std::atomic<uint64_t> explored_ms{0};  // when a request was last sent to see how it does; 0: never

    /// Tokens of its answers of late. Where a strategy asks for it.
    MovingAverage output_tokens;
    /// Of a model whose provider's concurrency is learned.
    TimeBaselines times;

    /// It asked not to be bothered until then (429 with Retry-After); monotonic.
    void rest_until(uint64_t at_ms) noexcept;
    [[nodiscard]] bool rests(uint64_t now_ms) const noexcept {
        return rests_until_ms_.load(std::memory_order_relaxed) > now_ms;
    }
    [[nodiscard]] uint64_t rests_until_ms() const noexcept { return rests_until_ms_.load(std::memory_order_relaxed); }

    /// What an answer said that it has room for; what was said before is forgotten.
    void note_room(uint64_t now_ms, const Headroom& room) noexcept;
    /// Has it room for a request that takes so many tokens, as far as it said?
    [[nodiscard]] bool has_room(uint64_t now_ms, uint64_t input_tokens, uint64_t output_tokens) const noexcept {
        return room_until_ms_.load(std::memory_order_relaxed) <= now_ms || fits(now_ms, input_tokens, output_tokens);
    }
    static constexpr uint64_t room_kept_ms = 300'000;  // whatever it says: then it is asked again, to see

    /// Null until a strategy needs it: its buckets take some KiB.
    [[nodiscard]] TargetLatency* latency() const noexcept { return latency_.load(std::memory_order_acquire); }
    /// From now on there is one. Of the thread that builds configurations.
    void measure();

    // For those who ask how it does.
    void note_success(uint64_t now_ms) noexcept { succeeded_ms_.store(now_ms, std::memory_order_relaxed); }
    /// what  a literal.
    void note_failure(uint64_t now_ms, const char* what) noexcept;
    [[nodiscard]] uint64_t succeeded_ms() const noexcept { return succeeded_ms_.load(std::memory_order_relaxed); }
    [[nodiscard]] uint64_t failed_ms() const noexcept { return failed_ms_.load(std::memory_order_relaxed); }
    /// Of the last failure; "" before the first.
    [[nodiscard]] const char* failure() const noexcept { return failure_.load(std::memory_order_relaxed); }

  private:
    struct Room {
        std::atomic<uint64_t> left{0};
        std::atomic<uint64_t> until_ms{0};
    };
    [[nodiscard]] bool fits(uint64_t now_ms, uint64_t input_tokens, uint64_t output_tokens) const noexcept;

    std::atomic<uint64_t> rests_until_ms_{0};
    std::atomic<uint64_t> room_until_ms_{0};  // the latest of room_
    std::array<Room, quota_count> room_;      // of requests nothing: it rests when none are left
    std::atomic<uint64_t> succeeded_ms_{0};
    std::atomic<uint64_t> failed_ms_{0};
    std::atomic<const char*> failure_{""};
    std::unique_ptr<TargetLatency> latency_home_;
    std::atomic<TargetLatency*> latency_{nullptr};
};

/// The rows of a process. A row lives as long as a configuration that names it; asked for again before that, it is the
/// same. Of the thread that builds configurations: the request path has the rows' addresses.
class TargetTable {
  public:
    /// identity  what makes it the same target: a provider's name and base URL, and the model's name there.
    /// measured  with latencies. A row that had none gets them, and stays what it is.
    [[nodiscard]] std::shared_ptr<TargetState> row(std::string_view identity, bool measured);
    /// What operators say of a provider, by its name. A new one begins with `weight`; one that is there is found as it
    /// is: see ProviderControl::configure.
    [[nodiscard]] std::shared_ptr<ProviderControl> control(std::string_view provider, uint32_t weight);
    [[nodiscard]] size_t size() const noexcept { return rows_.size(); }
    /// What has been taken of a provider's limits, whatever its address: they are its account's.
    [[nodiscard]] std::shared_ptr<LimitState> limits(std::string_view provider);
    /// The way to a region, by its name.
    [[nodiscard]] std::shared_ptr<RegionState> region(std::string_view name);

  private:
    template <class Row>
    using Rows = std::unordered_map<std::string, std::weak_ptr<Row>, StringHash, std::equal_to<>>;
    Rows<TargetState> rows_;
    Rows<LimitState> limits_;
    Rows<ProviderControl> controls_;
    Rows<RegionState> regions_;
};

}  // namespace loom::route

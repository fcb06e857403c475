// What the active health checks of a target have found: written by the one thread that checks, read by all.
#pragma once

#include <atomic>
#include <cstdint>

namespace loom::route {

enum class ProbeVerdict : uint8_t {
    unknown,  // it is not checked, or was not yet
    healthy,
    unhealthy,  // it gets no requests
};

class ProbeRecord {
  public:
    /// A check has ended.
    /// now_ms  monotonic.     fault  a literal; null: it did well.
    void note(uint64_t now_ms, uint64_t took_us, const char* fault) noexcept {
        fault_.store(fault, std::memory_order_relaxed);
        took_us_.store(took_us, std::memory_order_relaxed);
        failures_.store(fault == nullptr ? 0 : failures() + 1, std::memory_order_relaxed);
        checked_ms_.store(now_ms, std::memory_order_relaxed);
    }
    void set_verdict(ProbeVerdict verdict) noexcept { verdict_.store(verdict, std::memory_order_relaxed); }
    /// As if it had never been checked.
    void forget() noexcept {
        note(0, 0, nullptr);
        set_verdict(ProbeVerdict::unknown);
    }

    [[nodiscard]] ProbeVerdict verdict() const noexcept { return verdict_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool unhealthy() const noexcept { return verdict() == ProbeVerdict::unhealthy; }
    /// In a row.
    [[nodiscard]] uint32_t failures() const noexcept { return failures_.load(std::memory_order_relaxed); }
    /// 0: never.
    [[nodiscard]] uint64_t checked_ms() const noexcept { return checked_ms_.load(std::memory_order_relaxed); }
    [[nodiscard]] uint64_t took_us() const noexcept { return took_us_.load(std::memory_order_relaxed); }
    /// Of the last check; null where it did well.
    [[nodiscard]] const char* fault() const noexcept { return fault_.load(std::memory_order_relaxed); }

  private:
    std::atomic<ProbeVerdict> verdict_{ProbeVerdict::unknown};
    std::atomic<uint32_t> failures_{0};
    std::atomic<uint64_t> checked_ms_{0};
    std::atomic<uint64_t> took_us_{0};
    std::atomic<const char*> fault_{nullptr};
};

}  // namespace loom::route

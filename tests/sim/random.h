// One seed, and all that a run draws from it: the same seed is the same run, on every machine.
#pragma once

#include <cstdint>

namespace loom::sim {

class Random {
  public:
    explicit Random(uint64_t seed) noexcept : state_(seed) {}

    /// splitmix64 (Steele, Lea, Flood).
    [[nodiscard]] uint64_t next() noexcept {
        uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    /// 0 … bound - 1; bound > 0.
    [[nodiscard]] uint64_t below(uint64_t bound) noexcept { return next() % bound; }
    /// low … high.
    [[nodiscard]] uint64_t between(uint64_t low, uint64_t high) noexcept { return low + below(high - low + 1); }
    [[nodiscard]] bool chance(uint32_t per_mille) noexcept { return per_mille != 0 && below(1000) < per_mille; }

  private:
    uint64_t state_;
};

}  // namespace loom::sim

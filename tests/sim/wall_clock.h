// The wall's clock of a simulated world, which somebody sets now and then, and what it has shown at any time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace loom::sim {

class WallClock {
  public:
    explicit WallClock(uint64_t start_ns) : start_ns_(start_ns) {}

    [[nodiscard]] uint64_t at(uint64_t now_ns) const noexcept { return shown(settings_.back(), now_ns); }
    /// Forward or back, from `now_ns` on.
    void jump(uint64_t now_ns, int64_t us) { settings_.push_back({now_ns, settings_.back().offset_us + us}); }
    [[nodiscard]] size_t jump_count() const noexcept { return settings_.size() - 1; }

    /// Whether the clock showed a time within [first_us, last_us] somewhere between two moments; to who looks at it ten
    /// times a second, a setting lasts that much longer.
    [[nodiscard]] bool showed(uint64_t first_us, uint64_t last_us, uint64_t from_ns, uint64_t to_ns) const noexcept {
        for (size_t i = 0; i < settings_.size(); ++i) {
            const bool last = i + 1 == settings_.size();
            const uint64_t begin_ns = std::max(from_ns, settings_[i].since_ns);
            const uint64_t end_ns = last ? to_ns : std::min(to_ns, settings_[i + 1].since_ns + look_ns);
            if (begin_ns > end_ns) continue;
            if (shown(settings_[i], begin_ns) <= last_us && first_us <= shown(settings_[i], end_ns)) return true;
        }
        return false;
    }

  private:
    static constexpr uint64_t look_ns = 100'000'000;
    static constexpr int64_t start_us = 1'800'000'000'000'000;  // in 2027
    struct Setting {
        uint64_t since_ns;
        int64_t offset_us;
    };
    [[nodiscard]] uint64_t shown(const Setting& setting, uint64_t now_ns) const noexcept {
        const int64_t since_start_us = (static_cast<int64_t>(now_ns) - static_cast<int64_t>(start_ns_)) / 1000;
        return static_cast<uint64_t>(start_us + since_start_us + setting.offset_us);
    }

    uint64_t start_ns_;
    std::vector<Setting> settings_{{.since_ns = 0, .offset_us = 0}};
};

}  // namespace loom::sim

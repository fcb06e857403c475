// Which region's providers are asked first: by a list, or the nearest (region_state.h).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/route/catalogue.h"
#include "loom/route/choose.h"
#include "loom/route/region_state.h"

namespace loom::route {

/// Of a configuration.
class RegionPreference {
  public:
    static constexpr std::string_view nearest = "nearest";
    static constexpr uint8_t unknown = UINT8_MAX;

    RegionPreference() = default;  // none
    /// By a list: providers of the first region that is named, then of the second, then all others.
    RegionPreference(std::span<const std::string> regions, std::span<const std::string> provider_regions);
    /// By the way to each provider's region.
    explicit RegionPreference(std::vector<std::shared_ptr<RegionState>> of_providers)
        : rows_(std::move(of_providers)) {}

    [[nodiscard]] bool empty() const noexcept { return ranks_.empty() && rows_.empty(); }
    /// Of a provider; null where nothing is measured.
    [[nodiscard]] RegionState* row(size_t provider_ix) const noexcept {
        return provider_ix < rows_.size() ? rows_[provider_ix].get() : nullptr;
    }
    /// Classes of candidates, the lowest first. Those whose way takes half as long again as the shortest, or 5 ms more,
    /// are as near as it is; beyond that each doubling is a class. One that is to be looked at stands before all.
    /// unfit  they cannot take this request, and are no more looked at by it.
    /// keyed  requests of a key stay together: one that is known is not looked at again by them.
    void rank(std::span<const Candidate> candidates, const Tried& unfit, bool keyed, uint64_t now_ms,
              std::span<uint8_t> ranks) const noexcept;

  private:
    std::vector<uint8_t> ranks_;                      // by provider
    std::vector<std::shared_ptr<RegionState>> rows_;  // likewise
};

}  // namespace loom::route

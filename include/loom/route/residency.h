// Where data may go: regions that are required, and which providers lie in them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loom::route {

/// A region is a name such as `eu`, `eu-west-1`, `on-premises`; one lies in another whose name it begins with, up to a
/// '-': `eu-west-1` in `eu` and in `eu-west`, `europe` in neither. Upper and lower case are alike. "" lies nowhere.
[[nodiscard]] bool lies_in(std::string_view region, std::string_view wider) noexcept;

/// What one key of the conf requires. Immutable: part of a configuration snapshot.
class RegionRequirement {
  public:
    RegionRequirement() = default;  // none
    /// source            what the client is told: "route.ai.require_region = eu".
    /// regions           one of them; none: nothing is required.
    /// provider_regions  of all providers, in their order; "" where it is not known: such a provider lies in none.
    RegionRequirement(std::string source, std::span<const std::string> regions,
                      std::span<const std::string> provider_regions);

    [[nodiscard]] bool empty() const noexcept { return source_.empty(); }
    [[nodiscard]] bool admits(size_t provider_ix) const noexcept {
        return empty() || (provider_ix < admitted_.size() && admitted_[provider_ix]);
    }
    [[nodiscard]] const std::string& source() const noexcept { return source_; }
    [[nodiscard]] std::span<const std::string> regions() const noexcept { return regions_; }

  private:
    std::string source_;
    std::vector<std::string> regions_;
    std::vector<bool> admitted_;  // by provider
};

}  // namespace loom::route

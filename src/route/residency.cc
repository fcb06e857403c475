#include "loom/route/residency.h"

#include <algorithm>
#include <utility>

namespace loom::route {
namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

}  // namespace

bool lies_in(std::string_view region, std::string_view wider) noexcept {
    if (wider.empty() || region.size() < wider.size()) return false;
    if (region.size() > wider.size() && region[wider.size()] != '-') return false;
    for (size_t i = 0; i < wider.size(); ++i)
        if (lower(region[i]) != lower(wider[i])) return false;
    return true;
}

RegionRequirement::RegionRequirement(std::string source, std::span<const std::string> regions,
                                     std::span<const std::string> provider_regions) {
    if (regions.empty()) return;
    source_ = std::move(source);
    regions_.assign(regions.begin(), regions.end());
    for (const std::string& region : provider_regions)
        admitted_.push_back(
            std::ranges::any_of(regions, [&region](const std::string& wider) { return lies_in(region, wider); }));
}

}  // namespace loom::route

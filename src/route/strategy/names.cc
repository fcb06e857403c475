#include "loom/route/strategy.h"

#include <array>
#include <utility>

namespace loom::route {
namespace {

constexpr std::array<std::pair<std::string_view, Strategy>, 13> names = {{
    {"priority", Strategy::priority},
    {"round_robin", Strategy::round_robin},
    {"weighted", Strategy::weighted},
    {"random", Strategy::random},
    {"least_connections", Strategy::least_connections},
    {"latency", Strategy::latency},
    {"cost", Strategy::cost},
    {"throughput", Strategy::throughput},
    {"complexity", Strategy::complexity},
    {"task", Strategy::task},
    {"least_latency", Strategy::latency},
    {"cost_optimized", Strategy::cost},
    {"model", Strategy::priority},
}};

}  // namespace

std::optional<Strategy> find_strategy(std::string_view name) noexcept {
    for (const auto& [known, strategy] : names)
        if (known == name) return strategy;
    return std::nullopt;
}

std::string_view strategy_name(Strategy strategy) noexcept {
    for (const auto& [name, known] : names)
        if (known == strategy) return name;
    return "";
}

}  // namespace loom::route

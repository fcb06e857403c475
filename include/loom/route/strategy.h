// The names of the strategies, and what one of them keeps between two choices.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace loom::route {

enum class Strategy : uint8_t {
    priority,           // the first that is well
    round_robin,        // each in turn
    weighted,           // each in turn, as often as its weight says, and evenly spread
    random,             // by weight
    least_connections,  // the fewest requests under way, for its weight
    latency,            // the fastest of late
    cost,               // the cheapest for this request
    throughput,         // whose streams bring their tokens fastest of late
    complexity,         // a small or a large model, by how hard the prompt is; then as priority
    task,               // the model of what the prompt asks for; then as priority
};
/// The first of the order that the candidates stand in, or that a request gives them.
[[nodiscard]] constexpr bool goes_by_order(Strategy strategy) noexcept {
    return strategy == Strategy::priority || strategy == Strategy::complexity || strategy == Strategy::task;
}

/// `latency` and `least_latency`, `cost` and `cost_optimized`, and `model`, which is priority: model routes go before
/// every strategy.
[[nodiscard]] std::optional<Strategy> find_strategy(std::string_view name) noexcept;
[[nodiscard]] std::string_view strategy_name(Strategy strategy) noexcept;

/// A set of candidates has at most so many.
inline constexpr size_t candidates_max = 256;

/// Whose turn it is in a set of candidates, on one shard: shards take turns each for itself, and so do all of them
/// together.
struct Turn {
    explicit Turn(size_t candidate_count) : credits(candidate_count) {}
    uint32_t next = 0;
    std::vector<int64_t> credits;  // of smooth weighted turns
};

}  // namespace loom::route

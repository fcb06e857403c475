// What a model's tokens cost at a provider, exactly, and which of the prices that are known is meant.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loom/base/hash.h"
#include "loom/base/money.h"

namespace loom::route {

/// The tokens of one answer by what they cost, each of them once: together they are all that it took.
struct TokenParts {
    uint64_t input = 0;           // neither read from nor written to a prompt cache
    uint64_t cached_input = 0;    // read from it
    uint64_t cache_write = 0;     // written to it, for minutes
    uint64_t cache_write_1h = 0;  // written to it, for an hour
    uint64_t output = 0;          // without reasoning
    uint64_t reasoning = 0;

    [[nodiscard]] uint64_t prompt() const noexcept { return input + cached_input + cache_write + cache_write_1h; }
    [[nodiscard]] uint64_t total() const noexcept { return prompt() + output + reasoning; }
    bool operator==(const TokenParts&) const = default;
};

/// Of counts that hold each other, as answers report them.
struct TokenReport {
    uint64_t input = 0;           // all of the prompt
    uint64_t cached_input = 0;    // of input
    uint64_t cache_write = 0;     // of input
    uint64_t cache_write_1h = 0;  // of cache_write
    uint64_t output = 0;          // all of the answer
    uint64_t reasoning = 0;       // of output
};
/// Parts that sum up to input and output whatever else is reported: a part that is told to be larger than its whole is
/// the whole.
[[nodiscard]] TokenParts parts_of(const TokenReport& report) noexcept;

/// Of one token.
struct TokenRates {
    Money input = 0;
    Money cached_input = 0;
    Money cache_write = 0;
    Money cache_write_1h = 0;
    Money output = 0;
    Money reasoning = 0;
    bool operator==(const TokenRates&) const = default;
};

struct Price {
    TokenRates rates;
    Money per_request = 0;
    uint64_t long_above = 0;  // a request whose prompt is longer is billed at long_rates, all of it; 0: none is
    TokenRates long_rates;

    /// money_max where it would be more.
    [[nodiscard]] Money cost(const TokenParts& tokens) const noexcept;
    bool operator==(const Price&) const = default;
};

/// A model's name without the date of its version: `gpt-4o` of `gpt-4o-2024-08-06`, `claude-haiku-4-5` of
/// `claude-haiku-4-5-20251001` and of `claude-haiku-4-5@20251001`. Without a date: as it is.
[[nodiscard]] std::string_view undated(std::string_view model) noexcept;

/// Prices by model. Those found live as long as the list.
class PriceList {
  public:
    void set(std::string_view model, const Price& price) { prices_.insert_or_assign(std::string(model), price); }
    /// Of the model by its name, else by its undated one; null: none is known. No allocation.
    [[nodiscard]] const Price* find(std::string_view model) const noexcept;
    [[nodiscard]] bool empty() const noexcept { return prices_.empty(); }
    [[nodiscard]] size_t size() const noexcept { return prices_.size(); }

  private:
    std::unordered_map<std::string, Price, StringHash, std::equal_to<>> prices_;
};

/// Where a provider's prices are looked for, the first that has one first. Null: no such list.
struct ProviderPrices {
    const PriceList* own = nullptr;    // price.<provider>/<model>
    const PriceList* any = nullptr;    // price.<model>
    std::optional<Price> flat;         // provider.<name>.cost: of each of its models
    const PriceList* table = nullptr;  // the shipped table's for providers of its type

    /// upstream  what the provider calls the model.
    /// asked     what the client calls it: its price of the conf or the table is taken only where neither knows
    ///           upstream's own name, as of a deployment, which tells nothing. Those of `own` are meant for this
    ///           provider by either name.
    [[nodiscard]] const Price* find(std::string_view upstream, std::string_view asked) const noexcept;
};

/// All prices of a configuration. Immutable once built: part of its snapshot.
struct PriceBook {
    std::map<std::string, PriceList, std::less<>> own;  // by provider
    PriceList any;
    std::map<std::string, PriceList, std::less<>> table;  // by type of provider
    std::vector<ProviderPrices> providers;                // in the conf's order
};

}  // namespace loom::route

#include "loom/route/price.h"

#include <algorithm>

namespace loom::route {
namespace {

using Wide = unsigned __int128;

bool are_digits(std::string_view text) noexcept {
    return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

const Price* find_in(const PriceList* list, std::string_view model) noexcept {
    return list == nullptr || list->empty() || model.empty() ? nullptr : list->find(model);
}

}  // namespace

TokenParts parts_of(const TokenReport& report) noexcept {
    TokenParts parts;
    parts.cached_input = std::min(report.cached_input, report.input);
    const uint64_t written = std::min(report.cache_write, report.input - parts.cached_input);
    parts.cache_write_1h = std::min(report.cache_write_1h, written);
    parts.cache_write = written - parts.cache_write_1h;
    parts.input = report.input - parts.cached_input - written;
    parts.reasoning = std::min(report.reasoning, report.output);
    parts.output = report.output - parts.reasoning;
    return parts;
}

Money Price::cost(const TokenParts& tokens) const noexcept {
    const TokenRates& now = long_above != 0 && tokens.prompt() > long_above ? long_rates : rates;
    auto sum = static_cast<Wide>(per_request);
    // A product has 127 bits at most; the sum is cut to 63 before the next.
    const auto add = [&sum](uint64_t count, Money rate) {
        sum = std::min(sum + Wide{count} * static_cast<Wide>(rate), static_cast<Wide>(money_max));
    };
    add(tokens.input, now.input);
    add(tokens.cached_input, now.cached_input);
    add(tokens.cache_write, now.cache_write);
    add(tokens.cache_write_1h, now.cache_write_1h);
    add(tokens.output, now.output);
    add(tokens.reasoning, now.reasoning);
    return static_cast<Money>(sum);
}

std::string_view undated(std::string_view model) noexcept {
    constexpr size_t plain_bytes = std::string_view("-20251001").size();
    constexpr size_t dashed_bytes = std::string_view("-2024-08-06").size();
    if (model.size() > plain_bytes) {
        const std::string_view end = model.substr(model.size() - plain_bytes);
        const bool parted = end[0] == '-' || end[0] == '@';
        if (parted && end[1] == '2' && are_digits(end.substr(1))) return model.substr(0, model.size() - plain_bytes);
    }
    if (model.size() > dashed_bytes) {
        const std::string_view end = model.substr(model.size() - dashed_bytes);
        const bool parted = end[0] == '-' && end[5] == '-' && end[8] == '-';
        if (parted && end[1] == '2' && are_digits(end.substr(1, 4)) && are_digits(end.substr(6, 2)) &&
            are_digits(end.substr(9)))
            return model.substr(0, model.size() - dashed_bytes);
    }
    return model;
}

const Price* PriceList::find(std::string_view model) const noexcept {
    if (const auto it = prices_.find(model); it != prices_.end()) return &it->second;
    const std::string_view name = undated(model);
    if (name.size() == model.size()) return nullptr;
    const auto it = prices_.find(name);
    return it != prices_.end() ? &it->second : nullptr;
}

const Price* ProviderPrices::find(std::string_view upstream, std::string_view asked) const noexcept {
    if (const Price* const price = find_in(own, upstream); price != nullptr) return price;
    if (const Price* const price = find_in(own, asked); price != nullptr) return price;
    if (const Price* const price = find_in(any, upstream); price != nullptr) return price;
    const Price* const known = find_in(table, upstream);
    // A model that another stands in for by model_mapping must not be billed at the price of the one asked for.
    if (known == nullptr)
        if (const Price* const price = find_in(any, asked); price != nullptr) return price;
    if (flat) return &*flat;
    return known != nullptr ? known : find_in(table, asked);
}

}  // namespace loom::route

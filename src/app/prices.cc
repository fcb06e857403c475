#include "prices.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "keys/keys.h"
#include "loom/llm/provider_table.h"

namespace loom::app {
namespace {

using config::Config;
using Messages = std::vector<std::string>;

struct RateWord {
    const char* word;
    Money route::TokenRates::* rate;
    Money route::TokenRates::* otherwise;  // what it is where the conf does not say; null: nothing
};
// Each behind the one that it falls back on.
constexpr RateWord rate_words[] = {
    {"input", &route::TokenRates::input, nullptr},
    {"cached_input", &route::TokenRates::cached_input, &route::TokenRates::input},
    {"cache_write", &route::TokenRates::cache_write, &route::TokenRates::input},
    {"cache_write_1h", &route::TokenRates::cache_write_1h, &route::TokenRates::cache_write},
    {"output", &route::TokenRates::output, nullptr},
    {"reasoning", &route::TokenRates::reasoning, &route::TokenRates::output},
};
struct Unit {
    const char* word;
    int digits;
};
constexpr Unit per_million{"_per_1m", 6};
constexpr Unit per_thousand{"_per_1k", 3};

/// Reads one price from the keys that begin alike: "price.gpt-4o." or "provider.openai.cost.".
class PriceReader {
  public:
    /// has_all  a price of a model, which may have every part; a provider's has a few.
    PriceReader(const Config& config, std::string prefix, bool has_all, Messages& messages)
        : config_(config), prefix_(std::move(prefix)), has_all_(has_all), messages_(messages) {}

    /// Nothing where the conf does not name any part of it, or one of them is wrong, which is told.
    std::optional<route::Price> read() {
        route::Price price;
        const Given rates = read_rates(price.rates, "");
        const auto fee = money("per_request", 0);
        if (fee) price.per_request = *fee;
        const bool any = rates.any || config_.has(prefix_ + "per_request");
        if (rates.any && !rates.input) tell("input_per_1m", "is missing: the other prices of it are known");
        const Given long_rates = has_all_ ? read_rates(price.long_rates, "long_") : Given{};
        const bool any_long = long_rates.any;
        if (has_all_ && config_.has(prefix_ + "long_above"))
            price.long_above = static_cast<uint64_t>(config_.integer(prefix_ + "long_above"));
        if (any_long && !long_rates.input)
            tell("long_input_per_1m", "is missing: other prices for long prompts are known");
        if (any_long && rates.output && !long_rates.output)
            tell("long_output_per_1m", "is missing: the answers of long prompts would cost nothing");
        if (any_long && price.long_above == 0)
            tell("long_above", "is missing: it says from where on the prices for long prompts hold");
        if (price.long_above != 0 && !any_long)
            tell("long_above", "says nothing without the prices beyond it: add long_input_per_1m and the others");
        if (!good_ || (!any && !any_long)) return std::nullopt;
        return price;
    }

  private:
    /// What the conf names, right or wrong.
    struct Given {
        bool any = false;
        bool input = false;
        bool output = false;
    };

    Given read_rates(route::TokenRates& rates, const char* kind) {
        Given given;
        for (const RateWord& one : rate_words) {
            given_ = false;
            const auto rate = rate_of(fmt::format("{}{}", kind, one.word));
            given.any |= given_;
            given.input |= given_ && one.rate == &route::TokenRates::input;
            given.output |= given_ && one.rate == &route::TokenRates::output;
            if (rate)
                rates.*one.rate = *rate;
            else if (one.otherwise != nullptr)
                rates.*one.rate = rates.*one.otherwise;
        }
        return given;
    }

    std::optional<Money> rate_of(const std::string& word) {
        const auto of_million = money(word + per_million.word, per_million.digits);
        const bool may_be_thousand = config_known(word);
        const auto of_thousand = may_be_thousand ? money(word + per_thousand.word, per_thousand.digits) : std::nullopt;
        if (of_million && of_thousand)
            tell(word + per_thousand.word,
                 fmt::format("is told twice: {}{}{} says it too", prefix_, word, per_million.word));
        return of_million ? of_million : of_thousand;
    }
    /// Has the schema such a key? Prices for long prompts are told of a million alone.
    static bool config_known(std::string_view word) { return !word.starts_with("long_"); }

    std::optional<Money> money(const std::string& word, int divisor_digits) {
        const std::string key = prefix_ + word;
        if (!has_all_ && !is_of_provider(word)) return std::nullopt;
        if (!config_.has(key)) return std::nullopt;
        given_ = true;
        const auto amount = parse_money(config_.text(key), divisor_digits);
        if (amount) return *amount;
        tell(word, amount.error());
        return std::nullopt;
    }
    static bool is_of_provider(std::string_view word) {
        return word.starts_with("input_") || word.starts_with("output_") || word.starts_with("cached_input_") ||
               word == "per_request";
    }

    void tell(const std::string& word, std::string_view text) {
        good_ = false;
        const std::string key = prefix_ + word;
        const config::Place place = config_.place(key);
        if (place.line == 0) return messages_.push_back(fmt::format("{}: {}", config::printable(key), text));
        messages_.push_back(fmt::format("{}: {}: {}", config::to_string(place), config::printable(key), text));
    }

    const Config& config_;
    std::string prefix_;
    bool has_all_;
    Messages& messages_;
    bool given_ = false;  // some key of the part that is read
    bool good_ = true;
};

/// What stands before the first slash of a name, and what behind it.
std::pair<std::string_view, std::string_view> split_scope(std::string_view name) {
    const size_t slash = name.find('/');
    if (slash == name.npos) return {"", name};
    return {name.substr(0, slash), name.substr(slash + 1)};
}

void read_conf(const Config& config, const std::vector<proxy::ProviderPlan>& providers, route::PriceBook& book,
               Messages& messages) {
    for (const std::string& name : config.names("price")) {
        const auto price = PriceReader(config, fmt::format("price.{}.", name), true, messages).read();
        if (!price) continue;
        const auto [scope, model] = split_scope(name);
        const bool is_of_provider = std::ranges::find(providers, scope, &proxy::ProviderPlan::name) != providers.end();
        if (is_of_provider)
            book.own[std::string(scope)].set(model, *price);
        else
            book.any.set(name, *price);  // models' names have slashes too
    }
}

// --- the table ---

const config::Schema& table_schema() {
    static const std::span<const KeyRow> tables[] = {model_price_keys(), price_table_keys()};
    static const config::Schema schema(tables);
    return schema;
}

bool is_date(std::string_view text) {
    if (text.size() != 10) return false;
    for (size_t i = 0; i < text.size(); ++i)
        if (i == 4 || i == 7 ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
    const auto number = [text](size_t at, size_t count) {
        unsigned value = 0;
        for (const char c : text.substr(at, count)) value = value * 10 + static_cast<unsigned>(c - '0');
        return value;
    };
    return std::chrono::year_month_day(std::chrono::year(static_cast<int>(number(0, 4))),
                                       std::chrono::month(number(5, 2)), std::chrono::day(number(8, 2)))
        .ok();
}

/// Where the prices of a type come from, which a table must say: nobody can check what has no source.
void check_origin(const Config& table, const std::string& type, Messages& messages) {
    const auto complain = [&](const char* word, std::string_view text) {
        messages.push_back(fmt::format("{}: table.{}.{}: {}", table.path(), type, word, text));
    };
    const llm::ProviderType* const row = llm::find_provider_type(type);
    if (row == nullptr || row->name != type)
        return messages.push_back(fmt::format("{}: '{}' is no type of provider: its models are named TYPE/MODEL",
                                              table.path(), config::printable(type)));
    if (!is_date(table.text(fmt::format("table.{}.as_of", type)))) complain("as_of", "expected a date: 2026-11-21");
    if (!table.text(fmt::format("table.{}.source", type)).starts_with("https://"))
        complain("source", "expected the address of the page, https://…");
}

std::string table_path(const Config& config) {
    const std::filesystem::path path = config.text("prices.path");
    return path.is_absolute() ? path.string()
                              : (std::filesystem::path(config.path()).parent_path() / path).lexically_normal().string();
}

void read_table(const Config& config, route::PriceBook& book, Messages& messages) {
    if (config.text("prices.path").empty()) return;  // it was switched off
    const std::string path = table_path(config);
    std::error_code fault;
    if (!config.has("prices.path") && !std::filesystem::exists(path, fault)) return;
    const auto loaded = config::load(path, {}, table_schema(), config::system_source());
    for (const auto& diagnostic : loaded.diagnostics)
        if (diagnostic.is_error) messages.push_back(config::to_string(diagnostic));
    if (loaded.config == nullptr) return;
    const Config& table = *loaded.config;
    std::set<std::string, std::less<>> types;
    for (const std::string& name : table.names("price")) {
        const auto [type, model] = split_scope(name);
        types.emplace(type);
        const auto price = PriceReader(table, fmt::format("price.{}.", name), true, messages).read();
        if (price) book.table[std::string(type)].set(model, *price);
    }
    for (const std::string& type : types) check_origin(table, type, messages);
}

}  // namespace

std::shared_ptr<const route::PriceBook> read_prices(const Config& config,
                                                    const std::vector<proxy::ProviderPlan>& providers,
                                                    Messages& messages) {
    auto book = std::make_shared<route::PriceBook>();
    read_conf(config, providers, *book, messages);
    read_table(config, *book, messages);
    const auto list = [](const auto& lists, std::string_view name) -> const route::PriceList* {
        const auto it = lists.find(name);
        return it != lists.end() ? &it->second : nullptr;
    };
    for (const proxy::ProviderPlan& provider : providers)
        book->providers.push_back(
            {.own = list(book->own, provider.name),
             .any = &book->any,
             .flat = PriceReader(config, fmt::format("provider.{}.cost.", provider.name), false, messages).read(),
             .table = list(book->table, provider.type->name)});
    return book;
}

namespace {

/// Is this model chosen by what it costs, on any route?
bool goes_by_cost(const proxy::Plan& plan, const route::ModelMatch& match) {
    if (match.strategy == route::Strategy::cost) return true;
    return std::ranges::any_of(plan.routes, [&match](const proxy::RoutePlan& route) {
        for (const auto& [model, strategy] : route.model_strategies)
            if (model == match.model && strategy == route::Strategy::cost) return true;
        return !match.own_strategy && route.strategy == route::Strategy::cost;
    });
}

}  // namespace

std::vector<std::string> price_warnings(const proxy::Plan& plan) {
    std::map<uint16_t, std::vector<std::string>> unpriced;  // models by provider
    const auto look = [&](std::string_view model) {
        const route::ModelMatch match = plan.catalogue.match(model);
        if (match.candidates.size() < 2 || !goes_by_cost(plan, match)) return;
        for (const route::Candidate& one : match.candidates)
            if (one.price_for(match.model) == nullptr) unpriced[one.provider_ix].emplace_back(model);
    };
    for (const route::ListedModel& model : plan.catalogue.models()) look(model.id);
    look("*");  // who takes any name has a price for any, or a list
    std::vector<std::string> warnings;
    for (const auto& [provider, models] : unpriced) {
        const std::string& name = plan.providers[provider].name;
        const bool is_any = models.size() == 1 && models.front() == "*";
        const std::string what = is_any ? "any model" : models.front() == "*" ? models.back() : models.front();
        const std::string more = models.size() > 1 ? fmt::format(" and {} more", models.size() - 1) : "";
        const std::string key =
            is_any ? fmt::format("provider.{}.cost", name) : fmt::format("price.{}", config::printable(what));
        warnings.push_back(
            fmt::format("provider '{}' has no price for {}{} and is asked last by cost; add "
                        "{}.input_per_1m and {}.output_per_1m",
                        name, config::printable(what), more, key, key));
    }
    return warnings;
}

}  // namespace loom::app

// Prices as the conf and the shipped table tell them.
#include "prices.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "fake_source.h"
#include "keys/keys.h"
#include "plan/builder.h"
#include "tls_files.h"

namespace loom::app {
namespace {

using Messages = std::vector<std::string>;

/// A file of this test's own, with a table in it.
class TableFile {
  public:
    explicit TableFile(const std::string& text) {
        static int count = 0;
        path_ = std::filesystem::temp_directory_path() /
                ("loom-prices-" + std::to_string(::getpid()) + "-" + std::to_string(++count) + ".conf");
        std::ofstream(path_) << text;
    }
    ~TableFile() { std::filesystem::remove(path_); }
    TableFile(const TableFile&) = delete;
    [[nodiscard]] std::string path() const { return path_.string(); }

  private:
    std::filesystem::path path_;
};

class Prices : public testing::Test {
  protected:
    /// provider  openai or other, in this order.
    std::string input_of(size_t provider, std::string_view model) {
        const route::Price* const price = book_->providers[provider].find(model, {});
        return price == nullptr ? "none" : text(price->rates.input);
    }
    void read(const std::string& conf) {
        auto loaded = config::load_text(conf);
        ASSERT_TRUE(loaded.config) << config::all_of(loaded.diagnostics);
        std::vector<proxy::ProviderPlan> providers(2);
        providers[0].name = "openai";
        providers[0].type = llm::find_provider_type("openai");
        providers[1].name = "other";
        providers[1].type = llm::find_provider_type("vllm");
        messages_.clear();
        book_ = read_prices(*loaded.config, providers, messages_);
    }
    void read_well(const std::string& conf) {
        read(conf);
        EXPECT_EQ(messages_, Messages());
    }
    static std::string text(Money amount) {
        return std::string(MoneyText(static_cast<unsigned __int128>(amount)).view());
    }
    const route::Price& found(std::string_view model) { return *book_->providers[0].find(model, {}); }

    std::shared_ptr<const route::PriceBook> book_;
    Messages messages_;
};

const std::string good_table =
    "table.openai.as_of = 2026-11-01\n"
    "table.openai.source = https://example.com/prices\n"
    "price.openai/gpt-4o.input_per_1m = 2.50\n"
    "price.openai/gpt-4o.output_per_1m = 10\n";

TEST_F(Prices, OfAModelInEitherUnit) {
    read_well("price.a.input_per_1m = 2.5\nprice.a.output_per_1m = 10\nprice.b.input_per_1k = 0.0025\n");
    EXPECT_EQ(text(found("a").rates.input), "0.0000025");
    EXPECT_EQ(text(found("a").rates.output), "0.00001");
    EXPECT_EQ(found("a").rates.input, found("b").rates.input);
    EXPECT_EQ(input_of(1, "a"), "0.0000025");
}

TEST_F(Prices, APartThatIsNotToldCostsAsItsWhole) {
    read_well("price.a.input_per_1m = 4\nprice.a.output_per_1m = 20\nprice.a.cache_write_per_1m = 5\n");
    EXPECT_EQ(found("a").rates, (route::TokenRates{.input = 4'000'000,
                                                   .cached_input = 4'000'000,
                                                   .cache_write = 5'000'000,
                                                   .cache_write_1h = 5'000'000,
                                                   .output = 20'000'000,
                                                   .reasoning = 20'000'000}));
}

TEST_F(Prices, OfLongPrompts) {
    read_well("price.a.input_per_1m = 1\nprice.a.long_above = 200000\nprice.a.long_input_per_1m = 2\n");
    EXPECT_EQ(found("a").long_above, 200'000u);
    EXPECT_EQ(found("a").long_rates.cached_input, 2'000'000);
}

TEST_F(Prices, OfAProviderGoBehindThoseOfItsModels) {
    read_well(
        "provider.other.cost.input_per_1k = 0.001\nprice.a.input_per_1m = 2\nprice.other/b.input_per_1m = 3\n"
        "price.meta/llama.input_per_1m = 4\nprovider.other.cost.per_request = 0.5\n");
    EXPECT_EQ(input_of(1, "c"), "0.000001");
    EXPECT_EQ(input_of(1, "a"), "0.000002");
    EXPECT_EQ(input_of(1, "b"), "0.000003");
    EXPECT_EQ(input_of(0, "b"), "none");
    EXPECT_EQ(input_of(0, "meta/llama"), "0.000004") << "no provider's name: it is the model's";
    EXPECT_EQ(text(book_->providers[1].flat->per_request), "0.5");
}

TEST_F(Prices, TheTableIsForProvidersOfItsTypesAlone) {
    const TableFile table(good_table);
    read_well("prices.path = " + table.path() + "\n");
    EXPECT_EQ(input_of(0, "gpt-4o-2024-08-06"), "0.0000025");
    EXPECT_EQ(input_of(1, "gpt-4o"), "none");
    read_well("prices.path = " + table.path() + "\nprovider.openai.cost.input_per_1m = 7\n");
    EXPECT_EQ(input_of(0, "gpt-4o"), "0.000007");
}

TEST_F(Prices, ATableThatIsNotThereIsMissedOnlyWhereItWasNamed) {
    read_well("");
    EXPECT_EQ(input_of(0, "gpt-4o"), "none");
    read_well("prices.path = \"\"\n");
    read("prices.path = /nowhere/prices.conf\n");
    ASSERT_EQ(messages_.size(), 1u);
    EXPECT_NE(messages_[0].find("/nowhere/prices.conf"), std::string::npos) << messages_[0];
}

TEST_F(Prices, WhatIsWrongIsNamedWhereItStands) {
    const auto told = [this](const std::string& conf) {
        read(conf);
        std::string all;
        for (const std::string& one : messages_) all += one + "\n";
        return all;
    };
    EXPECT_EQ(told("price.a.input_per_1m = 0.0000001\n"),
              "loom.conf:1:24: price.a.input_per_1m: has more decimals than are counted\n");
    EXPECT_EQ(told("price.a.input_per_1m = 1\nprice.a.input_per_1k = 0.001\n"),
              "loom.conf:2:24: price.a.input_per_1k: is told twice: price.a.input_per_1m says it too\n");
    EXPECT_EQ(told("price.a.cached_input_per_1m = 1\n"),
              "price.a.input_per_1m: is missing: the other prices of it are known\n");
    EXPECT_EQ(told("price.a.input_per_1m = 1\nprice.a.long_input_per_1m = 2\n"),
              "price.a.long_above: is missing: it says from where on the prices for long prompts hold\n");
    EXPECT_EQ(told("price.a.input_per_1m = 1\nprice.a.long_above = 9\nprice.a.long_cached_input_per_1m = 1\n"),
              "price.a.long_input_per_1m: is missing: other prices for long prompts are known\n");
    EXPECT_EQ(told("price.a.output_per_1m = 1\n"),
              "price.a.input_per_1m: is missing: the other prices of it are known\n");
    EXPECT_EQ(told("price.a.input_per_1m = 1\nprice.a.output_per_1m = 2\nprice.a.long_above = 9\n"
                   "price.a.long_input_per_1m = 2\n"),
              "price.a.long_output_per_1m: is missing: the answers of long prompts would cost nothing\n");
    EXPECT_EQ(told("price.a.per_request = 1\n"), "");
    EXPECT_EQ(told("price.a.input_per_1m = 1\nprice.a.long_above = 2\n"),
              "loom.conf:2:22: price.a.long_above: says nothing without the prices beyond it: add long_input_per_1m "
              "and the others\n");
    EXPECT_EQ(told("provider.other.cost.cached_input_per_1k = 1\n"),
              "provider.other.cost.input_per_1m: is missing: the other prices of it are known\n");
}

TEST_F(Prices, ATableIsTakenWholeOrRefused) {
    const auto told = [this](const std::string& text) {
        const TableFile table(text);
        read("prices.path = " + table.path() + "\n");
        std::string all;
        for (std::string one : messages_) {
            const size_t at = one.find(table.path());
            all += (at == one.npos ? one : one.replace(at, table.path().size(), "T")) + "\n";
        }
        return all;
    };
    EXPECT_EQ(told(good_table), "");
    EXPECT_EQ(told(good_table + "price.opanai/x.input_per_1m = 1\n"),
              "T: 'opanai' is no type of provider: its models are named TYPE/MODEL\n");
    EXPECT_EQ(told(good_table + "price.gpt-4o.input_per_1m = 1\n"),
              "T: '' is no type of provider: its models are named TYPE/MODEL\n");
    EXPECT_EQ(told(good_table + "price.xai/x.input_per_1m = 1\n"),
              "T: table.xai.as_of: expected a date: 2026-11-21\n"
              "T: table.xai.source: expected the address of the page, https://…\n");
    for (const char* day : {"2026-99-99", "2026-02-29", "2026-00-10"}) {
        std::string table = good_table;
        EXPECT_EQ(told(table.replace(table.find("2026-11-01"), 10, day)),
                  "T: table.openai.as_of: expected a date: 2026-11-21\n");
    }
    EXPECT_EQ(told(good_table + "price.openai/x.inputs_per_1m = 1\n"),
              "T:5:1: unknown key 'price.openai/x.inputs_per_1m', did you mean 'price.openai/x.input_per_1m'?\n");
    EXPECT_EQ(told(good_table + "routing.strategy = cost\n").substr(0, 37), "T:5:1: unknown key 'routing.strategy'");
    EXPECT_EQ(told(good_table + "price.openai/x.input_per_1m = 1e3\n").substr(0, 7), "T:5:31:");
}

/// What is shipped: every price of it is told whole.
TEST_F(Prices, TheShippedTableIsGood) {
    read_well("prices.path = " LOOM_SOURCE_ROOT "/conf/prices.conf\n");
    ASSERT_GE(book_->table.size(), 3u);
    EXPECT_EQ(input_of(0, "gpt-4o-mini"), "0.00000015");
    EXPECT_EQ(input_of(0, "gpt-4o-2024-08-06"), "0.0000025");
    EXPECT_EQ(input_of(0, "gpt-4o-2024-05-13"), "0.000005") << "the first of them cost more";
    const route::Price* const haiku = book_->table.at("anthropic").find("claude-haiku-4-5-20251001");
    ASSERT_NE(haiku, nullptr);
    EXPECT_EQ(haiku->rates, (route::TokenRates{.input = 1'000'000,
                                               .cached_input = 100'000,
                                               .cache_write = 1'250'000,
                                               .cache_write_1h = 2'000'000,
                                               .output = 5'000'000,
                                               .reasoning = 5'000'000}));
}

std::vector<std::string> warnings_of(const std::string& text) {
    const std::string base =
        "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\n"
        "provider.a.type = echo\nprovider.b.type = echo\n";
    auto loaded = config::load_text(base + text);
    EXPECT_TRUE(loaded.config) << config::all_of(loaded.diagnostics);
    observe::Metrics metrics(1);
    TlsFiles files;
    route::TargetTable targets;
    tenant::LimitTable limits;
    const auto plan = build_plan(*loaded.config, metrics, files, targets, limits, 1);
    EXPECT_TRUE(plan.has_value());
    return price_warnings(**plan);
}

TEST(PriceWarnings, WhoIsRoutedByCostWithoutAPriceIsNamed) {
    const std::string two = "provider.a.models = m, n\nprovider.b.models = m, n\n";
    EXPECT_EQ(warnings_of(two), Messages());
    EXPECT_EQ(warnings_of(two + "routing.strategy = cost\nprovider.a.cost.input_per_1k = 1\n"),
              Messages({"provider 'b' has no price for m and 1 more and is asked last by cost; add "
                        "price.m.input_per_1m and price.m.output_per_1m"}));
    EXPECT_EQ(warnings_of(two + "routing.strategy = cost\nprice.m.input_per_1m = 1\nprice.n.input_per_1m = 1\n"),
              Messages());
    EXPECT_EQ(warnings_of(two + "routing.model.n.strategy = cost\nprovider.a.cost.input_per_1k = 1\n"),
              Messages({"provider 'b' has no price for n and is asked last by cost; add price.n.input_per_1m and "
                        "price.n.output_per_1m"}));
    EXPECT_EQ(warnings_of("routing.strategy = cost\nprovider.a.cost.input_per_1k = 1\n"),
              Messages({"provider 'b' has no price for any model and is asked last by cost; add "
                        "provider.b.cost.input_per_1m and provider.b.cost.output_per_1m"}));
}

}  // namespace
}  // namespace loom::app

// Prices: exact to the last digit, and found in the order that the conf promises.
#include "loom/route/price.h"

#include <gtest/gtest.h>

#include <random>

#include "loom/base/moving_average.h"

namespace loom::route {
namespace {

std::string text(Money amount) { return std::string(MoneyText(static_cast<unsigned __int128>(amount)).view()); }

TEST(MoneyOf, ADecimalIsExact) {
    EXPECT_EQ(parse_money("2.50", 6), 2'500'000);
    EXPECT_EQ(parse_money("0.003", 6), 3'000);
    EXPECT_EQ(parse_money(".000001", 6), 1);
    EXPECT_EQ(parse_money("0.01", 3), 10'000'000);
    EXPECT_EQ(parse_money("1", 0), 1'000'000'000'000);
    EXPECT_EQ(parse_money("0", 6), 0);
    EXPECT_EQ(parse_money("7.", 6), 7'000'000);
    EXPECT_EQ(parse_money("0.0000010000", 6), 1) << "zeros at the end are no decimals";
}

TEST(MoneyOf, WhatIsNoneIsRefused) {
    for (const char* wrong : {"", ".", "-1", "1e3", "1,5", "1.2.3", "$5", " 1", "0.0000001", "9999999999999", "nan"})
        EXPECT_FALSE(parse_money(wrong, 6)) << wrong;
}

TEST(MoneyOf, ItsTextReadsBackToTheSame) {
    EXPECT_EQ(text(0), "0");
    EXPECT_EQ(text(1), "0.000000000001");
    EXPECT_EQ(text(2'500'000'000'000), "2.5");
    EXPECT_EQ(text(money_max), "9223372.036854775807");
    EXPECT_EQ(MoneyText(~static_cast<unsigned __int128>(0)).view(), "340282366920938463463374607.431768211455");
    std::mt19937_64 random(7);
    for (int i = 0; i < 10'000; ++i) {
        const auto amount = static_cast<Money>(random() >> (1 + random() % 63));
        EXPECT_EQ(parse_money(text(amount), 0), amount);
    }
}

/// Whatever an answer reports, also what cannot be: no token is counted twice, and none is lost.
TEST(TokenParts, SumUpToWhatIsReported) {
    std::mt19937_64 random(12);
    const auto some = [&random] { return random() % 5 == 0 ? uint64_t{0} : random() % 1'000; };
    for (int i = 0; i < 100'000; ++i) {
        const TokenReport report{.input = some(),
                                 .cached_input = some(),
                                 .cache_write = some(),
                                 .cache_write_1h = some(),
                                 .output = some(),
                                 .reasoning = some()};
        const TokenParts parts = parts_of(report);
        ASSERT_EQ(parts.prompt(), report.input);
        ASSERT_EQ(parts.output + parts.reasoning, report.output);
        ASSERT_EQ(parts.total(), report.input + report.output);
        if (report.cached_input + report.cache_write <= report.input) {
            ASSERT_EQ(parts.cached_input, report.cached_input);
            ASSERT_EQ(parts.cache_write + parts.cache_write_1h, report.cache_write);
        }
    }
}

/// An Anthropic answer, by its price list: 100 tokens as they are, 1000 read from the cache, 200 written for minutes,
/// 300 for an hour, 50 told.
TEST(Cost, EachPartHasItsOwnPrice) {
    const Price price{.rates = {.input = 3'000'000,
                                .cached_input = 300'000,
                                .cache_write = 3'750'000,
                                .cache_write_1h = 6'000'000,
                                .output = 15'000'000,
                                .reasoning = 15'000'000}};
    const auto parts = parts_of({.input = 1'600,
                                 .cached_input = 1'000,
                                 .cache_write = 500,
                                 .cache_write_1h = 300,
                                 .output = 50,
                                 .reasoning = 20});
    EXPECT_EQ(text(price.cost(parts)), "0.0039");  // .0003 + .0003 + .00075 + .0018 + .00075
}

TEST(Cost, OfManyAnswersIsTheCostOfAllTheirTokens) {
    const Price price{.rates = {.input = 37'500, .output = 150'001}};  // prices that binary fractions cannot tell
    Money sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += price.cost({.input = 7, .output = 3});
    EXPECT_EQ(sum, price.cost({.input = 7'000'000, .output = 3'000'000}));
}

TEST(Cost, ALongPromptIsBilledAtItsOwnPricesAltogether) {
    const Price price{.rates = {.input = 125, .cached_input = 12, .output = 1'000},
                      .per_request = 7,
                      .long_above = 200,
                      .long_rates = {.input = 250, .cached_input = 25, .output = 1'500}};
    EXPECT_EQ(price.cost({.input = 200, .output = 1}), 200 * 125 + 1'000 + 7);
    EXPECT_EQ(price.cost({.input = 201, .output = 1}), 201 * 250 + 1'500 + 7);
    EXPECT_EQ(price.cost({.input = 101, .cached_input = 100, .output = 1}), 101 * 250 + 100 * 25 + 1'500 + 7)
        << "what is cached is of the prompt";
}

TEST(Cost, WhatIsTooLargeToTellIsTheLargest) {
    const Price price{.rates = {.input = money_max, .output = money_max}, .per_request = money_max};
    EXPECT_EQ(price.cost({}), money_max);
    EXPECT_EQ(price.cost({.input = UINT64_MAX, .output = UINT64_MAX, .reasoning = UINT64_MAX}), money_max);
}

TEST(Undated, ANameLosesItsDateAlone) {
    EXPECT_EQ(undated("gpt-4o-2024-08-06"), "gpt-4o");
    EXPECT_EQ(undated("claude-haiku-4-5-20251001"), "claude-haiku-4-5");
    EXPECT_EQ(undated("claude-haiku-4-5@20251001"), "claude-haiku-4-5");
    for (const char* same : {"gpt-4o", "gpt-4-0613", "claude-3-5-sonnet-latest", "2024-08-06", "-20251001", "",
                             "m-99999999", "m20251001", "m-2024_08_06", "m-2024-8-6"})
        EXPECT_EQ(undated(same), same);
}

TEST(Prices, AreLookedForInTheConfAtTheProviderAndInTheTable) {
    PriceList own, any, table;
    const auto price = [](Money input) { return Price{.rates = {.input = input}}; };
    table.set("m", price(4));
    ProviderPrices prices{.own = &own, .any = &any, .table = &table};
    const auto found = [&prices](std::string_view upstream, std::string_view asked = {}) {
        const Price* const one = prices.find(upstream, asked);
        return one == nullptr ? Money{-1} : one->rates.input;
    };
    EXPECT_EQ(found("m"), 4);
    EXPECT_EQ(found("m-2026-01-31"), 4);
    EXPECT_EQ(found("other"), -1);
    EXPECT_EQ(found("my-deployment", "m"), 4);
    prices.flat = price(3);
    EXPECT_EQ(found("m"), 3);
    EXPECT_EQ(found("other"), 3);
    any.set("m", price(2));
    EXPECT_EQ(found("m"), 2);
    EXPECT_EQ(found("my-deployment", "m"), 2);
    EXPECT_EQ(found("other", "another"), 3);
    own.set("m", price(1));
    EXPECT_EQ(found("m"), 1);
    any.set("m-2026-01-31", price(5));
    EXPECT_EQ(found("m-2026-01-31"), 1) << "the provider's own goes before a better name";
}

TEST(Prices, TheNameAskedForCountsOnlyWhereTheUpstreamsOwnIsNotKnown) {
    PriceList own, any, table;
    const auto price = [](Money input) { return Price{.rates = {.input = input}}; };
    ProviderPrices prices{.own = &own, .any = &any, .table = &table};
    const auto found = [&prices] { return prices.find("claude-opus-5", "gpt-4o")->rates.input; };
    table.set("gpt-4o", price(1));
    EXPECT_EQ(found(), 1);
    prices.flat = price(2);
    EXPECT_EQ(found(), 2);
    any.set("gpt-4o", price(3));
    EXPECT_EQ(found(), 3);
    table.set("claude-opus-5", price(4));
    EXPECT_EQ(found(), 2) << "a known model: the provider's price of all its models goes before the table's";
    prices.flat.reset();
    EXPECT_EQ(found(), 4) << "Opus does not cost what gpt-4o does";
    any.set("claude-opus-5", price(5));
    EXPECT_EQ(found(), 5);
    own.set("gpt-4o", price(6));
    EXPECT_EQ(found(), 6);
    own.set("claude-opus-5", price(7));
    EXPECT_EQ(found(), 7);
}

TEST(MovingAverage, FollowsWhatItIsTold) {
    MovingAverage average;
    EXPECT_EQ(average.value(), 0u);
    average.record(400);
    EXPECT_EQ(average.value(), 400u);
    average.record(0);
    EXPECT_EQ(average.value(), 375u);
    for (int i = 0; i < 200; ++i) average.record(1'000);
    EXPECT_NEAR(static_cast<double>(average.value()), 1'000, 2);
    for (int i = 0; i < 400; ++i) average.record(0);
    EXPECT_EQ(average.value(), 0u);
    average.record(UINT64_MAX);
    EXPECT_LE(average.value(), MovingAverage::sample_max);
}

}  // namespace
}  // namespace loom::route

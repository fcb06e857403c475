// request_rate and token_rate: a number, or several by windows of their own; what cannot be meant so, and what never
// counts.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "check/check.h"
#include "fake_source.h"
#include "plan/rates.h"

namespace loom::app {
namespace {

const std::string base = "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.demo.type = echo\n";
constexpr const char* key = "rate_limit.global.request_rate";

/// What is said of this value, without its place and its key.
std::string said(const std::string& value, const std::string& of = key) {
    auto loaded = config::load_text(base + of + " = " + value + "\n");
    add_checks(loaded);
    std::string all = config::all_of(loaded.diagnostics);
    const size_t at = all.find(of + ": ");
    return at == all.npos ? all : all.substr(at + of.size() + 2);
}

/// As they are understood, by windows of a minute where none is named.
std::string read(const std::vector<std::string>& items) {
    const auto rates = parse_rates(items, 60'000);
    if (!rates) return rates.error();
    std::string all;
    for (const Rate& rate : *rates) all += (all.empty() ? "" : ", ") + rate_text(rate);
    return all;
}

TEST(Rates, ANumberAloneIsByTheWindowOfItsKey) {
    EXPECT_EQ(read({}), "");
    EXPECT_EQ(read({"0"}), "");
    EXPECT_EQ(read({"0/1h"}), "");
    EXPECT_EQ(read({"60"}), "60/1m");
    EXPECT_EQ(read({"1000000000"}), "1000000000/1m");
}

TEST(Rates, WindowsOfTheirOwn_TheShortestFirst) {
    EXPECT_EQ(read({"1000/h", "10/s", "5000/d", "60/m"}), "10/1s, 60/1m, 1000/1h, 5000/1d");
    EXPECT_EQ(read({"10/1s", "1000/12h"}), "10/1s, 1000/12h");
    EXPECT_EQ(read({"10 / 1s"}), "10/1s");
    EXPECT_EQ(read({"10/90s", "9/1500ms"}), "9/1500ms, 10/90s");
    EXPECT_EQ(read({"10/60s"}), "10/1m");
    EXPECT_EQ(read({"60", "5/s"}), "5/1s, 60/1m");
    EXPECT_EQ(read({"10/1s, 1000/1h", "5000/d"}), "10/1s, 1000/1h, 5000/1d") << "in quotes, commas and all";
}

TEST(Check, RatesThatAreGood) {
    EXPECT_EQ(said("10/1s, 1000/1h"), "");
    EXPECT_EQ(said("[10/s, 1000/h, 5000/d]"), "");
    EXPECT_EQ(said("\"10/1s, 1000/1h\""), "");
    EXPECT_EQ(said("0"), "");
    EXPECT_EQ(said("10/1s, 100", "rate_limit.request_rate.limit"), "");
    EXPECT_EQ(said("1000/1s, 20000/m", "rate_limit.model.gpt-4.1.token_rate"), "");
    EXPECT_EQ(said("1000/1s, 100000000/1d", "rate_limit.global.token_rate"), "")
        << "what streams use beyond what they reserved, a day still knows when a second has forgotten it";
}

TEST(Check, RatesThatCannotBeRead) {
    constexpr const char* a_number = "expected a number, or numbers by their windows such as 10/1s, 1000/1h, got '";
    constexpr const char* a_window =
        "expected a window of 1s to 1d behind the number, such as 10/s, 60/1m or 1000/12h, got '";
    for (const char* const bad : {"ten", "-1", "1.5", "10s", "/1s", "1e3", "0x10", "10 20"})
        EXPECT_EQ(said(bad), a_number + std::string(bad) + "'\n");
    for (const char* const bad : {"10/", "10/w", "10/1w", "10/500ms", "10/25h", "10/2d", "10/0s", "10/1s/2", "10/-1s"})
        EXPECT_EQ(said(bad), a_window + std::string(bad) + "'\n");
    for (const char* const bad : {"1000000001", "99999999999999999999999/1h"})
        EXPECT_EQ(said(bad), "expected 0 to 1000000000, got '" + std::string(bad) + "'\n");
    EXPECT_EQ(said("10/s, x/1h"), a_number + std::string("x/1h'\n"));
    EXPECT_EQ(said("10/s,, 5/1h"), "expected an item between the commas, got '10/s,, 5/1h'\n");
    EXPECT_EQ(said(""), a_number + std::string("'\n")) << "which is not how a limit is taken away";
    EXPECT_EQ(said("x", "rate_limit.request_rate.limit"), a_number + std::string("x'\n"));
    EXPECT_EQ(said("x", "rate_limit.token_rate.limit"), a_number + std::string("x'\n"));
    EXPECT_TRUE(said("x\nrate_limit.enabled = off").starts_with(a_number + std::string("x'\n"))) << "off or not";
}

TEST(Check, RatesThatMakeNoSenseTogether) {
    EXPECT_EQ(said("1/s, 2/m, 3/h, 4/2h, 5/d"), "has 5 windows: at most 4 count at once\n");
    EXPECT_EQ(said("10/60s, 20/m"),
              "10/1m and 20/1m are by the same window: leave out the larger (a number alone is by .window)\n");
    EXPECT_EQ(said("60, 100/1m"),
              "60/1m and 100/1m are by the same window: leave out the larger (a number alone is by .window)\n");
    EXPECT_EQ(said("0/1s, 100/1h"), "0/1s is no limit: leave it out beside others\n");
}

TEST(Check, RatesOfWhichOneNeverCounts) {
    EXPECT_EQ(said("1000/1s, 10/1h"),
              "1000/1s never counts: 10/1h lets in no more than 10 at any time; make the limit of the shorter window "
              "the smaller one\n");
    EXPECT_EQ(said("10/1s, 10/1h"),
              "10/1s never counts: 10/1h lets in no more than 10 at any time; make the limit of the shorter window the "
              "smaller one\n");
    EXPECT_EQ(said("10/1s, 36000/1h"),
              "36000/1h never counts: 10/1s lets in no more than 36000 in that time; leave it out, or make it "
              "smaller\n");
    EXPECT_EQ(said("10/1s, 35999/1h"), "");
    EXPECT_EQ(said("9000/1s, 6000/1h", "rate_limit.global.token_rate"),
              "9000/1s never counts: 6000/1h lets in no more than 6000 at any time; make the limit of the shorter "
              "window the smaller one\n");
}

TEST(Check, BurstsAndRequestsAtOnceBesideSeveralWindows) {
    const auto with = [](const std::string& more) {
        auto loaded = config::load_text(base + "rate_limit.global.request_rate = 10/1s, 500/1h\n" + more);
        add_checks(loaded);
        return config::all_of(loaded.diagnostics);
    };
    EXPECT_EQ(with("rate_limit.global.burst = 5\n"), "");
    EXPECT_NE(with("rate_limit.global.burst = 10\n").find("is never felt: no more than 10 requests"),
              std::string::npos);
    EXPECT_EQ(with("rate_limit.global.concurrent = 100\n"), "") << "a request may last longer than a second";
    EXPECT_NE(with("rate_limit.global.concurrent = 501\n").find("no more than 500 requests"), std::string::npos);
}

}  // namespace
}  // namespace loom::app

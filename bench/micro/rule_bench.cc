// What a rule costs on a request's path, beside the same tests written in C++.
// Every bench checks its answer before it is timed.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/rule/rule.h"

namespace loom::rule {
namespace {

void check(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "rule_bench: wrong answer: %s\n", what);
    std::abort();
}

/// A request as the proxy has it: members, and a list of headers that is searched.
struct Request final : Facts {
    Value get(Attribute attribute, std::string_view name) const noexcept override {
        switch (attribute) {
            case Attribute::model: return Value::of_text(model);
            case Attribute::tier: return Value::of_name(tier);
            case Attribute::stream: return Value::of_flag(stream);
            case Attribute::prompt_tokens: return Value::of_number(static_cast<double>(prompt_tokens));
            case Attribute::roles: return Value::of_list(roles);
            case Attribute::ip: return Value::of_address(ip);
            case Attribute::header: return header(name);
            default: return {};
        }
    }
    Value header(std::string_view name) const noexcept {
        for (const auto& [key, value] : headers)
            if (key == name) return Value::of_text(value);
        return {};
    }

    std::string model = "gpt-4o-mini";
    std::string tier = "paid";
    bool stream = true;
    uint64_t prompt_tokens = 1200;
    std::array<std::string_view, 3> roles = {"developer", "data-science", "finance"};
    IpBytes ip = *parse_ip("10.1.2.3");
    std::array<std::pair<std::string_view, std::string_view>, 8> headers = {{{"host", "localhost"},
                                                                             {"user-agent", "curl"},
                                                                             {"accept", "*/*"},
                                                                             {"content-type", "application/json"},
                                                                             {"content-length", "4000"},
                                                                             {"authorization", "Bearer x"},
                                                                             {"x-request-id", "r-1"},
                                                                             {"x-team", "legal"}}};
};

void evaluate(benchmark::State& state, const char* text, Verdict expected) {
    const auto rule = Rule::compile(text);
    check(rule.has_value(), text);
    const Request request;
    check(rule->evaluate(request) == expected, text);
    const Facts* facts = &request;
    for (auto _ : state) {
        benchmark::DoNotOptimize(facts);
        auto verdict = rule->evaluate(*facts);
        benchmark::DoNotOptimize(verdict);
    }
}

constexpr const char* four = R"(model == "gpt-4o-mini" and stream and prompt_tokens > 1k and tier != "free")";
void BM_rule_one(benchmark::State& state) { evaluate(state, R"(model == "gpt-4o-mini")", Verdict::yes); }
void BM_rule_four(benchmark::State& state) { evaluate(state, four, Verdict::yes); }
void BM_rule_header(benchmark::State& state) { evaluate(state, R"(header.x-team == "legal")", Verdict::yes); }
void BM_rule_set_of_20(benchmark::State& state) {
    evaluate(state,
             R"(model in ["a01", "a02", "a03", "a04", "a05", "a06", "a07", "a08", "a09", "a10", "a11", "a12", "a13",
                    "a14", "a15", "a16", "a17", "a18", "a19", "gpt-4o-mini"])",
             Verdict::yes);
}
void BM_rule_pattern(benchmark::State& state) { evaluate(state, R"(model matches "*4o*")", Verdict::yes); }
void BM_rule_network(benchmark::State& state) { evaluate(state, R"(ip in ["fd00::/8", "10.0.0.0/8"])", Verdict::yes); }
void BM_rule_twelve(benchmark::State& state) {
    evaluate(
        state,
        R"((model matches ["claude-*", "gpt-*"] or "admin" in roles) and ip in "10.0.0.0/8" and not (tier == "free" or
                    prompt_tokens > 100k) and (header.x-team == "legal" or header.x-team == "finance") and
                    has(header.authorization) and "finance" in roles and model not in ["a", "b"] and stream and
                    header.x-request-id starts_with "r-")",
        Verdict::yes);
}
BENCHMARK(BM_rule_one);
BENCHMARK(BM_rule_four);
BENCHMARK(BM_rule_header);
BENCHMARK(BM_rule_set_of_20);
BENCHMARK(BM_rule_pattern);
BENCHMARK(BM_rule_network);
BENCHMARK(BM_rule_twelve);

/// The baseline of BM_rule_four.
void BM_plain_four(benchmark::State& state) {
    const Request request;
    const Request* given = &request;
    for (auto _ : state) {
        benchmark::DoNotOptimize(given);
        bool holds = given->model == "gpt-4o-mini" && given->stream && given->prompt_tokens > 1000 &&
                     !given->tier.empty() && given->tier != "free";
        benchmark::DoNotOptimize(holds);
    }
}
BENCHMARK(BM_plain_four);

void BM_rule_compile(benchmark::State& state) {
    for (auto _ : state) {
        auto rule = Rule::compile(four);
        benchmark::DoNotOptimize(rule);
    }
}
BENCHMARK(BM_rule_compile);

}  // namespace
}  // namespace loom::rule

BENCHMARK_MAIN();

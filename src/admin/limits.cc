#include "loom/admin/limits.h"

#include <fmt/format.h>

#include "answers.h"

namespace loom::admin {
namespace {

using tenant::Limit;
using tenant::LimitKind;

std::string window_json(const Limit& limit, LimitKind kind, uint64_t now_ms) {
    const bool tokens = kind == LimitKind::tokens;
    const tenant::WindowTerms& terms = tokens ? limit.terms.tokens : limit.terms.requests;
    if (!terms.limits()) return "null";
    std::string out = fmt::format(R"({{"limit":{},"window_ms":{},"key":{})", terms.limit,
                                  tokens ? limit.terms.tokens_window_ms : limit.terms.requests_window_ms,
                                  quoted(limit.source(kind).key));
    const tenant::RateWindow* const window = tokens ? limit.tokens.get() : limit.requests.get();
    if (window != nullptr)
        out += fmt::format(R"(,"used":{},"remaining":{},"reset_ms":{})", window->used(terms, now_ms),
                           window->left_of_all(terms, now_ms), window->wait_ms(terms, now_ms, terms.limit));
    if (window != nullptr && window->lease() != nullptr)
        out += fmt::format(R"(,"others":{})", window->lease()->others.load(std::memory_order_relaxed));
    if (&limit.whole() == &limit && limit.is_in_several(kind)) {
        out += R"(,"longer":[)";
        for (const Limit* one = limit.longer; one != nullptr; one = one->longer)
            if (const std::string its = window_json(*one, kind, now_ms); its != "null")
                out += (out.back() == '[' ? "" : ",") + its;
        out += "]";
    }
    return out + "}";
}

std::string limit_json(const Limit& limit, uint64_t now_ms) {
    std::string out = fmt::format(
        R"({{"scope":"{}","name":{},"requests":{},"tokens":{},"burst":{},"concurrent_max":{})",
        limit_scope_name(limit.scope), quoted(limit.name), window_json(limit, LimitKind::requests, now_ms),
        window_json(limit, LimitKind::tokens, now_ms), limit.terms.burst.capacity, limit.terms.concurrent_max);
    if (limit.level != nullptr)
        out += fmt::format(R"(,"in_flight":{})", limit.level->concurrent.load(std::memory_order_relaxed));
    return out + "}";
}

std::string amount_json(tenant::BudgetUnit unit, uint64_t units) {
    if (unit == tenant::BudgetUnit::tokens) return std::to_string(units);
    const MoneyText text(static_cast<unsigned __int128>(tenant::money_of_budget_units(units)));
    return fmt::format(R"("{}")", text.view());
}

/// `{"day":{"limit":…,"used":…,"remaining":…,"ends":…},…}` of the periods that are limited.
std::string periods_json(const tenant::Budget& budget, tenant::BudgetUnit unit, int64_t unix_s) {
    const tenant::PeriodNumbers now = tenant::period_numbers(unix_s);
    std::string out = "{";
    for (const tenant::BudgetPeriod period : tenant::budget_periods) {
        const uint64_t limit = budget.terms(unit)[static_cast<size_t>(period)];
        if (limit == 0) continue;
        const tenant::BudgetMeter& meter = budget.meter(unit);
        const uint64_t used = meter.used(period, now);
        const uint64_t all = meter.used_of_all(period, now);  // with what other Looms have
        const std::string others =
            meter.lease(period) != nullptr ? fmt::format(R"(,"others":{})", amount_json(unit, all - used)) : "";
        // Where the number is not under the budget's own key.
        const std::string tier =
            budget.is_of_tier(unit, period) ? fmt::format(R"(,"key":{})", quoted(budget.tier_key)) : "";
        out += fmt::format(R"({}"{}":{{"limit":{},"used":{},"remaining":{},"ends":{}{}{}}})",
                           out.size() == 1 ? "" : ",", tenant::budget_period_name(period), amount_json(unit, limit),
                           amount_json(unit, used), amount_json(unit, all < limit ? limit - all : 0),
                           tenant::period_span(period, unix_s).end_s, others, tier);
    }
    return out + "}";
}

std::string budgets_json(const proxy::RateLimitPlan& limits, int64_t unix_s) {
    std::string out = R"("budgets":[)";
    for (const tenant::Budget& budget : limits.budgets)
        out += fmt::format(R"({}{{"scope":"{}","name":{},"key":{},"tokens":{},"money":{}}})",
                           out.back() == '[' ? "" : ",", limit_scope_name(budget.scope), quoted(budget.name),
                           quoted(budget.key), periods_json(budget, tenant::BudgetUnit::tokens, unix_s),
                           periods_json(budget, tenant::BudgetUnit::money, unix_s));
    return out + "]";
}

}  // namespace

std::string show_limits(const proxy::Plan& plan, uint64_t now_ms, int64_t unix_s) {
    if (plan.rate_limits == nullptr) return R"({"limits":[],"budgets":[]})";
    std::string out = R"({"limits":[)";
    bool first = true;
    for (const Limit& limit : plan.rate_limits->limits) {
        if (limit.first != nullptr) continue;  // told with its first
        out += fmt::format("{}{}", first ? "" : ",", limit_json(limit, now_ms));
        first = false;
    }
    out += "],";
    out += budgets_json(*plan.rate_limits, unix_s);
    if (const tenant::AddressLimits* const table = plan.rate_limits->addresses.get())
        out += fmt::format(R"(,"addresses":{{"counted":{},"max":{}}})", table->size(), table->capacity());
    return out + "}";
}

}  // namespace loom::admin

// What clients may spend by the calendar: held when a request is admitted, booked when it is over.
#include <fmt/format.h>

#include <algorithm>

#include "client_limits.h"
#include "exchange.h"
#include "loom/observe/log.h"
#include "loom/proxy/rate_limit_plan.h"

namespace loom::proxy {
namespace {

using tenant::Budget;
using tenant::BudgetUnit;

constexpr size_t message_bytes = 256;

uint64_t limit_of(const tenant::BudgetRefusal& why) noexcept {
    return why.of->terms(why.unit)[static_cast<size_t>(why.period)];
}

/// The word of the conf for a period's limit.
std::string_view key_word(BudgetUnit unit, tenant::BudgetPeriod period) noexcept {
    constexpr std::array<std::string_view, 3> tokens = {"daily_limit", "weekly_limit", "monthly_limit"};
    constexpr std::array<std::string_view, 3> money = {"budget.daily", "budget.weekly", "budget.monthly"};
    return (unit == BudgetUnit::tokens ? tokens : money)[static_cast<size_t>(period)];
}

MoneyText money_text(uint64_t units) noexcept {
    return MoneyText(static_cast<unsigned __int128>(tenant::money_of_budget_units(units)));
}

/// `3d 4h`, `4h 5m`, `5m 6s`.
void append_wait(fmt::basic_memory_buffer<char, message_bytes>& text, int64_t seconds) {
    const auto out = std::back_inserter(text);
    if (seconds >= 86'400)
        fmt::format_to(out, "{}d {}h", seconds / 86'400, seconds % 86'400 / 3'600);
    else if (seconds >= 3'600)
        fmt::format_to(out, "{}h {}m", seconds / 3'600, seconds % 3'600 / 60);
    else
        fmt::format_to(out, "{}m {}s", seconds / 60, seconds % 60);
}

}  // namespace

/// Those that it is under, null where there is none: its consumer's own, the team's, all together's.
RateLimitPlan::Budgets Exchange::budgets() const noexcept {
    const RateLimitPlan& limits = *plan().rate_limits;
    if (limits.budgets.empty()) return {};
    RateLimitPlan::Budgets all = limits.budgets_of[consumer_ix_of_limits()];
    if (consumer_ == nullptr) return all;
    const auto in = [](const auto& budgets, const std::string& name) -> const Budget* {
        const auto found = budgets.find(name);
        return found == budgets.end() ? nullptr : found->second;
    };
    if (!consumer_->is_listed()) all[0] = in(limits.unlisted_budgets, consumer_->name);
    if (!limits.team_budgets.empty() && !consumer_->team.empty()) all[1] = in(limits.team_budgets, consumer_->team);
    return all;
}

/// A call whose model or prompt is not read: it goes where anything is left of each.
Result<void> Exchange::check_budgets() {
    const int64_t now_s = services_.unix_now_s();
    for (const Budget* const budget : budgets()) {
        const auto spent = budget != nullptr ? tenant::spent_of(*budget, now_s) : std::nullopt;
        if (!spent) continue;
        limited_->spent = *spent;
        return std::unexpected(over_budget());
    }
    return {};
}

/// Or the answer says which is spent.
Result<void> Exchange::hold_budgets() { return try_hold_budgets() ? Result<void>() : std::unexpected(over_budget()); }

/// Of each budget that it is under, or nothing of any: then `spent` is the one that does not do. Who is asked is known.
bool Exchange::try_hold_budgets() noexcept {
    if (limited_ == nullptr || !limited_->budgets.empty() || !RateLimitPlan::any_of(budgets()) ||
        llm::counts_tokens(endpoint_))
        return true;
    ClientLimits& limited = *limited_;
    const uint64_t input = limited.tokens_input;
    const uint64_t output = limited.tokens_expected - std::min(input, limited.tokens_expected);
    Money cost = 0;
    limited.event_cost = 0;
    if (const route::Price* const price = price_at_hand()) {
        cost = price->cost({.input = input, .output = output});
        limited.event_cost = price->cost({.input = input, .output = output + 1}) - cost;
    }
    limited.tokens_held = std::max<uint64_t>(1, input + output);
    const int64_t now_s = services_.unix_now_s();
    for (const Budget* const budget : budgets())
        if (budget != nullptr && !limited.budgets.enter(*budget, now_s, limited.tokens_held, cost, limited.spent))
            return false;
    return true;
}

/// Its answer says which budget is spent and when it begins anew. It takes no tokens; that it was a request counts, or
/// who is over its budget could ask as fast as it likes.
Error Exchange::over_budget() {
    limited_->taken.leave(services_.shard().timers().now_ms(), 0);
    limited_->of_model = false;
    const tenant::BudgetRefusal& why = limited_->spent;
    services_.metrics().budget_refused(why.of->scope);
    if (!why.of->alerts.empty() &&
        why.of->meter(why.unit).tell(why.period, tenant::period_numbers(services_.unix_now_s()),
                                     why.of->alerts.back())) {
        services_.metrics().budget_alerts.add();
        observe::log_warn("{}.{}: a request was refused", why.of->key, key_word(why.unit, why.period));
    }
    const auto wait_ms = static_cast<uint64_t>(why.wait_s) * 1'000;
    retry_after_ms_ = static_cast<uint32_t>(std::clamp<uint64_t>(wait_ms, 1, UINT32_MAX));
    fmt::basic_memory_buffer<char, message_bytes> text;
    const auto out = std::back_inserter(text);
    fmt::format_to(out, "{}.{} is ", why.of->key, key_word(why.unit, why.period));
    if (why.unit == BudgetUnit::tokens)
        fmt::format_to(out, "{} tokens", limit_of(why));
    else
        fmt::format_to(out, "{}", money_text(limit_of(why)).view());
    fmt::format_to(out, " a {}, and what is left does not do for this request; the next {} (UTC) begins in ",
                   budget_period_name(why.period), budget_period_name(why.period));
    append_wait(text, why.wait_s);
    detail_ = text_.keep({text.data(), text.size()});
    return {.code = Errc::limited, .side = Side::downstream, .what = "a budget is spent"};
}

/// tokens  that it took, as its limits are told.      untold  of these, what its last attempt has not told.
void Exchange::settle_budgets(uint64_t tokens, uint64_t untold) noexcept {
    ClientLimits& limited = *limited_;
    if (limited.spent.of != nullptr || !RateLimitPlan::any_of(budgets())) return;
    const Money cost = sum_of(std::max<Money>(cost_, 0), sum_of(limited.cost_untold, cost_of_untold(untold)));
    const int64_t now_s = services_.unix_now_s();
    if (!limited.budgets.empty())
        limited.budgets.settle(now_s, tokens, cost);
    else if (tokens != 0 || cost != 0)
        for (const Budget* const budget : budgets())
            if (budget != nullptr) limited.budgets.charge(*budget, now_s, tokens, cost);
    tell_budget_alerts();
}

/// Of tokens that the attempt at hand has taken and not told: what it told first, at a stream's beginning, is the
/// prompt.
Money Exchange::cost_of_untold(uint64_t tokens) const noexcept {
    const route::Price* const price = tokens != 0 ? price_at_hand() : nullptr;
    if (price == nullptr) return 0;
    const bool told_input = usage().provenance != llm::Usage::Provenance::none && usage().input != 0;
    const uint64_t input = told_input ? 0 : std::min(limited_->tokens_input, tokens);
    const Money cost = price->cost({.input = input, .output = tokens - input});
    return cost_ >= 0 && told_input ? cost - price->per_request : cost;  // which is in what was told
}

void Exchange::tell_budget_alerts() noexcept {
    limited_->budgets.each_alert(services_.unix_now_s(), [this](const tenant::BudgetAlert& alert) {
        services_.metrics().budget_alerts.add();
        const uint64_t limit = alert.of->terms(alert.unit)[static_cast<size_t>(alert.period)];
        const std::string_view word = key_word(alert.unit, alert.period);
        if (alert.unit == BudgetUnit::tokens)
            observe::log_warn("{}.{}: {}% of {} tokens are taken or held", alert.of->key, word, alert.share, limit);
        else
            observe::log_warn("{}.{}: {}% of {} is spent or held", alert.of->key, word, alert.share,
                              money_text(limit).view());
    });
}

}  // namespace loom::proxy

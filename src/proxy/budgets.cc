// What clients may spend by the calendar: held when a request is admitted, booked when it is over.
#include <fmt/format.h>

#include <algorithm>

#include "client_limits.h"
#include "continuation.h"
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

/// Those that it is under, null where there is none. A model's is that of the name by which its client asks, as with
/// rate limits: whichever arm, stand-in or deployment answers. Until the route or the model is known it is under none
/// of theirs. Asked for many times of one request: by indices that the plan has, by what was found when its token was
/// verified, and when its model was known (enter_model).
RateLimitPlan::Budgets ClientQuota::budgets() const noexcept {
    const RateLimitPlan& limits = *x_.plan().rate_limits;
    if (limits.budgets.empty()) return {};
    RateLimitPlan::Budgets all = limits.budgets_of[consumer_ix()];
    if (!limits.route_budgets.empty() && x_.route_ != nullptr)
        all[RateLimitPlan::BudgetPlace::route] =
            limits.route_budgets[static_cast<size_t>(x_.route_ - x_.plan().routes.data())];
    if (const ClientLimits* const limited = told()) all[RateLimitPlan::BudgetPlace::model] = limited->model_budget;
    if (const tenant::BearerTerms* const told = told_terms()) {
        if (!x_.consumer_->is_listed()) all[RateLimitPlan::BudgetPlace::own] = told->own_budget;
        if (!x_.consumer_->team.empty()) all[RateLimitPlan::BudgetPlace::team] = told->team_budget;
    }
    return all;
}

bool ClientQuota::has_budgets() const noexcept {
    return !x_.plan().rate_limits->budgets.empty() && RateLimitPlan::any_of(budgets());
}

/// A call whose model or prompt is not read: it goes where anything is left of each.
Result<void> ClientQuota::check_budgets() {
    const int64_t now_s = x_.services_.unix_now_s();
    for (const Budget* const budget : budgets()) {
        const auto spent = budget != nullptr ? tenant::spent_of(*budget, now_s) : std::nullopt;
        if (!spent) continue;
        x_.limited_->spent = *spent;
        return std::unexpected(over_budget());
    }
    return {};
}

/// Or the answer says which is spent.
Result<void> ClientQuota::hold_budgets() {
    return try_hold_budgets() ? Result<void>() : std::unexpected(over_budget());
}

/// Of each budget that it is under, or nothing of any: then `spent` is the one that does not do. Who is asked is known.
bool ClientQuota::try_hold_budgets() noexcept {
    if (x_.limited_ == nullptr || !x_.limited_->budgets.empty() || !has_budgets() || llm::counts_tokens(x_.endpoint_))
        return true;
    ClientLimits& limited = *x_.limited_;
    const uint64_t input = limited.tokens_input;
    const uint64_t output = limited.tokens_expected - std::min(input, limited.tokens_expected);
    Money cost = 0;
    limited.event_cost = 0;
    if (const route::Price* const price = x_.price_at_hand()) {
        cost = price->cost({.input = input, .output = output});
        limited.event_cost = price->cost({.input = input, .output = output + 1}) - cost;
    }
    limited.tokens_held = std::max<uint64_t>(1, input + output);
    const int64_t now_s = x_.services_.unix_now_s();
    for (const Budget* const budget : budgets())
        if (budget != nullptr && !limited.budgets.enter(*budget, now_s, limited.tokens_held, cost, limited.spent))
            return false;
    return true;
}

/// Its answer says which budget is spent and when it begins anew. It takes no tokens; that it was a request counts, or
/// who is over its budget could ask as fast as it likes.
Error ClientQuota::over_budget() {
    x_.limited_->taken.leave(x_.services_.shard().timers().now_ms(), 0);
    x_.limited_->of_model = false;
    const tenant::BudgetRefusal& why = x_.limited_->spent;
    const bool spent = why.lack == tenant::LeaseLack::spent;
    if (spent) {
        x_.services_.metrics().budget_refused(why.of->scope_of(why.unit, why.period));
        tell_refused(why);
    }
    const auto wait_ms = spent ? static_cast<uint64_t>(why.wait_s) * 1'000 : tenant::Admission::lease_wait_ms;
    x_.retry_after_ms_ = static_cast<uint32_t>(std::clamp<uint64_t>(wait_ms, 1, UINT32_MAX));
    fmt::basic_memory_buffer<char, message_bytes> text;
    const auto out = std::back_inserter(text);
    fmt::format_to(out, "{}.{} is ", why.of->key_of(why.unit, why.period), key_word(why.unit, why.period));
    if (why.unit == BudgetUnit::tokens)
        fmt::format_to(out, "{} tokens", limit_of(why));
    else
        fmt::format_to(out, "{}", money_text(limit_of(why)).view());
    if (spent) {
        fmt::format_to(out, " a {}, and what is left does not do for this request; the next {} (UTC) begins in ",
                       budget_period_name(why.period), budget_period_name(why.period));
        append_wait(text, why.wait_s);
    } else {
        fmt::format_to(out, " a {}{}; try again in 1s", budget_period_name(why.period), lease_words(why.lack));
    }
    x_.detail_ = x_.text_.keep({text.data(), text.size()});
    return short_of_lease(why.lack, "a budget is spent");
}

/// A stream that its budgets may end before its provider does: whoever writes its end has to know where it stands.
void ClientQuota::prepare_to_stop(RelayOptions& options) {
    const RateLimitPlan& limits = *x_.plan().rate_limits;
    options.counts_text = options.event_stream;
    if (!options.event_stream || !limits.budgets_stop_streams || !has_budgets()) return;
    if (const auto protocol = llm::chat_protocol_of(x_.endpoint_)) x_.read_beside(options, *protocol);
}

/// An event has passed: do the limits and budgets of its client have room for what it brought?
void ClientQuota::note_output() noexcept {
    // What it says itself that it takes counts as soon as it says so, the larger of both.
    const llm::Usage& told = x_.relay_.usage();
    const uint64_t input = std::max(x_.limited_->tokens_input, std::min(told.input, llm::tokens_bound));
    const uint64_t before = seen_tokens() - x_.relay_.seen_tokens();  // of those who told a part of the answer
    const uint64_t output = before + std::max(x_.relay_.seen_tokens(), std::min(told.output, llm::tokens_bound));
    const bool goes_on =
        x_.limited_->note_output(x_.services_.shard().timers().now_ms(), x_.services_.unix_now_s(), input + output);
    if (goes_on || !x_.plan().rate_limits->budgets_stop_streams) return;
    x_.relay_.stop_here(
        {.code = Errc::limited, .side = Side::downstream, .what = "a budget is spent: the stream was ended"});
}

/// Of all who have told a part of the answer.
uint64_t ClientQuota::seen_tokens() const noexcept {
    return x_.relay_.seen_tokens() + (x_.continuation_ != nullptr ? x_.continuation_->seen_tokens : 0);
}

/// tokens  that it took, as its limits are told.      untold  of these, what its last attempt has not told.
void ClientQuota::settle_budgets(uint64_t tokens, uint64_t untold) noexcept {
    ClientLimits& limited = *x_.limited_;
    // One that a budget has refused took nothing but what its text's vector has cost. What is held ends in any case.
    const bool refused = limited.spent.of != nullptr && x_.cost_ <= 0;
    if (limited.budgets.empty() && (refused || !has_budgets())) return;
    const Money cost = sum_of(std::max<Money>(x_.cost_, 0), sum_of(limited.cost_untold, cost_of_untold(untold)));
    const int64_t now_s = x_.services_.unix_now_s();
    if (!limited.budgets.empty())
        limited.budgets.settle(now_s, tokens, cost);
    else if (tokens != 0 || cost != 0)
        for (const Budget* const budget : budgets())
            if (budget != nullptr) limited.budgets.charge(*budget, now_s, tokens, cost);
    tell_budget_alerts();
    if (x_.plan().alerts == nullptr) return;
    for (const Budget* const budget : budgets())
        if (const auto spent = budget != nullptr ? tenant::spent_of(*budget, now_s) : std::nullopt;
            spent && spent->lack == tenant::LeaseLack::spent)
            tell_spent(*budget, spent->unit, spent->period);
}

/// Of tokens that the attempt at hand has taken and not told: what it told first, at a stream's beginning, is the
/// prompt.
Money ClientQuota::cost_of_untold(uint64_t tokens) const noexcept {
    const route::Price* const price = tokens != 0 ? x_.price_at_hand() : nullptr;
    if (price == nullptr) return 0;
    const bool told_input = x_.usage().provenance != llm::Usage::Provenance::none && x_.usage().input != 0;
    const uint64_t input = told_input ? 0 : std::min(x_.limited_->tokens_input, tokens);
    const Money cost = price->cost({.input = input, .output = tokens - input});
    return x_.cost_ >= 0 && told_input ? cost - price->per_request : cost;  // which is in what was told
}

void ClientQuota::tell_budget_alerts() noexcept {
    x_.limited_->budgets.each_alert(x_.services_.unix_now_s(), [this](const tenant::BudgetAlert& alert) {
        x_.services_.metrics().budget_alerts.add();
        tell(tenant::AlertType::budget_share, alert);
        const uint64_t limit = alert.of->terms(alert.unit)[static_cast<size_t>(alert.period)];
        const std::string_view word = key_word(alert.unit, alert.period);
        const std::string& key = alert.of->key_of(alert.unit, alert.period);
        if (alert.unit == BudgetUnit::tokens)
            observe::log_warn("{}.{}: {}% of {} tokens are taken or held", key, word, alert.share, limit);
        else
            observe::log_warn("{}.{}: {}% of {} is spent or held", key, word, alert.share, money_text(limit).view());
    });
}

/// To whom events are told (alerts.*).
void ClientQuota::tell(tenant::AlertType type, const tenant::BudgetAlert& alert) noexcept {
    if (x_.plan().alerts == nullptr) return;
    const int64_t now_s = x_.services_.unix_now_s();
    const Budget& budget = *alert.of;
    std::array<char, message_bytes> key;
    const auto end = fmt::format_to_n(key.data(), key.size(), "{}.{}", budget.key_of(alert.unit, alert.period),
                                      key_word(alert.unit, alert.period))
                         .out;
    tenant::Alert event;
    event.type = type;
    event.unix_s = now_s;
    event.scope = budget.scope;
    event.name = std::string_view(budget.name);
    event.budget = std::string_view(key.data(), end);
    event.unit = alert.unit;
    event.period = alert.period;
    event.share = alert.share;
    event.spent = budget.meter(alert.unit).used_of_all(alert.period, tenant::period_numbers(now_s));
    event.limit = budget.terms(alert.unit)[static_cast<size_t>(alert.period)];
    x_.services_.tell(event);
}

/// Once in its period, whoever refused: what was left did not do for one request, and may do for another.
void ClientQuota::tell_refused(const tenant::BudgetRefusal& why) noexcept {
    const Budget& budget = *why.of;
    if (budget.alerts.empty() && x_.plan().alerts == nullptr) return;
    const tenant::PeriodNumbers now = tenant::period_numbers(x_.services_.unix_now_s());
    tenant::BudgetMeter& meter = budget.meter(why.unit);
    if (meter.tell_refused(why.period, now, limit_of(why))) {
        if (!budget.alerts.empty())
            observe::log_warn("{}.{}: a request was refused", budget.key_of(why.unit, why.period),
                              key_word(why.unit, why.period));
        tell(tenant::AlertType::budget_refused, {.of = &budget, .unit = why.unit, .period = why.period, .share = 0});
    }
    if (meter.used_of_all(why.period, now) >= limit_of(why)) tell_spent(budget, why.unit, why.period);
}

/// Of a limit that is reached. Once in its period, whether or not shares of it are told.
void ClientQuota::tell_spent(const Budget& budget, BudgetUnit unit, tenant::BudgetPeriod period) noexcept {
    if (x_.plan().alerts == nullptr) return;
    const tenant::PeriodNumbers now = tenant::period_numbers(x_.services_.unix_now_s());
    const uint64_t limit = budget.terms(unit)[static_cast<size_t>(period)];
    if (budget.meter(unit).tell(period, now, limit, tenant::spent_share))
        tell(tenant::AlertType::budget_spent, {.of = &budget, .unit = unit, .period = period, .share = 0});
}

}  // namespace loom::proxy

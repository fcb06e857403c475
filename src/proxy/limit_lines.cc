#include "limit_lines.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace loom::proxy {
namespace {

using tenant::LimitKind;

ToldLimit told_period(const tenant::Budget& budget, tenant::BudgetUnit unit, tenant::BudgetPeriod period,
                      int64_t unix_s) noexcept {
    const tenant::PeriodSpan span = tenant::period_span(period, unix_s);
    return {.scope = budget.scope_of(unit, period),
            .kind = LimitKind::tokens,
            .period = tenant::budget_period_name(period),
            .is_money = unit == tenant::BudgetUnit::money,
            .limit = budget.terms(unit)[static_cast<size_t>(period)],
            .window_ms = static_cast<uint64_t>(span.end_s - span.begin_s) * 1'000,
            .reset_ms = static_cast<uint64_t>(span.end_s - unix_s) * 1'000};
}

bool is_nearer(uint64_t left, const ToldLimit& than) noexcept { return than.limit == 0 || left < than.left; }

struct LengthUnit {
    uint64_t ms;
    std::string_view name;
};
constexpr LengthUnit length_units[] = {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1'000, "s"}, {1, "ms"}};

ToldLimit told_window(const tenant::Limit& limit, LimitKind kind, const tenant::RateWindow& window, uint64_t left,
                      uint64_t now_ms) noexcept {
    const bool tokens = kind == LimitKind::tokens;
    const tenant::WindowTerms& terms = tokens ? limit.terms.tokens : limit.terms.requests;
    const bool several = limit.is_in_several(kind);
    return {.scope = limit.source(kind).scope,
            .kind = kind,
            .limit = terms.limit,
            .left = left,
            .window_ms = tokens ? limit.terms.tokens_window_ms : limit.terms.requests_window_ms,
            .reset_ms = window.wait_ms(terms, now_ms, terms.limit),
            .several = several ? &limit.whole() : nullptr,
            .is_named_by_window = several};
}

/// Text in a room of its own; what has no room is left out with its line.
class Lines {
  public:
    explicit Lines(std::span<char> room) noexcept : room_(room) {}

    Lines& add(std::string_view text) noexcept {
        if (text.size() > room_.size() - size_) full_ = true;
        if (full_) return *this;
        std::memcpy(room_.data() + size_, text.data(), text.size());
        size_ += text.size();
        return *this;
    }
    Lines& add(uint64_t number) noexcept {
        std::array<char, 20> digits;
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
        return add({digits.data(), static_cast<size_t>(end - digits.data())});
    }
    Lines& add_name(const ToldLimit& told) noexcept {
        add("\"").add(limit_scope_name(told.scope)).add("-").add(told.is_money ? "cost" : limit_unit(told.kind));
        if (!told.period.empty()) add("-").add(told.period);
        if (told.is_named_by_window) add("-").add_length(told.window_ms);
        return add("\"");
    }
    /// As the conf spells it: 10s, 1m, 1h, 1d.
    Lines& add_length(uint64_t window_ms) noexcept {
        for (const auto& [unit_ms, unit] : length_units)
            if (window_ms % unit_ms == 0) return add(window_ms / unit_ms).add(unit);
        return *this;
    }
    void end_line() noexcept {
        add("\r\n");
        if (!full_) whole_ = size_;
    }
    [[nodiscard]] std::string_view view() const noexcept { return {room_.data(), whole_}; }

  private:
    std::span<char> room_;
    size_t size_ = 0;
    size_t whole_ = 0;
    bool full_ = false;
};

}  // namespace

std::string_view limit_unit(LimitKind kind) noexcept {
    return kind == LimitKind::tokens ? "tokens" : kind == LimitKind::concurrent ? "concurrent" : "requests";
}

ToldLimit told_refusal(const tenant::LimitRefusal& refusal) noexcept {
    const tenant::LimitTerms& terms = refusal.of->terms;
    ToldLimit told{.scope = refusal.of->source(refusal.kind).scope,
                   .kind = refusal.kind,
                   .limit = terms.requests.limit,
                   .left = 0,
                   .window_ms = terms.requests_window_ms,
                   .reset_ms = refusal.wait_ms,
                   .is_named_by_window = refusal.of->is_in_several(refusal.kind)};
    if (refusal.kind == LimitKind::concurrent) {
        told.limit = terms.concurrent_max;
        told.window_ms = 0;
        told.is_named_by_window = false;
    } else if (refusal.kind == LimitKind::tokens) {
        told.limit = terms.tokens.limit;
        told.window_ms = terms.tokens_window_ms;
    }
    return told;
}

ToldLimit told_spent(const tenant::BudgetRefusal& refusal, int64_t unix_s) noexcept {
    ToldLimit told = told_period(*refusal.of, refusal.unit, refusal.period, unix_s);
    told.reset_ms = static_cast<uint64_t>(refusal.wait_s) * 1'000;
    return told;
}

void NearestLimits::see(const tenant::Limit& limit, const tenant::LimitRow& row) noexcept {
    if (limit.terms.requests.limits()) see(limit, LimitKind::requests, row);
    if (limit.terms.tokens.limits()) see(limit, LimitKind::tokens, row);
}

void NearestLimits::see(const tenant::Limit& limit, LimitKind kind, const tenant::LimitRow& row) noexcept {
    const bool tokens = kind == LimitKind::tokens;
    ToldLimit& told = told_[tokens ? 1 : 0];
    const tenant::RateWindow& window = tokens ? *row.tokens : *row.requests;
    const uint64_t left = window.left_of_all(tokens ? limit.terms.tokens : limit.terms.requests, now_ms_);
    if (is_nearer(left, told)) told = told_window(limit, kind, window, left, now_ms_);
}

ToldWindows::ToldWindows(std::span<const ToldLimit> told, const tenant::Admission& taken, uint64_t now_ms) noexcept {
    const auto add = [this](const ToldLimit& one) {
        if (count_ < all_.size()) all_[count_++] = one;
    };
    for (const ToldLimit& one : told) {
        if (one.several == nullptr) {
            add(one);
            continue;
        }
        const bool tokens = one.kind == LimitKind::tokens;
        taken.each([&](const tenant::Limit& limit, const tenant::LimitRow& row) {
            const tenant::WindowTerms& terms = tokens ? limit.terms.tokens : limit.terms.requests;
            if (&limit.whole() != one.several || !terms.limits()) return;
            const tenant::RateWindow& window = tokens ? *row.tokens : *row.requests;
            ToldLimit its = told_window(limit, one.kind, window, window.left_of_all(terms, now_ms), now_ms);
            its.is_nearest = its.window_ms == one.window_ms;
            add(its);
        });
    }
}

void NearestLimits::see(const tenant::Budget& budget, int64_t unix_s) noexcept {
    const tenant::PeriodNumbers now = tenant::period_numbers(unix_s);
    for (const tenant::BudgetPeriod period : tenant::budget_periods) {
        const uint64_t limit = budget.tokens[static_cast<size_t>(period)];
        if (limit == 0) continue;
        const uint64_t left = limit - std::min(budget.meters->tokens.used_of_all(period, now), limit);
        if (!is_nearer(left, told_[1])) continue;
        told_[1] = told_period(budget, tenant::BudgetUnit::tokens, period, unix_s);
        told_[1].left = left;
    }
}

std::string_view write_limit_lines(std::span<const ToldLimit> all, std::span<char> room) noexcept {
    Lines lines(room);
    if (all.empty()) return {};
    std::string_view before = "ratelimit-policy: ";
    for (const ToldLimit& one : all) {
        if (one.is_money) continue;
        lines.add(std::exchange(before, ", ")).add_name(one).add(";q=").add(one.limit);
        if (one.kind == LimitKind::concurrent)
            lines.add(";qu=\"concurrent-requests\"");
        else
            lines.add(";w=").add(whole_seconds(one.window_ms));
    }
    if (before == ", ") lines.end_line();
    before = "ratelimit: ";
    for (const ToldLimit& one : all) {
        lines.add(std::exchange(before, ", ")).add_name(one);
        lines.add(";r=").add(one.left).add(";t=").add(whole_seconds(one.reset_ms));
    }
    lines.end_line();
    for (const ToldLimit& one : all) {
        if (one.kind == LimitKind::concurrent || one.is_money || !one.is_nearest) continue;
        const std::string_view unit = limit_unit(one.kind);
        lines.add("x-ratelimit-limit-").add(unit).add(": ").add(one.limit).end_line();
        lines.add("x-ratelimit-remaining-").add(unit).add(": ").add(one.left).end_line();
        lines.add("x-ratelimit-reset-").add(unit).add(": ").add(whole_seconds(one.reset_ms)).add("s").end_line();
    }
    return lines.view();
}

}  // namespace loom::proxy

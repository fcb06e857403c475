#include "alert_document.h"

#include <fmt/format.h>

#include <algorithm>

#include "loom/base/base64.h"
#include "loom/base/crypto.h"
#include "loom/base/timestamp.h"
#include "loom/llm/json_text.h"

namespace loom::app {
namespace {

using tenant::Alert;
using tenant::AlertType;
using tenant::AnomalyFacts;
using tenant::BudgetUnit;

constexpr size_t id_bytes = 16;  // of the digest

/// A JSON object, member by member.
class Object {
  public:
    Object& text(std::string_view name, std::string_view value) {
        key(name);
        llm::quote(value, out_);
        return *this;
    }
    Object& raw(std::string_view name, std::string_view value) {
        key(name);
        out_ += value;
        return *this;
    }
    Object& number(std::string_view name, uint64_t value) { return raw(name, fmt::format("{}", value)); }
    [[nodiscard]] std::string end() { return out_.empty() ? "{}" : out_ + "}"; }

  private:
    void key(std::string_view name) {
        out_ += out_.empty() ? '{' : ',';
        llm::quote(name, out_);
        out_ += ':';
    }
    std::string out_;
};

std::string amount_text(const Alert& alert, uint64_t amount) {
    if (alert.unit == BudgetUnit::tokens) return fmt::format("{}", amount);
    const Money money = tenant::money_of_budget_units(amount);
    return std::string(MoneyText(static_cast<unsigned __int128>(money)).view());
}

std::string unit_text(const Alert& alert) { return alert.unit == BudgetUnit::tokens ? " tokens" : ""; }

bool is_anomaly(const Alert& alert) noexcept { return alert.type >= AlertType::spend_anomaly; }

/// "1h", "5m", "90s".
std::string span_text(uint32_t seconds) {
    if (seconds % 3'600 == 0) return fmt::format("{}h", seconds / 3'600);
    if (seconds % 60 == 0) return fmt::format("{}m", seconds / 60);
    return fmt::format("{}s", seconds);
}

int64_t hour_of(const Alert& alert) noexcept { return alert.unix_s / 3'600 % 24; }

/// Of errors, in thousandths.
uint64_t share_of(const AnomalyFacts& facts) noexcept {
    return facts.requests == 0 ? 0 : facts.value * 1'000 / facts.requests;
}

std::string anomaly_text(const Alert& alert) {
    const AnomalyFacts& facts = alert.anomaly;
    const std::string who =
        alert.scope == LimitScope::global ? "all together" : fmt::format("consumer {}", alert.name.view());
    const std::string window = span_text(facts.window_s);
    std::string subject;
    llm::quote(facts.subject.view(), subject);
    const auto failed = [&](const char* whose) {
        return fmt::format("{}: {} of {} requests in {} failed {}, where {:.1f}% is usual", who, facts.value,
                           facts.requests, window, whose, static_cast<double>(facts.usual) / 10);
    };
    switch (alert.type) {
        case AlertType::client_errors_anomaly: return failed("by the client's fault (4xx)");
        case AlertType::provider_errors_anomaly: return failed("though the client did nothing wrong (5xx)");
        case AlertType::new_address:
            return fmt::format("{}: a request from {}, from where it never came", who, facts.subject.view());
        case AlertType::new_model: return fmt::format("{}: a request for {}, which it never used", who, subject);
        case AlertType::unusual_hours:
            return fmt::format("{}: {} requests in {} at {:02}:00 UTC, when it never works", who, facts.requests,
                               window, hour_of(alert));
        default: break;
    }
    return fmt::format("{}: {}{} in {}, where {} at most is usual ({} requests)", who, amount_text(alert, facts.value),
                       unit_text(alert), window, amount_text(alert, facts.usual), facts.requests);
}

std::string text_of(const Alert& alert) {
    if (is_anomaly(alert)) return anomaly_text(alert);
    const std::string limit = amount_text(alert, alert.limit) + unit_text(alert);
    const std::string spent = amount_text(alert, alert.spent) + unit_text(alert);
    if (alert.type == AlertType::budget_share)
        return fmt::format("{}: {}% of {} a {} is reached ({})", alert.budget.view(), alert.share, limit,
                           budget_period_name(alert.period), spent);
    if (alert.type == AlertType::budget_refused)
        return fmt::format("{}: what is left of {} a {} did not do for a request, which was refused ({})",
                           alert.budget.view(), limit, budget_period_name(alert.period), spent);
    return fmt::format("{}: {} a {} is spent, and requests are refused ({})", alert.budget.view(), limit,
                       budget_period_name(alert.period), spent);
}

std::string share_text(uint64_t thousandths) {
    return fmt::format("{}.{:03}", thousandths / 1'000, thousandths % 1'000);
}

std::string anomaly_data(const Alert& alert) {
    const AnomalyFacts& facts = alert.anomaly;
    Object data;
    data.text("scope", limit_scope_name(alert.scope));
    if (alert.scope != LimitScope::global) data.text(limit_scope_name(alert.scope), alert.name.view());
    switch (alert.type) {
        case AlertType::new_address: return data.text("network", facts.subject.view()).end();
        case AlertType::new_model: return data.text("model", facts.subject.view()).end();
        case AlertType::unusual_hours: data.number("hour", static_cast<uint64_t>(hour_of(alert))); break;
        case AlertType::client_errors_anomaly:
        case AlertType::provider_errors_anomaly:
            data.number("errors", facts.value).raw("share", share_text(share_of(facts)));
            data.raw("usual_share", share_text(facts.usual));
            break;
        default:
            data.text("unit", alert.unit == BudgetUnit::tokens ? "tokens" : "money");
            if (alert.unit == BudgetUnit::tokens)
                data.number("spent", facts.value).number("usual", facts.usual);
            else
                data.text("spent", amount_text(alert, facts.value)).text("usual", amount_text(alert, facts.usual));
    }
    return data.number("requests", facts.requests).number("window_s", facts.window_s).end();
}

std::string data_of(const Alert& alert) {
    if (is_anomaly(alert)) return anomaly_data(alert);
    const tenant::PeriodSpan span = tenant::period_span(alert.period, alert.unix_s);
    Object data;
    data.text("scope", limit_scope_name(alert.scope));
    if (alert.scope != LimitScope::global) data.text(limit_scope_name(alert.scope), alert.name.view());
    data.text("budget", alert.budget.view());
    data.text("unit", alert.unit == BudgetUnit::tokens ? "tokens" : "money");
    data.text("period", budget_period_name(alert.period));
    data.text("period_begin", rfc3339_text(span.begin_s)).text("period_end", rfc3339_text(span.end_s));
    if (alert.type == AlertType::budget_share) data.number("share", alert.share);
    if (alert.unit == BudgetUnit::tokens)
        data.number("spent", alert.spent).number("limit", alert.limit);
    else
        data.text("spent", amount_text(alert, alert.spent)).text("limit", amount_text(alert, alert.limit));
    return data.end();
}

/// Of a change, by the time in which it is not told again.
std::string what_it_says(const Alert& alert) {
    if (is_anomaly(alert))
        return fmt::format("{}\n{}\n{}\n{}\n{}", alert_type_name(alert.type), limit_scope_name(alert.scope),
                           alert.name.view(), alert.anomaly.subject.view(),
                           alert.unix_s / std::max<int64_t>(1, alert.anomaly.repeat_s));
    const int64_t begin_s = tenant::period_span(alert.period, alert.unix_s).begin_s;
    return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", alert_type_name(alert.type), limit_scope_name(alert.scope),
                       alert.budget.view(), begin_s, alert.share, alert.limit);
}

}  // namespace

std::string alert_text(const Alert& alert) { return text_of(alert); }

std::string alert_id(const Alert& alert) {
    const Sha256 digest = sha256(what_it_says(alert));
    return "evt_" + hex_encode(std::span(digest).first(id_bytes));
}

std::string alert_document(const Alert& alert, std::string_view id) {
    return Object()
        .text("id", id)
        .text("type", alert_type_name(alert.type))
        .text("timestamp", rfc3339_text(alert.unix_s))
        .text("text", text_of(alert))
        .raw("data", data_of(alert))
        .end();
}

std::string webhook_signature(std::string_view key, std::string_view id, int64_t unix_s, std::string_view document) {
    const Sha256 mac = hmac_sha256(key, fmt::format("{}.{}.{}", id, unix_s, document));
    std::string signature = "v1,";
    base64_encode(mac, signature);
    return signature;
}

}  // namespace loom::app

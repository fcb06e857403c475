#include "alert_document.h"

#include <fmt/format.h>

#include "loom/base/base64.h"
#include "loom/base/crypto.h"
#include "loom/base/timestamp.h"
#include "loom/llm/json_text.h"

namespace loom::app {
namespace {

using tenant::Alert;
using tenant::AlertType;
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

std::string text_of(const Alert& alert) {
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

std::string data_of(const Alert& alert) {
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

}  // namespace

std::string_view alert_type_name(AlertType type) noexcept {
    switch (type) {
        case AlertType::budget_share: return "budget.share_reached";
        case AlertType::budget_spent: return "budget.spent";
        case AlertType::budget_refused: break;
    }
    return "budget.refused";
}

std::string alert_id(const Alert& alert) {
    const int64_t begin_s = tenant::period_span(alert.period, alert.unix_s).begin_s;
    const Sha256 digest =
        sha256(fmt::format("{}\n{}\n{}\n{}\n{}\n{}", alert_type_name(alert.type), limit_scope_name(alert.scope),
                           alert.budget.view(), begin_s, alert.share, alert.limit));
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

#include "loom/admin/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>

#include "answers.h"
#include "loom/base/clock.h"
#include "loom/base/timestamp.h"
#include "loom/llm/error.h"

namespace loom::admin {
namespace {

using proxy::LocalAnswer;
using std::chrono::day;
using std::chrono::days;
using std::chrono::month;
using std::chrono::sys_days;
using std::chrono::year;
using std::chrono::year_month;
using store::LocalSums;
using store::UsageDimension;
using store::UsageGroup;
using store::UsageQuery;
using store::UsageSums;

constexpr uint64_t us_per_day = uint64_t{86'400} * 1'000'000;

struct Period {
    std::string text;
    store::UsageDay from = 0;
    store::UsageDay to = 0;  // included
};

store::UsageDay number_of(sys_days date) { return date.time_since_epoch().count(); }

Period month_of(year_month when) {
    return {.text = fmt::format("{:04}-{:02}", static_cast<int>(when.year()), static_cast<unsigned>(when.month())),
            .from = number_of(sys_days(when / day(1))),
            .to = number_of(sys_days(when / std::chrono::last))};
}

/// Exactly so many digits.
std::optional<int> digits(std::string_view text) {
    int value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool good = fault == std::errc() && end == text.data() + text.size() && text.front() != '-';
    return good ? std::optional(value) : std::nullopt;
}

/// "2024-02" or "2024-02-29".
std::optional<Period> parse_period(std::string_view text) {
    const bool is_month = text.size() == 7, is_day = text.size() == 10;
    if ((!is_month && !is_day) || text[4] != '-' || (is_day && text[7] != '-')) return std::nullopt;
    const auto y = digits(text.substr(0, 4)), m = digits(text.substr(5, 2));
    if (!y || !m) return std::nullopt;
    const year_month when = year(*y) / month(static_cast<unsigned>(*m));
    if (!when.ok()) return std::nullopt;
    if (is_month) return month_of(when);
    const auto d = digits(text.substr(8, 2));
    if (!d || !(when / day(static_cast<unsigned>(*d))).ok()) return std::nullopt;
    const store::UsageDay number = number_of(sys_days(when / day(static_cast<unsigned>(*d))));
    return Period{.text = std::string(text), .from = number, .to = number};
}

Period this_month() {
    const sys_days today{days(static_cast<int64_t>(wall_us() / us_per_day))};
    const std::chrono::year_month_day date(today);
    return month_of(date.year() / date.month());
}

/// Of a query that says a period and nothing else, or says nothing.
std::optional<Period> period_of(std::string_view query) {
    constexpr std::string_view name = "period=";
    if (query.empty()) return this_month();
    return query.starts_with(name) ? parse_period(query.substr(name.size())) : std::nullopt;
}

/// "$1.73": to the nearest cent.
std::string dollars(unsigned __int128 cost) {
    constexpr unsigned __int128 cent = 10'000'000'000;
    const unsigned __int128 cents = (cost + cent / 2) / cent;
    return fmt::format("${}.{:02}", static_cast<uint64_t>(cents / 100), static_cast<unsigned>(cents % 100));
}

std::string fields(const UsageSums& sums) {
    return fmt::format(
        R"("tokens":{{"prompt":{},"completion":{},"total":{}}},"requests":{},"cost_estimate":"{}","cost":"{}",)"
        R"("attempts":{},"cached_tokens":{},"cache_write_tokens":{},"reasoning_tokens":{},)"
        R"("attempts_estimated":{},"attempts_without_price":{})",
        sums.input, sums.output, sums.total(), sums.requests, dollars(sums.cost), MoneyText(sums.cost).view(),
        sums.attempts, sums.cached_input, sums.cache_write, sums.reasoning, sums.estimated, sums.unpriced);
}

/// Of exits [from, to): a member each, and their sum before.
std::string requests_by(const LocalSums& sums, size_t from, size_t to, uint64_t all) {
    std::string out = fmt::format(R"("requests":{})", all);
    for (size_t i = from; i < to; ++i)
        out += fmt::format(R"(,"{}":{})", ledger_local_exit_name(static_cast<tenant::LedgerLocalExit>(i)),
                           sums.requests[i]);
    return out;
}

/// What no provider was asked for: this Loom's own, and nothing of it is in what was spent.
std::string local_fields(const LocalSums& sums) {
    return fmt::format(
        R"("cached":{{{},"tokens_saved":{{"prompt":{},"completion":{},"total":{}}},"cost_saved":"{}",)"
        R"("without_price":{}}},"refused":{{{}}})",
        requests_by(sums, 0, tenant::ledger_first_refusal, sums.cached()), sums.input, sums.output,
        sums.input + sums.output, MoneyText(sums.saved).view(), sums.unpriced,
        requests_by(sums, tenant::ledger_first_refusal, tenant::ledger_local_exit_count, sums.refused()));
}

std::string all_fields(const UsageGroup& group) {
    const bool any = group.local.cached() + group.local.refused() > 0;
    return fields(group.sums) + (any ? "," + local_fields(group.local) : "");
}

std::string list(std::string_view name, std::string_view of, const std::vector<UsageGroup>& groups) {
    std::string out = fmt::format(R"("{}":[)", name);
    for (size_t i = 0; i < groups.size(); ++i)
        out += fmt::format(R"({}{{"{}":{},{}}})", i == 0 ? "" : ",", of, quoted(groups[i].name), all_fields(groups[i]));
    return out + "]";
}

/// What the month comes to, where it is the one at hand: with a comma behind, or nothing.
std::string projection(const UsageSums& sums, const Period& period) {
    const uint64_t now_s = wall_us() / 1'000'000, from_s = static_cast<uint64_t>(period.from) * 86'400;
    const uint64_t behind_s = static_cast<uint64_t>(period.to + 1) * 86'400;
    if (period.from == period.to || now_s < from_s || now_s >= behind_s) return {};
    const auto whole = [&](unsigned __int128 so_far) { return month_at_pace(so_far, from_s, behind_s, now_s); };
    const unsigned __int128 cost = whole(sums.cost);
    return fmt::format(R"("projection":{{"requests":{},"tokens":{},"cost_estimate":"{}","cost":"{}"}},)",
                       static_cast<uint64_t>(whole(sums.requests)), static_cast<uint64_t>(whole(sums.total())),
                       dollars(cost), MoneyText(cost).view());
}

UsageGroup total(const std::vector<UsageGroup>& groups) {
    UsageGroup all;
    for (const UsageGroup& group : groups) {
        all.sums += group.sums;
        all.local += group.local;
    }
    return all;
}

LocalAnswer unreadable(std::string_view why) {
    return refuse(503, fmt::format("the ledger cannot be read: {}", why), llm::error_type::server, "ledger_error");
}

/// How far others' sums are known, with a comma behind; nothing where nothing is shared.
std::string sharing(const std::optional<observe::SharedStoreFacts>& shared) {
    if (!shared) return {};
    const std::string until =
        shared->told_until_s == 0 ? "null" : quoted(rfc3339_text(static_cast<int64_t>(shared->told_until_s)));
    return fmt::format(R"("shared":{{"complete":{},"store_up":{},"looms":{},"others_until":{}}},)", shared->complete,
                       shared->up, shared->looms, until);
}

LocalAnswer show_one(store::UsageStore& usage, const proxy::Plan& plan, const std::string& consumer,
                     const Period& period, const std::string& shared) {
    const auto query = [&](UsageDimension by) {
        return UsageQuery{.by = by,
                          .from = period.from,
                          .to = period.to,
                          .of_consumer = true,
                          .consumer = consumer,
                          .of_all_looms = true};
    };
    const auto groups =
        usage.usage({query(UsageDimension::model), query(UsageDimension::day), query(UsageDimension::provider)});
    if (!groups) return unreadable(groups.error());
    if (plan.consumers.named(consumer) == nullptr && (*groups)[0].empty()) {
        const auto known = usage.knows(consumer);
        if (!known) return unreadable(known.error());
        if (!*known)
            return refuse(404, "no such consumer; GET /ai/usage lists those that have used anything",
                          llm::error_type::not_found, "not_found");
    }
    const UsageGroup all = total((*groups)[0]);
    return {.body = fmt::format(R"({{"consumer":{},"period":"{}",{},{},{}{}{},{},{}}})", quoted(consumer), period.text,
                                fields(all.sums), local_fields(all.local), projection(all.sums, period), shared,
                                list("models", "model", (*groups)[0]), list("days", "day", (*groups)[1]),
                                list("providers", "provider", (*groups)[2]))};
}

LocalAnswer show_all(store::UsageStore& usage, const Period& period, const std::string& shared) {
    struct By {
        UsageDimension by;
        std::string_view list, of;
    };
    constexpr By kinds[] = {
        {UsageDimension::tenant, "tenants", "tenant"},       {UsageDimension::team, "teams", "team"},
        {UsageDimension::consumer, "consumers", "consumer"}, {UsageDimension::provider, "providers", "provider"},
        {UsageDimension::model, "models", "model"},          {UsageDimension::provenance, "provenances", "provenance"}};
    std::vector<UsageQuery> queries;
    for (const By& kind : kinds)
        queries.push_back({.by = kind.by, .from = period.from, .to = period.to, .consumer = {}, .of_all_looms = true});
    const auto groups = usage.usage(queries);
    if (!groups) return unreadable(groups.error());
    const UsageGroup sums = total((*groups)[0]);
    std::string body = fmt::format(R"({{"period":"{}",{},{},{}{})", period.text, fields(sums.sums),
                                   local_fields(sums.local), projection(sums.sums, period), shared);
    for (size_t i = 0; i < groups->size(); ++i)
        body += (i == 0 ? "" : ",") + list(kinds[i].list, kinds[i].of, (*groups)[i]);
    return {.body = body + "}"};
}

}  // namespace

unsigned __int128 month_at_pace(unsigned __int128 so_far, uint64_t from_s, uint64_t behind_s, uint64_t now_s) noexcept {
    return so_far * (behind_s - from_s) / std::max<uint64_t>(now_s - from_s, 86'400);
}

bool is_usage(std::string_view path) noexcept {
    return path.starts_with(usage_path) && (path.size() == usage_path.size() || path[usage_path.size()] == '/');
}

LocalAnswer show_usage(store::UsageStore& usage, const proxy::Plan& plan,
                       const std::optional<observe::SharedStoreFacts>& shared, const proxy::LocalRequest& request) {
    const auto period = period_of(request.query);
    if (!period)
        return refuse(400, "say the period as ?period=2024-02 or ?period=2024-02-29", llm::error_type::invalid_request,
                      "invalid_period");
    const std::string_view rest = request.path.substr(usage_path.size());
    if (rest.size() <= 1) return show_all(usage, *period, sharing(shared));
    return show_one(usage, plan, std::string(rest.substr(1)), *period, sharing(shared));
}

}  // namespace loom::admin

#include "loom/admin/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <functional>
#include <iterator>
#include <optional>
#include <thread>

#include "answers.h"
#include "loom/base/clock.h"
#include "loom/base/timestamp.h"
#include "loom/llm/error.h"
#include "loom/store/usage_period.h"
#include "query.h"

namespace loom::admin {
namespace {

using proxy::LocalAnswer;
using store::LocalSums;
using store::UsageDimension;
using store::UsageGroup;
using store::UsagePeriod;
using store::UsageQuery;
using store::UsageSums;
using GoesOn = std::function<bool()>;

constexpr std::chrono::milliseconds others_turn{1};  // between two queries, for those who wait for the sums
constexpr std::string_view bad_period = "say the period as ?period=2024-02 or ?period=2024-02-29";

struct Dimension {
    UsageDimension by;
    std::string_view list, of;
};
constexpr Dimension dimensions[] = {{UsageDimension::tenant, "tenants", "tenant"},
                                    {UsageDimension::team, "teams", "team"},
                                    {UsageDimension::consumer, "consumers", "consumer"},
                                    {UsageDimension::provider, "providers", "provider"},
                                    {UsageDimension::project, "projects", "project"},
                                    {UsageDimension::model, "models", "model"},
                                    {UsageDimension::provenance, "provenances", "provenance"}};
constexpr Dimension by_day = {UsageDimension::day, "days", "day"};  // is grouped by, and not asked for

const Dimension* dimension_of(std::string_view name) {
    const auto* const found = std::ranges::find(dimensions, name, &Dimension::of);
    return found != std::end(dimensions) ? found : nullptr;
}

/// What a query says.
struct Asked {
    UsagePeriod period;
    const Dimension* group = nullptr;  // null: all of them
    std::vector<store::UsageOnly> only;
    uint64_t limit = usage_names;
    std::optional<std::string> after;
    bool has_limit = false;  // it is said
};

std::string names_of_dimensions() {
    std::string names;
    for (const Dimension& one : dimensions) names += fmt::format("{}{}", names.empty() ? "" : ", ", one.of);
    return names;
}

UsagePeriod this_month() {
    return store::usage_month_of(static_cast<store::UsageDay>(wall_us() / store::us_per_usage_day));
}

std::expected<void, std::string> take_period(Asked& asked, std::string_view value) {
    auto period = store::parse_usage_period(value);
    if (!period) return std::unexpected(std::string(bad_period));
    asked.period = std::move(*period);
    return {};
}

std::expected<void, std::string> take_limit(Asked& asked, std::string_view value) {
    const auto [end, fault] = std::from_chars(value.data(), value.data() + value.size(), asked.limit);
    asked.has_limit = true;
    const bool good = fault == std::errc() && end == value.data() + value.size();
    if (good && asked.limit >= 1 && asked.limit <= usage_names_max) return {};
    return std::unexpected(fmt::format("say limit as a number from 1 to {}", usage_names_max));
}

std::expected<void, std::string> take_group(Asked& asked, std::string_view value) {
    asked.group = value == by_day.of ? &by_day : dimension_of(value);
    if (asked.group != nullptr) return {};
    return std::unexpected(fmt::format("group is one of {} and day", names_of_dimensions()));
}

/// A name that comes again counts as said last.
void take_only(Asked& asked, const Dimension& in, std::string_view value) {
    std::erase_if(asked.only, [&in](const store::UsageOnly& one) { return one.in == in.by; });
    asked.only.push_back({.in = in.by, .name = std::string(value)});
}

/// names  may it say more than a period?
std::expected<Asked, std::string> read_query(std::string_view query, bool names) {
    Asked asked{.period = this_month(), .only = {}, .after = {}};
    LOOM_TRY(
        each_parameter(query, [&](std::string_view name, std::string_view value) -> std::expected<void, std::string> {
            if (name == "period") return take_period(asked, value);
            if (!names) return std::unexpected(std::string(bad_period));
            if (name == "group") return take_group(asked, value);
            if (name == "limit") return take_limit(asked, value);
            if (name == "after") return asked.after = value, std::expected<void, std::string>();
            if (const Dimension* const in = dimension_of(name))
                return take_only(asked, *in, value), std::expected<void, std::string>();
            return std::unexpected(fmt::format("'{}' is no parameter here; there are period, group, limit, after, {}",
                                               name, names_of_dimensions()));
        }));
    const bool by_days = asked.group == &by_day;
    if (asked.after && (asked.group == nullptr || by_days))
        return std::unexpected(std::string("after goes with group=, as the last page's \"next\" has it"));
    if (by_days && asked.has_limit) return std::unexpected(std::string("days are told all: leave limit out"));
    return asked;
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
std::string projection(const UsageSums& sums, const UsagePeriod& period) {
    const uint64_t now_s = wall_us() / 1'000'000, from_s = static_cast<uint64_t>(period.from) * 86'400;
    const uint64_t behind_s = static_cast<uint64_t>(period.to + 1) * 86'400;
    if (period.is_day() || now_s < from_s || now_s >= behind_s) return {};
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

/// Projects are told of this Loom alone.
bool is_by_project(const Asked& asked) {
    return (asked.group != nullptr && asked.group->by == UsageDimension::project) ||
           std::ranges::find(asked.only, UsageDimension::project, &store::UsageOnly::in) != asked.only.end();
}

/// How far others' sums are known, with a comma behind; nothing where nothing is shared.
std::string sharing(const std::optional<observe::SharedStoreFacts>& shared, bool of_this_loom) {
    if (!shared) return {};
    if (of_this_loom) return R"("of_this_loom":true,)";
    const std::string until =
        shared->told_until_s == 0 ? "null" : quoted(rfc3339_text(static_cast<int64_t>(shared->told_until_s)));
    return fmt::format(R"("shared":{{"complete":{},"store_up":{},"looms":{},"others_until":{}}},)", shared->complete,
                       shared->up, shared->looms, until);
}

/// Sums of days that are only kept by month, and of months that are not: no sums would be a lie.
std::optional<LocalAnswer> gone(const UsagePeriod& period, const store::UsageKept& kept) {
    const bool is_gone = period.from < (period.is_day() ? kept.days_since : kept.months_since);
    if (!is_gone) return std::nullopt;
    if (period.from < kept.months_since)
        return refuse(410,
                      fmt::format("sums of before {} are not kept any more (token_accounting.retention.months)",
                                  store::usage_day_text(kept.months_since)),
                      llm::error_type::not_found, "period_not_kept");
    return refuse(410,
                  fmt::format("sums of before {} are kept by month (token_accounting.retention.days): ask for {}",
                              store::usage_day_text(kept.days_since), store::usage_month_of(period.from).text),
                  llm::error_type::not_found, "period_not_kept");
}

/// Of a month that is not, or not all of it, kept by day: with a comma behind, or nothing.
std::string days_since(const UsagePeriod& period, const store::UsageKept& kept) {
    if (period.from >= kept.days_since) return {};
    return fmt::format(R"("days_kept_since":"{}",)", store::usage_day_text(kept.days_since));
}

bool cut(std::vector<UsageGroup>& groups, uint64_t limit) {
    if (groups.size() <= limit) return false;
    groups.resize(limit);
    return true;
}

LocalAnswer show_one(store::UsageStore& usage, const proxy::Plan& plan, const std::string& consumer,
                     const UsagePeriod& period, const std::string& told) {
    const auto query = [&](UsageDimension by, uint64_t limit) {
        return UsageQuery{.by = by,
                          .from = period.from,
                          .to = period.to,
                          .of_consumer = true,
                          .consumer = consumer,
                          .of_all_looms = true,
                          .only = {},
                          .limit = limit,
                          .after = {}};
    };
    auto groups = usage.usage({query(UsageDimension::none, 0), query(UsageDimension::model, usage_names + 1),
                               query(UsageDimension::day, 0), query(UsageDimension::provider, 0)});
    if (!groups) return unreadable(groups.error());
    if (plan.consumers.named(consumer) == nullptr && (*groups)[0].empty()) {
        const auto known = usage.knows(consumer);
        if (!known) return unreadable(known.error());
        if (!*known)
            return refuse(404, "no such consumer; GET /ai/usage lists those that have used anything",
                          llm::error_type::not_found, "not_found");
    }
    const UsageGroup all = total((*groups)[0]);
    const bool more_models = cut((*groups)[1], usage_names);  // their names come from clients
    return {.body =
                fmt::format(R"({{"consumer":{},"period":"{}",{},{},{}{}{},{},{}{}}})", quoted(consumer), period.text,
                            fields(all.sums), local_fields(all.local), projection(all.sums, period), told,
                            list("models", "model", (*groups)[1]), list("days", "day", (*groups)[2]),
                            list("providers", "provider", (*groups)[3]), more_models ? R"(,"more":["models"])" : "")};
}

/// One more than is told, which says whether there are more.
UsageQuery query_of(const Asked& asked, const Dimension& dimension) {
    return {.by = dimension.by,
            .from = asked.period.from,
            .to = asked.period.to,
            .consumer = {},
            .of_all_looms = true,
            .only = asked.only,
            .limit = asked.limit + 1,
            .after = asked.after};
}

/// Of all that is asked for, whatever the limit.
UsageQuery total_of(const Asked& asked) {
    UsageQuery query = query_of(asked, {.by = UsageDimension::none, .list = {}, .of = {}});
    query.limit = 0;
    query.after.reset();
    return query;
}

/// What was asked for beside the period, with a comma behind; nothing where nothing was.
std::string only_json(const Asked& asked) {
    std::string out;
    for (const store::UsageOnly& one : asked.only) {
        const auto* const in = std::ranges::find(dimensions, one.in, &Dimension::by);
        out += fmt::format(R"({}"{}":{})", out.empty() ? "" : ",", in->of, quoted(one.name));
    }
    return out.empty() ? out : fmt::format(R"("only":{{{}}},)", out);
}

/// One query after the other, so that the ledger's service is held up by no more than one. The sum of all comes first:
/// a list behind it may have what was settled since.
LocalAnswer show_all(store::UsageStore& usage, const Asked& asked, const std::string& told, const GoesOn& goes_on) {
    const auto groups = usage.usage({total_of(asked)});
    if (!groups) return unreadable(groups.error());
    const UsageGroup all = total(groups->front());
    std::string body = fmt::format(R"({{"period":"{}",{}{},{},{}{})", asked.period.text, only_json(asked),
                                   fields(all.sums), local_fields(all.local), projection(all.sums, asked.period), told);
    std::string more;
    for (const Dimension& one : dimensions) {
        if (!goes_on()) return unreadable("nobody waits for it any more");
        std::this_thread::sleep_for(others_turn);
        auto groups = usage.usage({query_of(asked, one)});
        if (!groups) return unreadable(groups.error());
        std::vector<UsageGroup>& found = groups->front();
        if (cut(found, asked.limit)) more += fmt::format(R"({}"{}")", more.empty() ? "" : ",", one.list);
        body += (&one == dimensions ? "" : ",") + list(one.list, one.of, found);
    }
    if (!more.empty()) body += fmt::format(R"(,"more":[{}])", more);
    return {.body = body + "}"};
}

LocalAnswer show_group(store::UsageStore& usage, const Asked& asked, const std::string& told) {
    auto groups = usage.usage({total_of(asked), query_of(asked, *asked.group)});
    if (!groups) return unreadable(groups.error());
    const UsageGroup all = total((*groups)[0]);
    std::vector<UsageGroup>& found = (*groups)[1];
    const bool more = cut(found, asked.limit);
    return {.body = fmt::format(R"({{"period":"{}",{}{},{},{}{}{},"next":{}}})", asked.period.text, only_json(asked),
                                fields(all.sums), local_fields(all.local), projection(all.sums, asked.period), told,
                                list(asked.group->list, asked.group->of, found),
                                more ? quoted(found.back().name) : "null")};
}

}  // namespace

unsigned __int128 month_at_pace(unsigned __int128 so_far, uint64_t from_s, uint64_t behind_s, uint64_t now_s) noexcept {
    return so_far * (behind_s - from_s) / std::max<uint64_t>(now_s - from_s, 86'400);
}

bool is_usage(std::string_view path) noexcept {
    return path.starts_with(usage_path) && (path.size() == usage_path.size() || path[usage_path.size()] == '/');
}

LocalAnswer show_usage(const UsageSource& source, std::shared_ptr<const proxy::Plan> plan,
                       const std::optional<observe::SharedStoreFacts>& shared, const proxy::LocalRequest& request) {
    if (request.path == usage_export_path) return export_usage(source, request);
    const std::string_view rest = request.path.substr(usage_path.size());
    const bool of_one = rest.size() > 1;
    auto asked = read_query(request.query, !of_one);
    if (!asked)
        return refuse(400, asked.error(), llm::error_type::invalid_request,
                      asked.error() == bad_period ? "invalid_period" : "invalid_parameter");
    std::string told_of = sharing(shared, is_by_project(*asked));
    std::string consumer(of_one ? rest.substr(1) : std::string_view());
    return source.reports->later([&usage = *source.usage, plan = std::move(plan), asked = std::move(*asked),
                                  consumer = std::move(consumer), shared = std::move(told_of)](const GoesOn& goes_on) {
        const auto kept = usage.kept();
        if (!kept) return unreadable(kept.error());
        if (auto refused = gone(asked.period, *kept)) return std::move(*refused);
        const std::string told = shared + days_since(asked.period, *kept);
        if (!consumer.empty()) return show_one(usage, *plan, consumer, asked.period, told);
        return asked.group == nullptr ? show_all(usage, asked, told, goes_on) : show_group(usage, asked, told);
    });
}

}  // namespace loom::admin

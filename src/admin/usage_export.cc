// The ledger's records over HTTP: read on a thread of their own, as fast as the client takes them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "answers.h"
#include "loom/admin/ledger_lines.h"
#include "loom/admin/usage.h"
#include "loom/base/clock.h"
#include "loom/llm/error.h"
#include "loom/observe/log.h"
#include "loom/store/usage_period.h"
#include "query.h"

namespace loom::admin {
namespace {

using proxy::LocalAnswer;
using proxy::LocalStream;
using store::LedgerExport;
using store::LedgerFilter;
using store::UsageDimension;

constexpr size_t piece_bytes = 32 * 1024;
constexpr store::UsageDay last_day = 1'000'000;  // in the year 4707

struct Asked {
    ExportTerms terms;
    bool partial = false;  // what can be read is enough
};

std::expected<Asked, std::string> read_query(std::string_view query) {
    Asked asked;
    LOOM_TRY(
        each_parameter(query, [&](std::string_view name, std::string_view value) -> std::expected<void, std::string> {
            if (name == "partial" && value == "accept") return asked.partial = true, std::expected<void, std::string>();
            if (name == "partial") return std::unexpected(std::string("say partial=accept, or nothing of it"));
            if (!ExportTerms::knows(name))
                return std::unexpected(
                    fmt::format("'{}' is no parameter here; there are format, period, from, to, partial, {}", name,
                                fmt::join(store::LedgerFilter::names, ", ")));
            if (auto taken = asked.terms.set(name, value); !taken)
                return std::unexpected(fmt::format("{}={}", name, taken.error()));
            return {};
        }));
    if (!asked.terms.has_period) {
        const auto month = store::usage_month_of(static_cast<store::UsageDay>(wall_us() / store::us_per_usage_day));
        asked.terms.filter.from_us = month.begin_us();
        asked.terms.filter.to_us = month.end_us();
    }
    return asked;
}

/// Not project, whose sums begin later, nor model, whose sums may be "other".
std::optional<UsageDimension> dimension_of(std::string_view name) {
    constexpr std::array<std::pair<std::string_view, UsageDimension>, 4> known = {{
        {"consumer", UsageDimension::consumer},
        {"team", UsageDimension::team},
        {"tenant", UsageDimension::tenant},
        {"provider", UsageDimension::provider},
    }};
    for (const auto& [of, dimension] : known)
        if (of == name) return dimension;
    return std::nullopt;
}

/// What lines are compared with. Sums are of days, and of months where these became their months, and do not know every
/// name: so it may be more than is asked for, never less. Where all of that has its lines, so has each part of it.
struct Booked {
    LedgerFilter counted;  // what is compared
    store::UsageDay from = 0, to = 0;
    bool is_more = false;   // than is asked for
    uint64_t attempts = 0;  // of so many there must be a line at least
    std::string fault;      // why nobody knows
};

std::string nobody_knows(std::string_view why) { return fmt::format("nobody knows whether this is whole: {}", why); }

bool is_same(const store::UsageKept& one, const store::UsageKept& other) {
    return one.days_since == other.days_since && one.months_since == other.months_since;
}

/// The days that hold the period, and where the first or last of them are kept by month, all of these.
void set_days(Booked& booked, const LedgerFilter& filter, const store::UsageKept& kept) {
    const auto day_of = [](uint64_t us) {
        return std::min(static_cast<store::UsageDay>(us / store::us_per_usage_day), last_day);
    };
    booked.from = day_of(filter.from_us);
    booked.to = day_of(filter.to_us - 1);
    if (booked.from < kept.days_since) {
        booked.from = store::usage_month_of(booked.from).from;
        const auto last = store::usage_month_of(booked.to);
        if (last.from < kept.days_since) booked.to = last.to;
    }
    booked.counted = {};
    booked.counted.from_us = static_cast<uint64_t>(booked.from) * store::us_per_usage_day;
    booked.counted.to_us = static_cast<uint64_t>(booked.to + 1) * store::us_per_usage_day;
    booked.is_more =
        booked.counted.from_us < filter.from_us || (booked.counted.to_us > filter.to_us && booked.to < last_day);
}

store::UsageQuery query_of(Booked& booked, const LedgerFilter& filter) {
    store::UsageQuery query{
        .by = UsageDimension::provenance, .from = booked.from, .to = booked.to, .consumer = {}, .only = {}};
    if (!std::ranges::all_of(filter.wanted(), [](const auto& one) { return dimension_of(one.name).has_value(); })) {
        booked.is_more = true;
        return query;
    }
    for (const auto& [name, value] : filter.wanted()) {
        query.only.push_back({.in = *dimension_of(name), .name = value});
        (void)booked.counted.set(name, value);
    }
    return query;
}

/// Before the log is read: what is settled meanwhile may have lines, and is not asked for.
Booked booked_attempts(store::UsageStore& usage, const LedgerFilter& filter) {
    Booked booked;
    booked.counted = filter;
    if (filter.from_us >= filter.to_us) return booked;
    for (auto kept = usage.kept();;) {
        if (!kept) return booked.fault = nobody_knows(kept.error()), booked;
        set_days(booked, filter, *kept);
        const auto groups = usage.usage({query_of(booked, filter)});
        if (!groups) return booked.fault = nobody_knows(groups.error()), booked;
        booked.attempts = 0;
        for (const store::UsageGroup& group : groups->front()) booked.attempts += group.sums.attempts;
        const auto before = std::exchange(kept, usage.kept());
        if (!kept || !is_same(*before, *kept)) continue;  // days became their month meanwhile
        if (booked.from < kept->months_since)
            booked.fault = nobody_knows(
                fmt::format("sums of before {} are not kept any more (token_accounting.retention.months); ask for a "
                            "period that begins later",
                            store::usage_day_text(kept->months_since)));
        return booked;
    }
}

/// Why lines are missing, for whoever asked; "": none is, as far as anybody knows.
std::string what_is_missing(const LedgerExport& read, const Booked& booked) {
    if (read.damaged_bytes > 0)
        return fmt::format(
            "{} bytes of the log are damaged, and the attempts in them have no line; loom ledger verify "
            "names the files",
            read.damaged_bytes);
    if (read.gone > 0)
        return fmt::format(
            "{} files of the log were removed meanwhile (token_accounting.log.max_age); ask again, for "
            "a period that begins later",
            read.gone);
    if (!booked.fault.empty()) return booked.fault;
    if (read.counted >= booked.attempts) return {};
    const uint64_t missing = booked.attempts - read.counted;
    constexpr std::string_view why =
        "since their files are not there any more (token_accounting.log.max_age); /ai/usage still has their sums; ask "
        "for a period that begins later";
    if (!booked.is_more) return fmt::format("{} of {} attempts have no line, {}", missing, booked.attempts, why);
    return nobody_knows(fmt::format("{} of {} attempts of {} to {}{} have no line, {}", missing, booked.attempts,
                                    store::usage_day_text(booked.from), store::usage_day_text(booked.to),
                                    booked.counted.wanted().empty() ? ", of whomever," : "", why));
}

class ExportRun {
  public:
    ExportRun(Asked asked, const UsageSource& source, LocalStream& to)
        : asked_(std::move(asked)), source_(source), to_(to) {}

    void run() {
        const auto booked = booked_attempts(*source_.usage, asked_.terms.filter);
        write_line_names(asked_.terms.format, text_);
        const auto read = store::export_ledger(
            source_.directory, [this](const store::LedgerRow& row) { return take(row); }, source_.vault,
            asked_.terms.filter, [this] { return to_.is_wanted(); }, &booked.counted);
        if (!to_.is_wanted()) return;
        if (!read && !written_)
            return to_.answer(refuse(503, fmt::format("the ledger cannot be read: {}", read.error()),
                                     llm::error_type::server, "ledger_error"));
        const std::string fault = read ? what_is_missing(*read, booked) : read.error();
        if (fault.empty() || (read && asked_.partial)) return finish();
        observe::log_warn("an export of usage is not whole: {}", fault);
        write_fault_line(asked_.terms.format,
                         read ? fmt::format("{}; with partial=accept what is there is enough", fault) : fault, text_);
        if (to_.write(text_)) to_.fail();
    }

  private:
    bool take(const store::LedgerRow& row) {
        write_line(asked_.terms.format, row, text_);
        if (text_.size() < piece_bytes) return true;
        written_ = true;
        const bool is_wanted = to_.write(text_);
        text_.clear();
        return is_wanted;
    }
    void finish() {
        if (to_.write(text_)) to_.end();
    }

    Asked asked_;
    const UsageSource& source_;
    LocalStream& to_;
    std::string text_;
    bool written_ = false;
};

}  // namespace

LocalAnswer export_usage(const UsageSource& source, const proxy::LocalRequest& request) {
    if (request.method != "GET")
        return refuse(405, "an export takes GET", llm::error_type::invalid_request, "method_not_allowed");
    if (source.directory.empty())
        return refuse(404, "records are kept in memory, and nobody reads them: set state.directory = /var/lib/loom",
                      llm::error_type::not_found, "not_found");
    auto asked = read_query(request.query);
    if (!asked) return refuse(400, asked.error(), llm::error_type::invalid_request, "invalid_parameter");
    const LineFormat format = asked->terms.format;
    return source.reports->stream(
        std::string(content_type_of(format)),
        [source, asked = std::move(*asked)](LocalStream& to) { ExportRun(asked, source, to).run(); });
}

}  // namespace loom::admin

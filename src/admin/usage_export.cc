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

std::optional<UsageDimension> dimension_of(std::string_view name) {
    constexpr std::array<std::pair<std::string_view, UsageDimension>, 5> known = {{
        {"consumer", UsageDimension::consumer},
        {"team", UsageDimension::team},
        {"tenant", UsageDimension::tenant},
        {"provider", UsageDimension::provider},
        {"model", UsageDimension::model},
    }};
    for (const auto& [of, dimension] : known)
        if (of == name) return dimension;
    return std::nullopt;
}

/// How many attempts of the period's whole days are booked at least: of so many there must be a line. Nothing where
/// sums do not know what is asked for.
std::optional<uint64_t> booked_attempts(store::UsageStore& usage, const store::LedgerFilter& filter) {
    store::UsageQuery query{.by = UsageDimension::provenance, .consumer = {}, .only = {}, .after = {}};
    query.from = static_cast<store::UsageDay>((filter.from_us + store::us_per_usage_day - 1) / store::us_per_usage_day);
    query.to =
        std::min<store::UsageDay>(static_cast<store::UsageDay>(filter.to_us / store::us_per_usage_day) - 1, last_day);
    for (const auto& [name, value] : filter.wanted()) {
        const auto in = dimension_of(name);
        if (!in || (name == "team" && !value.contains('/'))) return std::nullopt;
        query.only.push_back({.in = *in, .name = value});
    }
    const auto groups = usage.usage({query});
    if (!groups) return std::nullopt;
    uint64_t attempts = 0;
    for (const store::UsageGroup& group : groups->front()) attempts += group.sums.attempts;
    return attempts;
}

/// Why lines are missing, for whoever asked; "": none is, as far as anybody knows.
std::string what_is_missing(const LedgerExport& read, uint64_t settled, std::optional<uint64_t> booked) {
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
    if (booked && settled < *booked)
        return fmt::format(
            "{} of {} attempts have no line, since their files are not there any more "
            "(token_accounting.log.max_age); /ai/usage still has their sums; ask for a period that begins later",
            *booked - settled, *booked);
    return {};
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
            asked_.terms.filter, [this] { return to_.is_wanted(); });
        if (!to_.is_wanted()) return;
        if (!read && !written_)
            return to_.answer(refuse(503, fmt::format("the ledger cannot be read: {}", read.error()),
                                     llm::error_type::server, "ledger_error"));
        const std::string fault = read ? what_is_missing(*read, settled_, booked) : read.error();
        if (fault.empty() || (read && asked_.partial)) return finish();
        observe::log_warn("an export of usage is not whole: {}", fault);
        write_fault_line(asked_.terms.format,
                         read ? fmt::format("{}; with partial=accept what is there is enough", fault) : fault, text_);
        if (to_.write(text_)) to_.fail();
    }

  private:
    bool take(const store::LedgerRow& row) {
        write_line(asked_.terms.format, row, text_);
        settled_ += row.settlement != nullptr ? 1 : 0;
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
    uint64_t settled_ = 0;
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

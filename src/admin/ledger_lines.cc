#include "loom/admin/ledger_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "loom/base/result.h"
#include "loom/base/timestamp.h"

#include "loom/llm/error.h"
#include "loom/llm/json_text.h"
#include "loom/store/usage_period.h"

namespace loom::admin {
namespace {

using tenant::LedgerIntent;
using tenant::LedgerLocal;
using tenant::LedgerSettlement;

/// 2026-01-31T23:59:59.123456Z.
std::string moment(uint64_t time_us) {
    const auto seconds = static_cast<time_t>(time_us / 1'000'000);
    std::tm at{};
    ::gmtime_r(&seconds, &at);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", at.tm_year + 1900, at.tm_mon + 1, at.tm_mday,
                       at.tm_hour, at.tm_min, at.tm_sec, time_us % 1'000'000);
}

/// Microseconds since 1970.
std::expected<uint64_t, std::string> parse_moment(std::string_view text) {
    auto seconds = parse_date(text);
    if (!seconds) seconds = parse_rfc3339(text);
    if (seconds && *seconds >= 0) return static_cast<uint64_t>(*seconds) * 1'000'000;
    return std::unexpected(
        fmt::format("'{}': a date such as 2026-01-31, or a moment such as 2026-01-31T12:00:00Z, is expected", text));
}

enum class Kind : uint8_t { attempt, cached, refused };

Kind kind_of(const store::LedgerRow& row) noexcept {
    if (row.local == nullptr) return Kind::attempt;
    return is_refusal(row.local->exit) ? Kind::refused : Kind::cached;
}

std::string_view kind_name(Kind kind) noexcept {
    constexpr std::string_view names[] = {"attempt", "cached", "refused"};
    return names[static_cast<size_t>(kind)];
}

std::string_view exit_name(const store::LedgerRow& row) noexcept {
    if (row.local != nullptr) return kind_name(kind_of(row));
    return row.settlement != nullptr ? ledger_exit_name(row.settlement->exit) : "open";
}

/// Behind the columns of an attempt, so that their sums are what was spent: which kind of line it is, and of what no
/// provider was asked for why, how many requests it tells of, and what they would have taken.
template <class Writer>
void write_kind(const store::LedgerRow& row, Writer& writer) {
    const LedgerLocal none{.count = 1, .saved = -1};
    const LedgerLocal& local = row.local != nullptr ? *row.local : none;
    writer.text("kind", kind_name(kind_of(row)));
    writer.text("reason", row.local != nullptr ? ledger_local_exit_name(local.exit) : "");
    writer.number("count", local.count);
    writer.number("saved_input", local.input_tokens);
    writer.number("saved_output", local.output_tokens);
    writer.money("saved_cost", local.saved);
}

/// The columns of a line, in their order: told to whoever writes them.
template <class Writer>
void write_row(const store::LedgerRow& row, Writer&& writer) {
    const LedgerIntent& intent = row.intent;
    LedgerSettlement none{.exit = tenant::LedgerExit::lost, .tokens = {}, .cost = -1};
    if (row.local != nullptr) none = {.status = row.local->status, .tokens = {}, .cost = 0};
    const LedgerSettlement& settled = row.settlement != nullptr ? *row.settlement : none;
    writer.text("time", moment(intent.time_us));
    writer.number("id", intent.id);
    writer.number("request", intent.request != 0 ? intent.request : intent.id);
    writer.text("consumer", intent.consumer);
    writer.text("team", intent.team);
    writer.text("project", intent.project);
    writer.text("tenant", intent.tenant);
    writer.text("tier", intent.tier);
    writer.text("route", intent.route);
    writer.text("provider", intent.provider);
    writer.text("model", intent.model);
    writer.text("exit", exit_name(row));
    writer.number("status", settled.status);
    writer.text("provenance", ledger_provenance_name(settled.provenance));
    writer.number("input", settled.tokens.input);
    writer.number("cached_input", settled.tokens.cached_input);
    writer.number("cache_write", settled.tokens.cache_write);
    writer.number("output", settled.tokens.output);
    writer.number("reasoning", settled.tokens.reasoning);
    writer.money("cost", settled.cost);
    write_kind(row, writer);
}

/// RFC 4180.
struct CsvWriter {
    std::string& out;
    bool names = false;  // in place of values
    bool first = true;

    void text(std::string_view name, std::string_view value) {
        if (names) value = name;
        if (!first) out += ',';
        first = false;
        if (value.find_first_of(",\"\r\n") == value.npos) {
            out += value;
            return;
        }
        out += '"';
        for (const char c : value) out.append(c == '"' ? 2 : 1, c);
        out += '"';
    }
    void number(std::string_view name, uint64_t value) { text(name, fmt::format_int(value).c_str()); }
    void money(std::string_view name, Money value) { text(name, value < 0 ? "" : MoneyText(value).view()); }
};

struct JsonWriter {
    std::string& out;
    bool first = true;

    void key(std::string_view name) {
        out += first ? "{\"" : ",\"";
        first = false;
        out += name;
        out += "\":";
    }
    void text(std::string_view name, std::string_view value) {
        key(name);
        llm::quote(value, out);
    }
    void number(std::string_view name, uint64_t value) {
        key(name);
        out += fmt::format_int(value).c_str();
    }
    void money(std::string_view name, Money value) {
        key(name);
        out += value < 0 ? std::string_view("null") : std::string_view(MoneyText(value).view());
    }
};

}  // namespace

std::optional<LineFormat> parse_line_format(std::string_view text) noexcept {
    if (text.empty() || text == "csv") return LineFormat::csv;
    if (text == "jsonl") return LineFormat::jsonl;
    return std::nullopt;
}

bool ExportTerms::knows(std::string_view name) noexcept {
    constexpr std::array<std::string_view, 4> own = {"format", "period", "from", "to"};
    return std::ranges::find(own, name) != own.end() ||
           std::ranges::find(store::LedgerFilter::names, name) != store::LedgerFilter::names.end();
}

std::expected<void, std::string> ExportTerms::set(std::string_view name, std::string_view value) {
    if (filter.set(name, value)) return {};
    if (name == "format") {
        const auto parsed = parse_line_format(value);
        if (!parsed) return std::unexpected(fmt::format("'{}': csv or jsonl is expected", value));
        format = *parsed;
        return {};
    }
    has_period = true;
    if (name == "period") {
        const auto period = store::parse_usage_period(value);
        if (!period)
            return std::unexpected(
                fmt::format("'{}': a month such as 2026-01, or a day such as 2026-01-31, is expected", value));
        filter.from_us = std::max(filter.from_us, period->begin_us());
        filter.to_us = std::min(filter.to_us, period->end_us());
    } else if (name == "from") {
        filter.from_us = std::max(filter.from_us, LOOM_TRY(parse_moment(value)));
    } else {
        filter.to_us = std::min(filter.to_us, LOOM_TRY(parse_moment(value)));
    }
    return {};
}

std::string_view content_type_of(LineFormat format) noexcept {
    return format == LineFormat::csv ? "text/csv; charset=utf-8; header=present" : "application/x-ndjson";
}

void write_line_names(LineFormat format, std::string& out) {
    if (format == LineFormat::jsonl) return;
    const LedgerIntent none;
    write_row({.intent = none, .settlement = nullptr}, CsvWriter{.out = out, .names = true});
    out += '\n';
}

void write_line(LineFormat format, const store::LedgerRow& row, std::string& out) {
    if (format == LineFormat::csv) {
        write_row(row, CsvWriter{.out = out});
        out += '\n';
    } else {
        write_row(row, JsonWriter{.out = out});
        out += "}\n";
    }
}

void write_fault_line(LineFormat format, std::string_view what, std::string& out) {
    if (format == LineFormat::csv) {
        CsvWriter{.out = out}.text("", fmt::format("error: {}", what));
        out += '\n';
        return;
    }
    std::array<char, llm::error_bytes_max> room;
    out += llm::write_error(room, {.message = what, .type = llm::error_type::server, .code = "export_incomplete"});
    out += '\n';
}

}  // namespace loom::admin

#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <optional>

#include "cli.h"
#include "ledger_command.h"
#include "loom/base/timestamp.h"
#include "loom/llm/json_text.h"
#include "loom/store/ledger_export.h"

namespace loom::app {
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

enum class Kind : uint8_t { attempt, cached, refused };

Kind kind_of(const store::LedgerRow& row) noexcept {
    if (row.local == nullptr) return Kind::attempt;
    return is_refusal(row.local->exit) ? Kind::refused : Kind::cached;
}

std::string_view kind_name(Kind kind) noexcept {
    constexpr std::string_view names[] = {"attempt", "cached", "refused"};
    return names[static_cast<size_t>(kind)];
}

/// Behind the columns of an attempt, so that their sums are what was spent: which kind of line it is, and of what no
/// provider was asked for why, how many requests it tells of, and what they would have taken.
template <class Writer>
void write_kind(const store::LedgerRow& row, Writer&& writer) {
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
    if (row.local != nullptr)
        writer.text("exit", kind_name(kind_of(row)));
    else
        writer.text("exit", row.settlement != nullptr ? ledger_exit_name(settled.exit) : "open");
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
    std::string& line;
    bool names = false;  // in place of values

    void text(std::string_view name, std::string_view value) {
        if (names) value = name;
        if (!line.empty()) line += ',';
        if (value.find_first_of(",\"\r\n") == value.npos) {
            line += value;
            return;
        }
        line += '"';
        for (const char c : value) line.append(c == '"' ? 2 : 1, c);
        line += '"';
    }
    void number(std::string_view name, uint64_t value) { text(name, fmt::format("{}", value)); }
    void money(std::string_view name, Money value) { text(name, value < 0 ? "" : MoneyText(value).view()); }
};

struct JsonWriter {
    std::string& line;

    void key(std::string_view name) { line += fmt::format("{}\"{}\":", line.empty() ? "{" : ",", name); }
    void text(std::string_view name, std::string_view value) {
        key(name);
        llm::quote(value, line);
    }
    void number(std::string_view name, uint64_t value) {
        key(name);
        line += fmt::format("{}", value);
    }
    void money(std::string_view name, Money value) {
        key(name);
        line += value < 0 ? std::string("null") : fmt::format("{}", MoneyText(value).view());
    }
};

bool print_line(std::string& line) {
    line += '\n';
    const bool good = std::fwrite(line.data(), 1, line.size(), stdout) == line.size();
    line.clear();
    return good;
}

/// Microseconds since 1970; nothing after a message.
std::optional<uint64_t> parse_moment(const char* option, const std::string& text, uint64_t unsaid) {
    if (text.empty()) return unsaid;
    auto seconds = parse_date(text);
    if (!seconds) seconds = parse_rfc3339(text);
    if (seconds && *seconds >= 0) return static_cast<uint64_t>(*seconds) * 1'000'000;
    fmt::print(stderr,
               "loom: --{} '{}': a date such as 2026-01-31, or a moment such as 2026-01-31T12:00:00Z, is expected\n",
               option, text);
    return std::nullopt;
}

}  // namespace

int export_ledger_in(const LedgerPlace& place, const std::string& format, const std::string& from,
                     const std::string& to) {
    if (!format.empty() && format != "csv" && format != "jsonl") {
        fmt::print(stderr, "loom: --format '{}': csv or jsonl is expected\n", format);
        return exit_usage;
    }
    const auto first_us = parse_moment("from", from, 0), behind_us = parse_moment("to", to, UINT64_MAX);
    if (!first_us || !behind_us) return exit_usage;
    const bool is_csv = format != "jsonl";
    std::string line;
    if (is_csv) {
        const LedgerIntent none;
        write_row({.intent = none, .settlement = nullptr}, CsvWriter{.line = line, .names = true});
        (void)print_line(line);
    }
    const auto exported = store::export_ledger(
        place.directory,
        [&](const store::LedgerRow& row) {
            if (row.intent.time_us < *first_us || row.intent.time_us >= *behind_us) return true;
            if (is_csv)
                write_row(row, CsvWriter{.line = line});
            else
                write_row(row, JsonWriter{.line = line});
            if (!is_csv) line += '}';
            return print_line(line);
        },
        place.vault);
    if (!exported) {
        fmt::print(stderr, "loom: {}\n", exported.error());
        return exit_config;
    }
    if (exported->without_intent > 0)
        fmt::print(stderr, "note: of {} attempts the segment with their beginning is gone; they have no line\n",
                   exported->without_intent);
    if (exported->damaged_bytes > 0)
        fmt::print(stderr, "note: {} bytes of the log are damaged; see loom ledger verify\n", exported->damaged_bytes);
    return exit_ok;
}

}  // namespace loom::app

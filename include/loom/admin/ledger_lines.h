// The ledger's records as lines of text, attempts and what no provider was asked for: for `loom ledger export` and for
// GET /ai/usage/export.
//
//   csv    RFC 4180, its columns' names first
//   jsonl  an object a line
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "loom/store/ledger_export.h"

namespace loom::admin {

enum class LineFormat : uint8_t { csv, jsonl };

/// "csv", "jsonl"; "" is csv. Nothing for any other.
[[nodiscard]] std::optional<LineFormat> parse_line_format(std::string_view text) noexcept;
[[nodiscard]] std::string_view content_type_of(LineFormat format) noexcept;

/// What an export is asked for by, as options of the command line and as parameters of a query.
struct ExportTerms {
    LineFormat format = LineFormat::csv;
    store::LedgerFilter filter;
    bool has_period = false;  // some of it was said

    /// name  "format", "period" (a month or a day), "from" and "to" (dates or moments: from then, and before then), or
    /// one of LedgerFilter::names. Periods that are said in several ways hold together.
    /// Errors  a text for whoever wrote it, that begins with the value.
    [[nodiscard]] std::expected<void, std::string> set(std::string_view name, std::string_view value);
    [[nodiscard]] static bool knows(std::string_view name) noexcept;
};

/// Appends what stands before the first line, with its end.
void write_line_names(LineFormat format, std::string& out);
/// Appends one line, with its end.
void write_line(LineFormat format, const store::LedgerRow& row, std::string& out);
/// Appends a line that is no attempt's, and that no reader takes for one: in place of those that are missing behind it.
/// One field where the others have many; an object with nothing but "error".
void write_fault_line(LineFormat format, std::string_view what, std::string& out);

}  // namespace loom::admin

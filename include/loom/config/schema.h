// The one table of keys: which keys there are, what type each has, and which is meant by a key of a file.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/key_row.h"
#include "loom/config/value.h"

namespace loom::config {

/// A key of a file, understood.
struct Match {
    const KeyRow* row = nullptr;      // the canonical row, also when the key was an alias
    const KeyRow* written = nullptr;  // the row that the spelling in the file matched
    std::string canonical;            // the key in its canonical spelling
    std::vector<std::string> names;   // what stands for the placeholders, in order
};

/// Of a name that a file makes up, a provider's or a route's: it stands in headers, in metrics and in front of ids.
/// Models and headers are named by others.
inline constexpr size_t name_bytes_max = 64;
/// What is wrong with a match one of whose names is longer; "" for nothing.
[[nodiscard]] std::string name_fault(const Match& match);

/// A part of a pattern: `provider.` is fixed, `<name>` is not.
struct PatternPart {
    enum class Kind : uint8_t { fixed, name, model, header };
    Kind kind;
    std::string text;  // the fixed text, or the placeholder's word
};

class Schema {
  public:
    using Tables = std::span<const std::span<const KeyRow>>;

    /// Borrows the rows, which outlive the schema; the schema outlives every Config made with it. Stops the process on
    /// a row that cannot be right: a pattern given twice, a default that its own type refuses, an alias of nothing.
    explicit Schema(Tables tables);
    Schema(const Schema&) = delete;

    /// The row for a key, or nothing. Fixed words win over placeholders.
    [[nodiscard]] std::optional<Match> match(std::string_view key) const;

    /// The parsed default of a canonical row.
    [[nodiscard]] const Value& default_of(const KeyRow& row) const;

    [[nodiscard]] Tables tables() const { return tables_; }

    /// Rows with the parts of their patterns, in table order.
    struct Row {
        const KeyRow* row;
        const KeyRow* canonical;
        std::vector<PatternPart> parts;
        size_t fixed_bytes;
        Value default_value;
    };
    [[nodiscard]] std::span<const Row> rows() const { return rows_; }

  private:
    [[nodiscard]] const Row* find_pattern(std::string_view pattern) const;
    void link_alias(Row& row);

    Tables tables_;
    std::vector<Row> rows_;
    std::map<std::string, std::vector<size_t>, std::less<>> by_first_word_;  // indices into rows_
    std::map<const KeyRow*, size_t> by_row_;
};

[[nodiscard]] std::vector<PatternPart> parse_pattern(std::string_view pattern);

/// The pattern's text with `names` in place of its placeholders.
[[nodiscard]] std::string fill_pattern(std::span<const PatternPart> parts, std::span<const std::string> names);

/// May `name` stand for a placeholder of this kind?
[[nodiscard]] bool fits(PatternPart::Kind kind, std::string_view name);

}  // namespace loom::config

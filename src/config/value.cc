#include "loom/config/value.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "loom/base/result.h"
#include "loom/config/diagnostic.h"
#include "text.h"

namespace loom::config {

namespace {

struct Unit {
    std::string_view name;
    double factor;
};
constexpr Unit size_units[] = {{"B", 1},
                               {"KB", 1e3},
                               {"MB", 1e6},
                               {"GB", 1e9},
                               {"TB", 1e12},
                               {"KiB", 1024.0},
                               {"MiB", 1024.0 * 1024},
                               {"GiB", 1024.0 * 1024 * 1024},
                               {"TiB", 1024.0 * 1024 * 1024 * 1024}};
constexpr Unit duration_units[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"h", 3600e6}, {"d", 86400e6}};

// A double holds every integer up to here, so a product of number and unit below it is exact.
constexpr double exact_max = 9007199254740992.0;

std::unexpected<std::string> wrong(std::string_view expected) {
    return std::unexpected(fmt::format("expected {}", expected));
}

Parsed<double> parse_decimal(std::string_view text) {
    double number = 0;
    const bool begins_well = !text.empty() && ((text[0] >= '0' && text[0] <= '9') || text[0] == '-');
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (!begins_well || error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) {
        return wrong("a number such as 0.5");
    }
    return number;
}

Parsed<int64_t> parse_integer(std::string_view text) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return wrong("an integer");
    return number;
}

Parsed<int64_t> parse_boolean(std::string_view text) {
    if (text == "on" || text == "true" || text == "yes") return 1;
    if (text == "off" || text == "false" || text == "no") return 0;
    return wrong("on or off");
}

/// A number and a unit of the table, in the table's base unit, rounded to a whole one.
template <size_t N>
Parsed<int64_t> parse_quantity(std::string_view text, const Unit (&units)[N], const Unit* bare,
                               std::string_view expected) {
    size_t digits = 0;
    while (digits < text.size() && ((text[digits] >= '0' && text[digits] <= '9') || text[digits] == '.')) digits += 1;
    const auto number = parse_decimal(text.substr(0, digits));
    if (!number) return wrong(expected);
    const auto unit_name = text.substr(digits);
    const auto* unit = std::ranges::find(units, unit_name, &Unit::name);
    if (unit_name.empty() && (bare != nullptr || *number == 0)) unit = bare != nullptr ? bare : &units[0];
    if (unit == std::end(units)) return wrong(expected);
    const double product = *number * unit->factor;
    if (product > exact_max) return wrong("a smaller value");
    return static_cast<int64_t>(std::llround(product));
}

/// `"a\"b"` → `a"b`; text without quotes stays. Only \" and \\ mean something inside an item.
std::string unquote_item(std::string_view item) {
    if (item.size() < 2 || item.front() != '"' || item.back() != '"') return std::string(item);
    item = item.substr(1, item.size() - 2);
    std::string plain;
    for (size_t i = 0; i < item.size(); i++) {
        const bool escapes = item[i] == '\\' && i + 1 < item.size() && (item[i + 1] == '"' || item[i + 1] == '\\');
        plain += item[escapes ? ++i : i];
    }
    return plain;
}

/// The end of the item that begins `text`: a comma outside quotes, or the end.
size_t item_end(std::string_view text) {
    bool in_quotes = false;
    for (size_t i = 0; i < text.size(); i++) {
        if (in_quotes && text[i] == '\\') {
            i += 1;
        } else if (text[i] == '"') {
            in_quotes = !in_quotes;
        } else if (text[i] == ',' && !in_quotes) {
            return i;
        }
    }
    return text.size();
}

Parsed<std::vector<std::string>> parse_list(std::string_view text, Quoting quoting) {
    if (quoting == Quoting::quoted) return std::vector<std::string>{std::string(text)};
    text = trim(text);
    if (!text.empty() && text.front() == '[') {
        if (text.back() != ']' || text.size() < 2) return wrong("a ']' at the end of the list");
        text = trim(text.substr(1, text.size() - 2));
    }
    std::vector<std::string> items;
    while (!text.empty()) {
        const size_t end = item_end(text);
        const auto item = trim(text.substr(0, end));
        if (item.empty()) return wrong("an item between the commas");
        items.push_back(unquote_item(item));
        if (end == text.size()) break;
        text = trim(text.substr(end + 1));
        if (text.empty()) return wrong("an item after the last comma");
    }
    return items;
}

Parsed<void> check_choice(const KeyRow& row, std::string_view word) {
    const auto known = choices_of(row, Choices::available);
    if (std::ranges::find(known, word) != known.end()) return {};
    const auto later = choices_of(row, Choices::unavailable);
    if (std::ranges::find(later, word) != later.end()) {
        return std::unexpected(fmt::format("'{}' is not available in this version", word));
    }
    return wrong(fmt::format("one of {}", fmt::join(known, ", ")));
}

/// The number of a type that has ranges, in its base unit.
Parsed<int64_t> parse_ranged(KeyType type, std::string_view text) {
    switch (type) {
        case KeyType::size: return parse_size(text);
        case KeyType::duration: return parse_duration(text);
        default: return parse_integer(text);
    }
}

Parsed<void> check_range(const KeyRow& row, int64_t number) {
    const std::string_view range = row.range;
    const size_t dots = range.find("..");
    if (dots == std::string_view::npos) return {};
    const auto least = range.substr(0, dots);
    const auto most = range.substr(dots + 2);
    const bool too_low = !least.empty() && number < LOOM_TRY(parse_ranged(row.type, least));
    const bool too_high = !most.empty() && number > LOOM_TRY(parse_ranged(row.type, most));
    if (!too_low && !too_high) return {};
    if (most.empty()) return wrong(fmt::format("at least {}", least));
    if (least.empty()) return wrong(fmt::format("at most {}", most));
    return wrong(fmt::format("{} to {}", least, most));
}

/// Words that a number or an address may be instead: `auto`, `off`.
bool is_word(const KeyRow& row, std::string_view text) {
    if (row.type == KeyType::choice || row.type == KeyType::list) return false;
    const auto words = choices_of(row, Choices::available);
    return std::ranges::find(words, text) != words.end();
}

/// Fills in all but the text.
Parsed<void> parse_into(Value& value, const KeyRow& row, std::string_view text, Quoting quoting) {
    switch (row.type) {
        case KeyType::boolean: value.number = LOOM_TRY(parse_boolean(text)); return {};
        case KeyType::decimal: value.decimal = LOOM_TRY(parse_decimal(text)); return {};
        case KeyType::share: value.decimal = LOOM_TRY(parse_share(text)); return {};
        case KeyType::integer:
        case KeyType::size:
        case KeyType::duration:
            value.number = LOOM_TRY(parse_ranged(row.type, text));
            return check_range(row, value.number);
        case KeyType::address: LOOM_TRY(parse_address(text)); return {};
        case KeyType::choice: return check_choice(row, text);
        case KeyType::list: break;
        case KeyType::text:
        case KeyType::secret:
        case KeyType::path: return {};
    }
    value.items = LOOM_TRY(parse_list(text, quoting));
    if (*row.choices == '\0') return {};
    for (const auto& item : value.items) LOOM_TRY(check_choice(row, item));
    return {};
}

}  // namespace

Parsed<int64_t> parse_size(std::string_view text) {
    return parse_quantity(text, size_units, &size_units[0], "a size such as 64KiB or 1GB");
}

Parsed<int64_t> parse_duration(std::string_view text) {
    return parse_quantity(text, duration_units, nullptr, "a duration such as 50ms, 30s or 1h");
}

Parsed<double> parse_share(std::string_view text) {
    const bool percent = !text.empty() && text.back() == '%';
    const auto number = parse_decimal(text.substr(0, text.size() - (percent ? 1 : 0)));
    const double share = number ? *number / (percent ? 100 : 1) : -1;
    if (share < 0 || share > 1) return wrong("a share such as 0.95 or 95%");
    return share;
}

Parsed<Value> parse_value(const KeyRow& row, std::string_view text, Quoting quoting, std::string_view shown) {
    Value value;
    value.text = text;
    if (is_word(row, text)) return value;
    if (auto parsed = parse_into(value, row, text, quoting); !parsed) {
        // A secret has no form to miss; were it to get one, its text still must not be printed.
        const auto got = row.type == KeyType::secret ? "" : fmt::format(", got '{}'", printable(std::string(shown)));
        const bool is_expectation = parsed.error().starts_with("expected ");
        return std::unexpected(is_expectation ? parsed.error() + got : parsed.error());
    }
    return value;
}

bool same_value(KeyType type, const Value& a, const Value& b) {
    switch (type) {
        case KeyType::boolean: return a.number == b.number;
        case KeyType::integer:
        case KeyType::size:
        case KeyType::duration: return a.number == b.number;
        case KeyType::decimal:
        case KeyType::share: return a.decimal == b.decimal;
        case KeyType::list: return a.items == b.items;
        default: return a.text == b.text;
    }
}

const char* type_name(KeyType type) {
    switch (type) {
        case KeyType::boolean: return "bool";
        case KeyType::integer: return "integer";
        case KeyType::decimal: return "decimal";
        case KeyType::size: return "size";
        case KeyType::duration: return "duration";
        case KeyType::address: return "address";
        case KeyType::share: return "share";
        case KeyType::text: return "text";
        case KeyType::list: return "list";
        case KeyType::choice: return "choice";
        case KeyType::secret: return "secret";
        case KeyType::path: return "path";
    }
    return "unknown";
}

std::vector<std::string_view> choices_of(const KeyRow& row, Choices which) {
    std::vector<std::string_view> chosen;
    if (*row.choices == '\0') return chosen;
    for (auto word : split(row.choices, '|')) {
        const bool later = word.starts_with('-');
        if (later) word.remove_prefix(1);
        if (later == (which == Choices::unavailable)) chosen.push_back(word);
    }
    return chosen;
}

}  // namespace loom::config

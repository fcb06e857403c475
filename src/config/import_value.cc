#include "import_value.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "expand.h"
#include "flat_text.h"
#include "lexer.h"

namespace loom::config {

namespace {

using Kind = YamlNode::Kind;

/// What the dollars of a text say.
struct Dollars {
    bool has_reference = false;
    bool has_escaped_reference = false;  // `$${NAME}`
    std::string_view mistaken;           // from a `$NAME` on, or a `${` that is no reference: was one meant?
};

Dollars dollars_of(std::string_view text) {
    Dollars found;
    bool is_behind_dollar = false;
    for (size_t at = text.find('$'); at != std::string_view::npos; at = text.find('$', at)) {
        const auto rest = text.substr(at);
        const size_t bytes = reference_bytes(rest);
        found.has_reference = found.has_reference || bytes > 0;
        found.has_escaped_reference = found.has_escaped_reference || (bytes > 0 && is_behind_dollar);
        const bool names = rest.size() > 1 && rest[1] >= 'A' && rest[1] <= 'Z';
        const bool opens = rest.starts_with("${") && bytes == 0;
        if (found.mistaken.empty() && (names || opens)) found.mistaken = rest;
        is_behind_dollar = bytes == 0 && rest.starts_with("$$");
        at += std::max<size_t>(bytes, 1);
    }
    return found;
}

bool refers(std::string_view text) { return dollars_of(text).has_reference; }

/// YAML has more spellings of a boolean: True, TRUE, On.
std::string boolean_text(const YamlNode& scalar) {
    std::string text = scalar.text;
    if (!scalar.is_plain) return text;
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return text;
}

/// Known, though not in this version: import carries it over and `--check` says so.
bool is_later_choice(const KeyRow& row, std::string_view text) {
    const auto later = choices_of(row, Choices::unavailable);
    return std::ranges::find(later, text) != later.end();
}

ImportedValue import_scalar(const KeyRow& row, const YamlNode& scalar) {
    const std::string text = row.type == KeyType::boolean ? boolean_text(scalar) : scalar.text;
    ImportedValue imported{flat_scalar(text), std::nullopt, {}};
    if (!refers(text) && !is_later_choice(row, text)) {
        auto parsed = parse_value(row, text, Quoting::bare, text);
        if (!parsed) {
            imported.flat = std::unexpected(parsed.error());
        } else {
            imported.parsed = std::move(*parsed);
        }
    }
    return imported;
}

ImportedValue import_list(const KeyRow& row, std::span<const YamlNode* const> items) {
    std::vector<std::string_view> texts;
    for (const auto* item : items) {
        if (item->kind != Kind::scalar) return {std::unexpected("expected a list of words, got a list in it"), {}, {}};
        texts.push_back(item->text);
    }
    ImportedValue imported{flat_list(texts), Value{}, {}};
    for (const auto text : texts) {
        imported.parsed->items.emplace_back(text);
        if (refers(text) || is_later_choice(row, text)) continue;
        auto parsed = parse_value(row, text, Quoting::quoted, text);
        if (!parsed) imported.flat = std::unexpected(parsed.error());
    }
    return imported;
}

ImportedValue import_typed(const KeyRow& row, const YamlNode& value) {
    if (row.type == KeyType::list && value.kind == Kind::list) return import_list(row, value.items);
    if (value.kind == Kind::list)
        return {std::unexpected(fmt::format("expected {}, got a list", expected_of(row))), {}, {}};
    if (row.type != KeyType::list) return import_scalar(row, value);
    if (value.text.find(',') != std::string::npos) {
        return {std::unexpected("expected a list; write it in brackets: [a, b]"), {}, {}};
    }
    const YamlNode* const only = &value;
    return import_list(row, {&only, 1});
}

void warn(const KeyRow& row, const YamlNode& scalar, std::vector<std::string>& warnings) {
    const Dollars dollars = dollars_of(scalar.text);
    if (dollars.has_escaped_reference) {
        warnings.emplace_back(
            "'$$' stays a dollar before what ${NAME} reads from the environment; if it was to keep '${NAME}' as it "
            "stands, write $${NAME} in the flat file");
    }
    if (!dollars.mistaken.empty()) {
        const auto shown = row.type == KeyType::secret ? "a dollar in it"
                                                       : fmt::format("'{}'", printable(std::string(dollars.mistaken)));
        warnings.push_back(fmt::format("{} is kept as it stands; the environment is read by ${{NAME}}", shown));
    }
    if (row.type == KeyType::secret && !scalar.text.empty() && !dollars.has_reference) {
        warnings.emplace_back(
            "stands in the file for all to read, and is kept so; ${NAME} takes it from the environment, "
            "${file:/run/secrets/NAME} from a file");
    }
}

}  // namespace

std::string expected_of(const KeyRow& row) {
    switch (row.type) {
        case KeyType::boolean: return "on or off";
        case KeyType::integer: return "an integer";
        case KeyType::address: return "an address";
        case KeyType::choice: return fmt::format("one of {}", fmt::join(choices_of(row, Choices::available), ", "));
        default: return fmt::format("a {}", type_name(row.type));
    }
}

size_t text_bytes(const YamlNode& value) {
    size_t bytes = value.text.size();
    for (const auto* item : value.items) bytes += item->text.size() + list_separator.size();
    return bytes;
}

ImportedValue import_value(const KeyRow& row, const YamlNode& value) {
    if (text_bytes(value) > line_bytes_max)  // before anything is made of it
        return {std::unexpected(fmt::format("longer than the {} bytes of a line", line_bytes_max)), {}, {}};
    auto imported = import_typed(row, value);
    if (value.kind == Kind::scalar) warn(row, value, imported.warnings);
    for (const auto* item : value.items) {
        if (item->kind == Kind::scalar) warn(row, *item, imported.warnings);
    }
    return imported;
}

}  // namespace loom::config

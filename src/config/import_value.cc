#include "import_value.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "expand.h"
#include "flat_text.h"

namespace loom::config {

namespace {

using Kind = YamlNode::Kind;

bool refers(std::string_view text) {
    for (size_t at = text.find('$'); at != std::string_view::npos; at = text.find('$', at + 1)) {
        if (reference_bytes(text.substr(at)) > 0) return true;
    }
    return false;
}

/// `$NAME`, or a `${` that is no reference: what somebody may have meant as one.
std::string_view mistaken_reference(std::string_view text) {
    for (size_t at = text.find('$'); at != std::string_view::npos; at = text.find('$', at + 1)) {
        const auto rest = text.substr(at);
        const size_t bytes = reference_bytes(rest);
        if (rest.starts_with("${") && bytes == 0) return rest;
        if (rest.size() > 1 && rest[1] >= 'A' && rest[1] <= 'Z') return rest;
    }
    return "";
}

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
    if (const auto mistaken = mistaken_reference(scalar.text); !mistaken.empty()) {
        const auto shown =
            row.type == KeyType::secret ? "a dollar in it" : fmt::format("'{}'", printable(std::string(mistaken)));
        warnings.push_back(fmt::format("{} is kept as it stands; the environment is read by ${{NAME}}", shown));
    }
    if (row.type == KeyType::secret && !scalar.text.empty() && !refers(scalar.text)) {
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

ImportedValue import_value(const KeyRow& row, const YamlNode& value) {
    auto imported = import_typed(row, value);
    if (value.kind == Kind::scalar) warn(row, value, imported.warnings);
    for (const auto* item : value.items) {
        if (item->kind == Kind::scalar) warn(row, *item, imported.warnings);
    }
    return imported;
}

}  // namespace loom::config

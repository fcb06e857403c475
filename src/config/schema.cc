#include "loom/config/schema.h"

#include <fmt/format.h>

#include <algorithm>

#include "loom/base/assert.h"
#include "text.h"

namespace loom::config {

namespace {

/// tchar of RFC 9110, less nothing: dots too, hence a header name is a placeholder of its own kind.
bool is_header_byte(char c) {
    return is_name_byte(c) || std::string_view("!#$%&'*+.^`|~").find(c) != std::string_view::npos;
}
bool is_model_byte(char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '=' && c != '#'; }

PatternPart::Kind kind_of(std::string_view word) {
    if (word == "model") return PatternPart::Kind::model;
    if (word == "header") return PatternPart::Kind::header;
    return PatternPart::Kind::name;
}

/// Matches `key` against the parts from `index` on, filling `names`. A name ends at its first foreign byte; a model or
/// header, which may hold dots, is tried longest first so that the last segments delimit it.
bool match_parts(std::span<const PatternPart> parts, std::string_view key, std::vector<std::string>& names) {
    if (parts.empty()) return key.empty();
    const PatternPart& part = parts.front();
    if (part.kind == PatternPart::Kind::fixed) {
        return key.starts_with(part.text) && match_parts(parts.subspan(1), key.substr(part.text.size()), names);
    }
    const bool dotted = part.kind != PatternPart::Kind::name;
    const size_t longest =
        dotted ? key.size() : static_cast<size_t>(std::ranges::find_if_not(key, is_name_byte) - key.begin());
    for (size_t size = longest; size > 0; size--) {
        if (fits(part.kind, key.substr(0, size))) {
            names.emplace_back(key.substr(0, size));
            if (match_parts(parts.subspan(1), key.substr(size), names)) return true;
            names.pop_back();
        }
        if (!dotted) return false;
    }
    return false;
}

std::string_view first_word(std::string_view key) { return key.substr(0, key.find('.')); }

}  // namespace

bool fits(PatternPart::Kind kind, std::string_view name) {
    if (name.empty()) return false;
    switch (kind) {
        case PatternPart::Kind::fixed: return false;
        case PatternPart::Kind::name: return std::ranges::all_of(name, is_name_byte);
        case PatternPart::Kind::model: return std::ranges::all_of(name, is_model_byte);
        case PatternPart::Kind::header: return std::ranges::all_of(name, is_header_byte);
    }
    return false;
}

std::string name_fault(const Match& match) {
    const auto is_long = [](const std::string& name) { return name.size() > name_bytes_max; };
    if (std::ranges::none_of(match.names, is_long)) return {};
    size_t at = 0;
    for (const PatternPart& part : parse_pattern(match.written->pattern)) {
        if (part.kind == PatternPart::Kind::fixed) continue;
        const std::string& name = match.names[at++];
        if (part.kind == PatternPart::Kind::name && is_long(name))
            return fmt::format("the name '{}…' has {} bytes: shorten it to {} at most", name.substr(0, 24), name.size(),
                               name_bytes_max);
    }
    return {};
}

std::vector<PatternPart> parse_pattern(std::string_view pattern) {
    std::vector<PatternPart> parts;
    while (!pattern.empty()) {
        const size_t open = pattern.find('<');
        if (open != 0) parts.push_back({PatternPart::Kind::fixed, std::string(pattern.substr(0, open))});
        if (open == std::string_view::npos) break;
        const size_t close = pattern.find('>', open);
        LOOM_ASSERT(close != std::string_view::npos);
        const auto word = pattern.substr(open + 1, close - open - 1);
        parts.push_back({kind_of(word), std::string(word)});
        pattern.remove_prefix(close + 1);
    }
    return parts;
}

std::string fill_pattern(std::span<const PatternPart> parts, std::span<const std::string> names) {
    std::string key;
    for (const auto& part : parts) {
        if (part.kind == PatternPart::Kind::fixed) {
            key += part.text;
        } else {
            LOOM_ASSERT(!names.empty());
            key += names.front();
            names = names.subspan(1);
        }
    }
    return key;
}

Schema::Schema(Tables tables) : tables_(tables) {
    for (const auto& table : tables) {
        for (const auto& row : table) {
            LOOM_ASSERT(find_pattern(row.pattern) == nullptr);
            auto parts = parse_pattern(row.pattern);
            size_t fixed_bytes = 0;
            for (const auto& part : parts) fixed_bytes += part.kind == PatternPart::Kind::fixed ? part.text.size() : 0;
            LOOM_ASSERT(!parts.empty() && parts[0].kind == PatternPart::Kind::fixed);
            by_first_word_[std::string(first_word(row.pattern))].push_back(rows_.size());
            by_row_[&row] = rows_.size();
            rows_.push_back({&row, &row, std::move(parts), fixed_bytes, {}});
        }
    }
    for (auto& row : rows_) link_alias(row);
}

void Schema::link_alias(Row& row) {
    if (*row.row->alias_of != '\0') {
        const Row* canonical = find_pattern(row.row->alias_of);
        LOOM_ASSERT(canonical != nullptr);
        LOOM_ASSERT(*canonical->row->alias_of == '\0');
        row.canonical = canonical->row;
        return;
    }
    if (*row.row->default_text == '\0') return;
    auto value = parse_value(*row.row, row.row->default_text, Quoting::bare, row.row->default_text);
    LOOM_ASSERT(value.has_value());
    row.default_value = std::move(*value);
}

const Schema::Row* Schema::find_pattern(std::string_view pattern) const {
    const auto found = by_first_word_.find(first_word(pattern));
    if (found == by_first_word_.end()) return nullptr;
    for (const size_t index : found->second) {
        if (pattern == rows_[index].row->pattern) return &rows_[index];
    }
    return nullptr;
}

std::optional<Match> Schema::match(std::string_view key) const {
    const auto found = by_first_word_.find(first_word(key));
    if (found == by_first_word_.end()) return std::nullopt;
    const Row* best = nullptr;
    std::vector<std::string> best_names;
    for (const size_t index : found->second) {
        std::vector<std::string> names;
        const Row& row = rows_[index];
        if (best != nullptr && row.fixed_bytes <= best->fixed_bytes) continue;
        if (!match_parts(row.parts, key, names)) continue;
        best = &row;
        best_names = std::move(names);
    }
    if (best == nullptr) return std::nullopt;
    const Row& canonical = rows_[by_row_.at(best->canonical)];
    std::string canonical_key = fill_pattern(canonical.parts, best_names);
    return Match{canonical.row, best->row, std::move(canonical_key), std::move(best_names)};
}

const Value& Schema::default_of(const KeyRow& row) const { return rows_[by_row_.at(&row)].default_value; }

}  // namespace loom::config

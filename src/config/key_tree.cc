#include "key_tree.h"

#include <algorithm>

#include "loom/base/assert.h"
#include "loom/base/edit_distance.h"
#include "text.h"

namespace loom::config {

namespace {

void add(KeyNode& root, const Schema::Row& row) {
    KeyNode* node = &root;
    for (const auto segment : split(row.row->pattern, '.')) {
        const auto part = parse_pattern(segment).front();
        const bool is_word = part.kind == PatternPart::Kind::fixed;
        LOOM_ASSERT(is_word || node->named == nullptr || node->name_kind == part.kind);
        if (!is_word) node->name_kind = part.kind;
        auto& next = is_word ? node->words[part.text] : node->named;
        if (next == nullptr) next = std::make_unique<KeyNode>();
        node = next.get();
    }
    node->row = row.canonical;
}

}  // namespace

const KeyNode* KeyNode::word(std::string_view text) const {
    const auto found = words.find(text);
    return found == words.end() ? nullptr : found->second.get();
}

std::unique_ptr<const KeyNode> make_key_tree(const Schema& schema) {
    auto root = std::make_unique<KeyNode>();
    for (const auto& row : schema.rows()) add(*root, row);
    return root;
}

std::string singular_of(std::string_view word) {
    if (word.ends_with("ies")) return std::string(word.substr(0, word.size() - 3)) + "y";
    return word.ends_with('s') ? std::string(word.substr(0, word.size() - 1)) : std::string();
}

std::string nearest_word(const KeyNode& node, std::string_view text) {
    const size_t edits_max = std::clamp<size_t>(text.size() / 4, 1, 3);
    std::string best;
    size_t best_distance = edits_max + 1;
    const auto consider = [&](const std::string& candidate) {
        const size_t distance = edit_distance(text, candidate, edits_max);
        if (distance >= best_distance) return;
        best = candidate;
        best_distance = distance;
    };
    for (const auto& [word, next] : node.words) {
        if (next->named != nullptr) consider(word + "s");
        consider(word);
    }
    return best;
}

}  // namespace loom::config

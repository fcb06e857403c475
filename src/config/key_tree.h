// The table of keys as a tree of their segments, as a nested format meets them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom/config/schema.h"

namespace loom::config {

struct KeyNode {
    std::map<std::string, std::unique_ptr<KeyNode>, std::less<>> words;  // what may follow literally
    std::unique_ptr<KeyNode> named;                                      // what follows a name of the user's, or null
    PatternPart::Kind name_kind = PatternPart::Kind::name;               // which names, where `named` is there
    const KeyRow* row = nullptr;  // the canonical row of the key that ends here, or null

    [[nodiscard]] const KeyNode* word(std::string_view text) const;
    [[nodiscard]] bool is_leaf() const { return words.empty() && named == nullptr; }
};

[[nodiscard]] std::unique_ptr<const KeyNode> make_key_tree(const Schema& schema);

/// `providers` → `provider`, `policies` → `policy`; "" for what has no plural's ending.
[[nodiscard]] std::string singular_of(std::string_view word);

/// The word that `text` was probably meant to be, of those that may follow `node`: a word, or its plural where it holds
/// named items. "" when none is near.
[[nodiscard]] std::string nearest_word(const KeyNode& node, std::string_view text);

}  // namespace loom::config

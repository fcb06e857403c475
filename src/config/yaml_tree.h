// Bytes of a YAML file → a tree of values with their places, and the comments between them.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "loom/config/diagnostic.h"

namespace loom::config {

inline constexpr size_t yaml_depth_max = 64;
inline constexpr size_t yaml_value_count_max = 100'000;  // aliases count as often as they are used

struct YamlNode {
    enum class Kind : uint8_t { scalar, list, mapping };
    struct Pair {
        const YamlNode* key;  // a scalar
        const YamlNode* value;
    };

    Kind kind = Kind::scalar;
    bool is_plain = false;  // a scalar without quotes: it may be a null or a boolean
    bool is_open = false;   // while it is read: an alias to it would be a circle
    std::string text;       // of a scalar
    std::vector<const YamlNode*> items;
    std::vector<Pair> pairs;  // keys are unique
    Place place;
    uint32_t last_line = 0;

    [[nodiscard]] bool is_null() const;
    [[nodiscard]] const YamlNode* find(std::string_view key) const;  // in a mapping; null when it is not there
};

struct YamlComment {
    uint32_t line;
    std::string_view text;    // from the `#` on; borrowed from the file's bytes, like the next
    std::string_view beside;  // what stands before it on its line, without the dash of an item; "" when nothing does
};

struct YamlDocument {
    const YamlNode* root = nullptr;  // null after an error
    std::vector<YamlComment> comments;
    std::vector<uint32_t> blank_lines;
    std::deque<YamlNode> nodes;  // owns them all; a node never moves
};

/// Reads the one document of `text`, which must outlive it. What is wrong goes to `diagnostics`.
[[nodiscard]] YamlDocument read_yaml(std::string_view text, const std::string& file,
                                     std::vector<Diagnostic>& diagnostics);

}  // namespace loom::config

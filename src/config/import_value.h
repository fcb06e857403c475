// One value of the YAML, as its key's row wants it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "loom/config/value.h"
#include "yaml_tree.h"

namespace loom::config {

struct ImportedValue {
    Parsed<std::string> flat;     // as the flat file spells it, or what is wrong
    std::optional<Value> parsed;  // not where a variable decides, or where this version lacks the choice
    std::vector<std::string> warnings;
};

/// value  a scalar or a list of scalars. A choice that this version does not have is as good as one it has.
[[nodiscard]] ImportedValue import_value(const KeyRow& row, const YamlNode& value);

/// About what it takes in the flat file.
[[nodiscard]] size_t text_bytes(const YamlNode& value);

/// "an integer", "a list", "one of priority, model": what the row wants, in words.
[[nodiscard]] std::string expected_of(const KeyRow& row);

}  // namespace loom::config

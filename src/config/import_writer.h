// What import has understood → the text of the flat file, with the YAML's comments and blank lines where they stood.
#pragma once

#include <span>
#include <string>

#include "yaml_tree.h"

namespace loom::config {

/// One line of the flat file.
struct ImportedEntry {
    std::string key;    // canonical
    std::string value;  // as the flat file spells it
    Place key_place;    // in the YAML
    uint32_t last_line = 0;
};

/// entries  in the order of the YAML.
[[nodiscard]] std::string write_flat(std::span<const ImportedEntry> entries, const YamlDocument& document,
                                     const std::string& file);

}  // namespace loom::config

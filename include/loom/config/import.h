// The documents' YAML → the flat file. Every YAML key has one flat twin: `ai_gateway.` is dropped (but for
// `ai_gateway.enabled`), an item of a list is keyed by its name, id or consumer, a plural that holds named items
// becomes singular, another spelling becomes the canonical one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "loom/config/diagnostic.h"
#include "loom/config/schema.h"

namespace loom::config {

struct Imported {
    std::string conf;                     // the flat file's text; "" when there is any error
    std::vector<Diagnostic> diagnostics;  // in the order of the YAML's lines
};

/// yaml    one document, at most file_bytes_max bytes. Anchors, aliases and merge keys are resolved.
/// file    its name, for messages and for the first line of the result.
/// Order, comments and blank lines are the YAML's. `${NAME}` stays a reference, any other dollar stays a dollar. Keys
/// of features that this version does not have are written like all others: it is `--check` that refuses them.
[[nodiscard]] Imported import_yaml(std::string_view yaml, const std::string& file, const Schema& schema);

}  // namespace loom::config

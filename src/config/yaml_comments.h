// The comments of a YAML file. libyaml drops them; its marks of the scalars say where a `#` is none.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "yaml_tree.h"

namespace loom::config {

/// Characters [begin, end) of a scalar, counted from the file's start.
struct ScalarSpan {
    size_t begin;
    size_t end;
};

/// Fills in `document.comments` and `.blank_lines`. Outside scalars a `#` at a line's start or behind a blank begins a
/// comment. `scalars` are in the order of the file.
void find_comments(std::string_view text, std::span<const ScalarSpan> scalars, YamlDocument& document);

}  // namespace loom::config

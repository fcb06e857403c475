// Values → how the flat file spells them: the inverse of lexer, expand and the parsing of lists.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "loom/config/value.h"

namespace loom::config {

/// What reads back as `text`. Well-formed references stay references; any other dollar stays a dollar.
/// Errors  a control byte, or a reference whose default would need an escape: the flat file has no spelling for these.
[[nodiscard]] Parsed<std::string> flat_scalar(std::string_view text);

inline constexpr std::string_view list_separator = ", ";

/// What reads back as the list of these items.
[[nodiscard]] Parsed<std::string> flat_list(std::span<const std::string_view> items);

}  // namespace loom::config

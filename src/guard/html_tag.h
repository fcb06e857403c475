// Which elements and attributes of HTML act.
#pragma once

#include <string_view>

namespace loom::guard {

/// name  as it stands in its tag, whatever its case. One with a prefix (svg:script) is what stands behind it; one that
///       is an address that acts (<javascript:…>, for readers of Markdown) acts.
[[nodiscard]] bool is_acting_element(std::string_view name) noexcept;
/// Its inside is code, and no text.
[[nodiscard]] bool holds_code(std::string_view name) noexcept;
/// Of an attribute that has a value. value  as it stands in its tag, without quotes.
[[nodiscard]] bool is_acting_attribute(std::string_view name, std::string_view value) noexcept;

}  // namespace loom::guard

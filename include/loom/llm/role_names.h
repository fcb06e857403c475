// Who says what in a request, by the names that the providers' protocols have: members of the document, and the roles
// of its turns. Names are compared as they stand, without a look into escapes.
#pragma once

#include <cstdint>
#include <string_view>

namespace loom::llm {

enum class TextRole : uint8_t { other, system, developer, user, assistant, tool };

/// Of a turn's role; ASCII in any case: "USER" and "CHATBOT" are Cohere's. `other` for a name that is nobody's.
[[nodiscard]] TextRole role_named(std::string_view name) noexcept;
/// Whose texts a member of the document itself holds; `other` where its turns say so themselves, or nobody knows.
[[nodiscard]] TextRole role_of_member(std::string_view name) noexcept;
/// Is the member an array of turns, or may it be one?
[[nodiscard]] bool holds_turns(std::string_view member) noexcept;

}  // namespace loom::llm

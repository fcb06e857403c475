// What a request asks for, as a key: two requests have the same one only if the same answer is good for both.
//
// Pure: bytes in, a key out. The document is not rebuilt and nothing is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "loom/base/hash.h"

namespace loom::cache {

using Key = Hash128;

/// In whose words the document is: which of its members do not change the answer.
enum class Family : uint8_t {
    openai_chat,
    openai_responses,
    openai_embeddings,
    anthropic,
    gemini,
    gemini_embeddings,
};
inline constexpr size_t family_count = 6;

/// The members of a document's top level that say nothing of the answer: who asks, how it is to be sent, what is kept
/// of it, and the model, which is hashed as it was routed. Everything that is not named here changes the key.
[[nodiscard]] std::span<const std::string_view> members_left_out(Family family) noexcept;

/// Members that make an answer more than a function of its document: it stands on what a provider keeps, on what others
/// serve, or is worked out later. Where one of them is there, and neither null nor false, nothing is cached.
[[nodiscard]] std::span<const std::string_view> members_of_state(Family family) noexcept;

struct Fingerprint {
    Key key;
    const char* refusal = nullptr;  // why there is no key: a literal, for a person; null: there is one
};

inline constexpr size_t members_max = 64;  // of the top level; a document with more has no key

/// document  a JSON object. It is not judged, only walked: what is no JSON has a key of no worth, or none.
/// beside    what else tells one request from another (whose it is, its model, its route, its protocol's version), in
///           this order; each is told apart from its neighbours.
/// seed      a secret of the process, so that nobody can make two documents whose keys meet (XXH3 resists that only as
///           long as the seed is not known).
/// The key is the same whatever the order of the top level's members and the white space between tokens. Order inside
/// of values counts: it does for models. So does how a number or an escape is spelled: such a request is a miss.
[[nodiscard]] Fingerprint fingerprint(Family family, std::string_view document,
                                      std::span<const std::string_view> beside, uint64_t seed) noexcept;

}  // namespace loom::cache

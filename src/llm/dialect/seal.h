// Whose proof it is. Providers sign what their models thought (Anthropic's signatures, Gemini's thoughtSignature,
// OpenAI's encrypted_content), and want it back in the next request, byte for byte; another provider refuses the
// request for it. So a proof that a client keeps where another provider's would stand is sealed: whose it is stands in
// front. It goes back to that provider alone, without the seal, and to any other it is a loss.
#pragma once

#include <optional>

#include "context.h"
#include "delta.h"

namespace loom::llm {

enum class Seal : uint8_t {
    thinking,
    redacted,  // the opaque text of redacted thinking
    call,      // of the call behind it (Gemini's thoughtSignature)
};
struct Sealed {
    Seal seal = Seal::thinking;
    Text opaque;
};
/// "loom.gemini.thinking:…"; a text that is sealed already stays.
[[nodiscard]] Text sealed(Sealed what, Protocol origin, Arena& arena);
/// Empty where the text is another provider's. One without a seal is OpenAI's own.
[[nodiscard]] std::optional<Sealed> unsealed(Text text, Protocol origin) noexcept;

// Of the translations whose dialects do not see to it themselves, as Responses' does.

/// Takes the seals off what goes back to its provider, and what is another's away.
void keep_own_proofs(ChatRequest& request, Context& context);
/// Seals what the client would keep in the place of another provider's.
void seal_proofs(ChatAnswer& answer, Context& context);
[[nodiscard]] Delta with_sealed_proof(const Delta& delta, Context& context);

}  // namespace loom::llm

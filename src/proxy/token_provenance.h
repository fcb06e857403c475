// Who says how many tokens something took, where its provider has not: its model's own tokenizer, or a guess.
#pragma once

#include <cstdint>

#include "loom/llm/endpoint.h"
#include "loom/llm/request.h"
#include "loom/llm/usage.h"
#include "loom/proxy/plan.h"

namespace loom::proxy {

/// Of a prompt, by its model's rank file, and nothing of it a guess: neither text beyond what is counted exactly nor
/// pictures, sound or documents, which nobody counts, nor what the provider has stored and puts before it.
[[nodiscard]] inline bool is_counted(const llm::Request& request) noexcept {
    return request.prompt_tokens_counted != 0 && request.prompt_bytes <= llm::RequestReader::counted_bytes_max &&
           !request.has_images && !request.has_audio && !request.has_files && !request.uses_stored;
}

/// How many tokens an exchange's prompt is, and who says so: kept once, in the exchange, from when the prompt is read.
/// Limits, budgets, guards, the ledger and all attempts go by it.
struct PromptTokens {
    enum class By : uint8_t {
        nobody,     // it was not read
        estimate,   // nobody could count it
        part,       // its model's tokenizer, as far as it could: something of it is a guess
        tokenizer,  // its model's, all of it
    };
    uint64_t tokens = 0;
    By by = By::nobody;

    [[nodiscard]] static PromptTokens of(const llm::Request& request) noexcept {
        if (request.prompt_tokens_counted == 0) return {request.prompt_tokens(), By::estimate};
        return {request.prompt_tokens(), proxy::is_counted(request) ? By::tokenizer : By::part};
    }
    /// Nothing of it is a guess.
    [[nodiscard]] bool is_counted() const noexcept { return by == By::tokenizer; }
    /// To who reads the same prompt again, which is not counted again.
    void tell(llm::Request& request) const noexcept {
        request.prompt_tokens_counted = by == By::part || by == By::tokenizer ? tokens : 0;
    }
};

/// What a request is read for.
[[nodiscard]] inline llm::PromptWish prompt_wish(const Plan& plan, llm::Endpoint endpoint) noexcept {
    const bool wants = plan.wants_prompt_tokens || llm::counts_tokens(endpoint);
    return wants ? llm::PromptWish::estimate : llm::PromptWish::length;
}

/// Of what a provider has not told.
[[nodiscard]] constexpr llm::Usage::Provenance untold_provenance(bool counted) noexcept {
    return counted ? llm::Usage::Provenance::counted : llm::Usage::Provenance::estimated;
}

}  // namespace loom::proxy

// What an exchange knows of the other one that answers the same request, where two providers are asked beside each
// other.
#pragma once

#include <cstdint>
#include <string_view>

#include "loom/route/choose.h"
#include "loom/route/instances.h"

namespace loom::proxy {

class Exchange;
struct ProviderPlan;

struct Hedge {
    Exchange* rival = nullptr;            // the other one, as long as neither's answer is the client's
    const ProviderPlan* other = nullptr;  // that the other one asked when this began
    uint32_t asked_before = 0;            // attempts of the first, when the second began
    bool second = false;                  // begun beside the first, which had said nothing for so long
    bool carries = false;                 // the first failed, and this one went on with the request
    bool failed = false;                  // the second's attempt
    bool abandoned = false;               // the client left, or the second was ended, before either had an answer
    size_t client_held_bytes = 0;         // of the client's sender, when the second took it over
    /// As clients and the log are told. A client is told in its answer's head, which for a stream is written when the
    /// provider's head comes, though it may wait for the first content: what happens in between (a hedge that begins, a
    /// rival that fails) only the log has.
    [[nodiscard]] std::string_view result() const noexcept {
        if (failed) return "failed";
        if (abandoned) return "abandoned";
        return second ? "won" : "lost";
    }
};

/// Was an attempt let in to see whether who is asked is well again?
[[nodiscard]] inline bool holds_probe(const route::Passage& passage, const route::InstancePassage& instance) noexcept {
    return passage.provider.probe || passage.model.probe || instance.own.probe || instance.place.probe;
}

}  // namespace loom::proxy

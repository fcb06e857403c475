// What an exchange knows of its attempts once one of them has failed.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "loom/base/result.h"
#include "loom/http/message.h"
#include "loom/observe/metrics.h"
#include "loom/route/choose.h"

namespace loom::proxy {

using observe::FailoverReason;

inline constexpr uint64_t rest_default_ms = 1'000;  // of who answers 429 and does not say how long
inline constexpr uint64_t rest_max_ms = 300'000;    // whatever it says: then it is asked again, to see

/// One failed attempt, as far as it matters for what follows.
struct Failure {
    FailoverReason reason = FailoverReason::connect;
    Error error;
    int status = 0;                          // that the upstream answered with; 0: it did not
    std::optional<uint64_t> retry_after_ms;  // that it asked for
    bool content_came = false;               // and was held back (HeldStart): it has cost what it has cost
};

/// How much a failure tells a client: somebody who answered knows more than a silence, and who says "later" most.
[[nodiscard]] uint8_t rank_of(const Failure& failure) noexcept;

/// Why an attempt failed that got no status.
[[nodiscard]] FailoverReason reason_of(const Error& why) noexcept;

/// Does an answer of this status say that the key is not good, rather than the request?
[[nodiscard]] constexpr bool refuses_key(int status) noexcept {
    return status == 401 || status == 402 || status == 403;
}

/// What the head of an answer asks for, in milliseconds; now_s is the wall's clock.
[[nodiscard]] std::optional<uint64_t> retry_after_of(const http::ResponseHead& head, uint64_t now_s) noexcept;

struct Failover {
    static constexpr size_t story_bytes_max = 256;
    static constexpr uint32_t stand_ins_max = 8;

    void note(std::string_view provider, const Failure& failure) noexcept;
    /// "openai=rate_limit, azure=connect", as far as there is room.
    [[nodiscard]] std::string_view story() const noexcept { return {story_text.data(), story_bytes}; }

    route::ChoiceTerms terms;                         // of the request, as it was read first
    bool pinned = false;                              // nobody but the first provider can take it
    route::InstanceMask tried_instances = 0;          // of the provider at hand
    route::Tried tried;                               // of the candidates, since all of them were
    std::optional<route::Choice> next;                // chosen, its breakers entered; not begun yet
    const route::Candidate* candidate = nullptr;      // of next
    uint32_t stand_ins = 0;                           // models that have stood in, one after the other
    std::string_view model;                           // that stands in for the client's; "": none does
    FailoverReason reason = FailoverReason::connect;  // of the last failure
    uint32_t retries = 0;  // attempts after the first; connections that had died unseen do not count
    uint64_t pause_ms = 0;
    uint64_t failed_ns = 0;
    std::optional<Failure> told;  // the failure that says most, the latest of its like
    std::array<char, story_bytes_max> story_text;
    size_t story_bytes = 0;
    bool over = false;  // the last failure has no attempt after it
};

}  // namespace loom::proxy

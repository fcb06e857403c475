// What an exchange has to do with the limits of its client (rate_limit.*), where there are any.
#pragma once

#include <cstdint>

#include "loom/tenant/limit.h"

namespace loom::proxy {

struct ClientLimits {
    tenant::Admission taken;
    const tenant::Limit* own = nullptr;  // of the client itself, which its answers tell of; null: it has none
    tenant::LimitRow own_row;
    tenant::LimitRefusal refusal;  // of == null: it was admitted
    uint64_t tokens_input = 0;     // as they were estimated
    uint64_t tokens_expected = 0;  // that were reserved at first
    uint64_t tokens_used = 0;      // that its attempts have reported, and one that was beaten
    bool of_model = false;         // the model's limit is the one that was entered last
    bool extends = true;           // until there is no more to be had

    static constexpr uint64_t extension_tokens = 256;
    /// So many events of the stream have passed: where they outgrow what was reserved, more is taken, so that others
    /// see what is being used. Where there is no more the stream goes on, and what it takes beyond is booked at its
    /// end.
    void note_events(uint64_t now_ms, uint64_t event_count) noexcept {
        if (!extends || taken.reserved() == 0 || tokens_input + event_count < taken.reserved()) return;
        extends = taken.extend(now_ms, extension_tokens);
    }
};

/// Of the lines that an answer's head has for them.
inline constexpr size_t limit_lines_bytes_max = 640;

}  // namespace loom::proxy

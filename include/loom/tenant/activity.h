// What a request that is settled tells of who made it, for those who look for sudden changes (tenant/anomaly.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "loom/base/handover_ring.h"
#include "loom/base/ip.h"
#include "loom/base/money.h"
#include "loom/base/short_text.h"

namespace loom::tenant {

/// Whom only a token knows is its issuer's alone: "token/<issuer>/<name>".
inline constexpr std::string_view token_consumer_prefix = "token/";

/// By value: its exchange is gone when it is read.
struct Activity {
    uint64_t tokens = 0;  // input and output of all its attempts, as far as it is known
    Money cost = 0;       // of them; 0 where there is no price
    IpBytes ip{};
    bool has_ip = false;
    bool identified = false;  // by a key, a token or a certificate; else all who are not are one consumer
    bool client_error = false;
    bool provider_error = false;
    ShortText<128> consumer;  // one that is listed, or behind token_consumer_prefix, or of all who are not identified
    ShortText<128> model;     // as the client named it, of one that was asked for it; else ""
};

/// One shard's. What has no room is counted, and nobody waits.
struct ActivityRing {
    HandoverRing<Activity, 4096> ring;
    std::atomic<uint64_t> lost{0};  // written by the shard alone

    void put(const Activity& activity) noexcept {
        if (!ring.put(activity)) lost.store(lost.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
};

}  // namespace loom::tenant

// A guard that stands outside of Loom and is asked about requests: what a shard needs to ask it. What it is asked and
// answers is written down in guard/external.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "loom/base/secret.h"
#include "loom/guard/external.h"
#include "loom/route/breaker.h"
#include "loom/upstream/client.h"

namespace loom::proxy {

struct Plan;

enum class GuardShape : uint8_t { moderations, webhook };

struct ExternalGuardPlan {
    static constexpr size_t answer_bytes_max = 64 * 1024;
    static constexpr size_t moderation_bytes_max = 3 * 1024;  // of one text's result: OpenAI's takes about 2000
    static constexpr uint32_t few_texts_max = 256;            // of more, moderations' answers are large
    static constexpr size_t large_count_max = 4;              // of those, on each shard at once
    static constexpr size_t guards_max = 16;
    static constexpr uint32_t webhook_texts_max = 2048;  // of one request
    static constexpr uint32_t moderations_texts_max = 1024;

    std::string name;  // of security.guard.NAME
    GuardShape shape = GuardShape::webhook;
    upstream::ClientOptions client;
    std::string target;                   // path and query
    std::shared_ptr<const Secret> lines;  // header lines, Loom's own credentials with them
    std::string model;                    // of moderations
    guard::ModerationTerms terms;         // likewise
    bool is_closed = true;                // where it fails the request is refused; else it goes on
    bool acts = true;                     // else its verdicts and its failures are only counted
    size_t text_bytes_max = 256 * 1024;   // of all texts of one request: of more it is not asked, and has failed
    uint16_t series = 0;                  // of observe::Metrics
    route::BreakerOptions breaker{.success_threshold = 1, .timeout_ms = 10'000, .restore_ms = 0};
    std::shared_ptr<route::Breaker> state = std::make_shared<route::Breaker>();  // all shards'

    /// Of what it is sent. Quotes, breaks and tabs take two bytes there; other control characters take six, so a text
    /// of many of those is too large for it sooner.
    [[nodiscard]] size_t question_bytes_max() const noexcept { return 2 * text_bytes_max + 128 * 1024; }
    [[nodiscard]] uint32_t texts_max() const noexcept {
        return shape == GuardShape::moderations ? moderations_texts_max : webhook_texts_max;
    }
    /// Of moderations each text has its result, flagged or not. client  is of those that are about few_texts_max.
    [[nodiscard]] bool has_large_answers() const noexcept { return shape == GuardShape::moderations; }
    [[nodiscard]] bool is_large(size_t text_count) const noexcept {
        return has_large_answers() && text_count > few_texts_max;
    }
    [[nodiscard]] static constexpr size_t moderations_bytes_max(size_t text_count) noexcept {
        return answer_bytes_max + text_count * moderation_bytes_max;
    }
    /// Where answers may be large, of those that are.
    [[nodiscard]] upstream::ClientOptions large_client() const;
};

/// On each shard at worst, in bytes; 0 where there is none.
[[nodiscard]] size_t external_guard_memory_bytes(const Plan& plan) noexcept;

}  // namespace loom::proxy

// The real ring: io_uring, one per shard, made on the shard's own thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "loom/base/result.h"
#include "loom/io/buffers.h"
#include "loom/io/ring.h"

namespace loom::io {

/// What the kernel offers, less what the configuration masks. The floor is Linux 6.1: DEFER_TASKRUN, SINGLE_ISSUER,
/// multishot accept and recv, provided buffer rings.
struct RingFeatures {
    bool incremental_buffers = true;  // 6.12: several receives share one buffer
    bool defer_taskrun = true;        // off: COOP_TASKRUN, as on kernels that lack it
};

struct RingOptions {
    uint32_t entries = 1024;  // a power of two; completions have room for eight times as many
    RingFeatures features;    // false masks a feature that the kernel has
};

/// Makes a ring whose receives fill `buffers`. On failure the error's `sys_errno` is the kernel's, and
/// `explain_refusal` says what to change.
[[nodiscard]] Result<std::unique_ptr<Ring>> make_uring(const RingOptions& options, BufferPool& buffers);

/// What the kernel maps for such a ring: submissions, eight times as many completions, the list of buffers.
[[nodiscard]] uint64_t ring_memory_bytes(uint32_t entries, uint16_t buffer_count) noexcept;

/// Tries a ring and throws it away: what this kernel offers. For start-up, before any shard runs.
[[nodiscard]] Result<RingFeatures> probe_features(RingFeatures wanted);

/// "io_uring is switched off by the sysctl kernel.io_uring_disabled=2; set it to 0 …": cause and remedy, one paragraph.
[[nodiscard]] std::string explain_refusal(int sys_errno);

}  // namespace loom::io

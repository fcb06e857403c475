// One operation given to the kernel, and what comes back.
#pragma once

#include <cstdint>

#include "loom/base/assert.h"

namespace loom::io {

/// What the kernel said. `res` is a count or a negated errno.
struct Cqe {
    int32_t res;
    uint32_t flags;

    [[nodiscard]] bool has_buffer() const noexcept { return (flags & 1u) != 0; }    // IORING_CQE_F_BUFFER
    [[nodiscard]] bool more() const noexcept { return (flags & 2u) != 0; }          // IORING_CQE_F_MORE
    [[nodiscard]] bool buffer_more() const noexcept { return (flags & 16u) != 0; }  // IORING_CQE_F_BUF_MORE
    [[nodiscard]] uint16_t buffer_id() const noexcept { return static_cast<uint16_t>(flags >> 16); }
};

/// One operation given to the kernel. It and every byte it points to stay put from submit until its last CQE.
struct Completion {
    using Handler = void (*)(Completion&, Cqe) noexcept;
    explicit Completion(Handler handler) noexcept : on_cqe(handler) {}
    Completion(const Completion&) = delete;
    ~Completion() { LOOM_ASSERT(!in_flight); }

    Handler on_cqe;
    bool in_flight = false;
};

}  // namespace loom::io

// The ring as the rest of Loom sees it: operations in, completions out. `uring.h` makes the real one; tests make one of
// memory. liburing ends in src/io.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <span>

#include "loom/base/clock.h"
#include "loom/io/completion.h"

namespace loom::io {

/// How a send treats a peer that does not read.
enum class SendMode : uint8_t {
    now,    // what does not fit at once comes back as a short count or -EAGAIN: for bytes in leased buffers
    wait,   // completes when something was taken: for bytes that are ours
    whole,  // completes when everything was taken or the connection broke
};

/// One shard's ring. Every call is from the shard's own thread; nothing here blocks but `wait`.
class Ring {
  public:
    virtual ~Ring() = default;

    /// Bytes arrive in provided buffers until a CQE without `more()`: 0 at end of stream, -ENOBUFS when no buffer was
    /// free, -ECANCELED after `cancel`.
    virtual void recv_multishot(int fd, Completion& completion) = 0;
    /// One buffer's worth, then done: for a sender that would fill many before its reader's back-pressure is felt.
    virtual void recv_once(int fd, Completion& completion) = 0;
    /// Completes once, with the poll events, when the peer has ended or the connection is broken, whether or not
    /// anybody receives: a multishot receive may miss a reset that comes close behind bytes. POLLERR: it is broken.
    virtual void poll_hang_up(int fd, Completion& completion) = 0;
    /// A new descriptor a CQE (non-blocking, close-on-exec) until one without `more()`.
    virtual void accept_multishot(int fd, Completion& completion) = 0;
    virtual void send(int fd, const msghdr& message, SendMode mode, Completion& completion) = 0;
    virtual void connect(int fd, const sockaddr* address, socklen_t length, Completion& completion) = 0;
    virtual void read(int fd, std::span<char> into, Completion& completion) = 0;
    /// Into a file at `offset`, wherever others write to it. Completes with how many bytes were written, which may be
    /// fewer than all.
    virtual void write(int fd, std::span<const char> bytes, uint64_t offset, Completion& completion) = 0;
    /// Asks the kernel to end `target`; its own CQE stays the only end. Nothing happens when it is not in flight.
    virtual void cancel(Completion& target) = 0;
    /// Closes without waiting for the result. No operation may be in flight on `fd`.
    virtual void close(int fd) = 0;

    /// Makes the buffer available to the kernel from the next submit on.
    virtual void provide_buffer(uint16_t id) = 0;

    /// Gives the kernel what was queued and waits up to `timeout_ns` for a completion (0: does not wait).
    virtual void wait(uint64_t timeout_ns) = 0;
    /// Calls the handlers of all completions that are there. Returns how many there were.
    virtual uint32_t dispatch() = 0;

    // Calls made at once, a few in a connection's life. The defaults ask the kernel; a ring of memory has sockets of
    // its own.
    /// A stream socket (non-blocking, close-on-exec), or a negated errno.
    [[nodiscard]] virtual int open_socket(int family) noexcept;
    virtual void shutdown(int fd, int how) noexcept;
    /// What the peer has not got by the time of close is thrown away, and it sees a reset.
    virtual void reset_on_close(int fd) noexcept;
    /// Fills in who is at the other end. Returns the address's length, 0 when nobody is.
    [[nodiscard]] virtual socklen_t peer_name(int fd, sockaddr* address, socklen_t capacity) noexcept;

    /// How often completions found their queue full and had to wait in the kernel.
    [[nodiscard]] virtual uint64_t overflow_count() const noexcept { return 0; }
    /// What time it is where this ring is: a simulated one has a clock of its own.
    [[nodiscard]] virtual uint64_t now_ns() const noexcept { return monotonic_ns(); }
    /// The wall's clock there, in microseconds since 1970: it may be set at any time, forward or back.
    [[nodiscard]] virtual uint64_t wall_us() const noexcept { return loom::wall_us(); }
};

}  // namespace loom::io

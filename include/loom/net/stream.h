// One connection as a stream of bytes, whatever carries them: TCP, a unix socket, TLS on top.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>

#include "loom/base/result.h"
#include "loom/io/buffers.h"
#include "loom/io/ring.h"
#include "loom/io/shard.h"

namespace loom::net {

class Stream;

/// Who holds a stream. Calls come from the loop, while it drains completions, never from inside a call to the stream.
class StreamUser {
  public:
    /// The stream that `connect` asked for is there, or is not; in the second case `on_closed` follows `begin_close`.
    virtual void on_connected(Stream&, Result<void>) noexcept {}
    /// Bytes from the peer. May come once or twice after `pause_reading`, for what was on its way.
    virtual void on_bytes(Stream&, io::BufferLease bytes) noexcept = 0;
    /// Nothing more will be read: Errc::closed when the peer ended in order, reset or another cause else. At most once.
    virtual void on_end(Stream&, Error why) noexcept = 0;
    /// The connection is broken, and reading is paused: told once a pause. What the peer sent before can still be read.
    virtual void on_hang_up(Stream&, Error) noexcept {}
    /// The one send in flight is done: bytes taken (0 for a peer that does not read, SendMode::now), or why not.
    virtual void on_sent(Stream&, Result<size_t> bytes) noexcept = 0;
    /// After `begin_close`, when no operation is in flight any more: the stream may go (at the end of the tick).
    virtual void on_closed(Stream&) noexcept = 0;

  protected:
    ~StreamUser() = default;
};

enum class Close : uint8_t {
    orderly,  // what was sent is delivered, then FIN
    abort,    // RST: the peer must not take what it has for a whole answer
};

class Stream {
  public:
    virtual ~Stream() = default;

    virtual void start_reading() noexcept = 0;
    virtual void pause_reading() noexcept = 0;
    /// For a source whose reader may be slow: from here on a peer that floods is read one buffer at a time, so that
    /// what comes before back-pressure is felt is bounded by `burst_receives_max` buffers.
    virtual void watch_bursts() noexcept = 0;
    static constexpr uint16_t burst_receives_max = 3;
    /// What a multishot receive hands over in one go, before any pause can reach it: the kernel's MULTISHOT_MAX_RETRY
    /// (io_uring/net.c).
    static constexpr uint16_t receives_per_go_max = 32;
    /// One send at a time. The pieces and their bytes stay put until on_sent.
    virtual void send(std::span<const iovec> pieces, io::SendMode mode) noexcept = 0;
    [[nodiscard]] virtual bool send_in_flight() const noexcept = 0;
    /// FIN after what was sent; reading goes on.
    virtual void shutdown_sending() noexcept = 0;
    /// Ends everything; on_closed follows. Only the first call counts. No other callback comes after it but on_closed.
    virtual void begin_close(Close how) noexcept = 0;
    [[nodiscard]] virtual bool closing() const noexcept = 0;
    /// The peer is known to send no more, though not all may have been read that it sent: nothing more is to be asked.
    [[nodiscard]] virtual bool hung_up() const noexcept = 0;
};

}  // namespace loom::net

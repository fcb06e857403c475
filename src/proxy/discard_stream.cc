#include "discard_stream.h"

#include "loom/base/assert.h"

namespace loom::proxy {

/// Taken in the same tick, and not from inside the call: as the kernel does it.
void DiscardStream::send(std::span<const iovec> pieces, io::SendMode) noexcept {
    LOOM_ASSERT(!sending_bytes_ && !closing_);
    size_t bytes = 0;
    for (const iovec& piece : pieces) bytes += piece.iov_len;
    sending_bytes_ = bytes;
    shard_.schedule_bulk(*this);
}

void DiscardStream::begin_close(net::Close) noexcept {
    if (std::exchange(closing_, true)) return;
    shard_.schedule(*this);
}

void DiscardStream::on_turn(io::Runnable& work) noexcept {
    auto& stream = static_cast<DiscardStream&>(work);
    const std::optional<size_t> sent = std::exchange(stream.sending_bytes_, std::nullopt);
    if (stream.closing_) return stream.user_.on_closed(stream);
    if (sent) stream.user_.on_sent(stream, *sent);
}

}  // namespace loom::proxy

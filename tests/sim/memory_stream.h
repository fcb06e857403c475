// A connection whose peer is the test: it says how much of each send is taken, and when.
#pragma once

#include <string>
#include <vector>

#include "loom/net/stream.h"

namespace loom::sim {

class MemoryStream final : public net::Stream {
  public:
    void start_reading() noexcept override { reading = true; }
    void pause_reading() noexcept override { reading = false; }
    void watch_bursts() noexcept override {}
    void send(std::span<const iovec> pieces, io::SendMode mode) noexcept override {
        LOOM_ASSERT(!in_flight_ && !pieces.empty());
        in_flight_ = true;
        mode_ = mode;
        pieces_ = pieces;
        send_count += 1;
    }
    [[nodiscard]] bool send_in_flight() const noexcept override { return in_flight_; }
    void shutdown_sending() noexcept override { sending_ended = true; }
    void begin_close(net::Close) noexcept override { closing_ = true; }
    [[nodiscard]] bool closing() const noexcept override { return closing_; }
    [[nodiscard]] bool hung_up() const noexcept override { return false; }

    /// The peer takes up to `bytes_max` of the send in flight. The bytes are read from where they lie, as the kernel
    /// would. Whoever owns the stream is to be told of the count.
    [[nodiscard]] size_t take(size_t bytes_max = SIZE_MAX) {
        LOOM_ASSERT(in_flight_);
        in_flight_ = false;
        size_t taken = 0;
        for (const iovec& piece : pieces_) {
            const size_t part = std::min(piece.iov_len, bytes_max - taken);
            received.append(static_cast<const char*>(piece.iov_base), part);
            taken += part;
        }
        return taken;
    }
    [[nodiscard]] io::SendMode mode() const noexcept { return mode_; }
    [[nodiscard]] size_t piece_count() const noexcept { return pieces_.size(); }

    std::string received;
    uint64_t send_count = 0;
    bool reading = false;
    bool sending_ended = false;

  private:
    std::span<const iovec> pieces_;
    io::SendMode mode_ = io::SendMode::now;
    bool in_flight_ = false;
    bool closing_ = false;
};

}  // namespace loom::sim

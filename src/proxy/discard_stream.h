// A peer that takes everything at once and never says a word: where answers go that nobody waits for.
#pragma once

#include <optional>

#include "loom/net/stream.h"

namespace loom::proxy {

class DiscardStream final : public net::Stream, io::Runnable {
  public:
    DiscardStream(io::Shard& shard, net::StreamUser& user) noexcept
        : Runnable(&DiscardStream::on_turn), shard_(shard), user_(user) {}

    void start_reading() noexcept override {}
    void pause_reading() noexcept override {}
    void watch_bursts() noexcept override {}
    void send(std::span<const iovec> pieces, io::SendMode mode) noexcept override;
    [[nodiscard]] bool send_in_flight() const noexcept override { return sending_bytes_.has_value(); }
    void shutdown_sending() noexcept override {}
    void begin_close(net::Close how) noexcept override;
    [[nodiscard]] bool closing() const noexcept override { return closing_; }
    [[nodiscard]] bool hung_up() const noexcept override { return false; }

  private:
    static void on_turn(io::Runnable& work) noexcept;

    io::Shard& shard_;
    net::StreamUser& user_;
    std::optional<size_t> sending_bytes_;
    bool closing_ = false;
};

}  // namespace loom::proxy

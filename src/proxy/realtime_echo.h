// The embedded model in a realtime session: paced by the shard's timers, held back by a client that does not read.
#pragma once

#include <string>

#include "loom/io/shard.h"
#include "loom/llm/echo_realtime.h"
#include "websocket_session.h"

namespace loom::proxy {

class Realtime;

class RealtimeEcho final : MessageReader, public LocalUpstream {
  public:
    /// interval_ms  between two events; 0: as fast as the client takes them.
    RealtimeEcho(Realtime& realtime, io::Shard& shard, std::string_view model, std::string_view id,
                 uint64_t interval_ms);

    [[nodiscard]] MessageReader& listener() noexcept { return *this; }
    void begin() noexcept { shard_.schedule_bulk(burst_); }
    [[nodiscard]] uint32_t event_count() const noexcept { return event_count_; }

  private:
    struct Pace : io::Timer {
        explicit Pace(RealtimeEcho& e) : Timer(&RealtimeEcho::on_pace), echo(e) {}
        RealtimeEcho& echo;
    };
    struct Burst : io::Runnable {
        explicit Burst(RealtimeEcho& e) : Runnable(&RealtimeEcho::on_burst), echo(e) {}
        RealtimeEcho& echo;
    };
    static void on_pace(io::Timer& timer) noexcept;
    static void on_burst(io::Runnable& work) noexcept;
    void speak();

    Wish look_at_front(std::string_view) noexcept override { return Wish::whole; }
    void on_message(std::string_view message) override;
    void on_message_too_long() noexcept override;
    void on_client_progress() noexcept override;

    Realtime& realtime_;
    io::Shard& shard_;
    llm::EchoRealtime model_;
    std::string event_;
    uint64_t interval_ms_;
    uint32_t event_count_ = 0;
    Pace pace_{*this};
    Burst burst_{*this};
};

}  // namespace loom::proxy

#include "realtime_echo.h"

#include "realtime.h"

namespace loom::proxy {
namespace {

constexpr int events_per_burst = 16;  // unpaced: a quantum, so that one session does not hold the shard

}  // namespace

RealtimeEcho::RealtimeEcho(Realtime& realtime, io::Shard& shard, std::string_view model, std::string_view id,
                           uint64_t interval_ms)
    : realtime_(realtime), shard_(shard), model_(model, id), interval_ms_(interval_ms) {}

void RealtimeEcho::on_pace(io::Timer& timer) noexcept { static_cast<Pace&>(timer).echo.speak(); }
void RealtimeEcho::on_burst(io::Runnable& work) noexcept { static_cast<Burst&>(work).echo.speak(); }

void RealtimeEcho::speak() {
    WebSocketSession& session = realtime_.session();
    const int burst = interval_ms_ > 0 ? 1 : events_per_burst;
    for (int i = 0; i < burst; ++i) {
        if (!session.open() || session.crowded()) return;  // on_client_progress goes on
        if (!model_.next_event(event_)) return;            // on_message does
        event_count_ += 1;
        realtime_.count(event_);
        session.say(event_);
    }
    if (interval_ms_ > 0)
        shard_.timers().arm(pace_, interval_ms_);
    else
        shard_.schedule_next_tick(burst_);
}

void RealtimeEcho::on_message(std::string_view message) {
    model_.take(message);
    if (!pace_.armed()) shard_.schedule_bulk(burst_);
}

void RealtimeEcho::on_message_too_long() noexcept {
    model_.take({});  // it is told that this was no event
    if (!pace_.armed()) shard_.schedule_bulk(burst_);
}

void RealtimeEcho::on_client_progress() noexcept {
    if (!pace_.armed()) shard_.schedule_bulk(burst_);
}

}  // namespace loom::proxy

#pragma once
// Checks a mock's event stream: each sequence number once and in order, then [DONE].
#include <cstdint>
#include <string>
#include <string_view>

#include "wire.h"

namespace bench {

class SseCheck {
  public:
    /// Takes decoded body bytes, cut anywhere; `on_event(EventStamp)` for each event of the mock.
    template <class OnEvent>
    void feed(std::string_view bytes, OnEvent&& on_event) {
        for (size_t end = bytes.find('\n'); end != bytes.npos; end = bytes.find('\n')) {
            std::string_view line = bytes.substr(0, end);
            bytes.remove_prefix(end + 1);
            if (!partial_.empty()) line = partial_.append(line);
            const EventStamp stamp = on_line(line);
            if (stamp.found) on_event(stamp);
            partial_.clear();
        }
        partial_.append(bytes);
    }

    void reset();
    uint32_t gaps() const { return gaps_; }
    bool done() const { return done_; }
    bool empty() const { return next_ == 0; }
    /// One more than the last event's number.
    uint32_t events_count() const { return next_; }

  private:
    EventStamp on_line(std::string_view line);

    std::string partial_;
    uint32_t next_ = 0;
    uint32_t gaps_ = 0;
    bool done_ = false;
};

}  // namespace bench

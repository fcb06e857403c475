#pragma once
// What the mock is asked to do for one request, and the bytes it has ready for that.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

struct MockParams {
    uint32_t events = 200;
    uint32_t interval_us = 0;  // between two writes; 0: as fast as the socket takes them
    uint32_t per_write = 1;    // events in one write
    uint32_t bytes = 200;      // of one event
    uint32_t delay_us = 0;     // before the answer's head
    uint32_t slow_each = 0;    // one answer in so many has slow_us for its delay; 0: none
    uint32_t slow_us = 0;
    uint32_t chunk_each = 0;   // 1: each event is an HTTP chunk of its own, 0: one chunk a write
    uint32_t quantum = 64;     // unpaced: writes to one stream before the others have their turn
    bool operator==(const MockParams&) const = default;
};

/// Reads "events=200,interval_us=20000" over what `params` holds. False on an unknown name.
bool read_params(std::string_view text, MockParams& params);

/// One write's worth of events, framed as chunks; `stamps` are the places of the events in it.
struct Block {
    std::string bytes;
    std::vector<uint32_t> stamps;
};

struct Plan {
    MockParams params;
    Block full;
    Block rest;  // the last write, when events is no multiple of per_write
};

/// Plans are built once for each set of parameters and live as long as the process.
class PlanShelf {
  public:
    const Plan& find(const MockParams& params);

  private:
    std::vector<std::unique_ptr<Plan>> plans_;
};

std::string as_chunk(std::string_view bytes);

}  // namespace bench

#include "sse_check.h"

namespace bench {

void SseCheck::reset() {
    partial_.clear();
    next_ = 0;
    gaps_ = 0;
    done_ = false;
}

EventStamp SseCheck::on_line(std::string_view line) {
    if (!line.starts_with("data: ")) return {};
    if (line.starts_with("data: [DONE]")) done_ = true;
    const EventStamp stamp = read_stamp(line);
    if (!stamp.found) return stamp;
    if (stamp.sequence != next_ || done_) gaps_ += 1;
    next_ = stamp.sequence + 1;
    return stamp;
}

}  // namespace bench

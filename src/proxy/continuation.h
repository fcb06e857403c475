// What an exchange keeps of a stream that another provider may have to go on with.
#pragma once

#include "loom/llm/told_stream.h"
#include "loom/llm/translate.h"

namespace loom::proxy {

struct Continuation {
    explicit Continuation(size_t text_bytes_max) : told(text_bytes_max) {}

    llm::ToldStream told;
    std::unique_ptr<llm::Translation> follower;  // of a stream that passes as it came
    bool under_way = false;                      // it broke off: the rest is somebody else's
    uint32_t event_count = 0;                    // of those whose turn is over
    uint64_t seen_tokens = 0;                    // likewise
};

}  // namespace loom::proxy

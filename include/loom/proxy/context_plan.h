// What becomes of a prompt that does not fit its model's context.
#pragma once

#include <cstdint>
#include <vector>

namespace loom::proxy {

enum class OnOverflow : uint8_t {
    serve,   // it goes on: the provider says so, if it is so
    refuse,  // 400
    flag,    // it goes on, and its answer says so
    trim,    // it goes on without its oldest turns
};

struct ContextPlan {
    std::vector<OnOverflow> routes;  // by the route's index
    uint64_t answer_tokens = 1024;   // that are left for an answer whose request does not say how long it may be
};

}  // namespace loom::proxy

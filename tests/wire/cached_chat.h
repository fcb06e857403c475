// Chats whose answers are kept: as clients ask, and as providers answer.
#pragma once

#include <fmt/format.h>

#include "fixture.h"
#include "protocols.h"

namespace loom::wire {

inline std::string body_of(std::string_view prompt, std::string_view more = "") {
    return fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":"{}"}}]{}}})", prompt, more);
}

inline std::string whole_stream() {
    return sse_answer(
        delta_event("Hello") + delta_event(" world") +
        "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o\","
        "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" +
        usage_event + done_event);
}

/// As the request asks for it; without what no other form can say: a member of the vendor's own.
inline std::string plain_answer(const Message& request) {
    constexpr std::string_view own = R"(,"vendor":{"x":1})";
    std::string document(chat_answer);
    document.erase(document.find(own), own.size());
    return contains(request.body, "\"stream\":true") ? whole_stream() : answer(document);
}

}  // namespace loom::wire

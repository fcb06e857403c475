#include "wire.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {

static constexpr std::string_view words =
    "the gateway reads each request once and forwards it to the provider, which answers word by word; what the "
    "client sees is what the model wrote, in order, without delay and without loss. ";

static constexpr std::string_view event_head =
    "data: {\"id\":\"chatcmpl-mock00000000\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
    "\"model\":\"mock-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"";
static constexpr std::string_view stamp_blank = "s00000000 t0000000000000000 ";
static constexpr std::string_view event_tail = "\"}}]}\n\n";
static_assert(event_head.size() + stamp_blank.size() + event_tail.size() <= event_bytes_min);

/// `count` bytes of prose, starting anywhere in it.
static std::string prose(size_t count) {
    std::string text;
    text.reserve(count + words.size());
    while (text.size() < count) text += words;
    text.resize(count);
    return text;
}

std::string chat_reply(size_t prompt_bytes) {
    char text[1024];
    const std::string answer = prose(360);
    const int length = std::snprintf(
        text, sizeof text,
        "{\"id\":\"chatcmpl-mock00000000\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"mock-1\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\",\"refusal\":null},"
        "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":90,"
        "\"total_tokens\":%zu,\"prompt_tokens_details\":{\"cached_tokens\":0}},\"system_fingerprint\":\"fp_%08zx\"}",
        answer.c_str(), prompt_bytes / 4, prompt_bytes / 4 + 90, prompt_bytes);
    return std::string(text, size_t(length));
}

std::string chat_request(size_t total_bytes, bool stream, bool include_usage, std::string_view mock) {
    static constexpr size_t message_bytes = 1024;
    std::string tail = "\"}],\"model\":\"mock-1\"";
    if (stream) tail += ",\"stream\":true";
    if (include_usage) tail += ",\"stream_options\":{\"include_usage\":true}";
    if (!mock.empty()) tail.append(",\"user\":\"mock:").append(mock).append("\"");
    tail += '}';
    std::string body = "{\"messages\":[{\"role\":\"user\",\"content\":\"";
    static constexpr std::string_view next = "\\n\"},{\"role\":\"user\",\"content\":\"";
    while (body.size() + message_bytes + next.size() + tail.size() < total_bytes) {
        body += prose(message_bytes - next.size());
        body += next;
    }
    if (body.size() + tail.size() < total_bytes) body += prose(total_bytes - body.size() - tail.size());
    return body + tail;
}

std::string event_template(size_t total_bytes) {
    total_bytes = std::max(total_bytes, event_bytes_min);
    std::string event(event_head);
    event += stamp_blank;
    event += prose(total_bytes - event.size() - event_tail.size());
    event += event_tail;
    return event;
}

void stamp_event(char* event, uint32_t sequence, int64_t written_ns) {
    static constexpr char digits[] = "0123456789abcdef";
    char* s = event + event_head.size() + 1;
    for (int i = 7; i >= 0; --i, sequence /= 10) s[i] = digits[sequence % 10];
    char* t = s + 8 + 2;
    for (int i = 15; i >= 0; --i, written_ns >>= 4) t[i] = digits[written_ns & 15];
}

EventStamp read_stamp(std::string_view line) {
    static constexpr std::string_view mark = "\"content\":\"s";
    const size_t at = line.find(mark);
    EventStamp stamp;
    if (at == line.npos || line.size() < at + mark.size() + stamp_blank.size()) return stamp;
    const char* s = line.data() + at + mark.size();
    for (int i = 0; i < 8; ++i) stamp.sequence = stamp.sequence * 10 + uint32_t(s[i] - '0');
    const char* t = s + 8 + 2;
    uint64_t ns = 0;
    for (int i = 0; i < 16; ++i) ns = ns << 4 | uint64_t(t[i] <= '9' ? t[i] - '0' : t[i] - 'a' + 10);
    stamp.written_ns = int64_t(ns);
    stamp.found = true;
    return stamp;
}

std::string final_events(uint32_t event_count, bool include_usage) {
    static constexpr std::string_view head =
        "data: {\"id\":\"chatcmpl-mock00000000\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
        "\"model\":\"mock-1\",\"choices\":[";
    std::string text(head);
    text += "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    if (include_usage) {
        char usage[128];
        std::snprintf(usage, sizeof usage,
                      "],\"usage\":{\"prompt_tokens\":75,\"completion_tokens\":%u,\"total_tokens\":%u}}\n\n",
                      event_count, event_count + 75);
        text.append(head).append(usage);
    }
    return text + "data: [DONE]\n\n";
}

}  // namespace bench

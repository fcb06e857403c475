#include "protocols.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace loom::wire {
namespace {

constexpr std::string_view json_type = "Content-Type: application/json\r\n";

std::string post(std::string_view target, std::string_view key_line, std::string_view headers, std::string_view body) {
    return request("POST", target, fmt::format("{}{}{}", key_line, json_type, headers), body);
}

std::string ask_chat(std::string_view model, bool stream, std::string_view headers) {
    return post("/v1/chat/completions", auth_header(), headers,
                fmt::format(R"({{"model":"{}","stream":{},"messages":[{{"role":"user","content":"Say hello"}}]}})",
                            model, stream));
}

std::string ask_responses(std::string_view model, bool stream, std::string_view headers) {
    return post("/v1/responses", auth_header(), headers,
                fmt::format(R"({{"model":"{}","stream":{},"input":"Say hello"}})", model, stream));
}

std::string ask_messages(std::string_view model, bool stream, std::string_view headers) {
    return post(
        "/v1/messages", fmt::format("x-api-key: {}\r\nanthropic-version: 2023-06-01\r\n", client_key), headers,
        fmt::format(
            R"({{"model":"{}","max_tokens":64,"stream":{},"messages":[{{"role":"user","content":"Say hello"}}]}})",
            model, stream));
}

std::string ask_gemini(std::string_view model, bool stream, std::string_view headers) {
    const char* const method = stream ? "streamGenerateContent?alt=sse" : "generateContent";
    return post(fmt::format("/v1beta/models/{}:{}", model, method), fmt::format("x-goog-api-key: {}\r\n", client_key),
                headers, R"({"contents":[{"role":"user","parts":[{"text":"Say hello"}]}]})");
}

constexpr std::array clients = {
    ClientProtocol{"openai_chat", ask_chat, R"({"error":{"message":")", R"(data: {"error":{"message":")",
                   "data: [DONE]"},
    ClientProtocol{"openai_responses", ask_responses, R"({"error":{"message":")", R"("type":"error")",
                   R"("type":"response.completed")"},
    ClientProtocol{"anthropic", ask_messages, R"({"type":"error","error":{"type":")",
                   R"(data: {"type":"error","error":)", R"("type":"message_stop")"},
    ClientProtocol{"gemini", ask_gemini, R"({"error":{"code":)", R"(data: {"error":{"code":)",
                   R"("finishReason":"STOP")"},
};

std::string big_endian(uint32_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
            static_cast<char>(value)};
}

std::string little_endian(uint32_t value) {
    std::string bytes = big_endian(value);
    std::ranges::reverse(bytes);
    return bytes;
}

/// A header of type 7: a name, a string.
std::string frame_header(std::string_view name, std::string_view value) {
    std::string bytes(1, static_cast<char>(name.size()));
    bytes.append(name).append(1, '\x07');
    return bytes.append(big_endian(static_cast<uint32_t>(value.size())).substr(2)).append(value);
}

/// Source  smithy.io/2.0/aws/amazon-eventstream.html
std::string frame(std::string_view event, std::string_view payload) {
    const std::string headers = frame_header(":event-type", event) + frame_header(":content-type", "application/json") +
                                frame_header(":message-type", "event");
    const size_t bytes = 12 + headers.size() + payload.size() + 4;
    std::string text = big_endian(static_cast<uint32_t>(bytes)) + big_endian(static_cast<uint32_t>(headers.size()));
    text += big_endian(crc32(text));
    text.append(headers).append(payload);
    return text + big_endian(crc32(text));
}

std::string chat_error(int, std::string_view message) {
    return fmt::format(R"({{"error":{{"message":"{}","type":"server_error","param":null,"code":null}}}})", message);
}
std::string anthropic_error(int, std::string_view message) {
    return fmt::format(R"({{"type":"error","error":{{"type":"api_error","message":"{}"}}}})", message);
}
std::string gemini_error(int status, std::string_view message) {
    return fmt::format(R"({{"error":{{"code":{},"message":"{}","status":"INTERNAL"}}}})", status, message);
}
std::string bedrock_error(int, std::string_view message) { return fmt::format(R"({{"message":"{}"}})", message); }

const std::string chat_events =
    R"(data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hello"},"finish_reason":null}]}

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" world"},"finish_reason":"stop"}]}

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}}

data: [DONE]

)";

const std::string anthropic_events =
    R"(event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" world"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":12}}

event: message_stop
data: {"type":"message_stop"}

)";

const std::string gemini_events =
    R"(data: {"candidates":[{"content":{"parts":[{"text":"Hello"}],"role":"model"},"index":0}],"modelVersion":"m","responseId":"r1"}

data: {"candidates":[{"content":{"parts":[{"text":" world"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":12,"totalTokenCount":21},"modelVersion":"m","responseId":"r1"}

)";

std::string bedrock_frames() {
    return frame("messageStart", R"({"role":"assistant"})") +
           frame("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"Hello"}})") +
           frame("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":" world"}})") +
           frame("contentBlockStop", R"({"contentBlockIndex":0})") +
           frame("messageStop", R"({"stopReason":"end_turn"})") +
           frame("metadata", R"({"usage":{"inputTokens":9,"outputTokens":12,"totalTokens":21}})");
}

std::vector<ProviderProtocol> make_providers() {
    return {
        {"openai", "openai_chat",
         R"({"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello world"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}})",
         chat_events, "text/event-stream", chat_error},
        {"anthropic", "anthropic",
         R"({"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hello world"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":12}})",
         anthropic_events, "text/event-stream", anthropic_error},
        {"gemini", "gemini",
         R"({"candidates":[{"content":{"parts":[{"text":"Hello world"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":12,"totalTokenCount":21},"modelVersion":"m","responseId":"r1"})",
         gemini_events, "text/event-stream", gemini_error},
        {"bedrock", "",
         R"({"output":{"message":{"role":"assistant","content":[{"text":"Hello world"}]}},"stopReason":"end_turn","usage":{"inputTokens":9,"outputTokens":12,"totalTokens":21}})",
         bedrock_frames(), "application/vnd.amazon.eventstream", bedrock_error},
    };
}

}  // namespace

std::span<const ClientProtocol> client_protocols() { return clients; }

const ClientProtocol& client_protocol(std::string_view name) {
    return *std::ranges::find_if(clients, [name](const ClientProtocol& one) { return one.name == name; });
}

const std::vector<ProviderProtocol>& provider_protocols() {
    static const std::vector<ProviderProtocol> providers = make_providers();
    return providers;
}

const ProviderProtocol& provider_protocol(std::string_view type) {
    return *std::ranges::find_if(provider_protocols(),
                                 [type](const ProviderProtocol& one) { return one.type == type; });
}

std::string stream_answer(const ProviderProtocol& provider) {
    return fmt::format("HTTP/1.1 200 OK\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
                       provider.stream_type) +
           chunk(provider.stream) + std::string(last_chunk);
}

std::string without_times(std::string text) {
    for (const std::string_view name : {"\"created\":", "\"created_at\":", "\"completed_at\":"}) {
        for (size_t at = 0; (at = text.find(name, at)) != std::string::npos;) {
            at += name.size();
            text.erase(at, text.find_first_not_of("0123456789", at) - at);
        }
    }
    return text;
}

uint32_t crc32(std::string_view bytes) {
    uint32_t value = 0xFFFFFFFF;
    for (const char c : bytes) {
        value ^= static_cast<uint8_t>(c);
        for (int bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? (value >> 1) ^ 0xEDB88320 : value >> 1;
    }
    return ~value;
}

std::string gzipped(std::string_view bytes) {
    using namespace std::string_literals;
    constexpr size_t block_bytes_max = 65535;
    std::string text = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"s;
    std::string_view rest = bytes;
    do {
        const std::string_view block = rest.substr(0, block_bytes_max);
        rest.remove_prefix(block.size());
        const auto size = static_cast<uint32_t>(block.size());
        text += static_cast<char>(rest.empty());  // the last one; a stored block
        text.append(little_endian(size).substr(0, 2)).append(little_endian(~size).substr(0, 2)).append(block);
    } while (!rest.empty());
    return text + little_endian(crc32(bytes)) + little_endian(static_cast<uint32_t>(bytes.size()));
}

bool is_pair(const ProviderProtocol& provider, const ClientProtocol& client) {
    return std::string_view(provider.type) != "openai" || std::string_view(client.name) != "openai_responses";
}

ProviderProtocol saying(ProviderProtocol provider, std::string_view first, std::string_view second) {
    const std::string whole = std::string(first) + std::string(second);
    provider.answer = replaced(provider.answer, "Hello world", whole);
    provider.stream = replaced(provider.stream, "Hello world", whole);
    provider.stream = replaced(provider.stream, "\"Hello\"", fmt::format("\"{}\"", first));
    provider.stream = replaced(provider.stream, "\" world\"", fmt::format("\"{}\"", second));
    return provider;
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
    for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
        text.replace(at, what.size(), with);
    return text;
}

std::string chat_of(std::string_view content, bool stream) {
    return chat_request(
        fmt::format(R"({{"model":"big","stream":{},"messages":[{{"role":"user","content":"{}"}}]}})", stream, content));
}

void serve_every_protocol(Conf& conf) {
    conf.set("route.gemini.path", "/v1beta/*")
        .set("route.gemini.ai_gateway", "on")
        .set("route.gemini.auth.type", "api_key")
        .set("provider.mock.models", "big");
}

}  // namespace loom::wire

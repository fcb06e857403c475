#include "fixture.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

namespace loom::wire {
namespace {

using namespace std::string_literals;

constexpr std::string_view event_shape =
    R"({{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{{"index":0,"delta":{},"finish_reason":{}}}]}})";

std::string event_json(std::string_view delta, std::string_view finish = "null") {
    return fmt::format(event_shape, delta, finish);
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

std::vector<Golden> make_golden_streams() {
    const std::string plain = "data: " + event_json(R"({"role":"assistant","content":""})") + "\n\n" +
                              delta_event("Hello") + delta_event(" world") + "data: " + event_json("{}", "\"stop\"") +
                              "\n\n" + usage_event + done_event;
    const std::string json = event_json(R"({"content":"two lines"})");
    const size_t comma = json.find(',') + 1;
    return {
        {"plain", plain},
        {"crlf", replace_all(plain, "\n", "\r\n")},
        {"cr_alone", replace_all(plain, "\n", "\r")},
        {"no_space_after_colon", replace_all(plain, "data: ", "data:")},
        {"comments",
         ": OPENROUTER PROCESSING\n\n" + delta_event("a") + ": ping\n\n:\n\n" + delta_event("b") + done_event},
        {"multi_line_data",
         "data: " + json.substr(0, comma) + "\ndata: " + json.substr(comma) + "\n\n" + delta_event("x") + done_event},
        {"other_fields", "event: message\nid: 7\nretry: 3000\ndata: " + event_json(R"({"content":"x"})") +
                             "\n\nevent: vendor.note\ndata: {\"vendor\":[1,2,{\"deep\":null}]}\n\n" + done_event},
        {"utf8", delta_event("Grüße, 世界 👩\u200d👩\u200d👧") + delta_event("\\ud83d\\ude00 \\\"quoted\\\" \\\\ \\n") +
                     delta_event("\u2028\u2029") + done_event},
        {"tool_calls",
         "data: " +
             event_json(
                 R"({"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]})") +
             "\n\ndata: " + event_json(R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]})") +
             "\n\ndata: " + event_json(R"({"tool_calls":[{"index":0,"function":{"arguments":" 1}"}}]})") + "\n\n" +
             done_event},
        {"byte_order_mark", "\xEF\xBB\xBF" + plain},
        {"unknown_event_kinds", "data: {\"object\":\"vendor.thinking\",\"signature\":\"AbC+/=\"}\n\n" + plain},
    };
}

}  // namespace

const std::string chat_body =
    R"({"model":"gpt-4o", "messages":[{"role":"user","content":"Say hello"}],  "temperature":0.70, "x_vendor":{"keep":[1.0,1e2]}})";
const std::string stream_body =
    R"({"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Say hello"}]})";
const std::string stream_body_no_usage =
    R"({"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Say hello"}]})";
const std::string chat_answer =
    R"({"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-2024-11-20","choices":[{"index":0,)"
    R"("message":{"role":"assistant","content":"Grüße 👋 \ud83d\ude00"},"logprobs":null,"finish_reason":"stop"}],)"
    R"("usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21},"system_fingerprint":"fp_1","vendor":{"x":1}})";
const std::string sse_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const std::string usage_event =
    "data: "
    R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[],)"
    R"("usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}})"
    "\n\n";
const std::string done_event = "data: [DONE]\n\n";

Conf::Conf() {
    set("listener.http.address", "127.0.0.1:@MAIN@");
    set("admin.listen", "127.0.0.1:@ADMIN@");
    set("loop.shards", "1");
    set("loop.pin", "off");
    set("route.ai.path", "/v1/*");
    set("route.ai.ai_gateway", "on");
    set("route.ai.auth.type", "api_key");
    set("consumer.tester.api_key", std::string(client_key));
    set("provider.mock.type", "openai");
    set("provider.mock.api_key", std::string(provider_key));
    set("provider.mock.models", "gpt-4o, gpt-4o-mini, text-embedding-3-small");
    set("log.access.path", "@DIR@/access.log");
    set("health.path", "/healthz");
}

Conf& Conf::set(const std::string& key, const std::string& value) {
    if (value.empty()) lines_.erase(key);
    if (!value.empty()) lines_[key] = value;
    return *this;
}

Conf& Conf::use_upstream(uint16_t port) {
    // OpenAI's base URLs carry the version, others' paths do.
    const bool is_openai = lines_["provider.mock.type"] == "openai";
    return set("provider.mock.base_url", fmt::format("http://127.0.0.1:{}{}", port, is_openai ? "/v1" : ""));
}

Conf& Conf::use_echo() {
    std::erase_if(lines_, [](const auto& line) { return line.first.starts_with("provider."); });
    return set("provider.mock.type", "echo").set("provider.mock.models", "echo, echo-embedding");
}

std::string Conf::text() const {
    std::string text;
    for (const auto& [key, value] : lines_) text += key + " = " + value + "\n";
    return text;
}

std::string auth_header() { return fmt::format("Authorization: Bearer {}\r\n", client_key); }

std::string request(std::string_view method, std::string_view target, std::string_view headers, std::string_view body) {
    std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: loom.test\r\n{}", method, target, headers);
    if (!body.empty()) text += fmt::format("Content-Length: {}\r\n", body.size());
    return text + "\r\n" + std::string(body);
}

std::string chat_request(std::string_view body, std::string_view headers) {
    return request("POST", "/v1/chat/completions",
                   auth_header() + "Content-Type: application/json\r\n" + std::string(headers), body);
}

std::string get(std::string_view target, std::string_view headers) {
    return request("GET", target, auth_header() + std::string(headers));
}

std::string answer(std::string_view body, std::string_view status, std::string_view headers) {
    return fmt::format("HTTP/1.1 {}\r\nContent-Type: application/json\r\n{}Content-Length: {}\r\n\r\n{}", status,
                       headers, body.size(), body);
}

std::string chunk(std::string_view bytes) { return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes); }

std::string sse_answer(std::string_view events, bool chunk_per_event) {
    std::string text = sse_head;
    while (!events.empty()) {
        size_t end = chunk_per_event ? events.find("\n\n") : std::string_view::npos;
        end = end == std::string_view::npos ? events.size() : end + 2;
        text += chunk(events.substr(0, end));
        events.remove_prefix(end);
    }
    return text + std::string(last_chunk);
}

std::string delta_event(std::string_view content) {
    return "data: " + event_json(fmt::format(R"({{"content":"{}"}})", content)) + "\n\n";
}

const std::vector<Golden>& golden_streams() {
    static const std::vector<Golden> streams = make_golden_streams();
    return streams;
}

std::string json_text(std::string_view document, std::string_view name) {
    const size_t key = document.find(fmt::format("\"{}\"", name));
    if (key == std::string_view::npos) return "";
    const size_t start = document.find('"', document.find(':', key)) + 1;
    const size_t after = document.find_first_not_of(": \t\r\n", key + name.size() + 2);
    if (start == 0 || after + 1 != start) return "";  // null, a number, an object
    size_t end = start;
    while (end < document.size() && document[end] != '"') end += document[end] == '\\' ? 2 : 1;
    return std::string(document.substr(start, end - start));
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string edited_run(std::string_view original, std::string_view whole) {
    const size_t shorter = std::min(original.size(), whole.size());
    size_t front = 0;
    while (front < shorter && original[front] == whole[front]) ++front;
    size_t back = 0;
    while (back < shorter - front && original[original.size() - 1 - back] == whole[whole.size() - 1 - back]) ++back;
    return std::string(whole.substr(front, whole.size() - front - back));
}

void expect_error(const Message& response, int status, std::string_view code) {
    EXPECT_EQ(response.status(), status) << response.body;
    EXPECT_TRUE(contains(response.head.value("Content-Type"), "application/json")) << response.head.raw;
    EXPECT_TRUE(contains(response.body, "\"error\"")) << response.body;
    EXPECT_NE(json_text(response.body, "message"), "") << response.body;
    EXPECT_NE(json_text(response.body, "type"), "") << response.body;
    if (!code.empty()) {
        EXPECT_EQ(json_text(response.body, "code"), code) << response.body;
    }
}

void WireTest::start(ScriptedUpstream::Script script) {
    if (!upstream_) upstream_ = std::make_unique<ScriptedUpstream>(std::move(script));
    conf.use_upstream(upstream_->port());
    loom_ = std::make_unique<LoomProcess>(conf.text());
}

void WireTest::start_without_upstream() { loom_ = std::make_unique<LoomProcess>(conf.text()); }

void WireTest::TearDown() {
    try {
        if (loom_) loom_->stop_cleanly();
    } catch (const WireError& error) {
        ADD_FAILURE() << error.what();
    }
    if (HasFailure() && loom_) std::cerr << "--- Loom's log:\n" << loom_->log().substr(0, 4000) << "\n";
    if (!upstream_ || are_script_failures_allowed_) return;
    for (const std::string& failure : upstream_->failures()) ADD_FAILURE() << "the upstream's script: " << failure;
}

}  // namespace loom::wire

#include "relay_harness.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <charconv>

namespace loom::proxy::test {

RelayRun::~RelayRun() {
    if (client.send_in_flight()) (void)client.take(0);
    sender.abandon();
}

void RelayRun::serve() {
    while (client.send_in_flight() && client_takes_ > 0) {
        (void)sender.on_sent(Result<size_t>(client.take(client_takes_)));
        relay.on_client_progress();
    }
}

void RelayRun::read(std::string_view bytes) {
    waiting_ += bytes;
    pump();
}

void RelayRun::pump() {
    while (!waiting_.empty() && !(honours_pause && paused)) {
        const std::string_view part = std::string_view(waiting_).substr(0, bench_.sim.ring().room());
        consumed += relay.on_source_bytes(bench_.sim.ring().lease(part));
        waiting_.erase(0, part.size());
        bench_.sim.tick();
        serve();
        EXPECT_LE(bench_.sim.shard().buffers().leased_count(), client.send_in_flight() ? 64u : 0u);
    }
    if (!waiting_.empty() || !source_ended_) return;
    source_ended_ = false;
    relay.on_source_end(source_end_);
    bench_.sim.tick();
    serve();
}

void RelayRun::source_ends(Errc how) {
    source_ended_ = true;
    source_end_ = Error{.code = how, .side = Side::upstream, .what = "the source ended"};
    pump();
}

void RelayRun::run_ms(uint64_t ms) {
    for (uint64_t i = 0; i < ms; ++i) {
        bench_.sim.run_ms(1);
        serve();
        pump();
    }
}

std::string RelayRun::payload(bool* whole) const {
    bool ignored = false;
    bool& is_whole = whole != nullptr ? *whole : ignored;
    if (framing == ClientFraming::chunked) return dechunk(client.received, is_whole);
    is_whole = relay.end() == Relay::End::whole;
    return client.received;
}

std::string dechunk(std::string_view raw, bool& whole) {
    std::string payload;
    whole = false;
    while (!raw.empty()) {
        size_t size = 0;
        const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), size, 16);
        raw.remove_prefix(static_cast<size_t>(end - raw.data()));
        const size_t line_end = raw.find("\r\n");  // extensions of the source may stand before it
        if (error != std::errc() || line_end == raw.npos || raw.size() < line_end + size + 4 ||
            raw.substr(line_end + 2 + size, 2) != "\r\n") {
            ADD_FAILURE() << "broken chunk framing before: " << raw.substr(0, 80);
            return payload;
        }
        payload += raw.substr(line_end + 2, size);
        raw.remove_prefix(line_end + size + 4);
        if (size > 0) continue;
        whole = true;
        EXPECT_EQ(raw, "") << "bytes behind the last chunk";
        return payload;
    }
    return payload;
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

std::string chunk(std::string_view bytes) { return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes); }

std::string chunk_per_event(std::string_view events) {
    std::string text;
    while (!events.empty()) {
        const size_t end = std::min(events.find("\n\n"), events.size() - 2) + 2;
        text += chunk(events.substr(0, end));
        events.remove_prefix(end);
    }
    return text + "0\r\n\r\n";
}

namespace {

std::string event_json(std::string_view delta, std::string_view finish = "null") {
    return fmt::format(
        R"({{"id":"c1","object":"chat.completion.chunk","model":"m","choices":[{{"index":0,"delta":{},"finish_reason":{}}}]}})",
        delta, finish);
}

std::string odd_chunks(std::string_view payload) {
    std::string text;
    size_t size = 1;
    for (; !payload.empty(); size = size * 5 % 61 + 1) {
        const std::string_view part = payload.substr(0, size);
        text += fmt::format("{:X};n=\"v\"\r\n{}\r\n", part.size(), part);
        payload.remove_prefix(part.size());
    }
    return text + "000\r\nX-Trailer: 1\r\n\r\n";
}

}  // namespace

std::string delta_event(std::string_view content) {
    return "data: " + event_json(fmt::format(R"({{"content":"{}"}})", content)) + "\n\n";
}

const std::string usage_event =
    "data: "
    R"({"id":"c1","object":"chat.completion.chunk","model":"m","choices":[],)"
    R"("usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}})"
    "\n\n";
const std::string done_event = "data: [DONE]\n\n";

const std::vector<Golden>& golden_streams() {
    static const std::vector<Golden> streams = [] {
        const std::string plain = "data: " + event_json(R"({"role":"assistant","content":""})") + "\n\n" +
                                  delta_event("Hello") + delta_event(" wörld") +
                                  "data: " + event_json("{}", "\"stop\"") + "\n\n" + usage_event + done_event;
        const std::string json = event_json(R"({"content":"two lines"})");
        const size_t comma = json.find(',') + 1;
        return std::vector<Golden>{
            {"plain", plain},
            {"crlf", replace_all(plain, "\n", "\r\n")},
            {"cr_alone", replace_all(plain, "\n", "\r")},
            {"no_space_after_colon", replace_all(plain, "data: ", "data:")},
            {"comments", ": PROCESSING\n\n" + delta_event("a") + ": ping\n\n:\n\n" + delta_event("b") + done_event},
            {"multi_line_data", "data: " + json.substr(0, comma) + "\ndata: " + json.substr(comma) + "\n\n" +
                                    delta_event("x") + done_event},
            {"other_fields", "event: message\nid: 7\nretry: 3000\ndata: " + event_json(R"({"content":"x"})") +
                                 "\n\nevent: vendor.note\ndata: {\"vendor\":[1,{\"deep\":null}]}\n\n" + done_event},
            {"byte_order_mark", "\xEF\xBB\xBF" + plain},
            {"not_json", "data: <html>\n\ndata\n\n\n\nid\n\n" + done_event},
            {"no_blank_line_at_the_end", delta_event("x") + "data: [DONE]\n"},
        };
    }();
    return streams;
}

const std::vector<Framing>& source_framings() {
    static const std::vector<Framing> framings{
        {"chunk_per_event", http::BodyFraming::chunked, chunk_per_event},
        {"one_chunk", http::BodyFraming::chunked,
         [](std::string_view payload) { return chunk(payload) + "0\r\n\r\n"; }},
        {"odd_chunks", http::BodyFraming::chunked, odd_chunks},
        {"length", http::BodyFraming::length, [](std::string_view payload) { return std::string(payload); }},
        {"until_close", http::BodyFraming::until_close, [](std::string_view payload) { return std::string(payload); }},
    };
    return framings;
}

RelayOptions stream_options(const Framing& framing, std::string_view payload, ClientFraming client) {
    return {.source_framing = framing.kind,
            .source_length = framing.kind == http::BodyFraming::length ? payload.size() : 0,
            .client_framing = client,
            .event_stream = true};
}

}  // namespace loom::proxy::test

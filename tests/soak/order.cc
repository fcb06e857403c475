#include "order.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "../wire/fixture.h"

namespace loom::soak {
namespace {

using wire::UpstreamConnection;

// An upstream's connection may idle for as long as Loom keeps it (upstream.pool.idle_timeout).
wire::Deadline next_request_deadline() { return wire::Deadline::in(std::chrono::minutes(5)); }

std::string event_of(const Order& order, uint32_t index) {
    std::string content = fmt::format("{}-{}-", order.id, index);
    content.resize(std::max<size_t>(content.size(), order.event_bytes), 'x');
    return wire::delta_event(content);
}

/// False when Loom has gone.
bool send_events(UpstreamConnection& connection, const Order& order) {
    if (!connection.send(wire::sse_head)) return false;
    for (uint32_t index = 0; index < order.event_count; ++index) {
        if (!connection.send(wire::chunk(event_of(order, index)))) return false;
        if (order.pace_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(order.pace_us));
    }
    return true;
}

/// Leaves the connection to Loom, which has to end it.
void await_end(UpstreamConnection& connection) { (void)connection.wait_closed(next_request_deadline()); }

bool stream(UpstreamConnection& connection, const Order& order) {
    if (!send_events(connection, order)) return false;
    const std::string next = event_of(order, order.event_count);
    switch (order.deed) {
        case Deed::stall: await_end(connection); return false;
        case Deed::break_event: (void)connection.send(wire::chunk(next.substr(0, next.size() / 2))); return false;
        case Deed::reset_event:
            // A reset throws away what is still on its way: first Loom has to have it.
            (void)connection.send(wire::chunk(next.substr(0, next.size() / 2)));
            (void)connection.wait_until_loom_has_read();
            connection.reset();
            return false;
        default:
            return connection.send(wire::chunk(wire::usage_event) + wire::chunk(wire::done_event) +
                                   std::string(wire::last_chunk));
    }
}

}  // namespace

bool obey(UpstreamConnection& connection, const Order& order) {
    switch (order.deed) {
        case Deed::refuse: return false;
        case Deed::garbage: (void)connection.send("\x16\x03\x01 no HTTP at all\r\n\r\n"); return false;
        case Deed::hang: await_end(connection); return false;
        case Deed::fail: return connection.send(wire::answer(answer_body(order), "500 Internal Server Error"));
        default: break;
    }
    if (order.event_count > 0) return stream(connection, order);
    return connection.send(wire::answer(answer_body(order)));
}

std::string Order::spell() const {
    return fmt::format("{}.{}.{}.{}.{}", deed_names[static_cast<size_t>(deed)], id, event_count, event_bytes, pace_us);
}

Order Order::read(std::string_view text) {
    const std::string name(text.substr(0, text.find('.')));
    const auto found = std::find(deed_names.begin(), deed_names.end(), name);
    Order order;
    unsigned long long id = 0;
    unsigned count = 0, bytes = 0, pace = 0;
    const std::string numbers(text.substr(std::min(text.size(), name.size())));
    if (found == deed_names.end() || std::sscanf(numbers.c_str(), ".%llu.%u.%u.%u", &id, &count, &bytes, &pace) != 4)
        throw wire::WireError("no order: " + std::string(text));
    order.deed = static_cast<Deed>(found - deed_names.begin());
    order.id = id;
    order.event_count = count;
    order.event_bytes = bytes;
    order.pace_us = pace;
    return order;
}

std::string events_of(const Order& order) {
    std::string events;
    for (uint32_t index = 0; index < order.event_count; ++index) events += event_of(order, index);
    return events;
}

std::string answer_body(const Order& order) {
    std::string filler(order.event_bytes, 'a');
    return fmt::format(R"({{"id":"{}","object":"chat.completion","filler":"{}"}})", order.id, filler);
}

std::string chat_body_of(const Order& order, std::string_view model, bool wants_usage, size_t padding_bytes) {
    const std::string_view usage = wants_usage ? R"("stream_options":{"include_usage":true},)" : "";
    const std::string_view streams = order.event_count > 0 ? R"("stream":true,)" : "";
    return fmt::format(R"({{"user":"{}","model":"{}",{}{}"messages":[{{"role":"user","content":"{}"}}]}})",
                       order.spell(), model, streams, usage, std::string(padding_bytes, 'p'));
}

wire::ScriptedUpstream::Script ai_script() {
    return [](UpstreamConnection& connection) {
        for (;;) {
            const auto request = connection.reader().read_request(next_request_deadline());
            if (!request || !request->is_whole()) return;
            if (!obey(connection, Order::read(wire::json_text(request->body, "user")))) return;
        }
    };
}

wire::ScriptedUpstream::Script web_script() {
    return [](UpstreamConnection& connection) {
        for (;;) {
            const auto request = connection.reader().read_request(next_request_deadline());
            if (!request || !request->is_whole()) return;
            const std::string target = request->target();
            const Order order = Order::read(std::string_view(target).substr(target.rfind('/') + 1));
            if (order.deed == Deed::answer && request->method() == "POST") {
                if (!connection.send(wire::answer(std::to_string(request->body.size())))) return;
                continue;
            }
            if (order.deed == Deed::cut) {
                const std::string whole = wire::answer(answer_body(order));
                (void)connection.send(std::string_view(whole).substr(0, whole.size() - 1));
                return;
            }
            if (!obey(connection, order)) return;
        }
    };
}

}  // namespace loom::soak

#include "traffic.h"

#include <fmt/format.h>

#include <array>
#include <thread>

namespace loom::soak {

using wire::contains;
using wire::Message;

enum class Client::Kind : uint8_t {
    chat,          // not streamed
    stream,        // streamed, read as it comes
    large_body,    // a long prompt
    slow_reader,   // a large stream to a client that stops reading for a while
    plain_get,     // past the AI gateway
    plain_upload,  // a streamed body past it
    flapping,      // a stream from the upstream that comes and goes
    fault,         // a deed of the upstream that makes an error
    plain_cut,     // a plain answer that ends before its length
    leave_stream,  // the client goes in the middle of the answer
    leave_body,    // and in the middle of its own body
    bad_json,
    bad_key,
    bad_model,
};

namespace {

struct Share {
    const char* name;
    unsigned weight;
};
// In the order of Client::Kind.
constexpr std::array<Share, 14> shares = {{{"chat", 26},
                                           {"stream", 26},
                                           {"large_body", 4},
                                           {"slow_reader", 2},
                                           {"plain_get", 8},
                                           {"plain_upload", 4},
                                           {"flapping", 10},
                                           {"fault", 6},
                                           {"plain_cut", 1},
                                           {"leave_stream", 5},
                                           {"leave_body", 2},
                                           {"bad_json", 2},
                                           {"bad_key", 2},
                                           {"bad_model", 2}}};
constexpr std::array<Deed, 7> fault_deeds = {Deed::fail,        Deed::refuse, Deed::garbage, Deed::break_event,
                                             Deed::reset_event, Deed::stall,  Deed::hang};
constexpr std::string_view json_type = "Content-Type: application/json\r\n";

size_t draw_kind(uint64_t number) {
    unsigned sum = 0;
    for (const Share& share : shares) sum += share.weight;
    auto left = static_cast<unsigned>(number % sum);
    size_t kind = 0;
    while (left >= shares[kind].weight) left -= shares[kind++].weight;
    return kind;
}

std::string shown(const Message& answer) {
    return fmt::format("{} (end {}, {} bytes of body) …{}", answer.head.start_line, static_cast<int>(answer.end),
                       answer.body.size(),
                       answer.body.substr(answer.body.size() - std::min<size_t>(answer.body.size(), 300)));
}

/// What Loom answers, by the table of proxy/reply.cc, where the upstream gave no answer.
int status_of(Deed deed) {
    switch (deed) {
        case Deed::fail: return 500;
        case Deed::refuse:
        case Deed::garbage: return 502;
        case Deed::hang: return 504;
        default: return 200;
    }
}

}  // namespace

struct Client::Ask {
    Kind kind;
    Order order;
    std::string_view model = steady_model;
    bool wants_usage = false;
    bool is_tls = false;
    size_t body_bytes = 0;  // of padding, or of an upload

    [[nodiscard]] bool is_plain_route() const {
        return kind == Kind::plain_get || kind == Kind::plain_upload || kind == Kind::plain_cut ||
               kind == Kind::leave_body;
    }
    [[nodiscard]] bool leaves() const { return kind == Kind::leave_stream || kind == Kind::leave_body; }
    [[nodiscard]] std::string name() const {
        return fmt::format("{} {}{}", shares[static_cast<size_t>(kind)].name, order.spell(), is_tls ? " over TLS" : "");
    }
};

Client::Client(Site& site, Ledger& ledger, uint64_t seed, uint32_t index, uint32_t think_us_max)
    : site_(site),
      ledger_(ledger),
      random_(seed * 1'000'003 + index),
      tls_context_(site.client_context()),
      next_id_(uint64_t{index} << 40),
      think_us_max_(think_us_max) {}

void Client::run(const std::atomic<bool>& is_over) {
    while (!is_over) {
        const Ask ask = choose();
        const char* const kind = shares[static_cast<size_t>(ask.kind)].name;
        try {
            const Outcome outcome = perform(ask);
            ledger_.book(kind, outcome);
            if (!outcome.complaint.empty()) link_.reset();
        } catch (const std::exception& error) {
            ledger_.book(kind, {.is_error = true, .complaint = ask.name() + ": " + error.what()});
            link_.reset();
        }
        std::this_thread::sleep_for(std::chrono::microseconds(below(think_us_max_ + 1)));  // a client's pace
    }
}

Order Client::draw_order(Deed deed, bool is_stream) {
    Order order{.deed = deed, .id = next_id_++};
    order.event_bytes = static_cast<uint32_t>(below(8) == 0 ? below(8192) : below(64));
    if (!is_stream) return order;
    order.event_count = static_cast<uint32_t>(1 + below(40));
    order.pace_us = static_cast<uint32_t>(below(2) * below(3000));
    return order;
}

Client::Ask Client::choose() {
    Ask ask{.kind = static_cast<Kind>(draw_kind(random_()))};
    ask.is_tls = below(4) == 0;
    ask.wants_usage = below(2) == 0;
    const bool is_stream = ask.kind == Kind::stream || ask.kind == Kind::flapping || ask.kind == Kind::leave_stream;
    ask.order = draw_order(Deed::answer, is_stream);
    switch (ask.kind) {
        case Kind::large_body: ask.body_bytes = 64 * 1024 + below(1024 * 1024); break;
        case Kind::plain_upload: ask.body_bytes = 1 + below(2 * 1024 * 1024); break;
        case Kind::plain_get: ask.order.event_bytes = static_cast<uint32_t>(below(512 * 1024)); break;
        case Kind::leave_body:
            ask.body_bytes = 2 + below(256 * 1024);
            ask.is_tls = false;  // whether Loom has read the head cannot be told from outside a session
            break;
        case Kind::flapping: ask.model = flapping_model; break;
        case Kind::plain_cut:
            ask.order.deed = Deed::cut;
            ask.order.event_bytes += 1000;
            break;
        case Kind::slow_reader:
            ask.order.event_count = 200;
            ask.order.event_bytes = 8192;
            ask.is_tls = false;
            break;
        case Kind::leave_stream:
            ask.order.event_count += 2;
            ask.order.pace_us = 1000;
            break;
        case Kind::fault: {
            const Deed deed = fault_deeds[below(fault_deeds.size())];
            const bool breaks = deed == Deed::break_event || deed == Deed::reset_event || deed == Deed::stall;
            ask.order = draw_order(deed, breaks);
            if (deed == Deed::stall || deed == Deed::hang) ask.model = hasty_model;
            break;
        }
        default: break;
    }
    return ask;
}

std::string Client::bytes_of(const Ask& ask) {
    const std::string target = "/web/" + ask.order.spell();
    if (ask.kind == Kind::plain_get || ask.kind == Kind::plain_cut) return wire::request("GET", target);
    if (ask.is_plain_route()) return wire::request("POST", target, "", std::string(ask.body_bytes, 'u'));
    if (ask.kind == Kind::bad_json) return wire::chat_request("{\"model\": broken");
    const std::string_view model = ask.kind == Kind::bad_model ? "no-such-model" : ask.model;
    const std::string body = chat_body_of(ask.order, model, ask.wants_usage, ask.body_bytes);
    if (ask.kind != Kind::bad_key) return wire::chat_request(body);
    return wire::request("POST", "/v1/chat/completions",
                         "Authorization: Bearer sk-nobody-0000\r\n" + std::string(json_type), body);
}

/// Most clients keep their connection; one in six makes a new one, and so does who asks for another kind of it.
Link& Client::link(const Ask& ask) {
    const bool is_slow = ask.kind == Kind::slow_reader;
    if (link_ && (is_slow || link_is_tls_ != ask.is_tls || below(6) == 0)) link_.reset();
    if (!link_ && ask.is_tls) link_.emplace(site_.tls_port(), *tls_context_);
    if (!link_) link_.emplace(site_.port(), is_slow ? 4096 : 0);
    link_is_tls_ = ask.is_tls;
    return *link_;
}

Outcome Client::perform(const Ask& ask) {
    const std::string bytes = bytes_of(ask);
    Link& link = this->link(ask);
    const Clock::time_point begun = Clock::now();
    if (ask.leaves()) return leave(ask, link, bytes);
    link.send(bytes);
    if (ask.kind == Kind::slow_reader) std::this_thread::sleep_for(std::chrono::milliseconds(100 + below(200)));
    link.reader().start_response();
    const Message answer = link.reader().read_rest();
    const Outcome outcome = judge(ask, answer, begun);
    const bool closes = wire::same_name(answer.head.value("Connection"), "close");
    if (closes || !answer.is_whole() || ask.kind == Kind::slow_reader) link_.reset();
    return outcome;
}

/// Leaves once Loom has begun with the request: it settles, as 499 or as what it had become.
Outcome Client::leave(const Ask& ask, Link& link, std::string_view bytes) {
    if (ask.kind == Kind::leave_body) {
        link.send(bytes.substr(0, bytes.size() - 1 - below(ask.body_bytes - 1)));
        link.plain()->wait_until_loom_has_read();
    } else {
        link.send(bytes);
        link.reader().start_response();
        link.reader().read_body_until(fmt::format("{}-{}-", ask.order.id, ask.order.event_count / 2));
    }
    if (below(2) == 0) link.reset();
    link_.reset();
    return {};
}

Outcome Client::judge(const Ask& ask, const Message& answer, Clock::time_point begun) const {
    Outcome outcome{.status = answer.status()};
    const auto expect_status = [&](int status) {
        outcome.is_error = status >= 400;
        if (answer.status() != status || !answer.is_whole())
            outcome.complaint = fmt::format("{} instead of {}: {}", ask.name(), status, shown(answer));
    };
    const auto expect_body = [&](const std::string& body) {
        expect_status(200);
        if (outcome.complaint.empty() && answer.body != body)
            outcome.complaint = ask.name() + " with another body: " + shown(answer);
    };
    switch (ask.kind) {
        case Kind::bad_json: expect_status(400); return outcome;
        case Kind::bad_key: expect_status(401); return outcome;
        case Kind::bad_model: expect_status(404); return outcome;
        case Kind::plain_upload: expect_body(std::to_string(ask.body_bytes)); return outcome;
        case Kind::plain_cut:
            outcome.is_error = true;
            if (answer.status() == 502)  // cut in the turn of its head: nothing of it had left
                expect_status(502);
            else if (answer.status() != 200 || answer.end != wire::End::cut_by_fin)
                outcome.complaint = ask.name() + " that ended otherwise: " + shown(answer);
            return outcome;
        default: break;
    }
    const bool was_away = ask.kind == Kind::flapping && site_.flaps().since(begun);
    if (was_away && answer.status() == 502) {
        expect_status(502);
        return outcome;
    }
    if (ask.order.event_count == 0) {
        if (status_of(ask.order.deed) != 200)
            expect_status(status_of(ask.order.deed));
        else
            expect_body(answer_body(ask.order));
        return outcome;
    }
    if (ask.order.deed == Deed::stall && answer.status() == 504) {  // a busy machine: its head was late already
        expect_status(504);
        return outcome;
    }
    expect_status(200);
    if (outcome.complaint.empty()) outcome.complaint = judge_stream(ask, answer, was_away);
    outcome.is_error = !answer.body.ends_with(wire::done_event);
    return outcome;
}

/// Every event, in order, once; then usage for who asked for it, and [DONE]. Where it broke, whole events and then one
/// that says so.
std::string Client::judge_stream(const Ask& ask, const Message& answer, bool may_break) const {
    const std::string events = events_of(ask.order);
    const std::string whole = events + (ask.wants_usage ? wire::usage_event : "") + wire::done_event;
    const bool must_break = ask.order.deed != Deed::answer;
    if (!must_break && answer.body == whole) return "";
    const std::string told = ask.order.deed == Deed::stall ? "upstream_timeout" : "upstream_stream_broken";
    const size_t error_at = answer.body.find("data: {\"error\"");
    const std::string_view passed = std::string_view(answer.body).substr(0, error_at);
    const bool says_so = error_at != std::string::npos && contains(answer.body, told);
    // A stall may come early on a busy machine: the upstream's pace is then what timed out.
    const bool is_all = ask.order.deed == Deed::stall || may_break ? whole.starts_with(passed) : passed == events;
    const bool at_border = passed.empty() || passed.ends_with("\n\n");
    if ((must_break || may_break) && says_so && is_all && at_border) return "";
    return ask.name() + " as another stream: " + shown(answer);
}

}  // namespace loom::soak

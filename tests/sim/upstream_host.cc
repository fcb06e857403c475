#include "upstream_host.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace loom::sim {
namespace {

constexpr uint64_t ns_per_ms = 1'000'000;

/// Loom may put its wish for usage into a stream's body, in one place; nothing else.
bool is_same_or_has_one_insert(std::string_view got, std::string_view sent) noexcept {
    if (got.size() < sent.size()) return false;
    const auto front = static_cast<size_t>(std::mismatch(sent.begin(), sent.end(), got.begin()).first - sent.begin());
    if (front == sent.size()) return got.size() == sent.size();
    const std::string_view insert = R"("stream_options":{"include_usage":true},)";
    // The insert may begin like what follows it.
    for (size_t at = 0; at <= front; ++at)
        if (got.substr(at, insert.size()) == insert && got.substr(at + insert.size()) == sent.substr(at)) return true;
    return false;
}

}  // namespace

void UpstreamHost::on_connection(FarEnd end) {
    auto connection = std::make_unique<Connection>();
    connection->end = std::move(end);
    connection->reader.start(MessageReader::Kind::request);
    connections_.push_back(std::move(connection));
}

uint64_t UpstreamHost::step(uint64_t now_ns) {
    uint64_t next_ns = never_ns;
    for (size_t i = 0; i < connections_.size();) {
        next_ns = std::min(next_ns, step_one(*connections_[i], now_ns));
        if (connections_[i]->end) {
            ++i;
            continue;
        }
        std::swap(connections_[i], connections_.back());
        connections_.pop_back();
    }
    return next_ns;
}

uint64_t UpstreamHost::step_one(Connection& c, uint64_t now_ns) {
    if (c.now != nullptr && c.end.hurt()) c.now->hurt = true;
    read(c, now_ns);
    const bool gone = c.end.at_reset() || (c.end.at_end() && !c.answering);
    if (gone || c.reader.broken()) {
        if (c.reader.broken()) book_.complain("an upstream got no HTTP: " + c.reader.head().substr(0, 200));
        if (c.now != nullptr && c.end.hurt()) c.now->hurt = true;
        c.end.close();
        return never_ns;
    }
    if (c.answering) return answer(c, now_ns);
    if (c.now == nullptr && now_ns >= c.idle_until_ns) {
        c.end.close();
        return never_ns;
    }
    return c.now == nullptr ? c.idle_until_ns : never_ns;
}

void UpstreamHost::read(Connection& c, uint64_t now_ns) {
    while (!c.end.readable().empty() && !c.spent) {
        if (c.reader.whole()) {
            if (c.now == nullptr || c.answering) {  // more than one request before its answer
                if (c.now == nullptr || c.now->fate != Fate::too_long)
                    book_.complain("an upstream got bytes behind a request");
                c.end.consume(c.end.readable().size());
            }
            return;
        }
        c.end.consume(c.reader.take(c.end.readable()));
        if (c.reader.broken()) return;
        if (c.now == nullptr && c.reader.head_done()) arrived(c);
        if (c.now == nullptr) continue;
        const bool whole = c.reader.whole();
        if (whole && !std::exchange(c.compared, true)) compare(c);
        if ((whole || c.now->early) && !std::exchange(c.answering, true))
            c.due_ns = now_ns + uint64_t{c.now->delay_ms} * ns_per_ms;
    }
}

void UpstreamHost::arrived(Connection& c) {
    c.now = book_.find(c.reader.field("x-request-id"));
    c.compared = c.answering = false;
    c.answered_bytes = 0;
    if (c.now == nullptr) return book_.complain("an upstream got a request that nobody sent");
    c.now->arrivals += 1;
    if (c.now->arrivals > arrivals_max) book_.complain(c.now->id() + ": more attempts than there may be");
    if (!c.now->has_upstream()) book_.complain(c.now->id() + ": was to be answered by Loom");
    for (const std::string_view field : {"authorization", "expect", "connection", "keep-alive"})
        if (field != "authorization" && !c.reader.field(field).empty())
            book_.complain(fmt::format("{}: '{}' reached the upstream", c.now->id(), field));
}

void UpstreamHost::compare(Connection& c) {
    const bool good = c.now->ask == Ask::stream && !c.now->wants_usage
                          ? is_same_or_has_one_insert(c.reader.body(), c.now->body)
                          : c.reader.body() == c.now->body;
    if (good) return;
    book_.complain(fmt::format("{}: {} bytes of body reached the upstream, {} were sent, and they differ", c.now->id(),
                               c.reader.body().size(), c.now->body.size()));
}

uint64_t UpstreamHost::answer(Connection& c, uint64_t now_ns) {
    if (c.spent) return never_ns;
    if (now_ns < c.due_ns) return c.due_ns;
    Case& x = *c.now;
    const size_t end = std::min(x.answer.size(), x.stops_at);
    for (int turns = 0; turns < 8; ++turns) {
        const size_t part = std::min(x.answering.bytes, end - c.answered_bytes);
        const size_t taken = c.end.write(std::string_view(x.answer).substr(c.answered_bytes, part));
        c.answered_bytes += taken;
        if (c.answered_bytes == end)
            return end == x.answer.size() && x.fate != Fate::too_short ? finish(c, now_ns) : stop(c);
        if (taken < part) return never_ns;  // until the proxy reads
        if (x.answering.ms == 0) continue;
        c.due_ns = now_ns + uint64_t{x.answering.ms} * ns_per_ms;
        return c.due_ns;
    }
    return now_ns;
}

uint64_t UpstreamHost::stop(Connection& c) {
    switch (c.now->fate) {
        case Fate::silent:
        case Fate::stalls: c.spent = true; return never_ns;
        case Fate::resets: c.end.reset(random_.between(0, c.end.unread_by_proxy())); return never_ns;
        default: c.end.close(); return never_ns;
    }
}

uint64_t UpstreamHost::finish(Connection& c, uint64_t now_ns) {
    c.now->answered = true;
    const bool unread = !c.reader.whole();  // it answered early, and the rest of the request is of no use
    if (c.now->closes_after || unread) {
        c.end.close();
        return never_ns;
    }
    c.now = nullptr;
    c.answering = false;
    c.reader.start(MessageReader::Kind::request);
    c.idle_until_ns = random_.chance(closes_idle_) ? now_ns + random_.below(300) * ns_per_ms : never_ns;
    return c.idle_until_ns;
}

}  // namespace loom::sim

#include "load_client.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sockets.h"
#include "wire.h"

namespace bench {

static constexpr uint64_t errors_max = 1000;
static constexpr int64_t stuck_ns = 5'000'000'000;

static std::string make_request(const LoadOptions& options) {
    const std::string body = chat_request(options.prompt_bytes, options.stream, options.include_usage, options.mock);
    std::string text = "POST " + options.path + " HTTP/1.1\r\nHost: " + options.target + "\r\n";
    for (const std::string& header : options.headers) text += header + "\r\n";
    text += "Accept: application/json\r\nUser-Agent: loom-load/1\r\nContent-Type: application/json\r\n";
    return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

static double own_cpu_s() {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

LoadClient::LoadClient(LoadOptions options)
    : options_(std::move(options)), epoll_(epoll_create1(EPOLL_CLOEXEC)), scratch_(256 * 1024) {
    request_ = make_request(options_);
    const size_t body_bytes = request_.size() - request_.find("\r\n\r\n") - 4;
    if (!options_.stream) expected_ = chat_reply(body_bytes);
    const size_t at = options_.mock.find("events=");
    if (at != options_.mock.npos) events_expected_ = uint32_t(std::atoi(options_.mock.c_str() + at + 7));
    for (uint32_t i = 0; i < options_.connections; ++i) conns_.push_back(std::make_unique<Conn>());
}

LoadResult LoadClient::run() {
    begin_ns_ = now_ns();
    window_ns_ = begin_ns_ + int64_t((options_.ramp_s + options_.warmup_s) * 1e9);
    end_ns_ = window_ns_ + int64_t(options_.duration_s * 1e9);
    arrival_ns_ = begin_ns_ + int64_t(options_.ramp_s * 1e9) + 50'000'000;
    while (advance_phase(now_ns())) wait_and_handle();

    if (!in_window_) begin_window(now_ns());  // it erred too much to come that far
    const int64_t now = now_ns();
    result_.after = sample_processes(options_.watch);
    result_.window_s = double(now - window_ns_) * 1e-9;
    result_.own_cpu_share = (own_cpu_s() - own_cpu_before_s_) / result_.window_s;
    for (const auto& conn : conns_) {
        result_.connections_open += conn->state == Conn::State::idle || conn->state == Conn::State::busy;
        // A stream may be long: only one that has not begun is stuck.
        const bool waits = conn->state == Conn::State::busy && (!options_.stream || conn->sse.empty());
        result_.counters.stuck += waits && now - conn->start_ns > stuck_ns;
    }
    return result_;
}

bool LoadClient::advance_phase(int64_t now) {
    if (!in_window_ && now >= window_ns_) begin_window(now);
    open_due(now);
    if (options_.mode == Mode::open) arrive_due(now);
    if (result_.counters.errors() > errors_max) {
        result_.aborted = true;
        return false;
    }
    const bool counted = options_.count > 0 && in_window_ && result_.counters.answers >= options_.count;
    return now < end_ns_ && !counted;
}

void LoadClient::begin_window(int64_t now) {
    in_window_ = true;
    window_ns_ = now;
    // What went wrong while warming up is wrong all the same.
    LoadCounters fresh;
    fresh.gaps = result_.counters.gaps;
    fresh.refused = result_.counters.refused;
    fresh.cut = result_.counters.cut;
    fresh.bad_status = result_.counters.bad_status;
    fresh.bad_body = result_.counters.bad_body;
    fresh.bad_stream = result_.counters.bad_stream;
    result_.counters = fresh;
    result_.before = sample_processes(options_.watch);
    own_cpu_before_s_ = own_cpu_s();
}

void LoadClient::open_due(int64_t now) {
    if (opened_count_ == conns_.size()) return;
    const double ramp_ns = std::max(options_.ramp_s, 1e-9) * 1e9;
    const double due = double(now - begin_ns_) / ramp_ns * double(conns_.size()) + 1;
    // At most 128 at once: more would overrun a listener's backlog.
    const size_t target = std::min({conns_.size(), size_t(due), opened_count_ + 128});
    while (opened_count_ < target) open(*conns_[opened_count_++]);
}

void LoadClient::open(Conn& conn) {
    conn.fd = start_connect(options_.target);
    conn.state = Conn::State::connecting;
    conn.wants_out = true;
    epoll_event event{EPOLLIN | EPOLLOUT, {.ptr = &conn}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, conn.fd, &event) != 0) die("epoll_ctl");
}

void LoadClient::reopen(Conn& conn) {
    if (conn.state == Conn::State::idle) std::erase(idle_, &conn);
    conn.tls.reset();
    ::close(conn.fd);
    conn.in.reset();
    conn.state = Conn::State::closed;
    // An erring target is not hammered: the run ends by its error count.
    if (result_.counters.errors() <= errors_max) open(conn);
}

int64_t LoadClient::next_gap_ns() {
    const double mean_ns = 1e9 / options_.rate;
    if (!options_.poisson) return int64_t(mean_ns);
    return int64_t(std::exponential_distribution<double>(1.0)(random_) * mean_ns);
}

void LoadClient::arrive_due(int64_t now) {
    while (arrival_ns_ <= now) {
        if (idle_.empty()) {
            queue_.push_back(arrival_ns_);
        } else {
            Conn* conn = idle_.front();
            idle_.pop_front();
            start(*conn, arrival_ns_);
        }
        arrival_ns_ += next_gap_ns();
    }
}

int64_t LoadClient::next_wake_ns() const {
    int64_t wake = in_window_ ? end_ns_ : window_ns_;
    if (options_.mode == Mode::open) wake = std::min(wake, arrival_ns_);
    if (opened_count_ < conns_.size()) {
        const int64_t step = int64_t(options_.ramp_s * 1e9 / double(conns_.size()));
        wake = std::min(wake, begin_ns_ + int64_t(opened_count_) * step);
    }
    return wake;
}

void LoadClient::wait_and_handle() {
    const int64_t wait = std::max<int64_t>(0, next_wake_ns() - now_ns());
    const timespec timeout{wait / 1'000'000'000, wait % 1'000'000'000};
    epoll_event events[256];
    const int count = epoll_pwait2(epoll_, events, 256, &timeout, nullptr);
    for (int i = 0; i < count; ++i) on_event(*static_cast<Conn*>(events[i].data.ptr), events[i].events);
}

void LoadClient::on_event(Conn& conn, uint32_t events) {
    if (conn.state == Conn::State::connecting) return on_connected(conn);
    if (conn.state == Conn::State::shaking) return shake(conn);
    if (events & EPOLLOUT) send_request(conn);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(conn);
}

void LoadClient::on_connected(Conn& conn) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(conn.fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
        result_.counters.refused += 1;
        return reopen(conn);
    }
    watch(conn, false);
    if (!options_.tls) return on_usable(conn);
    conn.tls = std::make_unique<TlsLink>(conn.fd);
    conn.state = Conn::State::shaking;
    shake(conn);
}

void LoadClient::shake(Conn& conn) {
    switch (conn.tls->shake()) {
        case TlsLink::Step::done: watch(conn, false); return on_usable(conn);
        case TlsLink::Step::wants_read: return watch(conn, false);
        case TlsLink::Step::wants_write: return watch(conn, true);
        case TlsLink::Step::failed: break;
    }
    result_.counters.refused += 1;
    complain(conn, "the TLS handshake failed");
    reopen(conn);
}

void LoadClient::on_usable(Conn& conn) {
    if (options_.mode == Mode::idle) return start(conn, now_ns());
    become_idle(conn);
}

void LoadClient::become_idle(Conn& conn) {
    conn.state = Conn::State::idle;
    if (options_.mode == Mode::closed) return start(conn, now_ns());
    if (options_.mode == Mode::idle) return;
    if (queue_.empty()) {
        idle_.push_back(&conn);
        return;
    }
    const int64_t intended = queue_.front();
    queue_.pop_front();
    start(conn, intended);
}

void LoadClient::start(Conn& conn, int64_t intended_ns) {
    conn.state = Conn::State::busy;
    conn.start_ns = intended_ns;
    conn.sent = 0;
    conn.body_at = 0;
    conn.bad_body = false;
    conn.in.reset();
    conn.sse.reset();
    conn.refusal.clear();
    send_request(conn);
}

void LoadClient::send_request(Conn& conn) {
    const char* const bytes = request_.data() + conn.sent;
    const size_t size = request_.size() - conn.sent;
    const ssize_t sent = conn.tls ? conn.tls->send(bytes, size) : ::send(conn.fd, bytes, size, MSG_NOSIGNAL);
    if (sent > 0) conn.sent += size_t(sent);
    // A broken connection shows itself as readable.
    watch(conn, conn.sent < request_.size() && (sent >= 0 || errno == EAGAIN));
}

void LoadClient::watch(Conn& conn, bool writable) {
    if (conn.wants_out == writable) return;
    conn.wants_out = writable;
    epoll_event event{uint32_t(writable ? EPOLLIN | EPOLLOUT : EPOLLIN), {.ptr = &conn}};
    if (epoll_ctl(epoll_, EPOLL_CTL_MOD, conn.fd, &event) != 0) die("epoll_ctl");
}

void LoadClient::on_readable(Conn& conn) {
    const ssize_t count = conn.tls ? conn.tls->recv(scratch_.data(), scratch_.size())
                                   : ::recv(conn.fd, scratch_.data(), scratch_.size(), 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        const bool idle = conn.state == Conn::State::idle;
        (idle ? result_.counters.reconnects : result_.counters.cut) += 1;
        if (!idle) complain(conn, "connection closed before the answer's end");
        return reopen(conn);
    }
    result_.counters.bytes += uint64_t(count);
    const std::string_view bytes(scratch_.data(), size_t(count));
    const bool was_busy = conn.state == Conn::State::busy;
    const size_t eaten = was_busy ? conn.in.feed(bytes, [&](std::string_view piece) { on_body(conn, piece); }) : 0;
    if (conn.in.failed() || eaten != bytes.size()) {
        result_.counters.cut += 1;
        complain(conn, "bytes that are no part of an answer");
        return reopen(conn);
    }
    if (conn.in.done()) on_answer(conn);
}

static bool ok_status(std::string_view head) { return head.starts_with("HTTP/1.1 200 "); }

void LoadClient::on_body(Conn& conn, std::string_view piece) {
    if (!ok_status(conn.in.head())) {
        if (conn.refusal.size() < 400) conn.refusal += piece.substr(0, 400);
        return;
    }
    if (!options_.stream) {
        const bool same = conn.body_at + piece.size() <= expected_.size() &&
                          std::memcmp(expected_.data() + conn.body_at, piece.data(), piece.size()) == 0;
        conn.bad_body |= !same;
        conn.body_at += piece.size();
        return;
    }
    const int64_t now = now_ns();
    const uint32_t gaps_before = conn.sse.gaps();
    conn.sse.feed(piece, [&](const EventStamp& stamp) {
        result_.counters.events += 1;
        result_.counters.event_delay.add(now - stamp.written_ns);
        if (stamp.sequence == 0) result_.counters.first_event.add(now - conn.start_ns);
    });
    result_.counters.gaps += conn.sse.gaps() - gaps_before;
}

void LoadClient::on_answer(Conn& conn) {
    LoadCounters& counters = result_.counters;
    counters.answers += 1;
    counters.latency.add(now_ns() - conn.start_ns);
    if (!ok_status(conn.in.head())) {
        counters.bad_status += 1;
        complain(conn, "status");
    } else if (!right(conn)) {
        (options_.stream ? counters.bad_stream : counters.bad_body) += 1;
        complain(conn, options_.stream ? "stream without its last events or [DONE]" : "body differs");
    }
    conn.in.reset();
    become_idle(conn);
}

bool LoadClient::right(const Conn& conn) const {
    if (!options_.stream) return !conn.bad_body && conn.body_at == expected_.size();
    return conn.sse.done() && (events_expected_ == 0 || conn.sse.events_count() == events_expected_);
}

void LoadClient::complain(const Conn& conn, const char* what) {
    if (complaints_++ >= 3) return;
    const std::string_view head = conn.in.head();
    std::fprintf(stderr, "loom-load: %s: %.*s %s\n", what, int(std::min<size_t>(head.size(), 400)), head.data(),
                 conn.refusal.c_str());
}

}  // namespace bench

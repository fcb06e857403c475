#include "mock_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "sockets.h"
#include "wire.h"

namespace bench {

static constexpr std::string_view stream_head =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    "x-request-id: req_mock0000000000000000000000000\r\ntransfer-encoding: chunked\r\n\r\n";
static constexpr std::string_view models =
    "{\"object\":\"list\",\"data\":[{\"id\":\"mock-1\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":"
    "\"mock\"}]}";
static constexpr std::string_view not_found =
    "{\"error\":{\"message\":\"the mock has no such path\",\"type\":\"invalid_request_error\",\"code\":\"not_found\"}}";

static std::string json_answer(std::string_view status, std::string_view body) {
    std::string text = "HTTP/1.1 ";
    text.append(status).append("\r\ncontent-type: application/json\r\nopenai-processing-ms: 12\r\n");
    text.append("x-request-id: req_mock0000000000000000000000000\r\ncontent-length: ");
    text.append(std::to_string(body.size())).append("\r\n\r\n").append(body);
    return text;
}

MockServer::MockServer(std::string_view address, const MockParams& defaults)
    : listener_(listen_on(address)), epoll_(epoll_create1(EPOLL_CLOEXEC)), defaults_(defaults), scratch_(256 * 1024) {
    add_listener(listener_);
    wheel_tick_ = now_ns() / tick_ns;
}

void MockServer::listen_with_tls(std::string_view address, const std::string& certificate, const std::string& key) {
    tls_ = std::make_unique<TlsServer>(certificate, key);
    tls_listener_ = listen_on(address);
    add_listener(tls_listener_);
}

void MockServer::add_listener(int fd) {
    epoll_event event{EPOLLIN, {.fd = fd}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

void MockServer::run(const volatile std::sig_atomic_t& stop) {
    epoll_event events[512];
    while (!stop) {
        const int count = epoll_wait(epoll_, events, 512, wait_ms(now_ns()));
        for (int i = 0; i < count; ++i) {
            const int fd = events[i].data.fd;
            if (fd == listener_ || fd == tls_listener_) {
                accept_all(fd);
                continue;
            }
            if (events[i].events & EPOLLOUT) on_writable(*conns_[fd]);
            if (conns_[fd] && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) on_readable(*conns_[fd]);
        }
        run_timers(now_ns());
        run_bursts();
    }
}

void MockServer::accept_all(int listener) {
    for (;;) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        if (conns_.size() <= size_t(fd)) conns_.resize(size_t(fd) + 1);
        conns_[fd] = std::make_unique<Conn>();
        conns_[fd]->fd = fd;
        if (listener == tls_listener_) conns_[fd]->tls = std::make_unique<TlsLink>(fd, *tls_);
        conns_[fd]->generation = ++generations_;
        epoll_event event{EPOLLIN, {.fd = fd}};
        if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
        stats_.connections += 1;
    }
}

void MockServer::close(Conn& conn) {
    if (conn.streaming) stats_.streams_cut += 1;
    if (conn.in_burst_list) std::erase(bursting_, &conn);
    ::close(conn.fd);
    conns_[conn.fd].reset();
}

void MockServer::on_readable(Conn& conn) {
    const ssize_t count = conn.tls ? conn.tls->recv(scratch_.data(), scratch_.size())
                                   : recv(conn.fd, scratch_.data(), scratch_.size(), 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0 || conn.busy) return close(conn);  // nobody here pipelines: bytes during an answer are a fault
    const std::string_view bytes(scratch_.data(), size_t(count));
    const size_t eaten = conn.in.feed(bytes, [&](std::string_view piece) { keep_ends(conn, piece); });
    if (conn.in.failed() || eaten != bytes.size()) {
        stats_.bad_requests += 1;
        return close(conn);
    }
    if (conn.in.done()) on_request(conn);
}

void MockServer::keep_ends(Conn& conn, std::string_view piece) {
    static constexpr size_t end_bytes = 4096;
    conn.body_bytes += piece.size();
    if (conn.body_head.size() < end_bytes) conn.body_head += piece.substr(0, end_bytes - conn.body_head.size());
    conn.body_tail += piece.substr(piece.size() - std::min(piece.size(), end_bytes));
    if (conn.body_tail.size() > 4 * end_bytes) conn.body_tail.erase(0, conn.body_tail.size() - end_bytes);
}

void MockServer::on_request(Conn& conn) {
    conn.busy = true;
    stats_.requests += 1;
    const std::string_view head = conn.in.head();
    if (head.starts_with("POST /v1/chat/completions")) return begin_chat(conn);
    const bool lists = head.starts_with("GET /v1/models ");
    send(conn, lists ? json_answer("200 OK", models) : json_answer("404 Not Found", not_found));
    end_request(conn);
}

static bool holds(std::string_view text, std::string_view word) { return text.find(word) != text.npos; }

static bool wants_stream(std::string_view text) {
    return holds(text, "\"stream\":true") || holds(text, "\"stream\": true");
}

static bool wants_usage(std::string_view text) {
    return holds(text, "\"include_usage\":true") || holds(text, "\"include_usage\": true");
}

/// The parameters a client put into the field `user`: "mock:events=200,…".
static std::string_view body_params(std::string_view text) {
    static constexpr std::string_view mark = "\"mock:";
    const size_t at = text.find(mark);
    if (at == text.npos) return {};
    text.remove_prefix(at + mark.size());
    return text.substr(0, text.find('"'));
}

void MockServer::begin_chat(Conn& conn) {
    MockParams params = defaults_;
    const std::string_view in_tail = body_params(conn.body_tail);
    read_params(in_tail.empty() ? body_params(conn.body_head) : in_tail, params);
    read_params(conn.in.header("x-mock"), params);
    conn.streaming = wants_stream(conn.body_tail) || wants_stream(conn.body_head);
    conn.include_usage = wants_usage(conn.body_tail) || wants_usage(conn.body_head);
    conn.plan = &shelf_.find(params);
    conn.events_sent = 0;
    const bool slow = params.slow_each != 0 && stats_.requests % params.slow_each == 0;
    const uint32_t delay_us = slow ? params.slow_us : params.delay_us;
    if (delay_us == 0) return answer_chat(conn);
    schedule(conn, now_ns() + int64_t(delay_us) * 1000);
}

void MockServer::answer_chat(Conn& conn) {
    if (conn.streaming) return begin_stream(conn);
    if (reply_.empty() || conn.body_bytes != reply_prompt_bytes_) {
        reply_prompt_bytes_ = conn.body_bytes;
        reply_ = json_answer("200 OK", chat_reply(conn.body_bytes));
    }
    if (send(conn, reply_)) end_request(conn);
}

void MockServer::begin_stream(Conn& conn) {
    stats_.streams += 1;
    conn.due_ns = now_ns();
    if (!write_block(conn, stream_head)) return;
    if (conn.plan->params.interval_us == 0) return burst(conn);
    continue_stream(conn);
}

void MockServer::continue_stream(Conn& conn) {
    if (conn.events_sent == conn.plan->params.events) return write_end(conn);
    const int64_t interval_ns = int64_t(conn.plan->params.interval_us) * 1000;
    // Without drift, but a mock that fell behind does not make up for it by a burst.
    const int64_t now = now_ns();
    conn.due_ns = std::max(conn.due_ns + interval_ns, now);
    schedule(conn, conn.due_ns);
}

bool MockServer::write_block(Conn& conn, std::string_view head) {
    const MockParams& params = conn.plan->params;
    const uint32_t left = params.events - conn.events_sent;
    if (left == 0) return send(conn, head);
    const Block& block = left >= params.per_write ? conn.plan->full : conn.plan->rest;
    block_.assign(head).append(block.bytes);
    const int64_t now = now_ns();
    for (const uint32_t at : block.stamps) stamp_event(block_.data() + head.size() + at, conn.events_sent++, now);
    return send(conn, block_);
}

void MockServer::write_end(Conn& conn) {
    const std::string end = as_chunk(final_events(conn.plan->params.events, conn.include_usage)) + "0\r\n\r\n";
    conn.streaming = false;
    if (send(conn, end)) end_request(conn);
}

void MockServer::burst(Conn& conn) {
    const MockParams& params = conn.plan->params;
    for (uint32_t i = 0; i < params.quantum && conn.events_sent < params.events; ++i) {
        if (!write_block(conn, {})) return;
    }
    if (conn.events_sent == params.events) return write_end(conn);
    conn.in_burst_list = true;
    bursting_.push_back(&conn);
}

void MockServer::run_bursts() {
    for (size_t turns = bursting_.size(); turns > 0; --turns) {
        Conn* conn = bursting_.front();
        bursting_.pop_front();
        conn->in_burst_list = false;
        burst(*conn);
    }
}

void MockServer::end_request(Conn& conn) {
    conn.in.reset();
    conn.body_head.clear();
    conn.body_tail.clear();
    conn.body_bytes = 0;
    conn.busy = false;
    conn.streaming = false;
}

bool MockServer::send(Conn& conn, std::string_view bytes) {
    const ssize_t sent = conn.tls ? conn.tls->send(bytes.data(), bytes.size())
                                  : ::send(conn.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent == ssize_t(bytes.size())) return true;
    // A broken connection shows itself as readable too; there it is closed.
    if (sent < 0 && errno != EAGAIN) return false;
    conn.out.append(bytes.substr(size_t(std::max<ssize_t>(sent, 0))));
    watch(conn, true);
    return false;
}

void MockServer::on_writable(Conn& conn) {
    std::string rest;
    rest.swap(conn.out);
    if (!send(conn, rest)) return;
    watch(conn, false);
    if (!conn.streaming) return end_request(conn);
    if (conn.plan->params.interval_us == 0) return burst(conn);
    continue_stream(conn);
}

void MockServer::watch(Conn& conn, bool writable) {
    if (conn.wants_out == writable) return;
    conn.wants_out = writable;
    epoll_event event{uint32_t(writable ? EPOLLIN | EPOLLOUT : EPOLLIN), {.fd = conn.fd}};
    if (epoll_ctl(epoll_, EPOLL_CTL_MOD, conn.fd, &event) != 0) die("epoll_ctl");
}

void MockServer::schedule(Conn& conn, int64_t due_ns) {
    // Never into the slot that is being run: it would wait for a whole turn of the wheel.
    const int64_t tick = std::max(due_ns / tick_ns, wheel_tick_ + 1);
    wheel_[size_t(tick) % wheel_slots].push_back({conn.fd, conn.generation, due_ns});
    timers_count_ += 1;
}

int MockServer::wait_ms(int64_t now) const {
    if (!bursting_.empty()) return 0;
    if (timers_count_ == 0) return 500;
    return now / tick_ns > wheel_tick_ ? 0 : 1;
}

void MockServer::run_timers(int64_t now) {
    while (wheel_tick_ < now / tick_ns) {
        wheel_tick_ += 1;
        std::vector<Timer>& slot = wheel_[size_t(wheel_tick_) % wheel_slots];
        if (slot.empty()) continue;
        fired_.clear();
        fired_.swap(slot);
        timers_count_ -= fired_.size();
        for (const Timer& timer : fired_) {
            Conn* conn = conns_[timer.fd].get();
            if (conn == nullptr || conn->generation != timer.generation) continue;
            if (timer.due_ns / tick_ns > wheel_tick_)
                schedule(*conn, timer.due_ns);  // of a later turn
            else
                on_timer(*conn);
        }
    }
}

void MockServer::on_timer(Conn& conn) {
    if (conn.events_sent == 0) return answer_chat(conn);
    if (write_block(conn, {})) continue_stream(conn);
}

}  // namespace bench

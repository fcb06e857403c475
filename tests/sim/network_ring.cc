#include "network_ring.h"

#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "loom/net/address.h"

namespace loom::sim {
namespace {

constexpr uint64_t ns_per_ms = 1'000'000;
constexpr uint64_t busy_turn_ns_max = 500'000;
constexpr uint64_t silent_connect_ms = 130'000;  // when the kernel gives up

template <size_t N>
int one_of(Random& random, const int (&numbers)[N]) {
    return -numbers[random.below(N)];
}

}  // namespace

NetworkRing::NetworkRing(io::BufferPool& buffers, Network& network)
    : network_(network), random_(network.random()), faults_(network.faults()), buffers_(buffers) {
    for (const int fd : {listener_fd, admin_listener_fd}) {
        sockets_.emplace_back().open = true;
        listener_of(fd).listening = true;
    }
}

NetworkRing::~NetworkRing() = default;

size_t NetworkRing::open_count() const noexcept {
    return static_cast<size_t>(std::ranges::count_if(sockets_, [](const Socket& s) { return s.open; }));
}

void NetworkRing::queue(const Submission& submission) {
    if (submission.op != Op::cancel && submission.completion != nullptr) {
        LOOM_ASSERT(!submission.completion->in_flight);
        submission.completion->in_flight = true;
    }
    queued_.push_back(submission);
}

int NetworkRing::add_socket(std::shared_ptr<Link> link) {
    int fd;
    if (free_fds_.empty()) {
        fd = fd_base + static_cast<int>(sockets_.size());
        sockets_.emplace_back();
    } else {
        fd = free_fds_.back();
        free_fds_.pop_back();
        sockets_[static_cast<size_t>(fd - fd_base)] = Socket{};
    }
    Socket& s = sockets_[static_cast<size_t>(fd - fd_base)];
    s.link = std::move(link);
    s.open = true;
    return fd;
}

int NetworkRing::open_socket(int) noexcept {
    if (random_.chance(faults_.socket_error)) return -EMFILE;
    return add_socket(nullptr);
}

void NetworkRing::connect(int fd, const sockaddr* address, socklen_t length, io::Completion& completion) {
    socket(fd).connect.port = net::Address::from_sockaddr(address, length).port();
    queue({Op::connect, fd, &completion});
}

/// Only the mailbox reads: what it reads is a count that nobody looks at.
void NetworkRing::read(int, std::span<char>, io::Completion& completion) {
    LOOM_ASSERT(mailbox_ == nullptr && !completion.in_flight);
    completion.in_flight = true;
    mailbox_ = &completion;
}

/// A disk that takes everything, as late as any completion comes.
void NetworkRing::write(int, std::span<const char> bytes, uint64_t, io::Completion& completion) {
    LOOM_ASSERT(!completion.in_flight);
    completion.in_flight = true;
    io::Completion* target = &completion;
    post(target, static_cast<int>(bytes.size()));
}

void NetworkRing::cancel(io::Completion& target) {
    if (target.in_flight) queue({.op = Op::cancel, .fd = -1, .completion = &target});
}

socklen_t NetworkRing::peer_name(int fd, sockaddr* address, socklen_t) noexcept {
    const auto last = static_cast<uint8_t>(1 + (fd - fd_base) % 250);
    const uint8_t ip[] = {192, 0, 2, last};  // RFC 5737: for documentation
    const net::Address peer = net::Address::from_ip(ip, static_cast<uint16_t>(40'000 + (fd - fd_base) % 20'000));
    std::copy_n(reinterpret_cast<const char*>(peer.get()), peer.length(), reinterpret_cast<char*>(address));
    return peer.length();
}

void NetworkRing::shutdown(int fd, int how) noexcept {
    Socket& s = socket(fd);
    if (s.link == nullptr) {  // still connecting
        s.connect.cancelled = s.connect.completion != nullptr;
        return;
    }
    s.shut_sending = true;
    if (!s.link->reset_by_actor) s.link->to_actor.ended = true;
    if (how == SHUT_RDWR) s.shut_reading = true;
}

void NetworkRing::submit(const Submission& submission) {
    if (submission.op == Op::close) return close_now(submission.fd);
    if (submission.op == Op::cancel) return end(*submission.completion);
    Socket& s = socket(submission.fd);
    switch (submission.op) {
        case Op::recv:
        case Op::recv_once:
            LOOM_ASSERT(s.receive.completion == nullptr && s.link != nullptr);
            s.receive = {.completion = submission.completion, .once = submission.op == Op::recv_once};
            return;
        case Op::hang_up:
            LOOM_ASSERT(s.hang_up.completion == nullptr && s.link != nullptr);
            s.hang_up = {.completion = submission.completion};
            return;
        case Op::send:
            LOOM_ASSERT(s.send.completion == nullptr && s.link != nullptr);
            s.send = {.completion = submission.completion, .message = submission.message, .mode = submission.mode};
            if (submission.mode == io::SendMode::now) pump_send(s);
            return;
        case Op::connect: s.connect.completion = submission.completion; return start_connect(s);
        case Op::accept:
            LOOM_ASSERT(s.accept == nullptr);
            s.accept = submission.completion;
            s.accept_cancelled = false;
            return;
        case Op::close:
        case Op::cancel: return;
    }
}

void NetworkRing::start_connect(Socket& s) {
    s.connect.due_ns = now_ns_ + random_.below(3) * ns_per_ms * random_.below(3);
    s.connect.result = 0;
    if (network_.host_at(s.connect.port) == nullptr) s.connect.result = -ECONNREFUSED;
    if (!random_.chance(faults_.connect_error)) return;
    s.connect.result = one_of(random_, {ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EHOSTUNREACH, ECONNRESET});
    if (s.connect.result == -ETIMEDOUT) s.connect.due_ns = now_ns_ + silent_connect_ms * ns_per_ms;
}

/// Finds the operation and marks it; how it ends is for the pump.
void NetworkRing::end(const io::Completion& target) {
    if (mailbox_ == &target) {
        mailbox_cancelled_ = true;
        return;
    }
    for (Socket& s : sockets_) {
        if (!s.open) continue;
        if (s.receive.completion == &target) s.receive.cancelled = true;
        if (s.hang_up.completion == &target) s.hang_up.cancelled = true;
        if (s.send.completion == &target) s.send.cancelled = true;
        if (s.connect.completion == &target) s.connect.cancelled = true;
        if (s.accept == &target) s.accept_cancelled = true;
    }
}

void NetworkRing::close_now(int fd) {
    Socket& s = socket(fd);
    LOOM_ASSERT(s.receive.completion == nullptr && s.send.completion == nullptr);
    LOOM_ASSERT(s.connect.completion == nullptr && s.accept == nullptr && s.hang_up.completion == nullptr);
    s.open = false;
    free_fds_.push_back(fd);
    if (is_listener(fd)) {
        Listener& listener = listener_of(fd);
        listener.listening = false;
        for (const auto& link : listener.backlog) link->proxy_closed = link->reset_by_proxy = true;
        listener.backlog.clear();
        free_fds_.pop_back();
        return;
    }
    if (s.link == nullptr) return;
    Link& link = *s.link;
    link.proxy_closed = true;
    // Linux resets a connection that is closed with bytes unread in it.
    if (s.reset_on_close || link.to_proxy.size() > 0) {
        link.to_actor.keep_only(random_.between(0, link.to_actor.size()));
        link.to_actor.ended = false;
        link.reset_by_proxy = true;
    } else {
        link.to_actor.ended = true;
    }
    s.link = nullptr;
}

bool NetworkRing::held_back() noexcept {
    if (!random_.chance(faults_.late)) return false;
    held_back_ = true;
    return true;
}

void NetworkRing::post(io::Completion*& completion, int res, uint32_t flags) {
    posted_.push_back({completion, io::Cqe{res, flags}});
    if ((flags & ProvidedBuffers::flag_more) == 0) completion = nullptr;
}

void NetworkRing::wait(uint64_t timeout_ns) {
    for (const uint16_t id : returned_) buffers_.provide(id);
    returned_.clear();
    held_back_ = false;
    next_connect_ns_ = never_ns;
    for (size_t i = 0; i < queued_.size(); ++i) submit(queued_[i]);
    queued_.clear();
    if (mailbox_ != nullptr && mailbox_cancelled_)
        post(mailbox_, -ECANCELED);
    else if (mailbox_ != nullptr && std::exchange(mailbox_rung_, false))
        post(mailbox_, sizeof(uint64_t));
    pump();
    quiet_ = posted_.empty() && !held_back_;
    if (!quiet_ || timeout_ns == 0 || idle_until_ns_ == 0) {
        now_ns_ += random_.below(busy_turn_ns_max);
        return;
    }
    const uint64_t until_ns = std::min({now_ns_ + timeout_ns, idle_until_ns_, next_connect_ns_});
    now_ns_ = std::max(now_ns_ + 1, until_ns);
}

void NetworkRing::pump() {
    const size_t count = sockets_.size();
    size_t at = random_.below(count);
    for (size_t i = 0; i < count; ++i) {
        Socket& s = sockets_[at];
        at = at + 1 == count ? 0 : at + 1;
        if (s.open) pump_socket(s);
    }
}

void NetworkRing::pump_socket(Socket& s) {
    const bool send_first = s.send.completion != nullptr && random_.chance(500);
    if (send_first) pump_send(s);
    if (s.receive.completion != nullptr) pump_receive(s);
    if (s.hang_up.completion != nullptr) pump_hang_up(s);
    if (!send_first && s.send.completion != nullptr) pump_send(s);
    if (s.connect.completion != nullptr) pump_connect(s);
    if (s.accept != nullptr) pump_accept(s, listener_of(&s == &sockets_[0] ? listener_fd : admin_listener_fd));
}

void NetworkRing::pump_receive(Socket& s) {
    Link& link = *s.link;
    Receive& receive = s.receive;
    const bool over = s.shut_reading || (!receive.deaf && (link.to_proxy.ended || link.reset_by_actor));
    if (receive.cancelled && (link.to_proxy.size() == 0 || !random_.chance(faults_.cancel_races)))
        return post(receive.completion, -ECANCELED);
    if (link.to_proxy.size() == 0 && !over) return;
    if (!receive.cancelled && held_back()) return;
    while (link.to_proxy.size() > 0) {
        if (buffers_.empty() || random_.chance(faults_.no_buffers)) return post(receive.completion, -ENOBUFS);
        size_t bytes = std::min(link.to_proxy.size(), buffers_.room());
        if (random_.chance(faults_.cut)) bytes = random_.between(1, bytes);
        const io::Cqe cqe = buffers_.fill(link.to_proxy.view().substr(0, bytes));
        link.to_proxy.consume(bytes);
        const bool last = receive.once || receive.cancelled || random_.chance(faults_.end_multishot);
        post(receive.completion, cqe.res, cqe.flags | (last ? 0 : ProvidedBuffers::flag_more));
        if (last) return;
        receive.deaf |= random_.chance(faults_.deaf);
        if (random_.chance(faults_.reset)) {
            link.to_proxy.keep_only(0);
            link.to_proxy.ended = false;
            link.reset_by_actor = link.hurt = true;
        }
        if (random_.chance(faults_.cut) && link.to_proxy.size() > 0) {  // the rest has not arrived yet
            held_back_ = true;
            return;
        }
    }
    if (receive.deaf && !s.shut_reading) return;
    // An end that came before a reset is what is read.
    if (link.reset_by_actor && !link.to_proxy.ended && !s.shut_reading && !std::exchange(s.reset_told, true))
        return post(receive.completion, random_.chance(900) ? -ECONNRESET : -ETIMEDOUT);
    if (over || link.reset_by_actor) post(receive.completion, 0);
}

void NetworkRing::pump_hang_up(Socket& s) {
    const Link& link = *s.link;
    if (s.hang_up.cancelled) return post(s.hang_up.completion, -ECANCELED);
    const bool broken = link.reset_by_actor || s.shut_reading || (link.to_proxy.ended && s.shut_sending);
    if ((!broken && !link.to_proxy.ended) || held_back()) return;
    post(s.hang_up.completion, POLLRDHUP | (broken ? POLLHUP : 0) | (link.reset_by_actor ? POLLERR : 0));
}

/// Moves what fits into the link; the bytes are read from where they lie, as the kernel would. `wanted` is what there
/// was to move.
int NetworkRing::move_out(Socket& s, size_t from, size_t& wanted) {
    Link& link = *s.link;
    const msghdr& message = *s.send.message;
    wanted = 0;
    for (size_t i = 0; i < message.msg_iovlen; ++i) wanted += message.msg_iov[i].iov_len;
    wanted -= from;
    if (link.reset_by_actor) return random_.chance(500) ? -EPIPE : -ECONNRESET;
    if (s.shut_sending) return -EPIPE;
    if (random_.chance(faults_.send_error)) {
        link.hurt = true;
        return one_of(random_, {ENOBUFS, ENOMEM, EPIPE, ETIMEDOUT, EINTR});
    }
    if (link.actor_closed) {  // the first send is taken, and answered by a reset
        link.reset_by_actor = true;
        return static_cast<int>(wanted);
    }
    size_t bytes = std::min(wanted, link.to_actor.room());
    if (bytes > 1 && random_.chance(faults_.cut)) bytes = random_.between(1, bytes);
    size_t left = bytes;
    for (size_t i = 0; i < message.msg_iovlen && left > 0; ++i) {
        const size_t skip = std::min(from, message.msg_iov[i].iov_len);
        from -= skip;
        const size_t part = std::min(left, message.msg_iov[i].iov_len - skip);
        link.to_actor.write({static_cast<const char*>(message.msg_iov[i].iov_base) + skip, part});
        left -= part;
    }
    return bytes == 0 ? -EAGAIN : static_cast<int>(bytes);
}

void NetworkRing::pump_send(Socket& s) {
    Send& send = s.send;
    const bool now = send.mode == io::SendMode::now;
    if (send.cancelled && !now) return post(send.completion, send.sent > 0 ? static_cast<int>(send.sent) : -ECANCELED);
    const bool blocked = s.link->to_actor.room() == 0 && !s.link->reset_by_actor && !s.link->actor_closed;
    if (!now && !blocked && held_back()) return;
    size_t wanted = 0;
    const int moved = move_out(s, send.sent, wanted);
    if (moved == -EAGAIN && !now) return;
    if (moved > 0 && send.mode == io::SendMode::whole) {
        send.sent += static_cast<size_t>(moved);
        if (static_cast<size_t>(moved) < wanted) return;
        return post(send.completion, static_cast<int>(send.sent));
    }
    post(send.completion, moved);
}

void NetworkRing::pump_connect(Socket& s) {
    Connect& connect = s.connect;
    if (connect.cancelled && (connect.result != 0 || random_.chance(800))) return post(connect.completion, -ECANCELED);
    if (connect.due_ns > now_ns_ && !connect.cancelled) {
        next_connect_ns_ = std::min(next_connect_ns_, connect.due_ns);
        return;
    }
    if (!connect.cancelled && held_back()) return;
    if (connect.result == 0) {
        s.link = network_.make_link();
        network_.host_at(connect.port)->on_connection(network_.host_end(s.link));
    }
    post(connect.completion, connect.result);
}

void NetworkRing::pump_accept(Socket& s, Listener& listener) {
    while (!listener.backlog.empty()) {
        if (s.accept_cancelled && !random_.chance(faults_.cancel_races)) break;
        if (!s.accept_cancelled && held_back()) return;
        if (random_.chance(faults_.accept_error)) {
            const int error = one_of(random_, {EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED});
            if (error == -ECONNABORTED) {
                listener.backlog.front()->proxy_closed = listener.backlog.front()->reset_by_proxy = true;
                listener.backlog.front()->hurt = true;
                listener.backlog.pop_front();
            }
            return post(s.accept, error);
        }
        std::shared_ptr<Link> link = std::move(listener.backlog.front());
        listener.backlog.pop_front();
        const bool last = random_.chance(faults_.end_multishot);
        post(s.accept, add_socket(std::move(link)), last ? 0 : ProvidedBuffers::flag_more);
        if (last) return;
    }
    if (s.accept_cancelled) post(s.accept, -ECANCELED);
}

uint32_t NetworkRing::dispatch() {
    uint32_t count = 0;
    for (; count < posted_.size(); ++count) {  // handlers queue, they do not post
        const Posted next = posted_[count];
        if (!next.cqe.more()) next.completion->in_flight = false;
        next.completion->on_cqe(*next.completion, next.cqe);
    }
    posted_.clear();
    completion_count_ += count;
    return count;
}

}  // namespace loom::sim

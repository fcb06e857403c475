#include "loom/net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>

#include "loom/net/tcp_stream.h"

namespace loom::net {
namespace {

constexpr uint64_t retry_after_ms = 100;

void set_option(int fd, int level, int option, int value) noexcept {
    ::setsockopt(fd, level, option, &value, sizeof value);
}

/// A socket file left behind by a process that died: nobody answers on it.
bool is_stale_socket(const Address& address) noexcept {
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) return false;
    const bool refused = ::connect(probe, address.get(), address.length()) < 0 && errno == ECONNREFUSED;
    ::close(probe);
    return refused;
}

std::unexpected<Error> close_and_fail(int fd, const char* what) noexcept {
    const int number = errno;
    ::close(fd);
    return fail(Errc::io, Side::internal, what, number);
}

}  // namespace

Result<int> open_listener(const Address& address, const ListenOptions& options, Claim claim) {
    const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return fail(Errc::io, Side::internal, "socket", errno);
    if (address.is_ip()) {
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);  // past connections in TIME_WAIT are in nobody's way
        if (claim == Claim::joined) set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
        if (options.nodelay) set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        set_keepalive(fd, options.keepalive_s);
        if (address.family() == AF_INET6 && address.is_wildcard()) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    } else if (address.is_unix() && is_stale_socket(address)) {
        ::unlink(address.unix_path().c_str());
    }
    if (::bind(fd, address.get(), address.length()) < 0) return close_and_fail(fd, "bind");
    if (::listen(fd, options.backlog) < 0) return close_and_fail(fd, "listen");
    // Only now: with it before, two that start at once would both have been alone.
    if (address.is_ip()) set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    return fd;
}

Listener::Listener(io::Shard& shard, int fd, OnAccept on_accept)
    : shard_(shard), on_accept_(std::move(on_accept)), fd_(fd) {}

Listener::~Listener() {
    if (fd_ >= 0) ::close(fd_);
}

void Listener::start() {
    accepting_ = true;
    arm();
}

void Listener::arm() {
    if (accepting_ && !stopping_ && !accept_.in_flight) shard_.ring().accept_multishot(fd_, accept_);
}

void Listener::pause() {
    if (!accepting_) return;
    accepting_ = false;
    shard_.ring().cancel(accept_);
}

void Listener::resume() {
    if (accepting_) return;
    accepting_ = true;
    arm();
}

void Listener::stop() {
    if (stopping_) return;
    stopping_ = true;
    accepting_ = false;
    retry_.disarm();
    if (accept_.in_flight) return shard_.ring().cancel(accept_);
    shard_.ring().close(std::exchange(fd_, -1));
}

void Listener::on_accept_cqe(io::Completion& completion, io::Cqe cqe) noexcept {
    static_cast<Accept&>(completion).listener.on_cqe(cqe);
}

void Listener::on_cqe(io::Cqe cqe) {
    if (cqe.res >= 0) {
        if (stopping_)
            shard_.ring().close(cqe.res);  // accepted on the way out: the client sees a reset and asks another
        else
            on_accept_(cqe.res);
    }
    if (cqe.more()) return;
    if (stopping_) {
        if (fd_ >= 0) shard_.ring().close(std::exchange(fd_, -1));
        return;
    }
    // Out of descriptors or memory: clients wait in the backlog until some are
    // free again.
    const bool starved = cqe.res == -EMFILE || cqe.res == -ENFILE || cqe.res == -ENOBUFS || cqe.res == -ENOMEM;
    if (starved) return shard_.timers().arm(retry_, retry_after_ms);
    arm();
}

void Listener::on_retry(io::Timer& timer) noexcept { static_cast<Retry&>(timer).listener.arm(); }

}  // namespace loom::net

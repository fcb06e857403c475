#include "loom/net/tcp_stream.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <new>

namespace loom::net {
namespace {

Error error_of(int res, const char* what, Retry retry = Retry::never) noexcept {
    const int number = -res;
    Errc code = Errc::io;
    switch (number) {
        case ECONNREFUSED: code = Errc::refused; break;
        case ECONNRESET:
        case EPIPE:
        case ECONNABORTED: code = Errc::reset; break;
        case ETIMEDOUT: code = Errc::timed_out; break;
        case ENETUNREACH:
        case EHOSTUNREACH:
        case ENOENT:
        case EADDRNOTAVAIL: code = Errc::unreachable; break;
        case ECANCELED: code = Errc::cancelled; break;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: code = Errc::exhausted; break;
        default: break;
    }
    return Error{code, Side::internal, retry, number, what};
}

void set_flag(int fd, int level, int option) noexcept {
    const int on = 1;
    ::setsockopt(fd, level, option, &on,
                 sizeof on);  // refused on unix sockets, which need neither
}

}  // namespace

void set_keepalive(int fd, int idle_s) noexcept {
    if (idle_s <= 0) return;
    set_flag(fd, SOL_SOCKET, SO_KEEPALIVE);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
}

TcpStream::TcpStream(io::Shard& shard, StreamUser& user) noexcept
    : TcpRecv(&TcpStream::on_recv_cqe),
      TcpSend(&TcpStream::on_send_cqe),
      TcpHangUp(&TcpStream::on_hang_up_cqe),
      Runnable(&TcpStream::on_turn),
      shard_(shard),
      user_(user) {}

TcpStream::~TcpStream() { LOOM_ASSERT(state_ == State::idle || state_ == State::closed); }

void TcpStream::adopt(int fd) noexcept {
    LOOM_ASSERT(state_ == State::idle);
    fd_ = fd;
    state_ = State::open;
    shard_.ring().poll_hang_up(fd_, hang_up());
}

Result<void> TcpStream::connect(const Address& address, const SocketOptions& options) noexcept {
    LOOM_ASSERT(state_ == State::idle);
    const int fd = shard_.ring().open_socket(address.family());
    if (fd < 0)
        return std::unexpected(error_of(
            fd, "no socket for an upstream: Loom is out of descriptors (ulimit -n) or kernel memory", Retry::safe));
    fd_ = fd;
    if (options.nodelay) set_flag(fd_, IPPROTO_TCP, TCP_NODELAY);
    set_keepalive(fd_, options.keepalive_s);
    Block home = shard_.blocks().take(sizeof(Target));
    char* const memory = home.data();
    target_ = ::new (memory) Target{address, std::move(home)};
    state_ = State::connecting;
    sending().on_cqe = &TcpStream::on_connect_cqe;
    shard_.ring().connect(fd_, target_->address.get(), target_->address.length(), sending());
    return {};
}

void TcpStream::release_target() noexcept {
    Block home = std::move(target_->home);
    std::exchange(target_, nullptr)->~Target();
}

void TcpStream::on_connect_cqe(io::Completion& completion, io::Cqe cqe) noexcept {
    TcpStream& stream = static_cast<TcpStream&>(static_cast<TcpSend&>(completion));
    completion.on_cqe = &TcpStream::on_send_cqe;
    stream.release_target();
    if (stream.state_ == State::closing) return stream.close_if_drained();
    if (cqe.res < 0) {
        stream.user_.on_connected(stream, std::unexpected(error_of(cqe.res, "connect", Retry::safe)));
        return;
    }
    stream.state_ = State::open;
    stream.shard_.ring().poll_hang_up(stream.fd_, stream.hang_up());
    stream.user_.on_connected(stream, {});
}

void TcpStream::start_reading() noexcept {
    if (reading_ || ended_ || state_ != State::open) return;
    reading_ = true;
    if (!recv().in_flight) arm_recv();
}

void TcpStream::pause_reading() noexcept {
    if (!reading_) return;
    reading_ = false;
    shard_.ring().cancel(recv());
    if (reset_) shard_.schedule(*this);
}

void TcpStream::arm_recv() noexcept {
    if (one_by_one_ || hung_up_)
        shard_.ring().recv_once(fd_, recv());
    else
        shard_.ring().recv_multishot(fd_, recv());
}

/// A multishot receive hands over all that the socket holds, half a megabyte in one go, before a slow reader's
/// back-pressure can stop it. A peer that sends like that is read one buffer at a time.
void TcpStream::note_burst() noexcept {
    if (!watches_bursts_ || one_by_one_) return;
    const auto tick_ns = static_cast<uint32_t>(shard_.now_ns());
    if (std::exchange(burst_tick_ns_, tick_ns) != tick_ns) burst_count_ = 0;
    burst_count_ += 1;
    if (burst_count_ < burst_receives_max) return;
    one_by_one_ = true;
    shard_.ring().cancel(recv());
}

void TcpStream::on_recv_cqe(io::Completion& completion, io::Cqe cqe) noexcept {
    static_cast<TcpStream&>(static_cast<TcpRecv&>(completion)).on_recv(cqe);
}

void TcpStream::on_recv(io::Cqe cqe) noexcept {
    if (cqe.res > 0) {
        io::BufferLease lease = shard_.buffers().lease(cqe);
        note_burst();
        if (state_ == State::open && !ended_) user_.on_bytes(*this, std::move(lease));
    } else if (cqe.has_buffer()) {
        shard_.buffers().recycle(cqe);
    }
    if (cqe.more()) return;
    if (state_ != State::open) return close_if_drained();
    if (cqe.res == -ENOBUFS) {
        auto& starved = shard_.stats().buffer_starvations;
        starved.store(starved.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return shard_.schedule_next_tick(*this);  // leases come home within the tick; the peer is fine
    }
    if (cqe.res <= 0 && cqe.res != -ECANCELED && cqe.res != -EINTR && cqe.res != -EAGAIN) return end_reading(cqe.res);
    if (reading_) arm_recv();
}

/// A multishot receive may never tell of an end that came close behind bytes: once these are read it waits for a
/// wake-up that has been (seen of resets on Linux 6.18, also where it was armed after the reset). Receives of one
/// buffer look into the socket each time: they read what is left and find the end.
void TcpStream::on_hang_up_cqe(io::Completion& completion, io::Cqe cqe) noexcept {
    TcpStream& stream = static_cast<TcpStream&>(static_cast<TcpHangUp&>(completion));
    if (stream.state_ != State::open) return stream.close_if_drained();
    if (cqe.res <= 0 || stream.ended_) return;
    stream.hung_up_ = true;
    stream.reset_ = (cqe.res & POLLERR) != 0;
    if (stream.reading_)
        stream.shard_.ring().cancel(stream.recv());
    else
        stream.tell_reset();
}

/// To a user that has paused: it would learn of it with the next bytes only.
void TcpStream::tell_reset() noexcept {
    if (reading_ || ended_ || !reset_) return;
    user_.on_hang_up(*this, error_of(-ECONNRESET, "the connection broke"));
}

void TcpStream::end_reading(int res) noexcept {
    reading_ = false;
    if (ended_) return;
    ended_ = true;
    Error why = error_of(res, "the connection broke");
    if (res == 0) why = Error{.code = Errc::closed, .what = "the peer closed the connection"};
    user_.on_end(*this, why);
}

void TcpStream::send(std::span<const iovec> pieces, io::SendMode mode) noexcept {
    LOOM_ASSERT(state_ == State::open && !pieces.empty());
    message_.msg_iov = const_cast<iovec*>(pieces.data());
    message_.msg_iovlen = pieces.size();
    shard_.ring().send(fd_, message_, mode, sending());
}

void TcpStream::on_send_cqe(io::Completion& completion, io::Cqe cqe) noexcept {
    TcpStream& stream = static_cast<TcpStream&>(static_cast<TcpSend&>(completion));
    if (stream.state_ != State::open) return stream.close_if_drained();
    if (cqe.res >= 0) return stream.user_.on_sent(stream, static_cast<size_t>(cqe.res));
    if (cqe.res == -EAGAIN || cqe.res == -EINTR) return stream.user_.on_sent(stream, size_t{0});
    stream.user_.on_sent(stream, std::unexpected(error_of(cqe.res, "send")));
}

void TcpStream::shutdown_sending() noexcept {
    if (state_ == State::open) shard_.ring().shutdown(fd_, SHUT_WR);
}

void TcpStream::begin_close(Close how) noexcept {
    if (state_ >= State::closing) return;
    const bool was_idle = state_ == State::idle;
    state_ = State::closing;
    reading_ = false;
    if (!was_idle && how == Close::abort) {
        shard_.ring().reset_on_close(fd_);
        shard_.ring().cancel(recv());
        shard_.ring().cancel(sending());
    } else if (!was_idle) {
        shard_.ring().shutdown(fd_, SHUT_RDWR);  // ends a pending recv or send; close() would not
        shard_.ring().cancel(sending());
    }
    shard_.ring().cancel(hang_up());
    if (drained()) shard_.schedule(*this);  // never from inside the caller
}

/// The ready list's turn: a receive that found no buffer tries again, a user that paused learns of a reset, or a
/// close without operations in flight ends.
void TcpStream::on_turn(io::Runnable& runnable) noexcept {
    TcpStream& stream = static_cast<TcpStream&>(runnable);
    if (stream.state_ == State::closing) return stream.close_if_drained();
    if (stream.state_ != State::open) return;
    if (stream.reading_ && !stream.recv().in_flight) stream.arm_recv();
    stream.tell_reset();
}

void TcpStream::close_if_drained() noexcept {
    LOOM_ASSERT(state_ == State::closing);
    if (!drained()) return;  // their memory is still the kernel's
    state_ = State::closed;
    Runnable::unlink();
    if (fd_ >= 0) shard_.ring().close(std::exchange(fd_, -1));
    user_.on_closed(*this);
}

}  // namespace loom::net

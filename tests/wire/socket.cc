#include "socket.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>

namespace loom::wire {
namespace {

using Clock = std::chrono::steady_clock;

sockaddr_in loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

[[noreturn]] void fail_with_errno(const std::string& what) { throw WireError(what + ": " + std::strerror(errno)); }

void set_option(int fd, int level, int name, int value) { ::setsockopt(fd, level, name, &value, sizeof value); }

struct Ends {
    sockaddr_in own{};
    sockaddr_in peer{};
};

std::optional<Ends> ends_of(int fd) {
    Ends ends;
    socklen_t bytes = sizeof(sockaddr_in);
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&ends.own), &bytes) != 0) return std::nullopt;
    bytes = sizeof(sockaddr_in);
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&ends.peer), &bytes) != 0) return std::nullopt;
    return ends;
}

enum class Peer : uint8_t { gone, behind, has_read_all, unknown };

/// Bytes that were given to this socket, without those it had to send twice. Some may still wait in it: a window of
/// small segments is ten of them, and a reset would throw the rest away.
uint64_t sent_bytes(int fd) {
    tcp_info info{};
    socklen_t bytes = sizeof info;
    ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes);
    return info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_notsent_bytes;
}

Peer judge(const inet_diag_msg& peer, size_t bytes, uint64_t sent) {
    const auto* attribute = reinterpret_cast<const rtattr*>(&peer + 1);
    for (size_t left = bytes - sizeof peer; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type != INET_DIAG_INFO) continue;
        tcp_info info{};
        std::memcpy(&info, RTA_DATA(attribute), std::min<size_t>(RTA_PAYLOAD(attribute), sizeof info));
        // A FIN of ours counts as a byte received.
        return peer.idiag_rqueue == 0 && info.tcpi_bytes_received >= sent ? Peer::has_read_all : Peer::behind;
    }
    return Peer::unknown;
}

/// Has the socket at the other end of `ends` received all that was sent, and its owner taken it? Asked of the kernel.
/// Waiting for acknowledgements instead would wait for the receiver's delayed ones, 40 ms each.
Peer ask_netlink(const Ends& ends, uint64_t sent) {
    struct {
        nlmsghdr header;
        inet_diag_req_v2 question;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.question.sdiag_family = AF_INET;
    request.question.sdiag_protocol = IPPROTO_TCP;
    request.question.idiag_ext = 1U << (INET_DIAG_INFO - 1);
    request.question.idiag_states = ~0U;
    request.question.id.idiag_sport = ends.peer.sin_port;  // its own end is our peer
    request.question.id.idiag_dport = ends.own.sin_port;
    request.question.id.idiag_src[0] = ends.peer.sin_addr.s_addr;
    request.question.id.idiag_dst[0] = ends.own.sin_addr.s_addr;
    request.question.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    request.question.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;

    thread_local const Fd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!netlink.is_open()) return Peer::unknown;
    if (::send(netlink.get(), &request, sizeof request, 0) < 0) return Peer::unknown;
    alignas(nlmsghdr) std::array<char, 4096> answer;
    const ssize_t bytes = ::recv(netlink.get(), answer.data(), answer.size(), 0);
    if (bytes < static_cast<ssize_t>(sizeof(nlmsghdr))) return Peer::unknown;
    const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (header->nlmsg_type == NLMSG_ERROR) {
        const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
        return error->error == -ENOENT ? Peer::gone : Peer::unknown;
    }
    return judge(*static_cast<const inet_diag_msg*>(NLMSG_DATA(header)), header->nlmsg_len - NLMSG_HDRLEN, sent);
}

/// The same, read from /proc/net/tcp: slow, for kernels without inet_diag.
Peer ask_proc(int fd, const Ends& ends) {
    int unacknowledged = 0;
    ::ioctl(fd, TIOCOUTQ, &unacknowledged);
    const auto spell = [](const sockaddr_in& address) {
        std::array<char, 32> text;
        std::snprintf(text.data(), text.size(), "%08X:%04X", address.sin_addr.s_addr, ntohs(address.sin_port));
        return std::string(text.data());
    };
    const std::string wanted = spell(ends.peer) + " " + spell(ends.own) + " ";
    std::ifstream table("/proc/net/tcp");
    for (std::string line; std::getline(table, line);) {
        const size_t at = line.find(wanted);
        if (at == std::string::npos) continue;
        const size_t colon = line.find(':', at + wanted.size());
        const bool is_empty = std::strtoll(line.c_str() + colon + 1, nullptr, 16) == 0;
        return is_empty && unacknowledged == 0 ? Peer::has_read_all : Peer::behind;
    }
    return Peer::gone;
}

}  // namespace

Deadline Deadline::in(std::chrono::milliseconds time) {
    Deadline deadline;
    deadline.at_ = Clock::now() + (is_sanitized() ? 4 * time : time);
    return deadline;
}

int Deadline::ms_left() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now()).count();
    return static_cast<int>(std::max<int64_t>(left, 0));
}

void Deadline::check(const std::string& waited_for) const {
    if (passed()) throw WireError("not in time: " + waited_for);
}

void pause_between_polls() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = other.release();
    }
    return *this;
}

int Fd::release() { return std::exchange(fd_, -1); }

void Fd::close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Fd::reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
}

namespace {

Listening listen_at(const sockaddr* address, socklen_t address_bytes, int send_buffer_bytes) {
    Listening listening;
    listening.fd = Fd(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    set_option(listening.fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (send_buffer_bytes > 0) set_option(listening.fd.get(), SOL_SOCKET, SO_SNDBUF, send_buffer_bytes);
    if (::bind(listening.fd.get(), address, address_bytes) != 0) fail_with_errno("bind");
    if (::listen(listening.fd.get(), 4096) != 0) fail_with_errno("listen");
    sockaddr_in6 bound{};  // the port lies where that of IPv4 does
    socklen_t bound_bytes = sizeof bound;
    ::getsockname(listening.fd.get(), reinterpret_cast<sockaddr*>(&bound), &bound_bytes);
    listening.port = ntohs(bound.sin6_port);
    return listening;
}

}  // namespace

Listening listen_on_loopback(int send_buffer_bytes, uint16_t port) {
    const sockaddr_in address = loopback(port);
    return listen_at(reinterpret_cast<const sockaddr*>(&address), sizeof address, send_buffer_bytes);
}

Listening listen_on_loopback6() {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = IN6ADDR_LOOPBACK_INIT;
    return listen_at(reinterpret_cast<const sockaddr*>(&address), sizeof address, 0);
}

uint16_t free_port() {
    static uint16_t last = 0;  // the kernel may hand out the same again at once, and who asks twice wants two
    uint16_t port = last;
    while (port == last) port = listen_on_loopback().port;
    return last = port;
}

Fd connect_loopback(uint16_t port, int receive_buffer_bytes) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer_bytes > 0) set_option(fd.get(), SOL_SOCKET, SO_RCVBUF, receive_buffer_bytes);
    const sockaddr_in address = loopback(port);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        fail_with_errno("connect to 127.0.0.1:" + std::to_string(port));
    }
    set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    return fd;
}

Fd connect_loopback_from(uint8_t host, uint16_t port) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in source = loopback(0);
    source.sin_addr.s_addr = htonl((INADDR_LOOPBACK & 0xFFFFFF00u) | host);
    const sockaddr_in address = loopback(port);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&source), sizeof source) != 0 ||
        ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        fail_with_errno("connect from 127.0.0." + std::to_string(host));
    set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    return fd;
}

Fd connect_unix(const std::string& path) {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        fail_with_errno("connect to " + path);
    return fd;
}

bool can_connect(uint16_t port) {
    const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool send_all(int fd, std::string_view bytes, Deadline deadline) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<size_t>(sent));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            pollfd wait{.fd = fd, .events = POLLOUT, .revents = 0};
            ::poll(&wait, 1, deadline.ms_left());
            deadline.check("room to send " + std::to_string(bytes.size()) + " bytes");
        } else if (errno == EPIPE || errno == ECONNRESET || errno == EBADF) {
            return false;
        } else if (errno != EINTR) {
            fail_with_errno("send");
        }
    }
    return true;
}

Got receive(int fd, std::string& into, Deadline deadline) {
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    while (::poll(&wait, 1, deadline.ms_left()) <= 0) deadline.check("bytes from the peer");
    std::array<char, 65536> bytes;
    const ssize_t count = ::recv(fd, bytes.data(), bytes.size(), 0);
    if (count > 0) {
        into.append(bytes.data(), static_cast<size_t>(count));
        return Got::bytes;
    }
    if (count == 0) return Got::fin;
    if (errno == ECONNRESET || errno == EPIPE) return Got::rst;
    fail_with_errno("recv");
}

bool wait_until_peer_has_read(int fd, Deadline deadline) {
    const std::optional<Ends> ends = ends_of(fd);
    if (!ends) return false;
    for (;;) {
        Peer peer = ask_netlink(*ends, sent_bytes(fd));
        if (peer == Peer::unknown) peer = ask_proc(fd, *ends);
        if (peer == Peer::gone) return false;
        if (peer == Peer::has_read_all) return true;
        deadline.check("the peer's reading of what was sent");
        std::this_thread::yield();
    }
}

void raise_descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

bool is_sanitized() {
    static const bool sanitized = std::getenv("LOOM_SANITIZED") != nullptr;
    return sanitized;
}

}  // namespace loom::wire

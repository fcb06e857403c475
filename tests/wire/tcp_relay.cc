#include "tcp_relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace loom::wire {
namespace {

constexpr int poll_ms = 5;  // how long a cut, its end and a stop may wait

/// False at its end.
bool read_some(int fd, std::string& into) {
    std::array<char, 16 * 1024> part;
    for (;;) {
        const ssize_t size = ::recv(fd, part.data(), part.size(), MSG_DONTWAIT);
        if (size < 0) return errno == EAGAIN || errno == EINTR;
        if (size == 0) return false;
        into.append(part.data(), static_cast<size_t>(size));
    }
}

bool write_some(int fd, std::string& from) {
    if (from.empty()) return true;
    const ssize_t size = ::send(fd, from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    from.erase(0, static_cast<size_t>(size));
    return true;
}

}  // namespace

TcpRelay::TcpRelay(uint16_t target_port) : target_port_(target_port) {
    Listening listening = listen_on_loopback();
    listener_ = std::move(listening.fd);
    port_ = listening.port;
    thread_ = std::thread([this] { run(); });
}

TcpRelay::~TcpRelay() {
    is_stopping_ = true;
    thread_.join();
}

bool TcpRelay::carry(Connection& one) {
    if (!one.client_ended) one.client_ended = !read_some(one.client.get(), one.to_target);
    if (!one.target_ended) one.target_ended = !read_some(one.target.get(), one.to_client);
    if (!write_some(one.client.get(), one.to_client) || !write_some(one.target.get(), one.to_target)) return false;
    if (one.client_ended && one.to_target.empty()) return false;
    return !one.target_ended || !one.to_client.empty();
}

void TcpRelay::run() {
    while (!is_stopping_) {
        std::vector<pollfd> waits = {{.fd = listener_.get(), .events = POLLIN, .revents = 0}};
        for (const auto& one : connections_) {
            if (is_cut_) break;
            const auto events = [](const std::string& pending) {
                return static_cast<short>(POLLIN | (pending.empty() ? 0 : POLLOUT));
            };
            waits.push_back({.fd = one->client.get(), .events = events(one->to_client), .revents = 0});
            waits.push_back({.fd = one->target.get(), .events = events(one->to_target), .revents = 0});
        }
        (void)::poll(waits.data(), waits.size(), poll_ms);
        if ((waits.front().revents & POLLIN) != 0) {
            Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            auto one = std::make_unique<Connection>();
            one->client = std::move(client);
            try {
                one->target = connect_loopback(target_port_);
                connections_.push_back(std::move(one));
            } catch (const WireError&) {  // nobody listens there: it closes
            }
        }
        if (is_cut_) continue;
        std::erase_if(connections_, [](const auto& one) { return !carry(*one); });
    }
}

}  // namespace loom::wire

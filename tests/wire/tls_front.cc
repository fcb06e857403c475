#include "tls_front.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace loom::wire {

namespace {

constexpr int poll_ms = 5;  // how long a stop may wait
constexpr size_t pending_max = 32 * 1024;

}  // namespace

struct TlsFront::Connection {
    Connection(net::TlsContext& context, Fd to_client, Fd to_upstream)
        : session(context), client(std::move(to_client)), upstream(std::move(to_upstream)) {}
    net::TlsSession session;
    Fd client;
    Fd upstream;
    bool counted = false;
    bool client_ended = false;
    bool upstream_ended = false;
};

TlsFront::TlsFront(uint16_t upstream_port, const net::TlsServerOptions& options, Ending ending)
    : upstream_port_(upstream_port), ending_(ending) {
    std::string text;
    auto context = net::TlsContext::server(options, &text);
    if (!context) throw WireError(text);
    context_ = std::move(*context);
    Listening listening = listen_on_loopback();
    listener_ = std::move(listening.fd);
    port_ = listening.port;
    thread_ = std::thread([this] { run(); });
}

TlsFront::~TlsFront() {
    is_stopping_ = true;
    thread_.join();
}

void TlsFront::run() {
    while (!is_stopping_) {
        std::vector<pollfd> waits = {{.fd = listener_.get(), .events = POLLIN, .revents = 0}};
        for (const auto& connection : connections_) {
            const size_t pending = connection->session.pending_bytes();
            const int client_events = (connection->client_ended ? 0 : POLLIN) | (pending > 0 ? POLLOUT : 0);
            const int upstream_events = connection->upstream_ended || pending > pending_max ? 0 : POLLIN;
            waits.push_back({.fd = client_events == 0 ? -1 : connection->client.get(),
                             .events = static_cast<short>(client_events),
                             .revents = 0});
            waits.push_back({.fd = upstream_events == 0 ? -1 : connection->upstream.get(),
                             .events = static_cast<short>(upstream_events),
                             .revents = 0});
        }
        ::poll(waits.data(), waits.size(), poll_ms);
        size_t kept = 0;
        for (size_t i = 0; i < connections_.size(); ++i) {
            const bool client_ready = (waits[1 + 2 * i].revents & ~POLLOUT) != 0;
            const bool upstream_ready = waits[2 + 2 * i].revents != 0;
            if (carry(*connections_[i], client_ready, upstream_ready))
                connections_[kept++] = std::move(connections_[i]);
        }
        connections_.resize(kept);
        if (waits[0].revents != 0) accept_one();
    }
    connections_.clear();
}

void TlsFront::accept_one() {
    Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client.is_open()) return;
    connection_count_ += 1;
    connections_.push_back(
        std::make_unique<Connection>(*context_, std::move(client), connect_loopback(upstream_port_)));
    (void)connections_.back()->session.start_server();
}

bool TlsFront::carry(Connection& connection, bool client_ready, bool upstream_ready) {
    if (client_ready && !connection.client_ended && !read_client(connection)) {
        (void)send_pending(connection);  // the alert
        return false;
    }
    if (upstream_ready && !connection.upstream_ended && !read_upstream(connection)) return false;
    if (!send_pending(connection)) return false;
    return !(connection.upstream_ended && connection.session.pending_bytes() == 0);
}

bool TlsFront::read_client(Connection& connection) {
    std::array<char, 16 * 1024> ciphertext, plaintext;
    const ssize_t count = ::recv(connection.client.get(), ciphertext.data(), ciphertext.size(), 0);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;
    std::string_view rest(ciphertext.data(), static_cast<size_t>(count));
    for (bool more = true; more || !rest.empty();) {
        const auto progress = connection.session.feed(rest, plaintext);
        if (!progress) return false;
        rest.remove_prefix(progress->consumed_bytes);
        more = progress->more;
        if (!send_all(connection.upstream.get(), {plaintext.data(), progress->plaintext_bytes})) return false;
        if (!progress->peer_closed) continue;
        connection.client_ended = true;
        ::shutdown(connection.upstream.get(), SHUT_WR);
        break;
    }
    if (connection.counted || !connection.session.handshake_done()) return true;
    connection.counted = true;
    if (connection.session.resumed()) resumed_count_ += 1;
    const auto peer = connection.session.peer();
    const std::lock_guard lock(mutex_);
    client_subject_ = peer ? peer->subject : "";
    handshake_count_ += 1;
    return true;
}

std::string TlsFront::client_subject() const {
    const std::lock_guard lock(mutex_);
    return client_subject_;
}

bool TlsFront::read_upstream(Connection& connection) {
    std::array<char, 12 * 1024> plaintext;
    const ssize_t count = ::recv(connection.upstream.get(), plaintext.data(), plaintext.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (count < 0) {
        connection.client.reset();
        return false;
    }
    if (count > 0) {
        const auto taken = connection.session.write({plaintext.data(), static_cast<size_t>(count)});
        return taken && *taken == static_cast<size_t>(count);  // pending_max is below the session's own
    }
    connection.upstream_ended = true;
    if (ending_ == Ending::close_notify) connection.session.begin_close();
    return true;
}

bool TlsFront::send_pending(Connection& connection) {
    while (connection.session.pending_bytes() > 0) {
        const std::string_view bytes = connection.session.pending_ciphertext();
        const ssize_t sent = ::send(connection.client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        connection.session.consume_ciphertext(static_cast<size_t>(sent));
    }
    return true;
}

}  // namespace loom::wire

// TLS in front of a scripted upstream: a server's side of BoringSSL that hands each connection's plaintext to a
// script's port, and its answers back. So every script that speaks plain HTTP speaks https too.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "loom/net/tls_session.h"
#include "socket.h"

namespace loom::wire {

class TlsFront {
  public:
    enum class Ending : uint8_t {
        close_notify,  // a script's end is passed on in order
        cut,           // FIN alone, as from a peer that died or a man in the middle
    };

    TlsFront(uint16_t upstream_port, const net::TlsServerOptions& options, Ending ending = Ending::close_notify);
    ~TlsFront();
    TlsFront(const TlsFront&) = delete;

    [[nodiscard]] uint16_t port() const { return port_; }
    [[nodiscard]] size_t connection_count() const { return connection_count_; }
    [[nodiscard]] size_t handshake_count() const { return handshake_count_; }
    [[nodiscard]] size_t resumed_count() const { return resumed_count_; }
    /// Of the client's certificate, as of the last handshake; "" without one.
    [[nodiscard]] std::string client_subject() const;

  private:
    struct Connection;
    void run();
    void accept_one();
    /// One look at both sockets. False once there is nothing more to carry.
    bool carry(Connection& connection, bool client_ready, bool upstream_ready);
    bool read_client(Connection& connection);
    bool read_upstream(Connection& connection);
    static bool send_pending(Connection& connection);

    std::unique_ptr<net::TlsContext> context_;
    uint16_t upstream_port_;
    Ending ending_;
    Fd listener_;
    uint16_t port_ = 0;
    std::atomic<size_t> connection_count_ = 0;
    std::atomic<size_t> handshake_count_ = 0;
    std::atomic<size_t> resumed_count_ = 0;
    mutable std::mutex mutex_;
    std::string client_subject_;
    std::atomic<bool> is_stopping_ = false;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::thread thread_;
};

}  // namespace loom::wire

// A way to a port that a test can stop: connections stay open, and nothing passes, as in a network that is cut in two.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "socket.h"

namespace loom::wire {

class TcpRelay {
  public:
    explicit TcpRelay(uint16_t target_port);
    ~TcpRelay();
    TcpRelay(const TcpRelay&) = delete;

    [[nodiscard]] uint16_t port() const { return port_; }
    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    /// From now on nothing passes, in neither direction; who connects is accepted and hears nothing.
    void cut() { is_cut_ = true; }
    /// It passes again, with all that was sent meanwhile.
    void heal() { is_cut_ = false; }

  private:
    struct Connection {
        Fd client;
        Fd target;
        std::string to_client;
        std::string to_target;
        bool client_ended = false;
        bool target_ended = false;
    };
    void run();
    /// False once it is over.
    static bool carry(Connection& connection);

    uint16_t target_port_;
    Fd listener_;
    uint16_t port_ = 0;
    std::atomic<bool> is_cut_ = false;
    std::atomic<bool> is_stopping_ = false;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::thread thread_;
};

}  // namespace loom::wire

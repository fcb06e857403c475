// An address that takes no connection: whoever connects waits until it gives up, and not a byte of it leaves.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <vector>

#include "socket.h"

namespace loom::wire {

/// A listener on loopback that nobody accepts from, whose queue is full: the kernel passes over what asks for more.
class FullBacklog {
  public:
    FullBacklog() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const raw = reinterpret_cast<sockaddr*>(&address);
        if (::bind(listener_.get(), raw, size) != 0 || ::listen(listener_.get(), 0) != 0 ||
            ::getsockname(listener_.get(), raw, &size) != 0)
            throw WireError("no listener with a full backlog");
        port_ = ntohs(address.sin_port);
        constexpr int fillers = 4;  // a queue of none takes one or two
        for (int i = 0; i < fillers; ++i) {
            waiting_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            (void)::connect(waiting_.back().get(), raw, size);
        }
    }
    [[nodiscard]] uint16_t port() const { return port_; }

  private:
    Fd listener_;
    std::vector<Fd> waiting_;
    uint16_t port_ = 0;
};

}  // namespace loom::wire

// Where connections come in. Each shard has a listener of its own on the same address; the kernel spreads the clients.
#pragma once

#include <functional>

#include "loom/io/shard.h"
#include "loom/net/address.h"

namespace loom::net {

struct ListenOptions {
    int backlog = 1024;
    bool nodelay = true;  // accepted sockets inherit both
    int keepalive_s = 60;
};

/// Whose an IP address is to be. SO_REUSEPORT lets any process of this user listen beside another, each with a part of
/// the clients and neither told.
enum class Claim : uint8_t {
    alone,   // nobody listens there yet; others may join it from then on
    joined,  // beside those who listen there
};

/// Binds and listens. TCP: every shard opens its own, the first alone and the others joined to it. Unix: a stale socket
/// file is replaced, one in use is an error; shards share the descriptor by `dup`.
/// Errors  io with sys_errno (EADDRINUSE, EACCES, …).
[[nodiscard]] Result<int> open_listener(const Address& address, const ListenOptions& options, Claim claim);

class Listener {
  public:
    /// Told of every new socket (non-blocking); takes it over.
    using OnAccept = std::function<void(int fd)>;

    /// Owns `fd`.
    Listener(io::Shard& shard, int fd, OnAccept on_accept);
    ~Listener();

    void start();
    /// No more connections; the descriptor is closed when the kernel has let go of it.
    void stop();
    /// Leaves clients in the backlog, where they wait instead of being turned away, and takes them up again.
    void pause();
    void resume();
    [[nodiscard]] bool stopped() const noexcept { return fd_ < 0; }

  private:
    struct Accept : io::Completion {
        explicit Accept(Listener& l) : Completion(&Listener::on_accept_cqe), listener(l) {}
        Listener& listener;
    };
    struct Retry : io::Timer {
        explicit Retry(Listener& l) : Timer(&Listener::on_retry), listener(l) {}
        Listener& listener;
    };
    static void on_accept_cqe(io::Completion& completion, io::Cqe cqe) noexcept;
    static void on_retry(io::Timer& timer) noexcept;
    void on_cqe(io::Cqe cqe);
    void arm();

    io::Shard& shard_;
    OnAccept on_accept_;
    Accept accept_{*this};
    Retry retry_{*this};
    int fd_;
    bool accepting_ = false;
    bool stopping_ = false;
};

}  // namespace loom::net

// Connections to one upstream, kept by one shard: the newest idle one first, since it is the least likely to have been
// closed by the peer.
#pragma once

#include <memory>
#include <vector>

#include "loom/base/list.h"
#include "loom/net/resolver.h"
#include "loom/net/sender.h"
#include "loom/net/tcp_stream.h"
#include "loom/net/tls_stream.h"
#include "loom/upstream/endpoint.h"

namespace loom::upstream {

class Connection;
class Pool;

/// Who counts what happens to a pool's connections, and hears why TLS failed.
class PoolWatch : public net::TlsWatch {
  public:
    virtual void on_connected() noexcept = 0;
    virtual void on_reused() noexcept = 0;
    virtual void on_connect_failed(Errc why) noexcept = 0;
    virtual void on_level(int idle_delta, int busy_delta) noexcept = 0;

  protected:
    ~PoolWatch() = default;
};

/// Who uses a connection for one exchange. Calls come from the loop.
class ConnectionUser {
  public:
    virtual void on_upstream_connected(Result<void>) noexcept = 0;
    virtual void on_upstream_bytes(io::BufferLease bytes) noexcept = 0;
    /// bad_message: the upstream had said something before it was asked, and was not asked.
    virtual void on_upstream_end(Error why) noexcept = 0;
    /// Some of what was given to the sender has left (busy), all of it (idle), or sending failed.
    virtual void on_upstream_sent(net::Sender::State state) noexcept = 0;
    /// After `Pool::drop`: no byte of the user's is in the kernel's hands any more.
    virtual void on_upstream_closed() noexcept = 0;

  protected:
    ~ConnectionUser() = default;
};

struct PooledTag;

/// One connection to an upstream: idle in its pool, or lent to one user. Its stream, TCP or TLS, lies behind it in one
/// block. Its turn on the ready list is its base, which needs no pointer back.
class Connection final : net::StreamUser, io::Doomed, io::Runnable, public ListLink<PooledTag> {
  public:
    [[nodiscard]] net::Sender& sender() noexcept { return sender_; }
    /// Sends what was added to the sender. One that was idle in its pool is spoken to when the kernel has told all that
    /// had come on it by then: an end, or bytes that nobody had asked for and that would be taken for the answer.
    void flush() noexcept;
    /// `flush` has been called and nothing has left yet.
    [[nodiscard]] bool waits_to_speak() const noexcept { return io::Runnable::linked(); }
    [[nodiscard]] net::Stream& stream() noexcept { return *stream_; }
    [[nodiscard]] bool connected() const noexcept { return connected_; }
    /// It has served an exchange before: its peer may have closed it unseen.
    [[nodiscard]] bool reused() const noexcept { return reused_; }
    [[nodiscard]] bool ended() const noexcept { return end_.code != Errc::ok; }
    /// How: an end in order may be a body's, a cut is not.
    [[nodiscard]] const Error& end() const noexcept { return end_; }

    /// Of one connection with its stream.
    [[nodiscard]] static size_t block_bytes(bool tls) noexcept;

  private:
    friend class Pool;
    Connection(Pool& pool, Block home);
    ~Connection() { stream_->~Stream(); }
    [[nodiscard]] net::Stream* make_stream() noexcept;
    [[nodiscard]] Result<void> connect(const net::Address& address) noexcept;
    static void free_connection(io::Doomed& doomed) noexcept;
    static void on_turn(io::Runnable& work) noexcept;

    void on_connected(net::Stream&, Result<void> result) noexcept override;
    void on_bytes(net::Stream&, io::BufferLease bytes) noexcept override;
    void on_end(net::Stream&, Error why) noexcept override;
    void on_sent(net::Stream&, Result<size_t> sent) noexcept override;
    void on_closed(net::Stream&) noexcept override;
    void say_nothing() noexcept;
    [[nodiscard]] bool pooled() const noexcept { return ListLink<PooledTag>::linked(); }

    Pool& pool_;
    ConnectionUser* user_ = nullptr;
    net::Stream* const stream_;
    net::Sender sender_;
    Error end_;
    uint64_t idle_since_ms_ = 0;
    uint64_t idle_since_tick_ = 0;
    uint32_t address_index_ = 0;
    bool spoken_to_ = true;  // by the user at hand
    bool connected_ = false;
    bool reused_ = false;
    bool waits_for_address_ = false;
    Block home_;
};

class Pool {
  public:
    /// tls  with options.tls: the shard's, on options.terms. Its watch is this pool's.
    Pool(io::Shard& shard, net::NameService& names, PoolWatch& watch, EndpointOptions options, net::TlsShare tls = {});
    ~Pool();
    Pool(const Pool&) = delete;

    /// An idle connection (connected() is true), or a new one on its way: on_upstream_connected tells.
    /// Errors  exhausted (no descriptor), unreachable (the name does not resolve and was asked for just now).
    [[nodiscard]] Result<Connection*> acquire(ConnectionUser& user);
    /// The same, but never an idle one: for a second try after a stale connection.
    [[nodiscard]] Result<Connection*> acquire_fresh(ConnectionUser& user);

    /// The exchange is over and the connection is at the start of the next message.
    void give_back(Connection& connection) noexcept;
    /// The connection is of no further use. Bytes being sent stay the user's until on_upstream_closed; when this
    /// returns false nothing was in flight and that call does not come.
    [[nodiscard]] bool drop(Connection& connection, net::Close how) noexcept;

    /// Closes what is idle and what comes back from now on. The pool may go when `empty()`.
    void retire() noexcept;
    [[nodiscard]] bool empty() const noexcept { return connection_count_ == 0 && !resolving_; }
    [[nodiscard]] const EndpointOptions& options() const noexcept { return options_; }
    [[nodiscard]] uint32_t idle_count() const noexcept { return idle_count_; }
    /// Of the host. A connection that could not be made leaves the next one another of them to try.
    [[nodiscard]] size_t address_count() const noexcept { return addresses_.size(); }

  private:
    friend class Connection;
    using Connections = List<Connection, PooledTag>;
    struct Sweep : io::Timer {
        explicit Sweep(Pool& p) : Timer(&Pool::on_sweep), pool(p) {}
        Pool& pool;
    };
    static void on_sweep(io::Timer& timer) noexcept;

    void ask_for_addresses();
    void on_addresses(Result<std::vector<net::Address>> addresses, uint64_t ttl_ms);
    [[nodiscard]] Result<void> start_connect(Connection& connection);
    void connect_failed(Connection& connection, const Error& why) noexcept;
    void pass_over(const Connection& connection) noexcept;
    void leave_idle(Connection& connection) noexcept;
    void close_idle(Connection& connection) noexcept;
    void gone(Connection& connection) noexcept;

    io::Shard& shard_;
    net::NameService& names_;
    PoolWatch& watch_;
    EndpointOptions options_;
    net::TlsShare tls_;
    Connections idle_;     // newest first
    Connections waiting_;  // for addresses
    std::vector<net::Address> addresses_;
    uint64_t addresses_until_ms_ = 0;
    uint32_t next_address_ = 0;
    uint32_t idle_count_ = 0;
    uint32_t connection_count_ = 0;
    bool resolving_ = false;
    bool retired_ = false;
    Sweep sweep_{*this};
    std::shared_ptr<Pool*> self_;  // what an answer of the resolver finds, empty once the pool has gone
};

}  // namespace loom::upstream

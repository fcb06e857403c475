#include "loom/upstream/pool.h"

#include <new>

namespace loom::upstream {

Connection::Connection(Pool& pool, Block home)
    : Doomed(&Connection::free_connection),
      Runnable(&Connection::on_turn),
      pool_(pool),
      stream_(make_stream()),
      sender_(*stream_, pool.shard_),
      home_(std::move(home)) {}

size_t Connection::block_bytes(bool tls) noexcept {
    static_assert(sizeof(Connection) % alignof(net::TcpStream) == 0 &&
                  sizeof(Connection) % alignof(net::TlsStream) == 0);
    return sizeof(Connection) + (tls ? sizeof(net::TlsStream) : sizeof(net::TcpStream));
}

net::Stream* Connection::make_stream() noexcept {
    void* const memory = this + 1;
    if (pool_.options_.tls) return ::new (memory) net::TlsStream(pool_.shard_, pool_.tls_, *this);
    return ::new (memory) net::TcpStream(pool_.shard_, *this);
}

Result<void> Connection::connect(const net::Address& address) noexcept {
    const EndpointOptions& options = pool_.options_;
    if (!options.tls) return static_cast<net::TcpStream*>(stream_)->connect(address, options.socket);
    return static_cast<net::TlsStream*>(stream_)->connect(address, options.socket, options.host, options.port);
}

void Connection::free_connection(io::Doomed& doomed) noexcept {
    auto& connection = static_cast<Connection&>(doomed);
    Block home = std::move(connection.home_);
    connection.~Connection();
}

void Connection::on_connected(net::Stream&, Result<void> result) noexcept {
    if (!result) return pool_.connect_failed(*this, result.error());
    connected_ = true;
    pool_.watch_.on_connected();
    stream_->start_reading();
    if (user_ != nullptr) user_->on_upstream_connected({});
}

void Connection::flush() noexcept {
    if (std::exchange(spoken_to_, true)) {
        if (!waits_to_speak()) sender_.flush();
        return;
    }
    // Given back in this very tick, it may hold what its receive, armed anew, can only tell in the next.
    if (idle_since_tick_ == pool_.shard_.tick_count()) return pool_.shard_.schedule_next_tick(*this);
    pool_.shard_.schedule(*this);
}

void Connection::on_turn(io::Runnable& work) noexcept {
    auto& connection = static_cast<Connection&>(work);
    if (!connection.stream_->hung_up()) return connection.sender_.flush();
    const Error why{.code = Errc::closed, .what = "the upstream closed the connection before it was asked anything"};
    connection.say_nothing();
    connection.on_end(*connection.stream_, why);
}

/// What waited to be sent is forgotten: not a byte of it has left.
void Connection::say_nothing() noexcept {
    io::Runnable::unlink();
    sender_.abandon();
}

void Connection::on_bytes(net::Stream&, io::BufferLease bytes) noexcept {
    if (ended()) return;
    // An idle upstream that talks is out of step: its next answer could be another's.
    if (user_ == nullptr) return pool_.close_idle(*this);
    if (!waits_to_speak()) return user_->on_upstream_bytes(std::move(bytes));
    say_nothing();
    end_ = Error{
        .code = Errc::bad_message, .side = Side::upstream, .what = "the upstream spoke before it was asked anything"};
    user_->on_upstream_end(end_);
}

void Connection::on_end(net::Stream&, Error why) noexcept {
    if (ended()) return;
    why.side = Side::upstream;
    end_ = why;
    if (user_ == nullptr) return pool_.close_idle(*this);
    if (waits_to_speak()) say_nothing();
    user_->on_upstream_end(why);
}

void Connection::on_sent(net::Stream&, Result<size_t> sent) noexcept {
    const net::Sender::State state = sender_.on_sent(sent);
    if (user_ != nullptr) user_->on_upstream_sent(state);
}

void Connection::on_closed(net::Stream&) noexcept {
    sender_.abandon();
    ConnectionUser* const user = std::exchange(user_, nullptr);
    pool_.gone(*this);
    if (user != nullptr) user->on_upstream_closed();
}

Pool::Pool(io::Shard& shard, net::NameService& names, PoolWatch& watch, EndpointOptions options, net::TlsShare tls)
    : shard_(shard),
      names_(names),
      watch_(watch),
      options_(std::move(options)),
      tls_(tls),
      self_(std::make_shared<Pool*>(this)) {
    LOOM_ASSERT(!options_.tls || (tls_.context != nullptr && tls_.plain != nullptr));  // never in plain text instead
    tls_.watch = &watch_;
}

Pool::~Pool() {
    *self_ = nullptr;
    LOOM_ASSERT(connection_count_ == 0);
}

Result<Connection*> Pool::acquire(ConnectionUser& user) {
    while (!idle_.empty() && idle_.front().stream_->hung_up()) close_idle(idle_.front());
    if (idle_.empty()) return acquire_fresh(user);
    Connection& connection = idle_.front();
    leave_idle(connection);
    connection.user_ = &user;
    connection.reused_ = true;
    connection.spoken_to_ = false;
    connection.stream_->watch_bursts();
    watch_.on_reused();
    watch_.on_level(0, 1);
    return &connection;
}

Result<Connection*> Pool::acquire_fresh(ConnectionUser& user) {
    Block home = shard_.blocks().take(Connection::block_bytes(options_.tls));
    char* const memory = home.data();
    auto* const connection = ::new (memory) Connection(*this, std::move(home));
    connection_count_ += 1;
    connection->user_ = &user;
    connection->stream_->watch_bursts();
    watch_.on_level(0, 1);
    if (addresses_.empty() || shard_.timers().now_ms() >= addresses_until_ms_) {
        connection->waits_for_address_ = true;
        waiting_.push_back(*connection);
        ask_for_addresses();
        return connection;
    }
    const auto started = start_connect(*connection);
    if (started) return connection;
    connection->user_ = nullptr;
    watch_.on_level(0, -1);
    watch_.on_connect_failed(started.error().code);
    connection->stream_->begin_close(net::Close::abort);
    return std::unexpected(started.error());
}

void Pool::ask_for_addresses() {
    if (resolving_) return;
    resolving_ = true;
    // The answer comes on the resolver's thread; it may find the pool gone, never the shard: shards outlive the
    // resolver.
    names_.resolve(
        options_.host, options_.port,
        [shard = &shard_, self = self_](Result<std::vector<net::Address>> addresses, std::chrono::seconds ttl) {
            shard->mailbox().post([self, addresses = std::move(addresses), ttl]() mutable {
                if (*self == nullptr) return;
                const auto ttl_ms = static_cast<uint64_t>(ttl.count()) * 1000;
                (*self)->on_addresses(std::move(addresses), ttl_ms);
            });
        });
}

void Pool::on_addresses(Result<std::vector<net::Address>> addresses, uint64_t ttl_ms) {
    resolving_ = false;
    if (addresses) {
        addresses_ = std::move(*addresses);
        next_address_ = 0;
        addresses_until_ms_ = shard_.timers().now_ms() + ttl_ms;
    } else if (!addresses_.empty()) {
        addresses_until_ms_ = shard_.timers().now_ms() + ttl_ms;  // the old ones beat none
    }
    while (Connection* const connection = waiting_.pop_front()) {
        connection->waits_for_address_ = false;
        if (addresses_.empty()) {
            connect_failed(*connection, addresses.error());
            continue;
        }
        const auto started = start_connect(*connection);
        if (!started) connect_failed(*connection, started.error());
    }
}

Result<void> Pool::start_connect(Connection& connection) {
    connection.address_index_ = next_address_ % static_cast<uint32_t>(addresses_.size());
    return connection.connect(addresses_[connection.address_index_]);
}

void Pool::connect_failed(Connection& connection, const Error& why) noexcept {
    watch_.on_connect_failed(why.code);
    pass_over(connection);
    Error error = why;
    if (why.code != Errc::exhausted) error.side = Side::upstream;  // what Loom itself ran out of is no upstream's fault
    error.retry = Retry::safe;
    ConnectionUser* const user = connection.user_;
    if (user != nullptr) user->on_upstream_connected(std::unexpected(error));
}

/// Its address does not answer: the next connection tries another of the host's.
void Pool::pass_over(const Connection& connection) noexcept { next_address_ = connection.address_index_ + 1; }

void Pool::give_back(Connection& connection) noexcept {
    connection.user_ = nullptr;
    watch_.on_level(0, -1);
    const bool reusable = !retired_ && !connection.ended() && !connection.stream_->hung_up() &&
                          connection.sender_.idle() && idle_count_ < options_.idle_max;
    if (!reusable) return connection.stream_->begin_close(net::Close::orderly);
    connection.stream_->start_reading();  // so that its closing is seen while it waits
    connection.idle_since_ms_ = shard_.timers().now_ms();
    connection.idle_since_tick_ = shard_.tick_count();
    idle_.push_front(connection);
    idle_count_ += 1;
    watch_.on_level(1, 0);
    if (!sweep_.armed()) shard_.timers().arm(sweep_, options_.idle_timeout_ms);
}

bool Pool::drop(Connection& connection, net::Close how) noexcept {
    watch_.on_level(0, -1);
    if (connection.waits_to_speak()) connection.say_nothing();
    if (connection.waits_for_address_)
        static_cast<ListLink<PooledTag>&>(connection).unlink();
    else if (!connection.connected_)
        pass_over(connection);  // given up while connecting: most often for want of an answer
    const bool sending = connection.stream_->send_in_flight() && connection.connected_;
    if (!sending) connection.user_ = nullptr;
    connection.stream_->begin_close(how);
    return sending;
}

void Pool::leave_idle(Connection& connection) noexcept {
    static_cast<ListLink<PooledTag>&>(connection).unlink();
    idle_count_ -= 1;
    watch_.on_level(-1, 0);
}

void Pool::close_idle(Connection& connection) noexcept {
    if (!connection.pooled()) return;
    leave_idle(connection);
    connection.stream_->begin_close(net::Close::orderly);
}

void Pool::gone(Connection& connection) noexcept {
    LOOM_ASSERT(connection_count_ > 0 && !connection.pooled());
    connection_count_ -= 1;
    shard_.free_later(connection);
}

void Pool::on_sweep(io::Timer& timer) noexcept {
    Pool& pool = static_cast<Sweep&>(timer).pool;
    const uint64_t now_ms = pool.shard_.timers().now_ms();
    while (!pool.idle_.empty()) {
        Connection& oldest = pool.idle_.back();
        const uint64_t due_ms = oldest.idle_since_ms_ + pool.options_.idle_timeout_ms;
        if (due_ms > now_ms) return pool.shard_.timers().arm_at(timer, due_ms);
        pool.close_idle(oldest);
    }
}

void Pool::retire() noexcept {
    retired_ = true;
    while (!idle_.empty()) close_idle(idle_.front());
}

}  // namespace loom::upstream

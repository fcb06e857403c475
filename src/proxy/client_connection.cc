#include "client_connection.h"

#include <arpa/inet.h>

#include <charconv>
#include <new>

#include "client_tls.h"
#include "discard_stream.h"
#include "exchange.h"
#include "loom/http/head_writer.h"
#include "loom/llm/error.h"
#include "loom/net/tcp_stream.h"
#include "reply.h"

namespace loom::proxy {
namespace {

constexpr uint64_t linger_ms = 1'000;
constexpr uint32_t linger_bytes_max = 4u << 20;
constexpr size_t head_room_bytes = 512;

/// A whole answer of Loom's that ends the connection: head and body in one.
using RefusalRoom = std::array<char, head_room_bytes + llm::error_bytes_max>;
std::string_view write_refusal(RefusalRoom& room, const ReplyShape& shape, std::string_view what,
                               std::string_view date) {
    std::array<char, llm::error_bytes_max> body_room;
    const std::string_view body =
        llm::write_error(body_room, {.message = what, .type = shape.type, .code = shape.code});
    http::HeadWriter head(room.data(), head_room_bytes);
    head.status(shape.status).header("content-type", "application/json").date(date);
    if (shape.status == 405) head.header("allow", "GET, HEAD, POST, DELETE, OPTIONS");
    head.header("content-length", static_cast<uint64_t>(body.size())).raw("connection: close\r\n").end();
    const size_t head_bytes = head.view().size();
    body.copy(room.data() + head_bytes, body.size());
    return {room.data(), head_bytes + body.size()};
}

}  // namespace

void ClientConnection::accept(Services& services, const ListenerPlan& listener, const Arrival& arrival) {
    Block home = services.shard().blocks().take(block_bytes(listener.tls != nullptr));
    char* const memory = home.data();
    auto* const client = ::new (memory) ClientConnection(services, listener, arrival, std::move(home));
    services.add_client(*client);
    client->begin(arrival.fd);
    if (services.draining()) client->close();
}

void ClientConnection::begin_mirror(Services& services, ByteBuffer request) {
    static const ListenerPlan nobody{.name = "mirror", .discards = true};
    Block home = services.shard().blocks().take(block_bytes(false));
    char* const memory = home.data();
    auto* const client = ::new (memory) ClientConnection(services, nobody, Arrival{}, std::move(home));
    services.add_client(*client);
    client->inbox_ = std::move(request);
    services.shard().schedule(client->next_turn());
}

ClientConnection& ClientConnection::stand_in(Services& services) {
    static const ListenerPlan nobody{.name = "hedge", .discards = true, .hedges = true};
    Block home = services.shard().blocks().take(block_bytes(false));
    char* const memory = home.data();
    auto* const client = ::new (memory) ClientConnection(services, nobody, Arrival{}, std::move(home));
    services.add_client(*client);
    return *client;
}

void ClientConnection::serve(Exchange& exchange) noexcept {
    state_ = State::exchange;
    exchange_ = &exchange;
}

ClientConnection::ClientConnection(Services& services, const ListenerPlan& listener, const Arrival& arrival, Block home)
    : Doomed(&ClientConnection::free_client),
      Timer(&ClientConnection::on_deadline),
      Runnable(&ClientConnection::on_next_turn),
      services_(services),
      listener_(listener),
      peer_(arrival.peer),
      stream_(make_stream()),
      sender_(*stream_, services.shard()),
      inbox_(services.shard().blocks()),
      share_(arrival.share),
      home_(std::move(home)) {}

ClientConnection::~ClientConnection() {
    if (is_tls())
        tls().~ClientTls();
    else
        stream_->~Stream();
}

size_t ClientConnection::block_bytes(bool tls) noexcept {
    static_assert(sizeof(ClientConnection) % alignof(net::TcpStream) == 0 &&
                  sizeof(ClientConnection) % alignof(ClientTls) == 0);
    static_assert(sizeof(ClientConnection) + sizeof(net::TcpStream) <= 512, "an idle client is one block of 512 bytes");
    static_assert(sizeof(ClientConnection) + sizeof(ClientTls) <= 1024, "with TLS of 1024, and what BoringSSL takes");
    return sizeof(ClientConnection) + (tls ? sizeof(ClientTls) : sizeof(net::TcpStream));
}

net::Stream* ClientConnection::make_stream() noexcept {
    static_assert(sizeof(DiscardStream) <= sizeof(net::TcpStream) && alignof(DiscardStream) <= alignof(net::TcpStream));
    void* const memory = this + 1;
    if (is_nobody()) return ::new (memory) DiscardStream(services_.shard(), *this);
    if (!is_tls()) return ::new (memory) net::TcpStream(services_.shard(), *this);
    return &(::new (memory) ClientTls(*this, *this))->stream();
}

ClientTls& ClientConnection::tls() const noexcept {
    LOOM_ASSERT(is_tls());
    return *std::launder(reinterpret_cast<ClientTls*>(const_cast<ClientConnection*>(this) + 1));
}

const net::TlsPeer* ClientConnection::certificate() const noexcept { return is_tls() ? tls().peer() : nullptr; }

void ClientConnection::begin(int fd) noexcept {
    if (!is_tls()) {
        static_cast<net::TcpStream*>(stream_)->adopt(fd);
        stream_->start_reading();
        return wait_for_next();
    }
    state_ = State::handshake;
    arm(services_.plan().client.handshake_ms);
    const auto started = tls().stream().adopt(fd);
    if (!started) abort();
}

void ClientConnection::on_connected(net::Stream&, Result<void> result) noexcept {
    if (!result) return refuse_handshake();
    if (services_.draining() && listener_.local == nullptr) return close();
    tls().note_peer();
    stream_->start_reading();
    wait_for_next();
}

void ClientConnection::free_client(io::Doomed& doomed) noexcept {
    auto& client = static_cast<ClientConnection&>(doomed);
    Block home = std::move(client.home_);
    client.~ClientConnection();
}

std::string_view ClientConnection::peer_text(std::span<char> room) const noexcept {
    if (peer_.family == AF_INET) {
        char* at = room.data();
        for (size_t i = 12; i < 16; ++i) {
            at = std::to_chars(at, room.data() + room.size(), peer_.ip[i]).ptr;
            *at++ = '.';
        }
        return {room.data(), static_cast<size_t>(at - room.data()) - 1};
    }
    if (peer_.family != AF_INET6) return "unix";
    const char* const text = ::inet_ntop(AF_INET6, peer_.ip.data(), room.data(), static_cast<socklen_t>(room.size()));
    return text == nullptr ? "-" : text;
}

void ClientConnection::on_bytes(net::Stream&, io::BufferLease bytes) noexcept {
    if (state_ == State::lingering) {
        lingered_bytes_ += static_cast<uint32_t>(bytes.view().size());
        if (lingered_bytes_ > linger_bytes_max) close();
        return;
    }
    if (state_ == State::closing) return;
    take(bytes.view(), &bytes);
}

/// Whatever state the connection is in, these bytes are the next it has to read.
void ClientConnection::take(std::string_view bytes, io::BufferLease* lease) {
    if (exchange_ != nullptr) {
        size_t taken = 0;
        if (inbox_.empty() && exchange_->wants_client_bytes()) taken = exchange_->on_client_bytes(bytes, lease);
        return keep_for_later(bytes.substr(taken));
    }
    if (inbox_.empty()) return take_head(bytes);
    inbox_.append(bytes);
    ByteBuffer whole = std::move(inbox_);
    inbox_ = ByteBuffer(services_.shard().blocks());
    take_head(whole.view());
}

void ClientConnection::take_head(std::string_view bytes) {
    // Empty lines before a request are left by clients that end a body with one (RFC 9112, 2.2).
    while (state_ != State::head && bytes.starts_with("\r\n")) bytes.remove_prefix(2);
    if (bytes.empty()) return;
    const auto end = scan_.end_of(bytes);
    if (!end) return refuse_head(end.error());
    const size_t head_bytes_max = services_.plan().limits.head_bytes;
    if (*end > head_bytes_max || (*end == 0 && bytes.size() > head_bytes_max))
        return refuse_head(Error{.code = Errc::head_too_large,
                                 .side = Side::downstream,
                                 .what = "the request's head is larger than limit.head_size"});
    if (*end == 0) {
        inbox_.append(bytes);
        if (state_ == State::idle) {
            state_ = State::head;
            arm(services_.plan().client.head_ms);
        }
        return;
    }
    scan_.reset();
    const auto parsed = http::parse_request_head(bytes.substr(0, *end), services_.request_head);
    if (!parsed) return refuse_head(parsed.error());
    state_ = State::exchange;
    deadline().disarm();
    const std::string_view rest = bytes.substr(*end);
    Exchange& exchange = Exchange::begin(services_, *this, rest);
    exchange_ = &exchange;  // it has not ended yet: an answer is at least on its way
    keep_for_later(rest.substr(exchange.first_bytes_taken()));
}

/// Requests that follow before their turn (pipelining): a head's worth is read ahead, the rest waits in the kernel.
void ClientConnection::keep_for_later(std::string_view bytes) {
    if (bytes.empty()) return;
    inbox_.append(bytes);
    if (inbox_.size() <= services_.plan().limits.head_bytes || paused_) return;
    paused_ = true;
    stream_->pause_reading();
}

void ClientConnection::exchange_done(bool keep) noexcept {
    exchange_ = nullptr;
    if (closed_) return free_when_done();
    if (stream_->closing()) {
        state_ = State::closing;
        return;
    }
    if (ended_ || is_nobody()) return close();
    if (!keep || services_.draining()) return linger();
    wait_for_next();
    paused_ = false;
    stream_->start_reading();
    if (!inbox_.empty()) services_.shard().schedule(next_turn());
}

void ClientConnection::on_next_turn(io::Runnable& work) noexcept {
    ClientConnection& client = static_cast<ClientConnection&>(work);
    if (client.inbox_.empty() || client.state_ == State::closing) return;
    if (client.exchange_ != nullptr) return client.feed_exchange();
    if (client.state_ == State::lingering) return;  // a body that was refused after it had been given room: no head
    ByteBuffer bytes = std::move(client.inbox_);
    client.inbox_ = ByteBuffer(client.services_.shard().blocks());
    client.take_head(bytes.view());
    if (client.ended_ && client.exchange_ == nullptr) client.close_when_told();
}

/// The body's bytes that waited in the inbox, as far as there is room for them now; then those in the kernel.
void ClientConnection::feed_exchange() {
    if (!exchange_->wants_client_bytes()) return;
    const size_t taken = exchange_->on_client_bytes(inbox_.view(), nullptr);
    inbox_.remove_prefix(taken);
    if (inbox_.empty()) inbox_.release();
    if (taken == 0) return;
    paused_ = inbox_.size() > services_.plan().limits.head_bytes;
    if (!paused_) stream_->start_reading();
}

void ClientConnection::wait_for_next() noexcept {
    state_ = State::idle;
    if (inbox_.empty()) inbox_.release();
    arm(services_.plan().client.idle_ms);
}

void ClientConnection::arm(uint64_t delay_ms) noexcept {
    if (delay_ms == 0) return deadline().disarm();
    services_.shard().timers().arm(deadline(), delay_ms);
}

/// A head that cannot be read is answered, and nothing after it can be believed: where it ends is anybody's guess.
void ClientConnection::refuse_head(const Error& why) {
    if (is_mirror()) {
        services_.metrics().mirrors_dropped.add();
        return abort();
    }
    services_.metrics().connections_refused.add();
    ReplyShape shape = reply_shape(why);
    if (shape.status == 501)
        shape = services_.request_head.method == http::Method::connect
                    ? ReplyShape{405, llm::error_type::invalid_request, "method_not_allowed"}
                    : ReplyShape{505, llm::error_type::invalid_request, "http_version_not_supported"};
    RefusalRoom room;
    sender_.add_copy(write_refusal(room, shape, why.what, services_.date()));
    sender_.flush();
    services_.metrics().http_request(static_cast<uint16_t>(shape.status));
    inbox_.release();
    log_refusal(why, static_cast<uint16_t>(shape.status));
    linger();
}

/// There is no request to tell of: when, from where, and what was wrong with it.
void ClientConnection::log_refusal(const Error& why, uint16_t status) {
    observe::ShardAccessLog* const log = services_.log();
    if (log == nullptr || listener_.local) return;
    std::array<char, 64> address;
    log->record({.time_us = services_.wall_now_us(),
                 .client = peer_text(address),
                 .error = errc_name(why.code),
                 .error_what = why.what,
                 .status = status});
}

/// Who speaks HTTP where TLS is spoken gets an answer it can read; others got an alert.
void ClientConnection::refuse_handshake() {
    services_.metrics().connections_refused.add();
    net::TlsStream& stream = tls().stream();
    if (stream.session().met_plain_http()) {
        RefusalRoom room;
        const ReplyShape shape{400, llm::error_type::invalid_request, "plain_http_on_tls_port"};
        stream.answer_in_plain(write_refusal(
            room, shape, "a plain HTTP request was sent to a port that speaks TLS: use https://", services_.date()));
        services_.metrics().http_request(static_cast<uint16_t>(shape.status));
    }
    close();
}

/// The answer has left, and the client may still be sending: closing now would reset the connection and could destroy
/// the answer on its way (RFC 9112, 9.6). What it sends is read and dropped, for a while.
void ClientConnection::linger() noexcept {
    state_ = State::lingering;
    if (sender_.idle()) stream_->shutdown_sending();
    stream_->start_reading();
    services_.shard().timers().arm(deadline(), linger_ms);
}

void ClientConnection::close() noexcept {
    state_ = State::closing;
    deadline().disarm();
    stream_->begin_close(net::Close::orderly);
}

void ClientConnection::abort() noexcept {
    state_ = State::closing;
    deadline().disarm();
    stream_->begin_close(net::Close::abort);
}

void ClientConnection::force_close() noexcept {
    if (exchange_ != nullptr)
        exchange_->on_client_gone(Error{.code = Errc::cancelled, .side = Side::internal, .what = "shutting down"});
    abort();
}

void ClientConnection::on_new_plan() noexcept {
    if (exchange_ != nullptr) return exchange_->on_new_plan();
    // A copy that has not begun: whether it may go to this plan's shadow, nobody has asked.
    if (!is_mirror() || state_ == State::closing) return;
    services_.metrics().mirrors_dropped.add();
    abort();
}

void ClientConnection::drain() noexcept {
    if (is_mirror()) return force_close();
    if (exchange_ != nullptr) return exchange_->on_drain();
    if (state_ == State::handshake || state_ == State::idle || state_ == State::head) close();
}

void ClientConnection::on_sent(net::Stream&, Result<size_t> sent) noexcept {
    const net::Sender::State state = sender_.on_sent(sent);
    if (exchange_ != nullptr) return exchange_->on_client_sent(state);
    if (state == net::Sender::State::failed) return abort();
    if (state != net::Sender::State::idle || state_ != State::lingering) return;
    if (ended_) return close();
    stream_->shutdown_sending();
}

void ClientConnection::on_end(net::Stream&, Error why) noexcept {
    ended_ = true;
    if (exchange_ != nullptr) {
        if (!exchange_->delivered()) exchange_->on_client_gone(why);
        return;  // who has it all may go, and has not left early
    }
    if (!next_turn().linked()) close_when_told();
}

/// A refusal that is on its way arrives first, within linger_ms.
void ClientConnection::close_when_told() noexcept {
    if (state_ != State::lingering || sender_.idle()) close();
}

void ClientConnection::on_deadline(io::Timer& timer) noexcept {
    ClientConnection& client = static_cast<ClientConnection&>(timer);
    switch (client.state_) {
        case State::handshake:
            client.services_.metrics().timeouts.add();
            client.tls().tell_timeout();
            return client.abort();
        case State::idle: return client.close();
        case State::head:
            client.services_.metrics().timeouts.add();
            return client.refuse_head(Error{.code = Errc::timed_out,
                                            .side = Side::downstream,
                                            .what = "the request's head did not arrive in time (timeout.client_head)"});
        case State::lingering: return client.close();
        case State::exchange:
        case State::closing: return;
    }
}

void ClientConnection::on_closed(net::Stream&) noexcept {
    sender_.abandon();
    closed_ = true;
    if (exchange_ != nullptr)
        return exchange_->on_client_gone(
            Error{.code = Errc::cancelled, .side = Side::internal, .what = "the connection was closed"});
    free_when_done();
}

void ClientConnection::free_when_done() noexcept {
    next_turn().unlink();
    deadline().disarm();
    services_.remove_client(*this);
    services_.shard().free_later(*this);
}

}  // namespace loom::proxy

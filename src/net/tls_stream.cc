#include "loom/net/tls_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace loom::net {
namespace {

constexpr uint64_t quiet_ns = 1'000'000'000;  // after it the peer waits for first bytes again: small records
constexpr size_t window_pieces = 16;          // of the user's pieces, sealed at a time

}  // namespace

TlsStream::TlsStream(io::Shard& shard, const TlsShare& share, StreamUser& user) noexcept
    : shard_(shard),
      share_(share),
      user_(user),
      tcp_(shard, *this),
      session_(*share.context),
      waiting_(shard.blocks()) {}

TlsStream::~TlsStream() = default;

// ---- the handshake ----

Result<void> TlsStream::connect(const Address& address, const SocketOptions& options, std::string_view host,
                                uint16_t port) noexcept {
    host_ = host;
    port_ = port;
    return tcp_.connect(address, options);
}

Result<void> TlsStream::adopt(int fd) noexcept {
    tcp_.adopt(fd);
    begin_handshake();
    const auto started = session_.start_server();
    if (started) tcp_.start_reading();
    return started;
}

void TlsStream::on_connected(Stream&, Result<void> result) noexcept {
    if (!result) return user_.on_connected(*this, result);
    begin_handshake();
    const auto started = session_.start_client(host_, port_);
    if (!started) return fail(started.error(), session_.last_error_text());
    tcp_.start_reading();
    flush(io::SendMode::wait);
}

void TlsStream::begin_handshake() noexcept {
    shaking_ = true;
    last_send_ns_ = shard_.now_ns();
}

/// Handshake or stream cannot go on. The peer is told by an alert, people by a line, the user by whichever call it
/// waits for.
void TlsStream::fail(Error why, std::string_view text) noexcept {
    tell_failure(text);
    flush(io::SendMode::now);
    if (connected_) return end_reading(why);
    ended_ = true;
    user_.on_connected(*this, std::unexpected(why));
}

void TlsStream::tell_failure(std::string_view text) noexcept {
    share_.watch->on_tls_failed(text, std::exchange(shaking_, false));
}

// ---- in ----

void TlsStream::start_reading() noexcept {
    wanted_ = true;
    if (!connected_ || ended_ || closing_) return;
    if (starved_) return shard_.schedule_next_tick(resume_);
    tcp_.start_reading();
}

void TlsStream::pause_reading() noexcept {
    wanted_ = false;
    if (connected_) tcp_.pause_reading();
}

void TlsStream::on_bytes(Stream&, io::BufferLease bytes) noexcept {
    if (closing_ || ended_) return;
    if (starved_) return waiting_.append(bytes.view());
    // The end of a record that began in an earlier read brings more plaintext than its own place can take.
    if (session_.mid_record())
        read_into_plain(bytes.view());
    else
        read_in_place(std::move(bytes));
    flush(io::SendMode::wait);
}

void TlsStream::read_in_place(io::BufferLease lease) noexcept {
    const auto progress = session_.feed_in_place(lease.room());
    if (!progress) return fail(progress.error(), session_.last_error_text());
    LOOM_ASSERT(progress->consumed_bytes == lease.view().size());  // what begins in a buffer fits there
    lease.keep_prefix(progress->plaintext_bytes);
    if (take(*progress, std::move(lease)) && progress->more) read_into_plain({});
}

void TlsStream::read_into_plain(std::string_view ciphertext) noexcept {
    for (bool more = true; more || !ciphertext.empty();) {
        io::BufferLease plain = share_.plain->take();
        if (!plain) return wait_for_buffer(ciphertext);
        const auto progress = session_.feed(ciphertext, plain.room());
        if (!progress) return fail(progress.error(), session_.last_error_text());
        ciphertext.remove_prefix(progress->consumed_bytes);
        more = progress->more;
        plain.keep_prefix(progress->plaintext_bytes);
        if (!take(*progress, std::move(plain))) return;
    }
}

/// Tells the user what a read brought. False when no more is to be read.
bool TlsStream::take(const TlsSession::Progress& progress, io::BufferLease plaintext) noexcept {
    // One read held the handshake's end, good records and a broken one: nobody was told of the first yet, and who sends
    // the last is no peer to talk to.
    if (!connected_ && session_.failed()) {
        fail(session_.error(), session_.last_error_text());
        return false;
    }
    if (!connected_ && session_.handshake_done()) {
        connected_ = true;
        shaking_ = false;
        share_.watch->on_tls_open(session_.resumed(), shard_.now_ns() - std::exchange(last_send_ns_, 0));
        user_.on_connected(*this, {});
        if (closing_) return false;
        if (!wanted_) tcp_.pause_reading();
    }
    if (!plaintext.view().empty()) user_.on_bytes(*this, std::move(plaintext));
    if (closing_) return false;
    if (progress.peer_closed) end_reading({.code = Errc::closed, .what = "the peer closed the connection"});
    return !ended_;
}

/// All plain buffers are out: they come home when what is being sent has left, within a tick or two.
void TlsStream::wait_for_buffer(std::string_view ciphertext) noexcept {
    starved_ = true;
    waiting_.append(ciphertext);
    tcp_.pause_reading();
    shard_.schedule_next_tick(resume_);
}

void TlsStream::on_resume(io::Runnable& work) noexcept {
    TlsStream& stream = static_cast<Resume&>(work).stream;
    if (stream.closing_ || !stream.wanted_) return;
    stream.starved_ = false;
    const ByteBuffer ciphertext = std::exchange(stream.waiting_, ByteBuffer(stream.shard_.blocks()));
    stream.read_into_plain(ciphertext.view());
    stream.flush(io::SendMode::wait);
    if (stream.starved_ || stream.closing_ || stream.ended_) return;
    if (stream.transport_ended_) return stream.end_of_transport(stream.transport_end_);
    if (stream.wanted_) stream.tcp_.start_reading();
}

void TlsStream::on_end(Stream&, Error why) noexcept {
    if (refused_) return tcp_.begin_close(Close::orderly);  // it has read the alert, or will not
    if (closing_ || ended_) return;
    transport_ended_ = true;
    transport_end_ = why;
    if (!starved_) end_of_transport(why);
}

void TlsStream::on_hang_up(Stream&, Error why) noexcept {
    if (connected_ && !refused_ && !closing_ && !ended_) user_.on_hang_up(*this, why);
}

void TlsStream::end_of_transport(Error why) noexcept {
    if (connected_) {
        // close_notify would have ended the reading before.
        if (why.code == Errc::closed) why.what = "the connection was cut off without TLS close_notify";
        if (why.code == Errc::closed) why.code = Errc::reset;
        return end_reading(why);
    }
    ended_ = true;
    why.retry = Retry::safe;
    if (why.code == Errc::closed) {
        why.code = Errc::tls_failed;
        why.what = "the peer closed the connection in the TLS handshake";
        if (share_.context->is_server()) {
            if (session_.heard())
                tell_failure(
                    "TLS with the client failed: it left in the handshake; remedy: see "
                    "whether it trusts this listener's certificate");
        } else {
            tell_failure(
                fmt::format("TLS with {} failed: {}; remedy: see that its port {} speaks TLS", host_, why.what, port_));
        }
    }
    shaking_ = false;
    user_.on_connected(*this, std::unexpected(why));
}

void TlsStream::end_reading(const Error& why) noexcept {
    if (ended_) return;
    ended_ = true;
    tcp_.pause_reading();
    user_.on_end(*this, why);
}

// ---- out ----

void TlsStream::send(std::span<const iovec> pieces, io::SendMode mode) noexcept {
    LOOM_ASSERT(connected_ && !sending_ && !ending_ && !closing_ && !pieces.empty());
    sending_ = true;
    mode_ = mode;
    pieces_ = pieces;
    offset_ = 0;
    sealed_bytes_ = 0;
    if (std::exchange(last_send_ns_, shard_.now_ns()) + quiet_ns < shard_.now_ns()) session_.restart_small_records();
    if (!tcp_.send_in_flight()) return go_on_sending();
    if (mode == io::SendMode::now) shard_.schedule(report_);  // the peer is behind
}

/// Seals the user's pieces as far as there is room for their ciphertext.
void TlsStream::seal() noexcept {
    while (!pieces_.empty()) {
        std::array<iovec, window_pieces> window;
        const size_t count = std::min(pieces_.size(), window.size());
        std::copy_n(pieces_.begin(), count, window.begin());
        window[0] = {static_cast<char*>(window[0].iov_base) + offset_, window[0].iov_len - offset_};
        const auto taken = session_.write(std::span(window.data(), count));
        if (!taken) {
            send_error_ = taken.error();
            return;
        }
        sealed_bytes_ += *taken;
        offset_ += *taken;
        while (!pieces_.empty() && offset_ >= pieces_.front().iov_len) {
            offset_ -= pieces_.front().iov_len;
            pieces_ = pieces_.subspan(1);
        }
        if (*taken == 0) return;
    }
}

/// Gives TCP what there is to send, unless a send is under way: then that one's end does.
void TlsStream::flush(io::SendMode mode) noexcept {
    if (session_.pending_bytes() == 0 || tcp_.send_in_flight() || tcp_.closing() || broken_) return;
    out_ = shard_.blocks().take(out_pieces_max * sizeof(iovec));
    const std::span pieces(reinterpret_cast<iovec*>(out_.data()), out_pieces_max);
    const size_t count = session_.pending_ciphertext(pieces);
    tcp_.send(pieces.first(count), mode);
}

void TlsStream::go_on_sending() noexcept {
    if (!broken_) seal();
    flush(mode_);
    if (!tcp_.send_in_flight()) shard_.schedule(report_);  // an error, told from the loop
}

/// One send of the user may be several of TCP's: while the peer takes all of each, the next is sealed.
void TlsStream::on_sent(Stream&, Result<size_t> sent) noexcept {
    out_.release();
    if (sent) {
        session_.consume_ciphertext(*sent);
    } else {
        broken_ = true;
        send_error_ = sent.error();
    }
    if (closing_) return go_on_closing();
    if (!sending_) {
        flush(io::SendMode::wait);
        return finish_shutdown();
    }
    const bool behind = session_.pending_bytes() > 0;
    const bool over =
        mode_ == io::SendMode::whole ? !behind && pieces_.empty() : sealed_bytes_ > 0 && (behind || pieces_.empty());
    if (!over && !broken_) return go_on_sending();
    flush(io::SendMode::wait);
    report();
}

void TlsStream::on_report(io::Runnable& work) noexcept {
    TlsStream& stream = static_cast<Report&>(work).stream;
    const bool under_way =
        stream.tcp_.send_in_flight() && (stream.mode_ != io::SendMode::now || stream.sealed_bytes_ > 0);
    if (stream.sending_ && !under_way) stream.report();
}

void TlsStream::report() noexcept {
    sending_ = false;
    pieces_ = {};
    Result<size_t> result = sealed_bytes_;
    if (send_error_.code != Errc::ok) result = std::unexpected(send_error_);
    user_.on_sent(*this, result);
    finish_shutdown();
}

// ---- the end ----

void TlsStream::shutdown_sending() noexcept {
    if (!connected_ || closing_) return;
    ending_ = true;
    finish_shutdown();
}

void TlsStream::finish_shutdown() noexcept {
    if (!ending_ || sending_ || closing_) return;
    session_.begin_close();
    flush(io::SendMode::wait);
    if (session_.pending_bytes() == 0) tcp_.shutdown_sending();
}

void TlsStream::begin_close(Close how) noexcept {
    if (closing_) return;
    closing_ = true;
    sending_ = false;  // TCP's send is of ciphertext: the user's bytes are its own again
    pieces_ = {};
    if (std::exchange(shaking_, false)) share_.watch->on_tls_given_up();
    const bool failed_in_handshake = !connected_ && session_.failed();
    if (failed_in_handshake && share_.context->is_server()) return close_refused();
    // A handshake that we refused ends with our alert, which a RST could overtake.
    if (!failed_in_handshake && (how == Close::abort || !connected_)) return tcp_.begin_close(how);
    session_.begin_close();
    if (tcp_.send_in_flight()) return shard_.timers().arm(linger_, linger_ms);
    flush(io::SendMode::now);
    if (!tcp_.send_in_flight()) tcp_.begin_close(Close::orderly);
}

/// The client may still be sending: closing now would reset the connection, and could destroy what tells it why.
void TlsStream::close_refused() noexcept {
    if (transport_ended_ || broken_) return tcp_.begin_close(Close::orderly);
    refused_ = true;
    shard_.timers().arm(linger_, refused_linger_ms);
    flush(io::SendMode::wait);
    if (!tcp_.send_in_flight()) tcp_.shutdown_sending();
}

void TlsStream::go_on_closing() noexcept {
    if (refused_ && session_.pending_bytes() == 0) return tcp_.shutdown_sending();
    if (session_.pending_bytes() == 0 || broken_) return tcp_.begin_close(Close::orderly);
    flush(io::SendMode::wait);
    if (!linger_.armed()) shard_.timers().arm(linger_, linger_ms);
}

void TlsStream::on_linger_end(io::Timer& timer) noexcept {
    TlsStream& stream = static_cast<Linger&>(timer).stream;
    stream.tcp_.begin_close(stream.refused_ ? Close::orderly : Close::abort);
}

void TlsStream::on_closed(Stream&) noexcept {
    resume_.unlink();
    report_.unlink();
    linger_.disarm();
    waiting_.release();
    user_.on_closed(*this);
}

}  // namespace loom::net

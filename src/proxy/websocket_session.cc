#include "websocket_session.h"

#include <algorithm>

#include "loom/base/crypto.h"

namespace loom::proxy {
namespace {

namespace code = http::close_code;

}  // namespace

/// What one read puts out. Pieces that lie side by side leave as one.
class WebSocketSession::Output {
  public:
    Output(net::Sender& sender, bool leased) noexcept : sender_(sender), leased_(leased) {}
    ~Output() { put_run(); }
    Output(const Output&) = delete;

    /// Bytes of the read.
    void add(std::span<const char> bytes) {
        if (!run_.empty() && run_.data() + run_.size() == bytes.data()) {
            run_ = {run_.data(), run_.size() + bytes.size()};
            return;
        }
        put_run();
        run_ = {bytes.data(), bytes.size()};
    }
    /// Bytes of the reader's.
    void add_copy(std::span<const char> bytes) {
        put_run();
        sender_.add_copy({bytes.data(), bytes.size()});
    }

  private:
    void put_run() {
        const std::string_view run = std::exchange(run_, {});
        if (leased_)
            sender_.add_leased(run);
        else
            sender_.add_copy(run);
    }

    net::Sender& sender_;
    std::string_view run_;
    bool leased_;
};

WebSocketSession::WebSocketSession(io::Shard& shard, net::Sender& client, upstream::Connection* upstream,
                                   LocalUpstream* local, const WebSocketTerms& terms, MessageCollector& messages,
                                   WebSocketOwner& owner)
    : shard_(shard),
      client_(client),
      upstream_(upstream),
      local_(local),
      terms_(terms),
      messages_(messages),
      owner_(owner),
      up_(http::FrameReader::From::client, terms),
      down_(http::FrameReader::From::server, terms),
      moved_ms_(now_ms()) {
    arm();
}

void WebSocketSession::on_client_bytes(std::span<char> bytes, io::BufferLease* lease) { take(up_, bytes, lease); }
void WebSocketSession::on_upstream_bytes(std::span<char> bytes, io::BufferLease* lease) { take(down_, bytes, lease); }

void WebSocketSession::take(Direction& direction, std::span<char> bytes, io::BufferLease* lease) {
    if (state_ != State::open || direction.closed) return;  // nothing counts behind a Close (RFC 6455, 5.5.1)
    moved_ms_ = now_ms();
    net::Sender& sender = sender_of(direction);
    http::FrameStep step;
    {
        Output output(sender, lease != nullptr);
        while (!bytes.empty() && !direction.closed) {
            step = direction.reader.next(bytes);
            bytes = bytes.subspan(step.consumed);
            if (step.kind == http::FrameStep::Kind::fault) break;
            if (step.kind != http::FrameStep::Kind::starved) pass(direction, step, output);
            if (direction.leave_code != 0 && !direction.mid_frame) break;
        }
    }
    if (lease != nullptr) sender.keep(std::move(*lease));
    if (step.kind == http::FrameStep::Kind::fault) return on_fault(direction, step);
    if (direction.leave_code != 0) leave(direction, direction.leave_code, direction.leave_reason);
    flush(direction);
    if (!direction.paused && sender.held_bytes() > terms_.pause_bytes) hold_back(direction);
    look();
}

/// The frame's own bytes go on, with another mask where they are to have one.
void WebSocketSession::pass(Direction& direction, http::FrameStep& step, Output& output) {
    if (&direction == &up_ && local_ != nullptr) return hear(step);
    const bool is_data = step.kind == http::FrameStep::Kind::data;
    if (&direction == &down_ && is_data && step.message == http::Opcode::text) messages_.add(step);
    if (&direction == &up_) {
        if (step.frame_begins) {
            direction.key = fresh_key();
            std::ranges::copy(direction.key, step.head.end() - sizeof(http::MaskKey));
        }
        http::apply_mask(step.payload, direction.key, step.payload_offset);
    }
    const auto put = [&](std::span<const char> bytes, bool in_read) {
        if (in_read)
            output.add(bytes);
        else
            output.add_copy(bytes);
    };
    put(step.head, step.in_place);
    put(step.payload, is_data || step.in_place);
    if (is_data) direction.mid_frame = !step.frame_ends;
    if (step.opcode != http::Opcode::close) return;
    direction.closed = true;
    direction.close_code = step.close_code;
    if (ending_ms_ == 0) ending_ms_ = now_ms();
}

/// What an upstream does with a frame, done by the session for the one inside.
void WebSocketSession::hear(const http::FrameStep& step) {
    if (step.kind == http::FrameStep::Kind::data) {
        if (step.message == http::Opcode::text) messages_.add(step);
        return;
    }
    if (step.opcode == http::Opcode::ping) return put_control(http::Opcode::pong, step.payload_view());
    if (step.opcode != http::Opcode::close) return;
    up_.closed = true;
    ending_ms_ = now_ms();
    if (std::exchange(down_.closed, true)) return;
    put_control(http::Opcode::close, step.payload_view());
}

void WebSocketSession::put_control(http::Opcode opcode, std::string_view payload) {
    std::array<char, http::control_frame_bytes_max> frame;
    client_.add_copy({frame.data(), http::write_control_frame(frame, opcode, payload)});
}

void WebSocketSession::say(std::string_view message) {
    LOOM_ASSERT(local_ != nullptr);
    if (state_ != State::open || down_.closed) return;
    moved_ms_ = now_ms();
    std::array<char, http::frame_head_bytes_max> head;
    const size_t head_bytes = http::write_frame_head(head, true, http::Opcode::text, message.size());
    client_.add_copy({head.data(), head_bytes});
    client_.add_copy(message);
    client_.flush();
}

/// Whoever broke a rule is told which; the other side, that its peer has gone. A frame that the fault cut short can
/// never be ended: who has its front only learns it from a connection that breaks.
void WebSocketSession::on_fault(Direction& direction, const http::FrameStep& step) {
    const bool by_client = &direction == &up_;
    const Errc what = step.close_code == code::too_large ? Errc::too_large : Errc::bad_message;
    leave(by_client ? down_ : up_, step.close_code, step.what);
    leave(direction, by_client ? code::going_away : code::bad_gateway,
          by_client ? "the client broke the protocol" : "the upstream broke the protocol");
    direction.closed = true;
    leave_by(Error{.code = what, .side = by_client ? Side::downstream : Side::upstream, .what = step.what});
}

void WebSocketSession::close(uint16_t close_code, const Error& why) {
    if (state_ != State::open) return;
    leave(down_, close_code, why.what);
    leave(up_, close_code, why.what);
    leave_by(why);
}

/// A Close can only stand between two frames: now, or when the one that is passing has passed.
void WebSocketSession::leave(Direction& direction, uint16_t close_code, const char* reason) {
    direction.leave_code = close_code;
    direction.leave_reason = reason;
    put_close(direction, close_code, reason);
}

void WebSocketSession::leave_by(const Error& why) {
    if (error_.code == Errc::ok) error_ = why;
    if (ending_ms_ == 0) ending_ms_ = now_ms();
    armed_ms_ = UINT64_MAX;  // the owner may have had a deadline of its own
    flush(up_);
    flush(down_);
    look();
}

/// A Close of Loom's own, where one still can be said and has not been.
void WebSocketSession::put_close(Direction& direction, uint16_t close_code, std::string_view reason) {
    if (direction.closed || direction.mid_frame) return;
    direction.closed = true;
    if (&direction == &up_ && local_ != nullptr) return;
    std::array<char, http::control_payload_bytes_max> payload;
    const size_t payload_bytes = http::write_close_payload(payload, close_code, reason);
    const http::MaskKey key = fresh_key();
    std::array<char, http::control_frame_bytes_max> frame;
    const size_t frame_bytes = http::write_control_frame(frame, http::Opcode::close, {payload.data(), payload_bytes},
                                                         &direction == &up_ ? &key : nullptr);
    sender_of(direction).add_copy({frame.data(), frame_bytes});
}

/// What was said is still sent.
void WebSocketSession::end(const Error& why) noexcept {
    if (state_ != State::open) return;
    state_ = State::ending;
    if (error_.code == Errc::ok) error_ = why;
    client_cut_ = client_cut_ || down_.mid_frame;
    ending_ms_ = now_ms();
    flush(up_);
    flush(down_);
    look();
}

void WebSocketSession::flush(Direction& direction) {
    if (&direction == &down_) {
        if (!client_gone_) client_.flush();
    } else if (local_ != nullptr) {
        client_.flush();  // what it was answered
    } else if (!upstream_gone_) {
        upstream_->flush();
    }
}

void WebSocketSession::on_client_sent() {
    moved_ms_ = down_.progress_ms = now_ms();
    let_go_on(down_);
    if (local_ != nullptr) {
        up_.progress_ms = moved_ms_;
        let_go_on(up_);
        if (state_ == State::open) local_->on_client_progress();
    }
    look();
}

void WebSocketSession::on_upstream_sent() {
    moved_ms_ = up_.progress_ms = now_ms();
    let_go_on(up_);
    look();
}

void WebSocketSession::on_client_gone(const Error& why) {
    if (std::exchange(client_gone_, true) || state_ == State::over) return;  // the upstream may be gone as well then
    if (!up_.closed && error_.code == Errc::ok) error_ = why;
    state_ = State::ending;
    look();
}

/// An upstream that goes without a Close has failed; one that does not answer a Close has merely no manners.
void WebSocketSession::on_upstream_end(const Error& why) {
    if (std::exchange(upstream_gone_, true) || state_ == State::over) return;
    const bool asked = up_.closed, told = down_.closed;
    if (asked && !told) answer_close();
    if (!asked && !told) {
        put_close(down_, code::bad_gateway, "the upstream's connection ended without a Close");
        const bool in_order = why.code == Errc::closed;
        end(Error{.code = why.code,
                  .side = Side::upstream,
                  .sys_errno = why.sys_errno,
                  .what = in_order ? "the upstream closed its connection without saying so"
                                   : "the upstream's connection broke"});
        return;
    }
    if (asked) return end({});
    look();  // the client's Close is awaited for a moment
}

/// In the place of an upstream that does not.
void WebSocketSession::answer_close() {
    put_close(down_, up_.close_code == code::none ? code::normal : up_.close_code, {});
    flush(down_);
}

/// Which of the two waits is over?
void WebSocketSession::look() {
    if (state_ == State::over) return;
    if (state_ == State::open && up_.closed && down_.closed) state_ = State::ending;
    const bool client_done = client_gone_ || client_.idle();
    const bool upstream_done =
        local_ != nullptr || upstream_gone_ || upstream_->sender().idle() || (client_gone_ && !up_.closed);
    if (state_ == State::ending && client_done && upstream_done) {
        state_ = State::over;
        client_cut_ = client_cut_ || down_.mid_frame;
        return owner_.on_session_end();
    }
    arm();
}

void WebSocketSession::hold_back(Direction& direction) noexcept {
    direction.paused = true;
    direction.progress_ms = now_ms();
    if (&direction == &up_)
        owner_.pause_client();
    else
        owner_.pause_upstream();
}

void WebSocketSession::let_go_on(Direction& direction) noexcept {
    if (!direction.paused || sender_of(direction).held_bytes() > terms_.pause_bytes / 2) return;
    direction.paused = false;
    if (&direction == &up_)
        owner_.resume_client();
    else
        owner_.resume_upstream();
}

uint64_t WebSocketSession::deadline_of(const Direction& direction, uint64_t limit_ms) const noexcept {
    return direction.paused && limit_ms != 0 ? direction.progress_ms + limit_ms : UINT64_MAX;
}

/// One timer for all waits, set to the earliest; who comes before its time is set anew.
void WebSocketSession::arm() {
    uint64_t at = ending_ms_ != 0 ? ending_ms_ + close_wait_ms : UINT64_MAX;
    if (state_ == State::open) {
        at = std::min(at, deadline_of(up_, local_ != nullptr ? terms_.client_write_ms : terms_.upstream_write_ms));
        at = std::min(at, deadline_of(down_, terms_.client_write_ms));
        if (terms_.idle_ms != 0) at = std::min(at, moved_ms_ + terms_.idle_ms);
    }
    if (at >= armed_ms_) return;
    armed_ms_ = at;
    owner_.arm_session(at);
}

void WebSocketSession::on_deadline() {
    const uint64_t now = now_ms();
    const auto passed = [now](uint64_t at) { return at <= now; };
    armed_ms_ = UINT64_MAX;
    if (state_ == State::over) return;
    if (ending_ms_ != 0 && passed(ending_ms_ + close_wait_ms)) {
        // The side that was silent is left; what it was told has had its time.
        client_cut_ = client_cut_ || down_.mid_frame || !client_.idle();
        if (up_.closed && !client_cut_ && !client_gone_) answer_close();
        state_ = State::over;
        return owner_.on_session_end();
    }
    if (state_ == State::ending) return arm();
    const bool client_stalled = passed(deadline_of(down_, terms_.client_write_ms)) ||
                                (local_ != nullptr && passed(deadline_of(up_, terms_.client_write_ms)));
    if (client_stalled) {
        client_gone_ = client_cut_ = true;  // it would not read a Close either
        put_close(up_, code::going_away, "the client does not read");
        return end(Error{.code = Errc::timed_out,
                         .side = Side::downstream,
                         .what = "the client did not read its session (timeout.client_write)"});
    }
    if (local_ == nullptr && passed(deadline_of(up_, terms_.upstream_write_ms))) {
        put_close(down_, code::bad_gateway, "the upstream does not read");
        return end(Error{.code = Errc::timed_out,
                         .side = Side::upstream,
                         .what = "the upstream did not read its session (timeout.inter_event)"});
    }
    if (terms_.idle_ms != 0 && passed(moved_ms_ + terms_.idle_ms))
        return close(code::going_away, Error{.code = Errc::timed_out,
                                             .side = Side::downstream,
                                             .what = "the session was idle (timeout.realtime_idle)"});
    arm();
}

/// After the two sides' Close the connection may end in order; before, the upstream is to stop at once.
net::Close WebSocketSession::upstream_close() const noexcept {
    return up_.closed && !up_.mid_frame ? net::Close::orderly : net::Close::abort;
}

http::MaskKey WebSocketSession::fresh_key() noexcept {
    if (keys_left_ == 0) {
        random_bytes(key_bytes_);
        keys_left_ = key_bytes_.size() / sizeof(http::MaskKey);
    }
    keys_left_ -= 1;
    http::MaskKey key;
    std::copy_n(key_bytes_.begin() + keys_left_ * sizeof key, sizeof key, key.begin());
    return key;
}

}  // namespace loom::proxy

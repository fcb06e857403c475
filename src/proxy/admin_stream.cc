// An answer of the admin listener that another thread makes, on its way to the client: through the relay, so a client
// that is behind holds its source back, and one that stalls is given up (timeout.client_write).
#include "admin_call.h"
#include "client_connection.h"
#include "exchange.h"
#include "loom/base/alloc_counter.h"

namespace loom::proxy {

AdminCall::~AdminCall() {
    if (home_ != nullptr) *home_ = nullptr;
    if (stream_ != nullptr) stream_->leave();
}

void AdminCall::await(std::shared_ptr<LocalStream> stream, std::string content_type) {
    stream_ = std::move(stream);
    content_type_ = std::move(content_type);
    home_ = std::make_shared<AdminCall*>(this);
    // The shard outlives the stream's reader, which leaves it before its exchange goes.
    stream_->on_readable([home = home_, &mailbox = x_.services_.shard().mailbox()] {
        mailbox.post([home] {
            if (*home != nullptr) (*home)->on_readable();
        });
    });
}

void AdminCall::on_readable() noexcept {
    if (!begun_) return x_.wake();
    x_.services_.shard().schedule_bulk(turn_);
}

Result<void> AdminCall::look_at_answer() {
    if (x_.client_gone_) return std::unexpected(x_.error_);
    count_allocations_of_this_thread(false);
    const LocalStream::Read read = stream_->read(piece_bytes_max);
    count_allocations_of_this_thread(true);
    if (read.whole) {
        begun_ = true;
        x_.reply(read.whole->status, read.whole->content_type, read.whole->body,
                 read.whole->is_secret ? "cache-control: no-store\r\n" : "");
    } else if (!read.piece.empty() || read.is_over) {
        begun_ = true;
        begin_relay();
        take(read);
    }
    return {};
}

void AdminCall::begin_relay() {
    x_.phase_ = Phase::relay;
    x_.status_ = 200;
    Block room = x_.services_.shard().blocks().take(Exchange::head_slack_bytes + content_type_.size());
    http::HeadWriter head(room.data(), room.capacity());
    head.status(200);
    head.header("content-type", content_type_);
    head.raw("cache-control: no-store\r\ntransfer-encoding: chunked\r\n");
    x_.finish_answer_head(head, false);
    x_.relay_.begin({.source_framing = http::BodyFraming::until_close,
                     .client_framing = ClientFraming::chunked,
                     .buffer_bytes_max = static_cast<uint32_t>(x_.plan().limits.pause_bytes()),
                     .hold = {}});
    x_.relaying_ = true;
    x_.relay_.add_head(head.view());
}

void AdminCall::take(const LocalStream::Read& read) {
    if (!read.piece.empty()) (void)x_.relay_.on_source_copy(read.piece);
    if (x_.relay_.ended()) return;
    if (!read.is_over) {
        if (!read.piece.empty()) x_.services_.shard().schedule_next_tick(turn_);  // when the relay has looked at it
        return;
    }
    if (read.failed)
        x_.relay_.fail(Error{.code = Errc::io, .side = Side::internal, .what = "the answer could not be made whole"});
    else
        x_.relay_.on_source_end(Error{.code = Errc::closed, .side = Side::upstream});
}

void AdminCall::on_turn(io::Runnable& work) noexcept {
    AdminCall& call = static_cast<Turn&>(work).call;
    if (call.paused_ || call.x_.relay_.ended()) return;
    count_allocations_of_this_thread(false);
    call.take(call.stream_->read(piece_bytes_max));
    count_allocations_of_this_thread(true);
}

void AdminCall::resume() noexcept {
    if (!std::exchange(paused_, false)) return;
    x_.timer_.disarm();
    x_.deadline_ = Exchange::Deadline::none;
    x_.services_.shard().schedule_next_tick(turn_);
}

}  // namespace loom::proxy

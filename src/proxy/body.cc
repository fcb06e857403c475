// The request's body: collected whole where Loom reads it, streamed in bounded memory where it does not.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "admin_call.h"
#include "client_connection.h"
#include "coded_body.h"
#include "exchange.h"
#include "ownership.h"
#include "realtime.h"

namespace loom::proxy {
namespace {

constexpr uint64_t claimed_bytes_max = 256 * 1024;
/// Of a body that says how long it is: a length is a claim, so only so much is believed before the bytes are there.
uint64_t claimed_bytes(uint64_t length, uint64_t here) noexcept {
    return std::min(length, std::max(here, claimed_bytes_max));
}

constexpr uint64_t plain_bytes_min = 16 * 1024;  // of a compressed body, at first

constexpr std::string_view continue_head = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

void Exchange::take_first_body(std::string_view bytes) {
    if (body_mode_ == BodyMode::none || bytes.empty()) return;
    first_bytes_taken_ = on_client_bytes(bytes, nullptr);
}

/// Bytes that are not there yet get a deadline, and a client that waits for leave gets it.
void Exchange::expect_body() {
    phase_ = Phase::body;
    if (expect_continue_ && !client_body_.done() && client_body_.payload_bytes() == 0) {
        client_->sender().add_stable(continue_head);
        client_->sender().flush();
    }
    if (waits_for_body()) arm(Deadline::client_body, plan().client.body_ms);
}

bool Exchange::waits_for_body() const noexcept {
    if (body_mode_ == BodyMode::stream) return waits_for_form();
    const bool whole = client_body_.done() && coded_ == nullptr;
    return body_mode_ == BodyMode::collect && !whole && !client_gone_ && error_.code == Errc::ok;
}

size_t Exchange::on_client_bytes(std::string_view bytes, io::BufferLease* lease) {
    size_t taken = 0;
    switch (body_mode_) {
        case BodyMode::none:
            if (!in_session()) return 0;
            realtime_->on_client_bytes(bytes, lease);
            taken = bytes.size();
            break;
        case BodyMode::collect: taken = coded_ == nullptr ? collect(bytes) : collect_coded(bytes); break;
        case BodyMode::stream: taken = upload(bytes, lease); break;
        case BodyMode::discard:
            while (taken < bytes.size() && !client_body_.done()) {
                const auto step = client_body_.next(bytes.substr(taken));
                if (!step) return bytes.size();
                taken += step->consumed;
            }
            break;
    }
    bytes_in_ += taken;
    return taken;
}

size_t Exchange::collect(std::string_view bytes) {
    size_t taken = 0;
    if (!client_body_.done() && !make_room_for(bytes.size())) return 0;
    while (taken < bytes.size() && !client_body_.done()) {
        const auto step = client_body_.next(bytes.substr(taken));
        if (!step) {
            fail_body(step.error());
            return bytes.size();
        }
        taken += step->consumed;
        if (step->payload.empty()) continue;
        if (body_.size() + step->payload.size() > body_bytes_max()) {
            fail_body(Error{.code = Errc::too_large,
                            .side = Side::downstream,
                            .what = call_ != nullptr ? "the body is larger than is taken here"
                                                     : "the body is larger than limit.body_size"});
            return bytes.size();
        }
        const bool counted = client_body_.framing() == http::BodyFraming::length;
        if (body_.empty() && counted)
            body_.reserve(claimed_bytes(step->payload.size() + client_body_.remaining_bytes(), step->payload.size()));
        body_.append(step->payload);
    }
    if (client_body_.done())
        wake();
    else if (deadline_ == Deadline::client_body)
        arm(Deadline::client_body, plan().client.body_ms);
    return taken;
}

uint64_t Exchange::body_bytes_max() const noexcept {
    return call_ != nullptr ? call_->body_bytes_max() : plan().limits.body_bytes;
}

/// Whether the body may grow by so many bytes. If not, the client is no longer read, and on_room follows. It waits
/// instead of being refused at once: what is in the way are bodies that go home within a provider's answer, and whoever
/// was told 503 would send the same bytes again. Who waits longer than timeout.client_body gets the 503.
bool Exchange::make_room_for(size_t more_bytes) {
    uint64_t bytes = body_.size() + more_bytes;
    if (client_body_.framing() == http::BodyFraming::length) {
        const uint64_t length = body_.size() + client_body_.remaining_bytes();
        bytes = body_.empty() ? claimed_bytes(length, bytes) : std::min(length, bytes);
    }
    bytes = std::min(bytes, body_bytes_max());
    if (bytes <= body_.capacity() || hold(BlockPool::footprint(bytes))) return true;
    client_->pause_reading();
    return false;
}

void Exchange::on_room() noexcept {
    if (coded_ != nullptr && coded_->busy()) return services_.shard().schedule(*coded_);
    client_->read_on();
}

/// Of a compressed body: what comes is kept, and decoded in turns. As long as some of it waits the client is not read.
size_t Exchange::collect_coded(std::string_view bytes) {
    const uint64_t plain_bytes = body_.capacity() == 0 ? 0 : BlockPool::footprint(body_.capacity());
    if (!hold(plain_bytes + coded_->memory_bytes() + BlockPool::footprint(bytes.size()))) {
        client_->pause_reading();
        return 0;
    }
    size_t taken = 0;
    while (taken < bytes.size() && !client_body_.done()) {
        const auto step = client_body_.next(bytes.substr(taken));
        const Result<void> kept = step ? coded_->add(step->payload) : std::unexpected(step.error());
        if (!kept) {
            fail_body(kept.error());
            return bytes.size();
        }
        taken += step->consumed;
    }
    decode_on();
    return taken;
}

void Exchange::on_decoding_turn(io::Runnable& coded) noexcept { static_cast<CodedBody&>(coded).exchange.decode_on(); }

/// One turn of decoding; then the next one, more from the client, or the body's end.
void Exchange::decode_on() {
    if (!waits_for_body()) return;
    for (size_t left = CodedBody::turn_bytes; coded_->busy() && left > 0;) {
        if (!make_room_for_plain()) return pause_for_decoding();
        const size_t before = body_.size();
        const Result<void> decoded = coded_->decode(body_, left);
        if (!decoded) return fail_coded(decoded.error());
        left -= body_.size() - before;
    }
    if (coded_->busy()) {
        services_.shard().schedule_next_tick(*coded_);
        return pause_for_decoding();
    }
    if (client_body_.done()) return end_coded();
    if (deadline_ == Deadline::client_body) arm(Deadline::client_body, plan().client.body_ms);
    if (!std::exchange(coded_->paused, false)) return;
    client_->read_on();
    client_->resume_reading();
}

void Exchange::pause_for_decoding() noexcept {
    coded_->paused = true;
    client_->pause_reading();
}

/// Whether the decoder may go on, with room to write to; if not, on_room follows.
bool Exchange::make_room_for_plain() {
    const uint64_t bytes_max = plan().limits.body_bytes;
    uint64_t bytes = body_.capacity();
    if (body_.size() == bytes && bytes < bytes_max) bytes = std::min(std::max(2 * bytes, plain_bytes_min), bytes_max);
    if (!hold(BlockPool::footprint(bytes) + coded_->memory_bytes())) return false;
    body_.reserve(bytes);
    return true;
}

void Exchange::end_coded() {
    if (const auto whole = coded_->on_end(); !whole) return fail_coded(whole.error());
    coded_.reset();
    hold_less(body_.capacity() == 0 ? 0 : BlockPool::footprint(body_.capacity()));
    wake();
}

void Exchange::fail_coded(const Error& why) {
    if (why.code == Errc::bad_message)
        detail_ = text_.keep(fmt::format("at byte {} of the compressed body", coded_->offset()));
    fail_body(why);
}

void Exchange::release_body() noexcept {
    coded_.reset();
    body_.release();
    let_go();
}

/// A streamed body goes on as it comes. Before its upstream is there it waits in a small buffer; later, what the
/// upstream does not take holds the client back.
size_t Exchange::upload(std::string_view bytes, io::BufferLease* lease) {
    std::array<std::string_view, 32> payloads;
    size_t taken = 0;
    const bool ready = request_sent_ && upstream_ != nullptr;
    if (ready && upstream_->waits_to_speak()) lease = nullptr;  // perhaps beyond this tick: the bytes are copied
    while (taken < bytes.size() && !client_body_.done()) {
        const auto walk = client_body_.walk(bytes.substr(taken), payloads);
        if (walk.fault.code != Errc::ok) {
            fail_body(walk.fault);
            if (ready && lease != nullptr) upstream_->sender().keep(std::move(*lease));
            return bytes.size();
        }
        taken += walk.consumed;
        if (!judge_upload(std::span(payloads).first(walk.payload_count))) {
            if (ready && lease != nullptr) upstream_->sender().keep(std::move(*lease));
            return taken;
        }
        for (size_t i = 0; i < walk.payload_count; ++i) {
            if (ready)
                upload_piece(payloads[i], lease != nullptr);
            else
                body_.append(payloads[i]);
        }
        upload_kept_end(ready);
    }
    if (!ready) {
        if (owned_ != nullptr) wake();  // it may know its model now
        if (upload_held_up() && !std::exchange(upload_paused_, true)) client_->pause_reading();
        return taken;
    }
    if (upload_whole()) finish_upload();
    // Also where the next request lies behind the body: the bytes stay readable until the end of the tick.
    if (lease != nullptr) upstream_->sender().keep(std::move(*lease));
    upstream_->flush();
    if (upload_held_up() && !std::exchange(upload_paused_, true)) client_->pause_reading();
    if (!client_body_.done()) await_upload();
    return taken;
}

bool Exchange::judges_upload() const noexcept { return owned_ != nullptr && owned_->upload != nullptr; }

/// The client has sent all, and nothing of it is kept back.
bool Exchange::upload_whole() const noexcept {
    return client_body_.done() && (!judges_upload() || (owned_->upload->passed() && owned_->upload->end().empty()));
}

/// The upstream is not there yet or takes too slowly, or the register is asked about what is here.
bool Exchange::upload_held_up() const noexcept {
    if (judges_upload() && owned_->upload->waits()) return true;
    if (!request_sent_ || upstream_ == nullptr) return body_.size() > early_body_bytes_max;
    return upstream_->sender().held_bytes() > plan().limits.pause_bytes();
}

/// Shortens the pieces to what may go on now. False: the upload is refused.
bool Exchange::judge_upload(std::span<std::string_view> payloads) {
    if (!judges_upload()) return true;
    const auto judged = owned_->upload->read(payloads, client_body_.done());
    if (!judged) refuse_upload(judged.error());
    return judged.has_value();
}

/// Of a form that is judged: what was kept back of it, and is not any more.
void Exchange::upload_kept_end(bool ready) {
    if (!judges_upload() || !owned_->upload->passed()) return;
    if (ready)
        upload_piece(owned_->upload->end(), false);
    else
        body_.append(owned_->upload->end());
    owned_->upload->release_end();
}

/// What was kept back goes on where all is the client's own, and its client is read again.
void Exchange::on_upload_judged(const Result<void>& judged) noexcept {
    if (body_mode_ != BodyMode::stream) return;
    if (!judged) return refuse_upload(judged.error());
    const bool ready = request_sent_ && upstream_ != nullptr;
    upload_kept_end(ready);
    if (ready && upload_whole()) finish_upload();
    if (ready) upstream_->flush();
    read_upload_on();
    if (ready && !client_body_.done()) await_upload();
}

void Exchange::read_upload_on() noexcept {
    if (!upload_held_up() && std::exchange(upload_paused_, false)) client_->resume_reading();
}

void Exchange::refuse_upload(const Error& why) {
    detail_ = text_.keep(owned_->upload->detail());
    if (!client_body_.done()) return fail_body(why);
    if (error_.code == Errc::ok) error_ = why;
    body_mode_ = BodyMode::discard;
    wake();
}

/// Whoever holds the upload up has a deadline: the client that sends no more, or the upstream that takes no more.
void Exchange::await_upload() noexcept {
    if (relaying_) return;  // the answer has its own
    if (upload_paused_)
        arm(Deadline::response_header, timeouts().response_header_ms);
    else
        arm(Deadline::client_body, plan().client.body_ms);
}

void Exchange::upload_piece(std::string_view payload, bool leased) {
    if (payload.empty()) return;
    net::Sender& sender = upstream_->sender();
    const bool chunked = client_body_.framing() == http::BodyFraming::chunked;
    if (chunked) {
        std::array<char, http::chunk_head_bytes_max> head;
        sender.add_copy({head.data(), http::write_chunk_head(head.data(), payload.size())});
    }
    if (leased)
        sender.add_leased(payload);
    else
        sender.add_copy(payload);
    if (chunked) sender.add_copy(http::crlf);
}

void Exchange::finish_upload() {
    if (client_body_.framing() == http::BodyFraming::chunked) upstream_->sender().add_stable(http::last_chunk);
    body_ns_ = services_.shard().now_ns();
    if (!relaying_) arm(Deadline::response_header, timeouts().response_header_ms);
}

void Exchange::fail_body(const Error& why) {
    if (error_.code == Errc::ok) error_ = why;
    if (body_mode_ == BodyMode::collect) release_body();
    body_mode_ = BodyMode::discard;
    keep_alive_ = false;
    wake();
}

}  // namespace loom::proxy

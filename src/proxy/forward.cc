// The third phase: one attempt after the other at getting an answer from an upstream, until its head is there.
#include <algorithm>

#include "client_connection.h"
#include "echo_source.h"
#include "exchange.h"
#include "hedge.h"
#include "ledger.h"
#include "ownership.h"
#include "realtime.h"
#include "translated.h"

namespace loom::proxy {
namespace {

constexpr uint8_t stale_connects_max = 2;         // a pooled connection that had died unseen, and a fresh one
constexpr uint8_t connects_max = 4;               // of a host's addresses
constexpr uint8_t interim_heads_max = 16;         // of one attempt, however they come
constexpr size_t attempt_head_slack_bytes = 128;  // version, framing and the empty line
constexpr uint64_t stale_ns = 1'000'000'000;

}  // namespace

void Exchange::begin_attempt() {
    end_attempt();
    Block home = services_.shard().blocks().take(sizeof(Attempt));
    char* const memory = home.data();
    attempt_ = ::new (memory) Attempt(services_.shard().blocks(), std::move(home), &Race::on_timer, *this);
}

/// No byte of it is in the kernel's hands.
void Exchange::end_attempt() noexcept {
    if (attempt_ == nullptr) return;
    Block home = std::move(attempt_->home);
    std::exchange(attempt_, nullptr)->~Attempt();
}

Result<void> Exchange::start_attempt() {
    phase_ = Phase::forward;
    if (client_gone_) return std::unexpected(error_);
    LOOM_TRY(check_region());
    attempts_ += 1;
    connects_ += 1;
    if (attempts_ > 1 && provider_ != nullptr) services_.metrics().retry(provider_->label_ix);
    answer_ = AnswerState::awaited;
    answer_ns_ = 0;
    begin_attempt();
    if (fails_over() && plan().failover.timeout_ms != 0)
        attempt_->deadline_ms = services_.shard().timers().now_ms() + plan().failover.timeout_ms;
    if (plan().hedge != nullptr) Race(*this).arm();
    Booking(*this).begin_attempt();
    if (Booking(*this).refuses_unwritten()) return Booking(*this).check();
    const Timeouts& limits = timeouts();
    if (limits.total_ms != 0 && total_deadline_ms_ == 0)
        total_deadline_ms_ = services_.shard().timers().now_ms() + limits.total_ms;
    // In a JSON array no comment can stand.
    if (route_->keepalive_ms > 0 && stream_ && !wants_json_array() && !keepalive_.armed() && !is_hedge())
        services_.shard().timers().arm(keepalive_, route_->keepalive_ms);
    if (provider_ != nullptr && provider_->kind == ProviderKind::echo) {
        if (realtime_ != nullptr) return answer_upgrade();
        echo_ = std::make_unique<EchoSource>(*this);
        return echo_->start(services_.shard());
    }
    if (instance_ != nullptr && instance_->google_account != 0) LOOM_TRY(access_token_line());
    const auto connection = fresh_only_ ? pool_->pool.acquire_fresh(*this) : pool_->pool.acquire(*this);
    if (!connection) return std::unexpected(connection.error());
    upstream_ = *connection;
    request_sent_ = false;
    if (const auto written = write_attempt_head(); !written) return written;
    arm(Deadline::connect, limits.connect_ms);
    connect_from_ns_ = services_.shard().now_ns();
    if (upstream_->connected()) send_attempt();
    return {};
}

/// Below the base URL's path: what the provider calls the endpoint, or for what passes unread, what the client said.
/// Good until the shard writes the next.
std::string_view Exchange::upstream_target() {
    if (!route_->ai) return target_;
    std::string& path = services_.upstream_path;
    path.clear();
    if (type_ == nullptr) {
        llm::write_family_path(path, *provider_->type, target_, provider_->api_version);
        return path;
    }
    llm::Endpoint endpoint = endpoint_;
    if (translated_ != nullptr) endpoint = translated_->endpoint();
    llm::write_upstream_path(path, *type_, endpoint,
                             {.model = upstream_model_,
                              .api_version = provider_->api_version,
                              .project = provider_->project,
                              .location = provider_->location,
                              .stream = stream_,
                              .transcribes = realtime_ != nullptr && realtime_->transcribes});
    return path;
}

/// Versions and features of a protocol go to servers of that protocol alone.
void Exchange::write_family_lines(http::HeadWriter& head) {
    const auto line = [&head](std::string_view name, std::string_view value) {
        if (!value.empty()) head.header(name, value);
    };
    if (translated_ != nullptr) {
        head.raw("content-type: application/json\r\n");
        head.raw(type_->lines);
        return;
    }
    line("content-type", family_->content_type);
    line("accept", family_->accept);
    line("openai-beta", family_->openai_beta);
    line("anthropic-beta", family_->anthropic_beta);
    if (!family_->anthropic_version.empty())
        head.header("anthropic-version", family_->anthropic_version);
    else
        head.raw(type_ != nullptr ? type_->lines : provider_->type->lines);
}

/// The request line, what the provider is to be told, what goes on of the client's head, the framing.
Result<void> Exchange::write_attempt_head() {
    const bool ai = route_->ai;
    const std::string& static_lines = ai ? instance_->static_lines : route_->upstream_static_lines;
    const std::string& base = ai ? instance_->base_path : route_->upstream_base_path;
    const std::string_view rest = upstream_target();
    attempt_->head.reserve(method_text_.size() + base.size() + rest.size() + static_lines.size() +
                           (ai ? credentials_bytes() : 0) + request_lines_.size() + family_->bytes() +
                           (realtime_ != nullptr ? realtime_->request_lines_bytes() : 0) + attempt_head_slack_bytes);
    http::HeadWriter head(attempt_->head.data(), attempt_->head.capacity());
    head.request_line(method_text_, base, rest);
    head.raw(static_lines);
    head.raw(request_lines_.view());
    if (ai) write_family_lines(head);
    if (ai) head.raw("accept-encoding: identity\r\n");
    if (ai) LOOM_TRY(write_credentials(head, base, rest));
    if (realtime_ != nullptr) realtime_->write_request_lines(head);
    if (draft_ != nullptr)
        head.header("content-length", draft_->edits.output_bytes(document().size()));
    else if (client_body_.framing() == http::BodyFraming::length)
        head.header("content-length", uploaded_bytes());
    else if (client_body_.framing() == http::BodyFraming::chunked)
        head.raw("transfer-encoding: chunked\r\n");
    head.end();
    LOOM_ASSERT(head.ok());
    attempt_->head.resize(head.size());
    return {};
}

/// Of a body that streams and says how long it is.
uint64_t Exchange::uploaded_bytes() const noexcept {
    const uint64_t given = client_body_.payload_bytes() + client_body_.remaining_bytes();
    return owned_ == nullptr ? given : given + static_cast<uint64_t>(owned_->grown_bytes);
}

void Exchange::send_attempt() {
    if (Booking(*this).waits_for_intent()) return arm(Deadline::intent, 0);
    if (Booking(*this).refuses_unwritten()) {
        error_ = Booking(*this).check().error();
        return wake();
    }
    net::Sender& sender = upstream_->sender();
    sender.add_stable(attempt_->head.view());
    if (draft_ != nullptr) {
        draft_->edits.gather(document(), [&sender](std::string_view piece) { sender.add_stable(piece); });
    } else if (body_mode_ == BodyMode::stream) {
        upload_piece(body_.view(), false);
        body_.release();
        if (upload_whole()) finish_upload();
    }
    upstream_->flush();
    request_sent_ = true;
    forwarded_ns_ = services_.shard().read_clock_ns();
    read_upload_on();
    if (body_mode_ == BodyMode::stream && !client_body_.done()) return await_upload();
    arm(Deadline::response_header, timeouts().response_header_ms);
}

void Exchange::on_upstream_connected(Result<void> result) noexcept {
    const uint64_t took_ns = services_.shard().now_ns() - connect_from_ns_;
    connect_wait_ns_ += took_ns;
    if (result) {
        note_distance(took_ns);
        return send_attempt();
    }
    if (error_.code == Errc::ok) error_ = result.error();
    wake();
}

void Exchange::on_upstream_bytes(io::BufferLease bytes) noexcept {
    if (!request_sent_)  // whoever speaks before he was asked was closing an idle connection: 408
        return on_upstream_end({.code = Errc::closed, .side = Side::upstream});
    if (attempt_ != nullptr) attempt_->upstream_spoke = true;
    if (collecting_) return take_collected(bytes.view());
    if (in_session()) return realtime_->on_upstream_bytes(std::move(bytes));
    if (relaying_) {
        const size_t consumed = bytes.view().size();
        if (relay_.on_source_bytes(std::move(bytes)) != consumed) upstream_reusable_ = false;
        if (!streaming_) on_event_passed();  // bytes are what passes, where there are no events
        return;
    }
    if (answer_ns_ == 0) answer_ns_ = services_.shard().now_ns();
    if (attempt_->answer_lease ||
        !attempt_->answer_bytes.empty()) {  // more of a head that is not whole, or bytes close behind it
        if (attempt_->answer_lease) attempt_->answer_bytes.append(attempt_->answer_lease.view());
        attempt_->answer_lease.release();
        attempt_->answer_bytes.append(bytes.view());
    } else {
        attempt_->answer_lease = std::move(bytes);
    }
    wake();
}

/// After a wake-up: is the answer's head there, has something gone wrong, or is there more to wait for?
Result<void> Exchange::look_at_answer() {
    if (client_gone_) return std::unexpected(error_);
    while (attempt_->answer_lease || !attempt_->answer_bytes.empty()) {
        const std::string_view bytes =
            attempt_->answer_lease ? attempt_->answer_lease.view() : attempt_->answer_bytes.view();
        const auto end = attempt_->answer_scan.end_of(bytes);
        if (!end) return std::unexpected(end.error());
        const size_t head_bytes = *end != 0 ? *end : bytes.size();
        if (head_bytes > plan().limits.head_bytes)
            return fail(Errc::head_too_large, Side::upstream, "the upstream's head is larger than limit.head_size");
        if (*end == 0) break;
        const auto parsed = http::parse_response_head(bytes.substr(0, head_bytes), method_, services_.response_head);
        if (!parsed) return parsed;
        const bool upgraded = realtime_ != nullptr && services_.response_head.status == 101;
        if (upgraded || !services_.response_head.is_interim()) {
            answer_ = AnswerState::ready;
            if (services_.response_head.status == 401) note_refused_token();
            return {};
        }
        // 100 and 103 are of this hop: the client, which has its own, waits for the real answer.
        attempt_->interim_heads += 1;
        if (services_.response_head.status == 101 || attempt_->interim_heads > interim_heads_max)
            return fail(Errc::bad_message, Side::upstream, "the upstream sent an interim answer that nobody asked for");
        if (attempt_->answer_lease)
            attempt_->answer_lease.remove_prefix(*end);
        else
            attempt_->answer_bytes.remove_prefix(*end);
        attempt_->answer_scan.reset();
        if (attempt_->answer_lease && attempt_->answer_lease.view().empty()) attempt_->answer_lease.release();
    }
    if (error_.code != Errc::ok) return std::unexpected(error_);
    if (attempt_->answer_lease) {  // a head that goes on in the next read: no lease is kept past its tick
        attempt_->answer_bytes.append(attempt_->answer_lease.view());
        attempt_->answer_lease.release();
    }
    return {};
}

void Exchange::on_upstream_end(Error why) noexcept {
    if (in_session()) return realtime_->session().on_upstream_end(why);
    if (relaying_) {
        upstream_reusable_ = false;
        return relay_.on_source_end(why);
    }
    if (collecting_) return end_collected(why);
    why.retry = Retry::never;
    const bool at_once = !request_sent_ || services_.shard().now_ns() < forwarded_ns_ + stale_ns;
    if (upstream_ != nullptr && upstream_->reused() && !attempt_->upstream_spoke && at_once)
        why.retry = Retry::if_reused;
    if (why.code == Errc::closed)
        why.what = "the upstream closed the connection before it answered";
    else if (why.code != Errc::bad_message)
        why.what = "the connection to the upstream broke before it answered";
    if (error_.code == Errc::ok) error_ = why;
    wake();
}

void Exchange::on_upstream_sent(net::Sender::State state) noexcept {
    if (in_session() && state != net::Sender::State::failed) return realtime_->session().on_upstream_sent();
    if (state == net::Sender::State::failed) {
        if (!in_session() && (relaying_ || attempt_->upstream_spoke))
            return;  // an early answer: what it says matters, not that we could say all
        Error why = upstream_->sender().error();
        why.side = Side::upstream;
        return on_upstream_end(why);
    }
    // A large body on its way to a slow upstream: the wait for the answer begins with its last byte.
    if (deadline_ == Deadline::response_header) arm(Deadline::response_header, timeouts().response_header_ms);
    if (state == net::Sender::State::busy) return;
    if (upload_paused_ && request_sent_ && !upload_held_up()) {
        upload_paused_ = false;
        client_->resume_reading();
        if (body_mode_ == BodyMode::stream && !client_body_.done()) await_upload();
    }
}

/// A pooled connection that its peer had closed, which shows within a round trip, and on which not one byte of an
/// answer came, is replaced by a fresh one, once; an address that cannot be reached, by another of the host's. Whatever
/// else went wrong may have reached the model.
bool Exchange::may_reconnect(const Error& why) const noexcept {
    if (why.retry == Retry::safe && pool_ != nullptr && !request_sent_)
        return connects_ < std::min<size_t>(pool_->pool.address_count(), connects_max);
    if (body_mode_ == BodyMode::stream && request_sent_) return false;  // its bytes are gone
    return why.retry == Retry::if_reused && connects_ < stale_connects_max;
}

void Exchange::drop_upstream(net::Close how) noexcept {
    echo_.reset();
    Booking(*this).leave_intent();
    if (attempt_ != nullptr) attempt_->forget_answer();
    answer_ = AnswerState::none;
    if (failover_ == nullptr || !failover_->next) keepalive_.disarm();  // else its client goes on waiting
    if (phase_ != Phase::deliver) timer_.disarm();  // there it is the client's, for taking its answer
    if (upstream_ == nullptr) return;
    fresh_only_ = true;
    upstream_draining_ = pool_->pool.drop(*std::exchange(upstream_, nullptr), how);
}

void Exchange::on_upstream_closed() noexcept {
    upstream_draining_ = false;
    wake();
}

/// Back to the pool when both messages are whole and nothing stands behind the answer; else closed, at once, so that a
/// model stops generating for a client that has left.
void Exchange::release_upstream() noexcept {
    if (body_mode_ == BodyMode::stream) body_mode_ = BodyMode::discard;  // nobody is left to take it
    if (std::exchange(upload_paused_, false)) client_->resume_reading();
    if (upstream_ == nullptr) {
        if (echo_ != nullptr && echo_->streams()) echo_.reset();  // a whole answer is counted until the client has it
        return;
    }
    if (in_session()) return drop_upstream(realtime_->session().upstream_close());
    const bool request_whole = request_sent_ && upload_whole() && upstream_->sender().idle();
    if (upstream_reusable_ && request_whole && answer_whole() && (!relaying_ || relay_.source_done()))
        return pool_->pool.give_back(*std::exchange(upstream_, nullptr));
    drop_upstream(net::Close::abort);
}

}  // namespace loom::proxy

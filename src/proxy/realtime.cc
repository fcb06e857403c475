// GET /v1/realtime: a request like any other until its upstream answers 101, and a session from then on.
#include "realtime.h"

#include <fmt/format.h>

#include "client_connection.h"
#include "client_limits.h"
#include "exchange.h"
#include "header_policy.h"
#include "loom/base/crypto.h"
#include "loom/llm/error.h"

namespace loom::proxy {
namespace {

using http::HeaderId;

constexpr std::string_view key_protocol = "openai-insecure-api-key.";
constexpr std::string_view common_protocol = "realtime";
constexpr std::string_view session_path = "/v1/realtime";

/// Subprotocols that go on, as header fields do: by name. Browsers' clients hide there who asks, and for whom.
bool reaches_provider(std::string_view protocol) noexcept {
    return protocol == common_protocol || protocol.starts_with("openai-beta.");
}

}  // namespace

std::string_view websocket_key_of(const http::RequestHead& head) noexcept {
    std::string_view key;
    http::each_list_element(head.list, HeaderId::sec_websocket_protocol, [&](std::string_view protocol) {
        if (key.empty() && protocol.starts_with(key_protocol)) key = protocol.substr(key_protocol.size());
    });
    return key;
}

Realtime::Realtime(Exchange& exchange, const http::RequestHead& head, std::string_view client_key)
    : exchange_(exchange), accept_(http::websocket_accept(client_key)) {
    http::each_list_element(head.list, HeaderId::sec_websocket_protocol, [this](std::string_view protocol) {
        if (!reaches_provider(protocol)) return;
        if (!offered_.empty()) offered_ += ", ";
        offered_ += protocol;
    });
}

void Realtime::write_request_lines(http::HeadWriter& head) {
    std::array<uint8_t, 16> random;
    random_bytes(random);
    const auto key = http::websocket_key(random);
    expected_accept_ = http::websocket_accept({key.data(), key.size()});
    head.raw("connection: Upgrade\r\nupgrade: websocket\r\n");
    head.header("sec-websocket-version", http::websocket_version);
    head.header("sec-websocket-key", std::string_view(key.data(), key.size()));
    if (!offered_.empty()) head.header("sec-websocket-protocol", offered_);
}

/// Browsers fail where they offered subprotocols and none was chosen, and servers choose none where a key came in a
/// header, as Loom's does.
Result<std::string_view> Realtime::check_answer(const http::ResponseHead& head) const {
    const std::string_view expected(expected_accept_.data(), expected_accept_.size());
    const std::string_view chosen = LOOM_TRY(http::check_upgrade_answer(head, expected, offered_));
    return chosen.empty() ? default_protocol() : chosen;
}

std::string_view Realtime::default_protocol() const noexcept {
    bool offered = false;
    http::each_list_element(offered_, [&](std::string_view one) { offered |= one == common_protocol; });
    return offered ? common_protocol : std::string_view();
}

void Realtime::begin(const WebSocketTerms& terms, size_t event_bytes_max) {
    io::Shard& shard = exchange_.services_.shard();
    if (exchange_.upstream_ == nullptr) {
        const auto id = exchange_.services_.new_request_id();
        const ProviderPlan& provider = *exchange_.provider_;
        echo_.emplace(*this, shard, exchange_.model_, std::string_view(id.data(), 24), provider.token_interval_ms);
        collector_.emplace(shard.blocks(), echo_->listener(), event_bytes_max);
        session_.emplace(shard, exchange_.client_->sender(), static_cast<LocalUpstream&>(*echo_), terms, *collector_,
                         static_cast<WebSocketOwner&>(*this));
        return echo_->begin();
    }
    collector_.emplace(shard.blocks(), static_cast<MessageReader&>(*this), event_bytes_max);
    session_.emplace(shard, exchange_.client_->sender(), *exchange_.upstream_, terms, *collector_,
                     static_cast<WebSocketOwner&>(*this));
}

void Realtime::on_client_bytes(std::string_view bytes, io::BufferLease* lease) {
    if (lease != nullptr) {
        LOOM_ASSERT(lease->view().data() == bytes.data());
        return session_->on_client_bytes(lease->room(), lease);
    }
    std::array<char, 4096> copy;  // unmasked in place, and not ours
    while (!bytes.empty()) {
        const size_t count = bytes.copy(copy.data(), copy.size());
        bytes.remove_prefix(count);
        session_->on_client_bytes({copy.data(), count}, nullptr);
    }
}

void Realtime::on_upstream_bytes(io::BufferLease bytes) {
    upstream_bytes_ += bytes.view().size();
    session_->on_upstream_bytes(bytes.room(), &bytes);
}

void Realtime::on_upstream_copy(std::span<char> bytes) {
    upstream_bytes_ += bytes.size();
    session_->on_upstream_bytes(bytes, nullptr);
}

MessageReader::Wish Realtime::look_at_front(std::string_view front) noexcept {
    static_assert(MessageCollector::front_bytes_max >= llm::realtime_front_bytes);
    switch (llm::realtime_interest(front)) {
        case llm::RealtimeInterest::none: return Wish::none;
        case llm::RealtimeInterest::usage: return Wish::whole;
        case llm::RealtimeInterest::unknown: return Wish::more;
    }
    return Wish::more;
}

void Realtime::on_message(std::string_view message) {
    if (exchange_.services_.realtime_reader.read(message, usage_)) ClientQuota(exchange_).note_session(usage_);
}

/// An event that the embedded model has said.
void Realtime::count(std::string_view event) noexcept {
    upstream_bytes_ += event.size();
    if (llm::realtime_interest(event) == llm::RealtimeInterest::usage) on_message(event);
}

uint32_t Realtime::message_count() const noexcept {
    if (echo_) return echo_->event_count();
    return collector_ ? collector_->message_count() : 0;
}

/// It passes unread, as an event of a stream does that is longer than stream.event_max.
void Realtime::on_message_too_long() noexcept {}

void Realtime::pause_client() noexcept {
    exchange_.services_.metrics().stream_stalls.add();
    exchange_.client_->pause_reading();
}
void Realtime::resume_client() noexcept { exchange_.client_->resume_reading(); }
void Realtime::pause_upstream() noexcept {
    exchange_.services_.metrics().stream_stalls.add();
    if (exchange_.upstream_ != nullptr) exchange_.upstream_->stream().pause_reading();
}
void Realtime::resume_upstream() noexcept {
    if (exchange_.upstream_ != nullptr) exchange_.upstream_->stream().start_reading();
}
void Realtime::arm_session(uint64_t at_ms) noexcept { exchange_.arm_session(at_ms); }
void Realtime::on_session_end() noexcept { exchange_.on_session_end(); }

// --- the exchange's part

bool Exchange::is_realtime_session() const noexcept {
    if (endpoint_ != llm::Endpoint::realtime) return false;
    std::string_view path = path_;
    while (path.ends_with('/')) path.remove_suffix(1);
    return path == session_path && method_ == http::Method::get;
}

bool Exchange::session_begun() const noexcept { return realtime_->begun(); }
bool Exchange::session_ended() const noexcept { return realtime_->ended(); }

Result<void> Exchange::admit_realtime(const http::RequestHead& head) {
    if (!http::asks_for_websocket(head)) {
        ask_for_upgrade("a realtime session is a WebSocket: ask for it with 'Upgrade: websocket'");
        return {};
    }
    const auto key = http::check_upgrade_request(head);
    if (!key && key.error().code == Errc::unsupported) {
        ask_for_upgrade(key.error().what);
        return {};
    }
    if (!key) return std::unexpected(key.error());
    if (services_.draining()) return fail(Errc::cancelled, Side::internal, "this gateway is shutting down; try again");
    llm::RealtimeQuery query = llm::read_realtime_query(head.query);
    if (query.malformed != nullptr) return fail(Errc::bad_message, Side::downstream, query.malformed);
    if (query.attaches)
        return fail(Errc::forbidden, Side::downstream,
                    "calls at the provider are not kept apart by consumer: none can be attached to (call_id)");
    model_ = text_.keep(query.model);
    realtime_ = std::make_unique<Realtime>(*this, head, *key);
    realtime_->transcribes = query.transcribes;
    if (query.transcribes && consumer_ != nullptr && !consumer_->models.empty())
        return fail(Errc::forbidden, Side::downstream,
                    "a transcription names its model in its events: it is for consumers that may use any model "
                    "(consumer.NAME.models)");
    if (model_.empty() && !query.transcribes)
        return fail(Errc::bad_message, Side::downstream, "name a model: /v1/realtime?model=NAME");
    LOOM_TRY(check_access_unread());
    return model_.empty() ? find_transcriber() : find_realtime_provider();
}

Result<void> Exchange::find_realtime_provider() {
    LOOM_TRY(find_candidate_unread());
    if (llm::takes_endpoint(*type_, llm::Endpoint::realtime)) return {};
    detail_ = provider_->name;
    return fail(
        Errc::unsupported, Side::downstream,
        "the provider of this model has no realtime sessions; those of the types openai, azure_openai, xai, vllm "
        "local and echo have");
}

/// The session's events will name the model.
Result<void> Exchange::find_transcriber() {
    bool any_drained = false;
    const route::RegionRequirement* barred = nullptr;
    const route::RoutingRule* const rule = route_->provider_ix < 0 ? rule_of_head() : nullptr;
    bool any_ruled_out = false;
    for (const ProviderPlan& provider : plan().providers) {
        const auto index = &provider - plan().providers.data();
        const bool wanted = route_->provider_ix < 0 || route_->provider_ix == index;
        const bool has_ears = provider.kind != ProviderKind::echo;
        if (!wanted || !has_ears || !llm::takes_endpoint(*provider.type, llm::Endpoint::realtime)) continue;
        any_drained = any_drained || !provider.takes_requests();
        if (!provider.takes_requests()) continue;
        if (barred == nullptr) barred = barred_from(static_cast<size_t>(index));
        if (barred_from(static_cast<size_t>(index)) != nullptr) continue;
        const bool ruled_out = rule != nullptr && !rule->leads_to(static_cast<size_t>(index));
        any_ruled_out = any_ruled_out || ruled_out;
        if (ruled_out) continue;
        leave_instance();
        provider_ = &provider;
        type_ = provider.type;
        take_instance();
        if (provider.limits == nullptr) return {};
        return enter_limits({.now_ms = services_.shard().timers().now_ms()});  // a session is one request
    }
    if (any_ruled_out) return refuse_rule(*rule);
    if (barred != nullptr) return refuse_region(*barred);
    if (any_drained)
        return fail(Errc::exhausted, Side::internal, "every provider of this route that has sessions is drained");
    return fail(Errc::unsupported, Side::downstream, "no provider of this route has realtime sessions");
}

/// RFC 9110, 15.5.22; RFC 6455, 4.2.2.
void Exchange::ask_for_upgrade(const char* what) {
    constexpr int upgrade_required = 426;
    error_ = Error{.code = Errc::bad_message, .side = Side::downstream, .what = what};
    std::array<char, llm::error_bytes_max> room;
    const llm::ErrorBody body{
        .message = what, .type = llm::error_type::invalid_request, .code = "upgrade_required", .param = {}};
    const std::string_view text = llm::write_error(llm::error_protocol_of(endpoint_), upgrade_required, room, body);
    reply(upgrade_required, "application/json", text,
          "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n");
}

/// As the embedded model's upstream would.
Result<void> Exchange::answer_upgrade() {
    services_.response_head = http::ResponseHead{};
    services_.response_head.status = 101;
    forwarded_ns_ = answer_ns_ = services_.shard().read_clock_ns();
    answer_ = AnswerState::ready;
    return {};
}

/// The upstream has answered 101: so is the client, and both are sockets from here on.
Result<void> Exchange::begin_session() {
    const http::ResponseHead& answer = services_.response_head;
    std::string_view protocol = realtime_->default_protocol();
    if (upstream_ != nullptr) protocol = LOOM_TRY(realtime_->check_answer(answer));
    error_ = {};
    phase_ = Phase::relay;
    // It may last for hours; that it began is all that a breaker waits for.
    judge_candidate({.provider = route::BreakerOutcome::success,
                     .model = route::BreakerOutcome::success,
                     .instance = route::BreakerOutcome::success});
    status_ = answer.status;
    Block room = services_.shard().blocks().take(answer.head_bytes + head_slack_bytes);
    http::HeadWriter head(room.data(), room.capacity());
    head.status(status_);
    head.raw("upgrade: websocket\r\nconnection: Upgrade\r\n");
    head.header("sec-websocket-accept", realtime_->accept());
    if (!protocol.empty()) head.header("sec-websocket-protocol", protocol);
    for (const http::Header& header : answer.headers())
        if (reaches_client(header) && header.id != HeaderId::content_type) head.header(header.name, header.value);
    head.header("x-request-id", request_id_);
    head_ns_ = services_.shard().read_clock_ns();
    head.header("x-loom-overhead-us", overhead_ns() / 1000);
    write_routing_lines(head);
    head.end();
    LOOM_ASSERT(head.ok());
    answered_ = true;
    closing_told_ = true;  // no request can follow
    client_->sender().add_copy(head.view());
    io::BufferLease came = std::move(attempt_->answer_lease);
    ByteBuffer came_before = std::move(attempt_->answer_bytes);
    release_request();

    streaming_ = true;
    services_.metrics().streams_open.add();
    client_->watch_bursts();
    const RealtimeTimeouts& limits = plan().realtime;
    total_deadline_ms_ = limits.total_ms == 0 ? 0 : services_.shard().timers().now_ms() + limits.total_ms;
    end_with_token();
    realtime_->begin({.message_bytes_max = plan().limits.body_bytes,
                      .pause_bytes = plan().limits.pause_bytes(),
                      .idle_ms = limits.idle_ms,
                      .client_write_ms = plan().client.write_ms,
                      .upstream_write_ms = timeouts().inter_event_ms},
                     plan().limits.event_bytes);
    // What came with the upstream's head.
    if (came) {
        came.remove_prefix(answer.head_bytes);
        if (!came.view().empty()) realtime_->on_upstream_bytes(std::move(came));
    } else if (came_before.size() > answer.head_bytes) {
        realtime_->on_upstream_copy({came_before.data() + answer.head_bytes, came_before.size() - answer.head_bytes});
    }
    client_->sender().flush();
    client_->read_on();
    if (upstream_ != nullptr && upstream_->ended()) realtime_->session().on_upstream_end(upstream_->end());
    if (services_.draining())
        on_drain();
    else if (&plan() != &services_.plan())
        on_new_plan();  // it came while the upstream was asked
    return {};
}

void Exchange::on_drain() {
    if (!in_session()) return;
    realtime_->session().close(
        http::close_code::going_away,
        Error{.code = Errc::cancelled, .side = Side::internal, .what = "the gateway is shutting down"});
}

void Exchange::on_new_plan() {
    if (!in_session()) return;
    if (is_barred_by(services_.plan()))
        return realtime_->session().close(http::close_code::policy,
                                          Error{.code = Errc::forbidden,
                                                .side = Side::downstream,
                                                .what = "this session is not in the region that is required now"});
    if (still_allowed(services_.plan())) return;
    realtime_->session().close(http::close_code::policy, Error{.code = Errc::unauthenticated,
                                                               .side = Side::downstream,
                                                               .what = "this key is no longer good for this session"});
}

/// Whom this plan takes the token's bearer for; null where it does not take the token any more.
const tenant::Consumer* Exchange::bearer_by(const Plan& now) const noexcept {
    if (token_is_over()) return nullptr;
    const auto route = std::ranges::find(now.routes, route_->name, &RoutePlan::name);
    if (route == now.routes.end()) return nullptr;
    const JwtPlan& issuer = plan().jwt[token_->issuer_ix];
    for (const uint32_t ix : route->jwt) {
        const JwtPlan& one = now.jwt[ix];
        if (!one.takes_what(issuer)) continue;
        const bool was_listed = consumer_->is_listed();
        if (const tenant::Consumer* const listed = now.consumers.named(consumer_->name)) {
            const bool is_another = was_listed && listed->issuer != consumer_->issuer;  // made anew, or the conf's now
            return !is_another && now.may_name(one, *listed) ? listed : nullptr;
        }
        return one.allows_unknown && !was_listed ? consumer_ : nullptr;  // who was removed is not let in as a stranger
    }
    return nullptr;
}

bool Exchange::still_allowed(const Plan& plan) const noexcept {
    if (consumer_ == nullptr) return true;
    const auto route = std::ranges::find(plan.routes, route_->name, &RoutePlan::name);
    if (route == plan.routes.end()) return false;
    const tenant::Consumer* now = nullptr;  // by what it was identified, and nothing else that it has shown
    if (token_ != nullptr)
        now = bearer_by(plan);
    else if (realtime_->key_hash == Sha256{})
        now = route->takes_certificates ? consumer_of(plan, client_->certificate()) : nullptr;
    else if (route->takes_keys)
        now = plan.consumers.find(realtime_->key_hash);
    return now != nullptr && now->name == consumer_->name && now->may_use_route(route_->name) &&
           (realtime_->transcribes ? now->models.empty() : now->may_use_model(plan.catalogue.match(model_).model)) &&
           comes_from(*now) && !now->expired(static_cast<int64_t>(services_.wall_now_us() / 1'000'000));
}

void Exchange::arm_session(uint64_t at_ms) noexcept {
    if (at_ms == UINT64_MAX) return arm(Deadline::session, 0);
    const uint64_t now_ms = services_.shard().timers().now_ms();
    arm(Deadline::session, at_ms > now_ms ? at_ms - now_ms : 1);
}

/// A session is no longer good than what it was begun with.
void Exchange::end_with_token() noexcept {
    if (token_ == nullptr || token_->expires_unix_s == 0) return;
    const uint64_t now_us = services_.wall_now_us();
    const uint64_t end_us = static_cast<uint64_t>(token_->expires_unix_s) * 1'000'000;
    const uint64_t left_ms = end_us > now_us ? (end_us - now_us) / 1000 + 1 : 1;
    const uint64_t end_ms = services_.shard().timers().now_ms() + left_ms;
    if (total_deadline_ms_ == 0 || end_ms < total_deadline_ms_) total_deadline_ms_ = end_ms;
}

bool Exchange::token_is_over() const noexcept {
    return token_ != nullptr && token_->expires_unix_s != 0 &&
           static_cast<int64_t>(services_.wall_now_us() / 1'000'000) >= token_->expires_unix_s;
}

void Exchange::on_session_deadline(bool total) {
    if (!total) return realtime_->session().on_deadline();
    total_deadline_ms_ = 0;
    if (token_is_over())
        return realtime_->session().close(
            http::close_code::policy,
            Error{.code = Errc::unauthenticated, .side = Side::downstream, .what = "the session's token has expired"});
    services_.metrics().timeouts.add();
    realtime_->session().close(http::close_code::going_away,
                               Error{.code = Errc::timed_out,
                                     .side = Side::downstream,
                                     .what = "the session took longer than it may (timeout.realtime_total)"});
}

void Exchange::on_session_end() noexcept {
    const WebSocketSession& session = realtime_->session();
    total_deadline_ms_ = 0;
    if (error_.code == Errc::ok) error_ = session.error();
    if (session.client_cut() && !client_gone_) {
        aborted_ = true;
        client_->abort();
    }
    arm(Deadline::client_write, plan().client.write_ms);
    wake();
}

}  // namespace loom::proxy

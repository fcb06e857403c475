// Answers of Loom's own, and the one table that turns an Error into a status.
#include "reply.h"

#include <fmt/format.h>

#include "cache_visit.h"
#include "client_connection.h"
#include "client_limits.h"
#include "context_visit.h"
#include "exchange.h"
#include "guarding.h"
#include "hedge.h"
#include "ledger.h"
#include "limit_lines.h"
#include "loom/llm/error.h"

namespace loom::proxy {
namespace {

using llm::error_type::api;
using llm::error_type::authentication;
using llm::error_type::invalid_request;
using llm::error_type::not_found;
using llm::error_type::permission;
using llm::error_type::rate_limit;
using llm::error_type::server;

constexpr size_t reply_head_bytes = 1600;  // of a head, beside what is counted
constexpr size_t message_bytes = 640;
// RFC 9110, 15.5.16: the codings that would have been taken.
constexpr std::string_view accept_encoding_line = "accept-encoding: gzip, deflate, zstd\r\n";

ReplyShape downstream_shape(Errc code) noexcept {
    switch (code) {
        case Errc::bad_message: return {400, invalid_request, "invalid_request"};
        case Errc::unauthenticated: return {401, authentication, "invalid_api_key"};
        case Errc::forbidden: return {403, permission, "forbidden"};
        case Errc::not_found: return {404, not_found, "not_found"};
        case Errc::bad_method: return {405, invalid_request, "method_not_allowed"};
        case Errc::timed_out: return {408, invalid_request, "request_timeout"};
        case Errc::too_large: return {413, invalid_request, "request_too_large"};
        case Errc::bad_content_type: return {415, invalid_request, "unsupported_media_type"};
        case Errc::limited: return {429, rate_limit, "rate_limit_exceeded"};
        case Errc::head_too_large: return {431, invalid_request, "request_header_fields_too_large"};
        case Errc::unsupported: return {501, invalid_request, "not_available"};
        default: return {client_left_status, invalid_request, "client_closed_request"};
    }
}

ReplyShape upstream_shape(Errc code) noexcept {
    switch (code) {
        case Errc::timed_out: return {504, api, "upstream_timeout"};
        case Errc::limited: return {429, rate_limit, "upstream_rate_limited"};
        case Errc::refused: return {502, api, "upstream_refused"};
        case Errc::unreachable: return {502, api, "upstream_unreachable"};
        case Errc::tls_failed: return {502, api, "upstream_tls_failed"};
        case Errc::bad_message:
        case Errc::head_too_large: return {502, api, "upstream_bad_answer"};
        default: return {502, api, "upstream_failed"};
    }
}

}  // namespace

ReplyShape reply_shape(const Error& why) noexcept {
    if (why.side == Side::downstream) return downstream_shape(why.code);
    if (why.side == Side::upstream) return upstream_shape(why.code);
    if (why.code == Errc::exhausted || why.code == Errc::cancelled) return {503, server, "overloaded"};
    if (why.code == Errc::io) return {503, server, "store_unavailable"};
    if (why.code == Errc::unauthenticated) return {503, server, "provider_unauthenticated"};
    if (why.code == Errc::unreachable) return {503, server, "issuer_unavailable"};
    if (why.code == Errc::limited) return {429, rate_limit, "rate_limit_exceeded"};
    return {500, server, "internal_error"};
}

void Exchange::refuse(const Error& why) {
    error_ = why;
    if (races()) Race(*this).leave_to_rival(nullptr);
    if (hedge_ != nullptr && hedge_->carries && !client_gone_) hedge_->failed = true;
    if (client_gone_) {
        status_ = answered_ ? status_ : client_left_status;
        return;
    }
    if (cache_ != nullptr && cache_->answers_stale(why)) return;
    ReplyShape shape = reply_shape(why);
    Booking(*this).note_refused(why, shape.status);
    if (answered_) return refuse_in_stream(why);
    if (why.code == Errc::limited && why.side == Side::internal) services_.metrics().limited.add();
    const bool all_failed = failover_ != nullptr && failover_->told && why.side == Side::upstream;
    if (all_failed && failover_->told->status != 0) {
        shape.status = failover_->told->status;
        shape.type = llm::error_type_of(shape.status);
        if (shape.status != 429) shape.code = "upstream_error";
    }
    fmt::basic_memory_buffer<char, message_bytes> message;
    std::string_view code = shape.code;
    if (guarding_ != nullptr && !guarding_->refusal_code().empty()) code = guarding_->refusal_code();
    if (ContextVisit::refused(why)) code = "context_length_exceeded";
    std::string_view param;
    if (ClientQuota(*this).is_spent()) code = "insufficient_quota";
    const bool unknown_model = why.code == Errc::not_found && std::string_view(why.what) == "model";
    if (unknown_model) {
        code = "model_not_found";
        param = "model";
        fmt::format_to(std::back_inserter(message), "The model '{}' is not known here.", model_.substr(0, 128));
        // What a consumer may not use is in no list that it gets, and in no hint.
        const auto nearest = plan().catalogue.nearest(
            model_, [this](std::string_view id) { return consumer_ == nullptr || consumer_->may_use_model(id); });
        if (!nearest.empty())
            fmt::format_to(std::back_inserter(message), " Did you mean '{}'?", fmt::join(nearest, "', '"));
        fmt::format_to(std::back_inserter(message), " GET /v1/models lists them.");
    } else if (json_fault_) {
        const llm::RequestReader& reader = services_.request_reader;
        param = reader.error_param();
        if (reader.error_is_syntax()) {
            code = "invalid_json";
            fmt::format_to(std::back_inserter(message), "The body is not valid JSON: {} (at byte {}).", why.what,
                           reader.error_offset());
        } else {
            fmt::format_to(std::back_inserter(message), "{} (at byte {}).", why.what, reader.error_offset());
        }
    } else {
        fmt::format_to(std::back_inserter(message), "{}", why.what);
        if (!detail_.empty()) fmt::format_to(std::back_inserter(message), ": {}", detail_);
    }
    std::array<char, llm::error_bytes_max> room;
    const llm::ErrorBody body{
        .message = {message.data(), message.size()}, .type = shape.type, .code = code, .param = param};
    std::string_view extra;
    const bool of_client = !all_failed;  // what a provider said to Loom is nothing that its client could mend
    if (shape.status == 401 && of_client) extra = "www-authenticate: Bearer realm=\"loom\"\r\n";
    if (shape.status == 405 && of_client) extra = "allow: GET, HEAD, POST, DELETE, OPTIONS\r\n";
    if (shape.status == 415 && of_client) extra = accept_encoding_line;
    if (shape.status == 429 || shape.status == 503) extra = "retry-after: 1\r\n";
    std::array<char, 80> retry_after;
    if (all_failed && failover_->told->retry_after_ms) {
        const uint64_t seconds = (*failover_->told->retry_after_ms + 999) / 1000;
        char* const end = fmt::format_to(retry_after.data(), "retry-after: {}\r\n", seconds);
        extra = {retry_after.data(), static_cast<size_t>(end - retry_after.data())};
    } else if (retry_after_ms_ != 0) {  // SDKs of OpenAI and Anthropic read the second line before the first
        char* const end = fmt::format_to(retry_after.data(), "retry-after: {}\r\nretry-after-ms: {}\r\n",
                                         (uint64_t{retry_after_ms_} + 999) / 1000, retry_after_ms_);
        extra = {retry_after.data(), static_cast<size_t>(end - retry_after.data())};
    }
    if (shape.status == 501) extra = "x-should-retry: false\r\n";  // SDKs try again whatever begins with a 5
    if (shape.status == 408 && of_client) keep_alive_ = false;
    const llm::Protocol protocol = error_protocol();
    reply(shape.status, "application/json", llm::write_error(protocol, shape.status, room, body), extra);
}

/// The protocol in which the client reads an error.
llm::Protocol Exchange::error_protocol() const noexcept {
    return speaks_anthropic_ ? llm::Protocol::anthropic : llm::error_protocol_of(endpoint_);
}

/// The stream was opened already (keep-alive comments): the error is an event, and the stream ends with it.
void Exchange::refuse_in_stream(const Error& why) {
    const ReplyShape shape = reply_shape(why);
    if (!relaying_) {
        RelayOptions options;
        options.source_framing = http::BodyFraming::until_close;
        options.event_stream = true;
        options.client_protocol = llm::error_protocol_of(endpoint_);
        options.translation = stream_writer();
        options.client_framing = minor_version_ == 1 ? ClientFraming::chunked : ClientFraming::until_close;
        start_relay(options);
    }
    Error told = why;
    if (shape.status == 504) told.code = Errc::timed_out;
    relay_.fail(told);
}

void Exchange::reply(int status, std::string_view content_type, std::string_view body, std::string_view extra_lines) {
    claim_client();
    const size_t lines_bytes = (limited_ != nullptr ? limit_lines_bytes_max : 0) +
                               (cache_ != nullptr ? CacheVisit::lines_bytes_max : size_t{0});
    Block room = services_.shard().blocks().take(reply_head_bytes + origin_.size() + dropped_.size() +
                                                 context_line_.size() + lines_bytes + extra_lines.size());
    http::HeadWriter head(room.data(), room.capacity());
    status_ = static_cast<uint16_t>(status);
    head.status(status);
    if (!content_type.empty()) head.header("content-type", content_type);
    if (status != 204) head.header("content-length", static_cast<uint64_t>(body.size()));
    head.raw(extra_lines);
    finish_answer_head(head, false);
    client_->sender().add_copy(head.view());
    if (method_ != http::Method::head) client_->sender().add_copy(body);
    client_->sender().flush();
    keepalive_.disarm();  // a comment behind a whole answer would be the front of the next one
    total_deadline_ms_ = 0;
    arm(Deadline::client_write, plan().client.write_ms);
}

/// Nothing more will happen between this exchange and its client.
bool Exchange::client_settled() const noexcept {
    if (client_gone_ || aborted_) return true;
    return client_->sender().idle() && (!relaying_ || relay_.ended());
}

}  // namespace loom::proxy

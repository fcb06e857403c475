#include "header_policy.h"

namespace loom::proxy {
namespace {

using http::HeaderId;

bool starts_with_ignoring_case(std::string_view name, std::string_view prefix) noexcept {
    return name.size() >= prefix.size() && http::equal_ignoring_case(name.substr(0, prefix.size()), prefix);
}

/// Fields that are Loom's to write, whatever the peer said.
bool written_by_loom(const http::Header& header) noexcept {
    switch (header.id) {
        case HeaderId::host:
        case HeaderId::content_length:
        case HeaderId::transfer_encoding:
        case HeaderId::expect:
        case HeaderId::x_request_id:
        case HeaderId::x_forwarded_for:
        case HeaderId::x_forwarded_proto:
        case HeaderId::x_forwarded_host:
        // Who believes these believes whoever wrote them: a client could.
        case HeaderId::x_forwarded_port:
        case HeaderId::x_real_ip:
        case HeaderId::forwarded: return true;
        default: return false;
    }
}

}  // namespace

bool reaches_provider(const http::Header& header, bool inspected) noexcept {
    switch (header.id) {
        case HeaderId::content_encoding: return !inspected && !header.named_in_connection;
        case HeaderId::accept_language:
        case HeaderId::user_agent:
        case HeaderId::traceparent:
        case HeaderId::tracestate:
        case HeaderId::idempotency_key: return !header.named_in_connection;
        default: return false;
    }
}

bool reaches_upstream(const http::Header& header, bool keyed, std::string_view key_header, bool bearer) noexcept {
    if (http::is_hop_by_hop(header) || written_by_loom(header)) return false;
    if (!keyed) return true;
    switch (header.id) {
        case HeaderId::authorization: return !bearer;
        case HeaderId::x_api_key:
        case HeaderId::api_key:
        case HeaderId::x_goog_api_key: return false;
        default: break;
    }
    return key_header.empty() || !http::equal_ignoring_case(header.name, key_header);
}

bool is_upload_field(const http::Header& header) noexcept {
    return header.id == HeaderId::other && !header.named_in_connection &&
           starts_with_ignoring_case(header.name, "x-goog-upload-");
}

bool goes_on_with_upload(const http::Header& header) noexcept {
    return http::equal_ignoring_case(header.name, "x-goog-upload-command") ||
           http::equal_ignoring_case(header.name, "x-goog-upload-offset");
}

bool reaches_client(const http::Header& header) noexcept {
    if (header.named_in_connection) return false;
    switch (header.id) {
        case HeaderId::content_type:
        case HeaderId::cache_control:
        case HeaderId::etag:
        case HeaderId::last_modified:
        case HeaderId::range:
        case HeaderId::vary:
        case HeaderId::location:
        case HeaderId::retry_after:
        case HeaderId::retry_after_ms:
        case HeaderId::x_should_retry: return true;
        case HeaderId::other:
            return starts_with_ignoring_case(header.name, "x-ratelimit-") ||
                   starts_with_ignoring_case(header.name, "anthropic-ratelimit-") ||
                   http::equal_ignoring_case(header.name, "openai-processing-ms") ||
                   http::equal_ignoring_case(header.name, "openai-version") ||
                   http::equal_ignoring_case(header.name, "openai-model") ||
                   http::equal_ignoring_case(header.name, "content-disposition") ||
                   http::equal_ignoring_case(header.name, "content-language") ||
                   http::equal_ignoring_case(header.name, "content-range") ||
                   http::equal_ignoring_case(header.name, "accept-ranges") ||
                   // but not the addresses, which are the provider's (CollectedAnswer::upload_url)
                   http::equal_ignoring_case(header.name, "x-goog-upload-status") ||
                   http::equal_ignoring_case(header.name, "x-goog-upload-size-received") ||
                   http::equal_ignoring_case(header.name, "x-goog-upload-chunk-granularity");
        default: return false;
    }
}

bool tells_of_limits(const http::Header& header) noexcept {
    return header.id == HeaderId::other && (starts_with_ignoring_case(header.name, "x-ratelimit-") ||
                                            starts_with_ignoring_case(header.name, "anthropic-ratelimit-") ||
                                            http::equal_ignoring_case(header.name, "ratelimit") ||
                                            http::equal_ignoring_case(header.name, "ratelimit-policy"));
}

bool passes_to_client(const http::Header& header) noexcept {
    return !http::is_hop_by_hop(header) && !written_by_loom(header);
}

}  // namespace loom::proxy

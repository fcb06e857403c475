// What an HTTP/1.1 head says, as values. Every view points into the bytes that were parsed: a head is valid as long as
// those bytes stay put. RFC 9110 (fields), RFC 9112 (framing).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "loom/base/assert.h"

namespace loom::http {

enum class Method : uint8_t { get, head, post, put, patch, delete_, options, trace, connect, other };

/// Field names that somebody acts on, resolved while parsing, in any case. The order is that of `header_names`.
enum class HeaderId : uint8_t {
    other = 0,
    // framing and connection
    host,
    content_length,
    transfer_encoding,
    connection,
    keep_alive,
    te,
    trailer,
    upgrade,
    expect,
    proxy_connection,
    proxy_authorization,
    proxy_authenticate,
    // credentials
    authorization,
    www_authenticate,
    x_api_key,
    api_key,
    x_goog_api_key,
    cookie,
    set_cookie,
    // content
    content_type,
    content_encoding,
    accept,
    accept_encoding,
    accept_language,
    etag,
    if_none_match,
    if_modified_since,
    last_modified,
    range,
    cache_control,
    vary,
    date,
    server,
    location,
    user_agent,
    referer,
    // tracing and proxies
    x_request_id,
    traceparent,
    tracestate,
    baggage,
    via,
    forwarded,
    x_forwarded_for,
    x_forwarded_proto,
    x_forwarded_host,
    x_forwarded_port,
    x_real_ip,
    // browsers
    origin,
    access_control_request_method,
    access_control_request_headers,
    access_control_allow_origin,
    // AI providers
    openai_organization,
    openai_project,
    openai_beta,
    anthropic_version,
    anthropic_beta,
    idempotency_key,
    retry_after,
    retry_after_ms,
    x_should_retry,
    // WebSocket
    sec_websocket_key,
    sec_websocket_version,
    sec_websocket_protocol,
    sec_websocket_extensions,
    count_,  // not a header
};

struct Header {
    std::string_view name;   // as sent
    std::string_view value;  // without optional white space around it; may hold obs-text (bytes from 0x80)
    HeaderId id;
    bool named_in_connection;  // the sender's Connection header nominates it: not to be forwarded (RFC 9110, 7.6.1)
};

/// Fields that end at this hop: nominated ones and those of RFC 9110, 7.6.1. Transfer-Encoding is one of them: who
/// forwards chunk framing as it came writes the header anew.
[[nodiscard]] bool is_hop_by_hop(const Header& header) noexcept;

/// "content-length" of HeaderId::content_length; "" for other. Lower case.
[[nodiscard]] std::string_view header_name(HeaderId id) noexcept;
/// The id of a name (a token) in any case; HeaderId::other for a name not in the list.
[[nodiscard]] HeaderId header_id(std::string_view name) noexcept;
/// "GET"; "" for other.
[[nodiscard]] std::string_view method_name(Method method) noexcept;
/// ASCII only, as header names are compared.
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;
/// Does a comma-separated value hold `token`, in any case? ("no-cache, no-store" holds "no-store")
[[nodiscard]] bool list_has_token(std::string_view value, std::string_view token) noexcept;

inline constexpr size_t headers_max = 96;

/// A bounded list with the first place of each known id beside it. Built without touching its 4 KiB of storage.
class HeaderList {
  public:
    HeaderList() noexcept { clear(); }
    HeaderList(const HeaderList& other) noexcept { *this = other; }
    HeaderList& operator=(const HeaderList& other) noexcept;

    [[nodiscard]] size_t size() const noexcept { return count_; }
    [[nodiscard]] std::span<const Header> all() const noexcept { return {items_, count_}; }
    [[nodiscard]] std::span<Header> all() noexcept { return {items_, count_}; }
    /// The first of that id; nullptr when absent, and for HeaderId::other.
    [[nodiscard]] const Header* find(HeaderId id) const noexcept {
        const uint8_t place = first_[static_cast<size_t>(id)];
        return place == 0 || id == HeaderId::other ? nullptr : &items_[place - 1];
    }
    /// The first of that name, in any case.
    [[nodiscard]] const Header* find(std::string_view name) const noexcept;
    [[nodiscard]] bool has(HeaderId id) const noexcept { return find(id) != nullptr; }
    /// The value, or "" when absent.
    [[nodiscard]] std::string_view value_of(HeaderId id) const noexcept {
        const Header* header = find(id);
        return header == nullptr ? std::string_view{} : header->value;
    }

    void clear() noexcept {
        count_ = 0;
        first_.fill(0);
    }
    [[nodiscard]] bool full() const noexcept { return count_ == headers_max; }
    /// True when one of that id was there before. Not to be called when full().
    bool add(std::string_view name, std::string_view value, HeaderId id) noexcept {
        LOOM_ASSERT(!full());
        items_[count_] = Header{name, value, id, false};
        count_ += 1;
        uint8_t& first = first_[static_cast<size_t>(id)];
        const bool seen_before = first != 0;
        first = seen_before ? first : static_cast<uint8_t>(count_);
        return seen_before;
    }

  private:
    static_assert(headers_max < 255, "places fit a byte");
    std::array<uint8_t, static_cast<size_t>(HeaderId::count_)> first_;
    uint32_t count_;
    union {  // so that a new list does not write 96 empty headers
        Header items_[headers_max];
    };
};

/// How the end of a body is found.
enum class BodyFraming : uint8_t { none, length, chunked, until_close };

struct RequestHead {
    Method method = Method::other;
    BodyFraming framing = BodyFraming::none;
    uint8_t minor_version = 1;  // HTTP/1.x
    bool keep_alive = false;    // the client would send another request on this connection
    bool expect_continue = false;
    bool upgrade = false;         // "Connection: upgrade" and an Upgrade header
    uint32_t head_bytes = 0;      // with the empty line that ends it
    uint64_t content_length = 0;  // BodyFraming::length only
    std::string_view method_text;
    std::string_view target;  // as sent
    std::string_view path;    // without query; "/" for an empty one; "*" for OPTIONS *
    std::string_view query;   // without '?'; "" also when there is none
    std::string_view host;    // the target's authority, else Host (RFC 9112, 3.2.2); "" only in HTTP/1.0
    HeaderList list;

    [[nodiscard]] std::span<const Header> headers() const noexcept { return list.all(); }
    [[nodiscard]] const Header* find(HeaderId id) const noexcept { return list.find(id); }
    [[nodiscard]] const Header* find(std::string_view name) const noexcept { return list.find(name); }
    [[nodiscard]] std::string_view value_of(HeaderId id) const noexcept { return list.value_of(id); }
};

struct ResponseHead {
    uint16_t status = 0;  // 100..599
    BodyFraming framing = BodyFraming::none;
    uint8_t minor_version = 1;
    bool keep_alive = false;      // the connection may serve another request once the body has ended
    uint32_t head_bytes = 0;      // with the empty line that ends it
    uint64_t content_length = 0;  // of the header, also where the framing is none (HEAD, 304)
    std::string_view reason;      // may be empty
    HeaderList list;

    [[nodiscard]] bool is_interim() const noexcept { return status < 200; }
    [[nodiscard]] std::span<const Header> headers() const noexcept { return list.all(); }
    [[nodiscard]] const Header* find(HeaderId id) const noexcept { return list.find(id); }
    [[nodiscard]] const Header* find(std::string_view name) const noexcept { return list.find(name); }
    [[nodiscard]] std::string_view value_of(HeaderId id) const noexcept { return list.value_of(id); }
};

}  // namespace loom::http

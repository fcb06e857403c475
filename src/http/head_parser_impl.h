// The parsers, over any set of kernels: tests run them over the scalar ones too.
#pragma once

#include <cstring>

#include "fields.h"
#include "loom/http/head_parser.h"

namespace loom::http {

// ── request line ──────────────────────────────────────────────────────────────────────────────────────────────

inline Method method_of(std::string_view text) noexcept {
    switch (text.size()) {
        case 3:
            if (text == "GET") return Method::get;
            if (text == "PUT") return Method::put;
            break;
        case 4:
            if (text == "POST") return Method::post;
            if (text == "HEAD") return Method::head;
            break;
        case 5:
            if (text == "PATCH") return Method::patch;
            if (text == "TRACE") return Method::trace;
            break;
        case 6:
            if (text == "DELETE") return Method::delete_;
            break;
        case 7:
            if (text == "OPTIONS") return Method::options;
            if (text == "CONNECT") return Method::connect;
            break;
        default: break;
    }
    return Method::other;
}

/// The byte behind the method. Nearly all requests have one of two.
template <class Kernel>
const char* read_method(const char* p, const char* end, Method& method) noexcept {
    const std::string_view head(p, static_cast<size_t>(end - p));
    if (head.starts_with("POST ")) return method = Method::post, p + 4;
    if (head.starts_with("GET ")) return method = Method::get, p + 3;
    const char* method_end = Kernel::name_end(p, end);
    method = method_of({p, static_cast<size_t>(method_end - p)});
    return method_end;
}

/// "http://authority/path?query" of RFC 9112, 3.2.2. False when the authority is none.
inline bool split_absolute(std::string_view rest, RequestHead& out) noexcept {
    const size_t end = rest.find_first_of("/?");
    out.host = rest.substr(0, end);
    if (!is_host(out.host)) return false;
    out.path = end == rest.npos || rest[end] == '?' ? std::string_view("/") : rest.substr(end, rest.find('?') - end);
    const size_t question = rest.find('?');
    out.query = question == rest.npos ? std::string_view{} : rest.substr(question + 1);
    return true;
}

inline const char* split_target(RequestHead& out) noexcept {
    const std::string_view target = out.target;
    if (target[0] == '/') {
        const size_t question = target.find('?');
        out.path = target.substr(0, question);
        if (question != target.npos) out.query = target.substr(question + 1);
        return nullptr;
    }
    if (target == "*") {
        if (out.method != Method::options) return "the target * with a method other than OPTIONS";
        out.path = target;
        return nullptr;
    }
    const size_t scheme_bytes = equal_ignoring_case(target.substr(0, 7), "http://")    ? 7
                                : equal_ignoring_case(target.substr(0, 8), "https://") ? 8
                                                                                       : 0;
    if (scheme_bytes == 0) return "the request target must be a path (/…) or an http:// URL";
    if (!split_absolute(target.substr(scheme_bytes), out)) return "malformed host in the request target";
    return nullptr;
}

inline const char* target_fault(const char* at, const char* end) noexcept {
    if (at == end) return incomplete_head;
    if (*at == '#') return "a fragment in the request target: leave out # and what follows";
    if (static_cast<unsigned char>(*at) >= 0x80)
        return "a raw byte above ASCII in the request target: percent-encode it";
    if (*at == '\r') return "a request line without a version: expected HTTP/1.1";
    if (*at == '\n') return "a bare LF: lines end with CRLF";
    return "a control character in the request target";
}

/// `HTTP/1.1 CRLF` and `HTTP/1.0 CRLF`.
inline Result<const char*> read_version_line(const char* p, const char* end, uint8_t& minor) noexcept {
    constexpr size_t line_bytes = 10;
    if (end - p >= static_cast<ptrdiff_t>(line_bytes)) {
        minor = static_cast<uint8_t>(p[7] - '0');
        if (std::memcmp(p, "HTTP/1.", 7) == 0 && minor <= 1 && p[8] == '\r' && p[9] == '\n') return p + line_bytes;
    }
    minor = 1;
    const std::string_view rest(p, static_cast<size_t>(end - p));
    const auto digit = [&](size_t at) { return rest[at] >= '0' && rest[at] <= '9'; };
    if (rest.size() >= line_bytes && rest.starts_with("HTTP/") && digit(5) && rest[6] == '.' && digit(7) &&
        rest[8] == '\r' && rest[9] == '\n')
        return fail(Errc::unsupported, Side::downstream, "an HTTP version other than 1.1 and 1.0");
    if (rest.find(' ') < rest.find('\r'))
        return fail(Errc::bad_message, Side::downstream, "white space in the request target: percent-encode it");
    return fail(Errc::bad_message, Side::downstream, "malformed version in the request line: expected HTTP/1.1");
}

template <class Kernel>
Result<const char*> read_request_line(const char* p, const char* end, RequestHead& out) noexcept {
    if (end - p >= 2 && p[0] == '\r' && p[1] == '\n') p += 2;  // RFC 9112, 2.2
    const char* space = read_method<Kernel>(p, end, out.method);
    out.method_text = {p, static_cast<size_t>(space - p)};
    if (space == p || space == end || *space != ' ')
        return fail(Errc::bad_message, Side::downstream, "malformed request line: expected METHOD target HTTP/1.1");

    const char* target = space + 1;
    const char* target_end = Kernel::target_end(target, end);
    out.target = {target, static_cast<size_t>(target_end - target)};
    if (target_end == end || *target_end != ' ')
        return fail(Errc::bad_message, Side::downstream, target_fault(target_end, end));
    if (out.target.empty()) return fail(Errc::bad_message, Side::downstream, "white space before the request target");
    const char* fields = LOOM_TRY(read_version_line(target_end + 1, end, out.minor_version));
    if (out.method == Method::connect)
        return fail(Errc::unsupported, Side::downstream, "CONNECT: this is not a forward proxy");
    if (const char* fault = split_target(out)) return fail(Errc::bad_message, Side::downstream, fault);
    return fields;
}

// ── request ───────────────────────────────────────────────────────────────────────────────────────────────────

inline const char* read_host(Repeated repeated, const char* end, RequestHead& out) noexcept {
    if (repeated.has(HeaderId::host)) return "two Host headers: send one";
    const Header* header = out.list.find(HeaderId::host);
    if (header == nullptr) return out.minor_version == 0 ? nullptr : "no Host header";
    if (!is_host(header->value, end)) return "malformed Host header: expected name or name:port";
    if (out.host.empty()) out.host = header->value;
    return nullptr;
}

inline void clear(RequestHead& out) noexcept {
    out.method = Method::other;
    out.framing = BodyFraming::none;
    out.minor_version = 1;
    out.keep_alive = out.expect_continue = out.upgrade = false;
    out.head_bytes = 0;
    out.content_length = 0;
    out.method_text = out.target = out.path = out.query = out.host = {};
    out.list.clear();
}

template <class Kernel>
Result<void> parse_request(std::string_view head, RequestHead& out) noexcept {
    clear(out);
    head = until_last_lf(head);
    const char* end = head.data() + head.size();
    const char* p = LOOM_TRY(read_request_line<Kernel>(head.data(), end, out));
    const Fields fields = LOOM_TRY(read_fields<Kernel>(head, p, out.list, Side::downstream));
    if (const char* fault = read_host(fields.repeated, end, out))
        return fail(Errc::bad_message, Side::downstream, fault);
    const Meaning meaning = LOOM_TRY(read_meaning(out.list, fields.repeated, out.minor_version, Side::downstream));

    const bool is_1_1 = out.minor_version == 1;
    out.framing = meaning.framing;
    out.content_length = meaning.content_length;
    out.keep_alive = !meaning.close && (is_1_1 || meaning.keep_alive);
    out.upgrade = is_1_1 && meaning.upgrade && out.list.has(HeaderId::upgrade);
    out.expect_continue = is_1_1 && out.list.has(HeaderId::expect) &&
                          equal_ignoring_case(out.list.value_of(HeaderId::expect), "100-continue");
    out.head_bytes = static_cast<uint32_t>(fields.end - head.data());
    return {};
}

// ── response ──────────────────────────────────────────────────────────────────────────────────────────────────

template <class Kernel>
Result<const char*> read_status_line(const char* p, const char* end, ResponseHead& out) noexcept {
    constexpr ptrdiff_t shortest = 14;  // "HTTP/1.1 200", CRLF
    const auto refuse = [](const char* what) { return fail(Errc::bad_message, Side::upstream, what); };
    if (end - p < shortest) return refuse("malformed status line");
    if (std::memcmp(p, "HTTP/", 5) != 0) return refuse("the answer does not start with HTTP/1.1");
    const auto digit = [&](int at) { return p[at] >= '0' && p[at] <= '9'; };
    if (!digit(5) || p[6] != '.' || !digit(7) || p[8] != ' ') return refuse("malformed version in the status line");
    if (p[5] != '1' || p[7] > '1')
        return fail(Errc::unsupported, Side::upstream, "the answer is of an HTTP version other than 1.1 and 1.0");
    if (!digit(9) || !digit(10) || !digit(11)) return refuse("the status is not three digits");
    out.minor_version = static_cast<uint8_t>(p[7] - '0');
    out.status = static_cast<uint16_t>((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
    if (out.status < 100 || out.status > 599) return refuse("a status outside of 100 to 599");

    p += 12;  // servers leave out the space before an empty reason too
    if (*p == ' ') {
        p += 1;
    } else if (*p != '\r') {
        return refuse("the status is not three digits");
    }
    const char* stop = Kernel::value_end(p, end);
    if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n') return refuse("malformed status line");
    out.reason = {p, static_cast<size_t>(stop - p)};
    return stop + 2;
}

inline bool has_no_body(uint16_t status, Method request_method) noexcept {
    return request_method == Method::head || status < 200 || status == 204 || status == 304;
}

inline void clear(ResponseHead& out) noexcept {
    out.status = 0;
    out.framing = BodyFraming::none;
    out.minor_version = 1;
    out.keep_alive = false;
    out.head_bytes = 0;
    out.content_length = 0;
    out.reason = {};
    out.list.clear();
}

template <class Kernel>
Result<void> parse_response(std::string_view head, Method request_method, ResponseHead& out) noexcept {
    clear(out);
    head = until_last_lf(head);
    const char* end = head.data() + head.size();
    const char* p = LOOM_TRY(read_status_line<Kernel>(head.data(), end, out));
    const Fields fields = LOOM_TRY(read_fields<Kernel>(head, p, out.list, Side::upstream));
    const Meaning meaning = LOOM_TRY(read_meaning(out.list, fields.repeated, out.minor_version, Side::upstream));

    out.head_bytes = static_cast<uint32_t>(fields.end - head.data());
    out.content_length = meaning.content_length;
    out.keep_alive = !meaning.close && (out.minor_version == 1 || meaning.keep_alive);
    out.framing = meaning.framing;
    if (has_no_body(out.status, request_method)) {
        // A 1xx or 204 that announces a body is a server whose next bytes cannot be trusted (RFC 9112, 6.1).
        const bool announced = meaning.framing == BodyFraming::chunked || meaning.content_length > 0;
        if (announced && (out.status < 200 || out.status == 204)) out.keep_alive = false;
        out.framing = BodyFraming::none;
    } else if (meaning.framing == BodyFraming::none) {
        out.framing = BodyFraming::until_close;
        out.keep_alive = false;
    }
    return {};
}

}  // namespace loom::http

#include "fields.h"

#include "loom/http/body.h"

namespace loom::http {
namespace {

constexpr std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

bool is_token(std::string_view text) noexcept {
    const char* end = text.data() + text.size();
    return !text.empty() && scan::Scalar::name_end(text.data(), end) == end;
}

/// Framing and Host are not for a sender to take out of the sight of the next hop: naming them has no effect.
void nominate(HeaderList& list, std::string_view name) noexcept {
    const HeaderId id = header_id(name);
    if (id == HeaderId::host || id == HeaderId::content_length) return;
    for (Header& header : list.all()) {
        if (header.id != id) continue;
        if (id == HeaderId::other && !equal_ignoring_case(header.name, name)) continue;
        header.named_in_connection = true;
    }
}

void read_option(HeaderList& list, std::string_view option, Meaning& out) noexcept {
    if (equal_ignoring_case(option, "close")) {
        out.close = true;
    } else if (equal_ignoring_case(option, "keep-alive")) {
        out.keep_alive = true;
    } else {
        if (equal_ignoring_case(option, "upgrade")) out.upgrade = true;
        nominate(list, option);
    }
}

/// #connection-option of RFC 9110, 7.6.1. Bounded, since every option may be compared with every header.
const char* read_connection(HeaderList& list, bool repeated, Meaning& out) noexcept {
    const std::string_view first = list.value_of(HeaderId::connection);  // and nearly always one of two
    if (!repeated && is_known(first, "keep-alive")) return out.keep_alive = true, nullptr;
    if (!repeated && is_known(first, "close")) return out.close = true, nullptr;
    size_t option_count = 0;
    for (const Header& header : list.all()) {
        if (header.id != HeaderId::connection) continue;
        std::string_view rest = header.value;
        while (!rest.empty()) {
            const size_t comma = rest.find(',');
            const std::string_view option = trimmed(rest.substr(0, comma));
            rest.remove_prefix(comma == rest.npos ? rest.size() : comma + 1);
            if (option.empty()) continue;
            if (!is_token(option)) return "malformed Connection header: expected a list of names";
            if (++option_count > connection_options_max) return "more than 32 options in the Connection header";
            read_option(list, option, out);
        }
    }
    return nullptr;
}

const char* read_transfer_encoding(const HeaderList& list, Repeated repeated, uint8_t minor_version) noexcept {
    if (list.has(HeaderId::content_length)) return "both Transfer-Encoding and Content-Length: send only one";
    if (minor_version == 0) return "Transfer-Encoding in HTTP/1.0: send a Content-Length";
    if (repeated.has(HeaderId::transfer_encoding)) return "two Transfer-Encoding headers: send one";
    if (!is_known(list.value_of(HeaderId::transfer_encoding), "chunked"))
        return "Transfer-Encoding other than \"chunked\"";
    return nullptr;
}

const char* read_content_length(const HeaderList& list, Repeated repeated, Meaning& out) noexcept {
    if (repeated.has(HeaderId::content_length)) return "two Content-Length headers: send one";
    if (!parse_length(list.value_of(HeaderId::content_length), out.content_length))
        return "malformed Content-Length: expected one decimal number below 2^63";
    out.has_length = true;
    out.framing = BodyFraming::length;
    return nullptr;
}

constexpr bool is_ipv6_byte(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
}

bool is_port(std::string_view text) noexcept {
    if (text.size() > 5) return false;
    unsigned port = 0;
    for (char c : text) {
        if (c < '0' || c > '9') return false;
        port = port * 10 + static_cast<unsigned>(c - '0');
    }
    return port <= 65535;
}

}  // namespace

const char* name_fault(const char* p, const char* at) noexcept {
    switch (*at) {
        case '\r': return at == p || at[1] != '\n' ? "a bare CR" : "a header line without a colon";
        case '\n': return "a bare LF: lines end with CRLF";
        case '\0': return "a NUL in the head";
        case ' ':
        case '\t':
            return at == p ? "a folded header (obs-fold): put it on one line"
                           : "white space before the colon of a header";
        case ':': return "a header without a name";
        default: return "a byte in a header name that is not allowed there";
    }
}

const char* value_fault(const char* at) noexcept {
    switch (*at) {
        case '\r': return "a bare CR";
        case '\n': return "a bare LF: lines end with CRLF";
        case '\0': return "a NUL in a header value";
        default: return "a control character in a header value";
    }
}

bool parse_length(std::string_view text, uint64_t& out) noexcept {
    if (text.empty()) return false;
    uint64_t value = 0;
    for (char c : text) {
        const auto digit = static_cast<uint64_t>(static_cast<unsigned char>(c)) - '0';
        if (digit > 9 || value > (body_bytes_max - digit) / 10) return false;
        value = value * 10 + digit;
    }
    out = value;
    return true;
}

bool is_host(std::string_view text, const char* end) noexcept {
    if (text.empty()) return false;
    const char* const text_end = text.data() + text.size();
    const char* at = text.data();
    if (*at == '[') {
        ++at;
        while (at < text_end && is_ipv6_byte(*at)) ++at;
        if (at - text.data() < 3 || at == text_end || *at != ']') return false;  // "[::]" is the shortest
        at += 1;
    } else {
        at = scan::Baseline::host_end(at, end);
        if (at >= text_end) return true;
        if (at == text.data()) return false;
    }
    return at == text_end || (*at == ':' && is_port({at + 1, static_cast<size_t>(text_end - at - 1)}));
}

Result<Meaning> read_meaning(HeaderList& list, Repeated repeated, uint8_t minor_version, Side side) noexcept {
    Meaning out;
    const char* fault = nullptr;
    if (list.has(HeaderId::transfer_encoding)) {
        fault = read_transfer_encoding(list, repeated, minor_version);
        out.framing = BodyFraming::chunked;
    } else if (list.has(HeaderId::content_length)) {
        fault = read_content_length(list, repeated, out);
    }
    if (fault == nullptr && list.has(HeaderId::connection))
        fault = read_connection(list, repeated.has(HeaderId::connection), out);
    if (fault != nullptr) return fail(Errc::bad_message, side, fault);
    return out;
}

}  // namespace loom::http

// Names: a perfect hash found by the compiler, and comparisons that ignore case.
#include "loom/http/message.h"

#include <cstring>

namespace loom::http {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(HeaderId::count_)> header_names = {
    "",  // other
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "authorization",
    "www-authenticate",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "set-cookie",
    "content-type",
    "content-encoding",
    "accept",
    "accept-encoding",
    "accept-language",
    "etag",
    "if-none-match",
    "if-modified-since",
    "last-modified",
    "range",
    "cache-control",
    "vary",
    "date",
    "server",
    "location",
    "user-agent",
    "referer",
    "x-request-id",
    "traceparent",
    "tracestate",
    "baggage",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-real-ip",
    "origin",
    "access-control-request-method",
    "access-control-request-headers",
    "access-control-allow-origin",
    "openai-organization",
    "openai-project",
    "openai-beta",
    "anthropic-version",
    "anthropic-beta",
    "idempotency-key",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
};
static_assert(header_names.back() == "sec-websocket-extensions", "one name for each id");

constexpr size_t slot_bits = 9;
constexpr size_t name_bytes_min = 2;
constexpr size_t name_bytes_max = 30;

/// Length and three letters tell the known names apart. In lower case once 0x20 is set, which leaves digits and '-'
/// alone.
constexpr uint32_t name_key(std::string_view name) noexcept {
    const auto lower = [&](size_t at) { return static_cast<uint32_t>(static_cast<unsigned char>(name[at]) | 0x20); };
    const auto length = static_cast<uint32_t>(name.size());
    return length | lower(0) << 8 | lower(name.size() - 2) << 16 | lower(name.size() - 1) << 24;
}

constexpr size_t slot_of(std::string_view name, uint32_t factor) noexcept {
    return static_cast<uint32_t>(name_key(name) * factor) >> (32 - slot_bits);
}

struct Slots {
    uint32_t factor = 0;
    std::array<uint8_t, size_t{1} << slot_bits> id{};
};

/// Tries odd factors until no two names share a slot; does not compile when there is none.
consteval Slots find_slots() {
    for (uint32_t factor = 0x9e3779b1;; factor += 0x3c6ef372) {
        Slots slots{factor, {}};
        bool clash = false;
        for (size_t id = 1; id < header_names.size() && !clash; ++id) {
            uint8_t& slot = slots.id[slot_of(header_names[id], factor)];
            clash = slot != 0;
            slot = static_cast<uint8_t>(id);
        }
        if (!clash) return slots;
    }
}
constexpr Slots slots = find_slots();

template <class Word>
Word load(const char* p) noexcept {
    Word word;
    std::memcpy(&word, p, sizeof word);
    return word;
}
template <class Word>
bool same_lower(const char* sent, const char* known, size_t at) noexcept {
    constexpr Word case_bits = static_cast<Word>(0x2020202020202020);
    return (load<Word>(sent + at) | case_bits) == load<Word>(known + at);
}
/// `known` is lower-case letters, digits and '-'. `sent` is a token, so that setting 0x20 makes nothing else equal.
bool is_known_name(std::string_view sent, std::string_view known) noexcept {
    const size_t length = known.size();
    if (sent.size() != length) return false;
    if (length >= 8) {  // words from the front, and one that ends with the name
        for (size_t at = 0; at + 8 < length; at += 8) {
            if (!same_lower<uint64_t>(sent.data(), known.data(), at)) return false;
        }
        return same_lower<uint64_t>(sent.data(), known.data(), length - 8);
    }
    if (length >= 4) {
        return same_lower<uint32_t>(sent.data(), known.data(), 0) &&
               same_lower<uint32_t>(sent.data(), known.data(), length - 4);
    }
    return same_lower<uint16_t>(sent.data(), known.data(), 0) &&
           same_lower<uint16_t>(sent.data(), known.data(), length - 2);
}

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

constexpr std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

}  // namespace

std::string_view header_name(HeaderId id) noexcept {
    LOOM_ASSERT(id < HeaderId::count_);
    return header_names[static_cast<size_t>(id)];
}

HeaderId header_id(std::string_view name) noexcept {
    if (name.size() < name_bytes_min || name.size() > name_bytes_max) return HeaderId::other;
    const uint8_t id = slots.id[slot_of(name, slots.factor)];
    if (id == 0 || !is_known_name(name, header_names[id])) return HeaderId::other;
    return static_cast<HeaderId>(id);
}

std::string_view method_name(Method method) noexcept {
    switch (method) {
        case Method::get: return "GET";
        case Method::head: return "HEAD";
        case Method::post: return "POST";
        case Method::put: return "PUT";
        case Method::patch: return "PATCH";
        case Method::delete_: return "DELETE";
        case Method::options: return "OPTIONS";
        case Method::trace: return "TRACE";
        case Method::connect: return "CONNECT";
        case Method::other: break;
    }
    return "";
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
        if (lower(a[i]) != lower(b[i])) return false;
    }
    return true;
}

bool list_has_token(std::string_view value, std::string_view token) noexcept {
    while (!value.empty()) {
        const size_t comma = value.find(',');
        if (equal_ignoring_case(trimmed(value.substr(0, comma)), token)) return true;
        if (comma == value.npos) return false;
        value.remove_prefix(comma + 1);
    }
    return false;
}

bool is_hop_by_hop(const Header& header) noexcept {
    switch (header.id) {
        case HeaderId::connection:
        case HeaderId::keep_alive:
        case HeaderId::te:
        case HeaderId::trailer:
        case HeaderId::transfer_encoding:
        case HeaderId::upgrade:
        case HeaderId::proxy_connection:
        case HeaderId::proxy_authorization:
        case HeaderId::proxy_authenticate: return true;
        default: return header.named_in_connection;
    }
}

HeaderList& HeaderList::operator=(const HeaderList& other) noexcept {
    if (this == &other) return *this;
    first_ = other.first_;
    count_ = other.count_;
    std::memcpy(static_cast<void*>(items_), other.items_, count_ * sizeof(Header));
    return *this;
}

const Header* HeaderList::find(std::string_view name) const noexcept {
    const HeaderId id = header_id(name);
    if (id != HeaderId::other) return find(id);
    for (const Header& header : all()) {
        if (header.id == HeaderId::other && equal_ignoring_case(header.name, name)) return &header;
    }
    return nullptr;
}

}  // namespace loom::http

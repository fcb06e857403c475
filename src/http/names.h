// Field names to ids: a perfect hash that the compiler finds, and one masked comparison.
#pragma once

#include <array>
#include <cstring>
#include <string_view>

#include "loom/http/message.h"
#include "scan.h"

namespace loom::http {

inline constexpr std::array<std::string_view, static_cast<size_t>(HeaderId::count_)> header_names = {
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

inline constexpr size_t known_name_bytes_min = 2;
inline constexpr unsigned slot_bits = 9;

/// Length and three letters tell the known names apart. Lower case once 0x20 is set, which leaves digits and '-' alone.
constexpr uint32_t name_key(const char* name, size_t length) noexcept {
    const auto byte = [&](size_t at) { return static_cast<uint32_t>(static_cast<unsigned char>(name[at])); };
    return (static_cast<uint32_t>(length) | byte(0) << 8 | byte(length - 2) << 16 | byte(length - 1) << 24) |
           0x20202000;
}
constexpr size_t slot_of(uint32_t key, uint32_t factor) noexcept { return (key * factor) >> (32 - slot_bits); }

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
            const std::string_view name = header_names[id];
            uint8_t& slot = slots.id[slot_of(name_key(name.data(), name.size()), factor)];
            clash = slot != 0;
            slot = static_cast<uint8_t>(id);
        }
        if (!clash) return slots;
    }
}
inline constexpr Slots slots = find_slots();

/// The names again, 32 bytes each, to be compared at once, and their lengths.
struct PaddedNames {
    alignas(32) char bytes[header_names.size()][32] = {};
    uint8_t length[header_names.size()] = {};
};
inline constexpr PaddedNames padded_names = [] {
    PaddedNames padded;
    for (size_t id = 0; id < header_names.size(); ++id) {
        padded.length[id] = static_cast<uint8_t>(header_names[id].size());
        for (size_t at = 0; at < header_names[id].size(); ++at) padded.bytes[id][at] = header_names[id][at];
    }
    return padded;
}();

template <class Word>
bool same_lower(const char* sent, const char* known, size_t at) noexcept {
    constexpr Word case_bits = static_cast<Word>(0x2020202020202020);
    Word a;
    Word b;
    std::memcpy(&a, sent + at, sizeof a);
    std::memcpy(&b, known + at, sizeof b);
    return (a | case_bits) == b;
}
/// `known` is two or more lower-case letters, digits and '-'. `sent` is a token or a field value, so without control
/// characters: then setting 0x20 makes nothing else equal.
inline bool is_known(std::string_view sent, std::string_view known) noexcept {
    const size_t length = known.size();
    if (sent.size() != length) return false;
    if (length >= 8) {  // words from the front, and one that ends where the name ends
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

/// name   a token.     end   up to where bytes may be read, at or behind the name.
inline HeaderId known_id(std::string_view name, const char* end) noexcept {
    const size_t length = name.size();
    if (length < known_name_bytes_min) return HeaderId::other;
    const uint8_t id = slots.id[slot_of(name_key(name.data(), length), slots.factor)];
    if (padded_names.length[id] != length) return HeaderId::other;
#if defined(__SSE2__)
    if (length <= 16 && end - name.data() >= 16) {
        const __m128i known = _mm_load_si128(reinterpret_cast<const __m128i*>(padded_names.bytes[id]));
        const __m128i sent = _mm_or_si128(scan::Sse2::load(name.data()), _mm_set1_epi8(0x20));
        const unsigned differs = scan::Sse2::bits(_mm_cmpeq_epi8(sent, known)) ^ 0xffff;
        return differs << (32 - length) == 0 ? static_cast<HeaderId>(id) : HeaderId::other;
    }
#endif
    return is_known(name, {padded_names.bytes[id], length}) ? static_cast<HeaderId>(id) : HeaderId::other;
}

}  // namespace loom::http

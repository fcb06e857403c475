#include "loom/http/websocket_handshake.h"

#include <algorithm>
#include <string>

#include "loom/base/base64.h"
#include "loom/base/crypto.h"

namespace loom::http {
namespace {

constexpr std::string_view accept_suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3

/// Sixteen bytes in base64: 22 digits, of which the last holds two bits, and two signs of padding.
bool is_key(std::string_view key) noexcept {
    if (key.size() != websocket_key_bytes || !key.ends_with("==")) return false;
    const auto is_digit = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
    };
    return std::ranges::all_of(key.substr(0, 22), is_digit) &&
           std::string_view("AQgw").find(key[21]) != std::string_view::npos;
}

size_t count_of(const HeaderList& headers, HeaderId id) noexcept {
    return static_cast<size_t>(std::ranges::count(headers.all(), id, &Header::id));
}

/// Of the one field that no id knows, since a request never has it.
std::string_view accept_of(const HeaderList& headers) noexcept {
    static constexpr std::string_view name = "sec-websocket-accept";
    const auto is_it = [](const Header& header) { return equal_ignoring_case(header.name, name); };
    if (std::ranges::count_if(headers.all(), is_it) != 1) return {};
    return headers.find(name)->value;
}

bool lists(const HeaderList& headers, HeaderId id, std::string_view token) noexcept {
    bool found = false;
    each_list_element(headers, id, [&](std::string_view one) { found |= equal_ignoring_case(one, token); });
    return found;
}

template <size_t text_bytes>
std::array<char, text_bytes> base64_of(std::span<const uint8_t> bytes) noexcept {
    std::string text;
    base64_encode(bytes, text);
    std::array<char, text_bytes> out;
    LOOM_ASSERT(text.size() == out.size());
    std::ranges::copy(text, out.begin());
    return out;
}

}  // namespace

std::array<char, websocket_accept_bytes> websocket_accept(std::string_view key) noexcept {
    std::string text(key);
    text += accept_suffix;
    return base64_of<websocket_accept_bytes>(sha1(text));
}

std::array<char, websocket_key_bytes> websocket_key(std::span<const uint8_t, 16> random) noexcept {
    return base64_of<websocket_key_bytes>(random);
}

bool asks_for_websocket(const RequestHead& head) noexcept {
    return lists(head.list, HeaderId::upgrade, "websocket") || head.find(HeaderId::sec_websocket_key) != nullptr;
}

Result<std::string_view> check_upgrade_request(const RequestHead& head) noexcept {
    const auto bad = [](const char* what) { return fail(Errc::bad_message, Side::downstream, what); };
    if (head.method != Method::get) return bad("a WebSocket begins with GET");
    if (head.minor_version < 1) return bad("a WebSocket begins with HTTP/1.1");
    if (head.framing == BodyFraming::chunked || head.content_length > 0)
        return bad("a request for a WebSocket has no body");
    if (!lists(head.list, HeaderId::upgrade, "websocket")) return bad("'Upgrade: websocket' is missing");
    if (!lists(head.list, HeaderId::connection, "upgrade")) return bad("'Connection: Upgrade' is missing");
    if (count_of(head.list, HeaderId::sec_websocket_version) != 1) return bad("one Sec-WebSocket-Version is expected");
    if (head.value_of(HeaderId::sec_websocket_version) != websocket_version)
        return fail(Errc::unsupported, Side::downstream, "this gateway speaks version 13 of WebSocket (RFC 6455)");
    const std::string_view key = head.value_of(HeaderId::sec_websocket_key);
    if (count_of(head.list, HeaderId::sec_websocket_key) != 1 || !is_key(key))
        return bad("one Sec-WebSocket-Key of 16 bytes in base64 is expected");
    return key;
}

Result<std::string_view> check_upgrade_answer(const ResponseHead& head, std::string_view accept,
                                              std::string_view offered) noexcept {
    const auto bad = [](const char* what) { return fail(Errc::bad_message, Side::upstream, what); };
    LOOM_ASSERT(head.status == 101);
    if (!lists(head.list, HeaderId::upgrade, "websocket")) return bad("the upstream's 101 does not say 'websocket'");
    if (!lists(head.list, HeaderId::connection, "upgrade"))
        return bad("the upstream's 101 does not say 'Connection: Upgrade'");
    if (accept_of(head.list) != accept) return bad("the upstream's Sec-WebSocket-Accept does not answer the key");
    if (head.find(HeaderId::sec_websocket_extensions) != nullptr)
        return bad("the upstream chose an extension of WebSocket that nobody offered");
    const size_t chosen_count = count_of(head.list, HeaderId::sec_websocket_protocol);
    if (chosen_count == 0) return std::string_view();
    const std::string_view chosen = head.value_of(HeaderId::sec_websocket_protocol);
    bool was_offered = false;
    each_list_element(offered, [&](std::string_view one) { was_offered |= one == chosen; });
    if (chosen_count != 1 || !was_offered) return bad("the upstream chose a subprotocol that nobody offered");
    return chosen;
}

}  // namespace loom::http

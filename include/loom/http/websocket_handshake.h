// How an HTTP/1.1 connection becomes a WebSocket (RFC 6455, 4): the rules of both sides, without I/O.
//
// Extensions are neither offered nor accepted: permessage-deflate (RFC 7692) would hide from Loom what it has to read,
// and costs a window of memory per direction. So what a client offers stays behind, and an upstream that answers with
// one has not understood.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "loom/base/result.h"
#include "loom/http/message.h"

namespace loom::http {

inline constexpr size_t websocket_key_bytes = 24;
inline constexpr size_t websocket_accept_bytes = 28;
inline constexpr std::string_view websocket_version = "13";

/// What Sec-WebSocket-Accept says to a key.
[[nodiscard]] std::array<char, websocket_accept_bytes> websocket_accept(std::string_view key) noexcept;
/// A key of 16 random bytes. The caller brings them.
[[nodiscard]] std::array<char, websocket_key_bytes> websocket_key(std::span<const uint8_t, 16> random) noexcept;

/// Does the head ask to become a WebSocket, well or badly?
[[nodiscard]] bool asks_for_websocket(const RequestHead& head) noexcept;

/// Checks the client's side. Returns its key, a view into the head.
/// Errors  bad_message with what is wrong; unsupported for a version other than 13, which is answered 426 with the one
///         that is spoken. Side::downstream.
[[nodiscard]] Result<std::string_view> check_upgrade_request(const RequestHead& head) noexcept;

/// Checks the server's side, of an answer 101 to a request without extensions.
/// accept     what websocket_accept says to the key that was sent.
/// offered    the subprotocols that were offered: a comma-separated list, or "".
/// Returns    the subprotocol that was chosen, a view into the head; "" for none.
/// Errors     bad_message; Side::upstream.
[[nodiscard]] Result<std::string_view> check_upgrade_answer(const ResponseHead& head, std::string_view accept,
                                                            std::string_view offered) noexcept;

/// Calls `each(std::string_view token)` for every element of a comma-separated list.
template <class Each>
void each_list_element(std::string_view list, Each&& each) {
    while (!list.empty()) {
        const size_t comma = list.find(',');
        std::string_view element = list.substr(0, comma);
        list.remove_prefix(comma == list.npos ? list.size() : comma + 1);
        while (!element.empty() && (element.front() == ' ' || element.front() == '\t')) element.remove_prefix(1);
        while (!element.empty() && (element.back() == ' ' || element.back() == '\t')) element.remove_suffix(1);
        if (!element.empty()) each(element);
    }
}
/// The same over every line of that name.
template <class Each>
void each_list_element(const HeaderList& headers, HeaderId id, Each&& each) {
    for (const Header& header : headers.all())
        if (header.id == id) each_list_element(header.value, each);
}

}  // namespace loom::http

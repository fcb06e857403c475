// Errors of Loom's own, in the shape of the protocol that the client speaks.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "loom/llm/protocol.h"

namespace loom::llm {

namespace error_type {
inline constexpr std::string_view invalid_request = "invalid_request_error";
inline constexpr std::string_view authentication = "authentication_error";
inline constexpr std::string_view permission = "permission_error";
inline constexpr std::string_view not_found = "not_found_error";
inline constexpr std::string_view rate_limit = "rate_limit_error";
inline constexpr std::string_view server = "server_error";
inline constexpr std::string_view api = "api_error";
}  // namespace error_type

struct ErrorBody {
    std::string_view message;  // any bytes: escaped, and cut (with "…") where it does not fit
    std::string_view type = error_type::invalid_request;
    std::string_view code = {};   // null when empty
    std::string_view param = {};  // null when empty
};

/// Enough for any message of ours; more is never needed and less cuts the message.
inline constexpr size_t error_bytes_max = 1024;
/// Below this there is no room for the shape itself; the writers assert it.
inline constexpr size_t error_bytes_min = 256;

/// OpenAI's word for an HTTP status: of an error whose sender gave none.
[[nodiscard]] std::string_view error_type_of(int status) noexcept;

/// Writes OpenAI's JSON document, `{"error":{"message":…,"type":…,"param":…,"code":…}}`, into out and returns it. Never
/// overflows, always a complete document: type, code and param are cut at 48 bytes each, the message where the room
/// ends.
[[nodiscard]] std::string_view write_error(std::span<char> out, const ErrorBody& error) noexcept;

/// The event that ends a broken stream of OpenAI's chat: `data: {"error":{…}}\n\n`. Without [DONE]: the answer is not
/// whole.
[[nodiscard]] std::string_view write_error_event(std::span<char> out, const ErrorBody& error) noexcept;

/// The same in any protocol's shape: Anthropic's `{"type":"error","error":{"type":…,"message":…}}`, Gemini's
/// `{"error":{"code":…,"message":…,"status":…}}`, Bedrock's and Cohere's `{"message":…}`. Their words are made of the
/// HTTP status, which for a stream is what it would have been; param and code stand where a protocol has them.
[[nodiscard]] std::string_view write_error(Protocol protocol, int status, std::span<char> out,
                                           const ErrorBody& error) noexcept;

/// The event that ends a broken stream. Not Bedrock's: its stream is no text, and its frames are made elsewhere.
/// sequence_number  of Responses: one more than the last event's.
[[nodiscard]] std::string_view write_error_event(Protocol protocol, int status, std::span<char> out,
                                                 const ErrorBody& error, uint64_t sequence_number = 0) noexcept;

}  // namespace loom::llm

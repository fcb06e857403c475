// Errors in OpenAI's shape: `{"error":{"message":…,"type":…,"param":…,"code":…}}`.
#pragma once

#include <span>
#include <string_view>

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

/// Writes the JSON document into out and returns it. Never overflows, always a complete document: type, code and param
/// are cut at 48 bytes each, the message where the room ends.
[[nodiscard]] std::string_view write_error(std::span<char> out, const ErrorBody& error) noexcept;

/// The event that ends a broken stream: `data: {"error":{…}}\n\n`. Without [DONE]: the answer is not whole.
[[nodiscard]] std::string_view write_error_event(std::span<char> out, const ErrorBody& error) noexcept;

}  // namespace loom::llm

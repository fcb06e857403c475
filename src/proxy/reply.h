// How an Error looks to a client.
#pragma once

#include <cstdint>
#include <string_view>

#include "loom/base/result.h"

namespace loom::proxy {

struct ReplyShape {
    int status;
    std::string_view type;  // OpenAI's error type
    std::string_view code;
};

/// The one table: whose fault and what happened, to a status, a type and a code.
[[nodiscard]] ReplyShape reply_shape(const Error& why) noexcept;

inline constexpr uint16_t client_left_status = 499;  // as other proxies have it; no client sees it
/// What logs and metrics say of an answer.
[[nodiscard]] constexpr uint16_t told_status(bool left_early, uint16_t status) noexcept {
    return left_early ? client_left_status : status;
}

}  // namespace loom::proxy

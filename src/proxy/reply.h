// How an Error looks to a client.
#pragma once

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

}  // namespace loom::proxy

#include "answers.h"

#include <array>

#include "loom/llm/error.h"
#include "loom/llm/json_text.h"

namespace loom::admin {

proxy::LocalAnswer refuse(int status, std::string_view message, std::string_view type, std::string_view code) {
    std::array<char, llm::error_bytes_max> room;
    return {.status = status,
            .body = std::string(llm::write_error(room, {.message = message, .type = type, .code = code}))};
}

std::string quoted(std::string_view text) {
    std::string out;
    llm::quote(text, out);
    return out;
}

}  // namespace loom::admin

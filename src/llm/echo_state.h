// What the echo model read of a request, and what it says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cursor.h"
#include "loom/llm/echo.h"

namespace loom::llm {

/// What a RequestReader does not tell, of a body it has accepted.
struct EchoInput {
    std::vector<std::string> texts;  // decoded; a token array stands as its JSON text
    uint64_t words = 0;
    uint64_t dimensions = 0;  // 0: not asked
    bool base64 = false;
    const char* bad_param = nullptr;  // of another type than it must be
};
[[nodiscard]] EchoInput read_echo_input(Endpoint endpoint, std::string_view body);

struct EchoCall {
    std::string name;
    std::string arguments;  // a JSON object
};
/// The calls that tool_choice asks for: of the named function, or (`required`) of the first calls_max tools. Empty when
/// none is asked for. False when a function is named that is not among the tools.
[[nodiscard]] bool read_echo_calls(const Request& request, std::string_view body, std::vector<EchoCall>& calls);
inline constexpr size_t echo_calls_max = 4;

/// Words are runs of bytes between white space; the pieces keep the space before them, so that their sum is the text.
[[nodiscard]] std::vector<std::string_view> split_words(std::string_view text);
[[nodiscard]] uint64_t count_words(std::string_view text) noexcept;

/// Appends `[0.1,…]`, or with base64 a string of little-endian float32, of a unit vector out of a hash of text.
void write_echo_embedding(std::string_view text, uint64_t dimensions, bool base64, std::string& out);

void append_number(std::string& out, uint64_t number);

}  // namespace loom::llm

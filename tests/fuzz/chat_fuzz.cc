// Whatever the bytes: a RequestReader answers, points inside the body, and accepts nothing that the DOM refuses but for
// escapes nobody decodes and numbers beyond a double.
#include <cstdlib>

#include "loom/base/json.h"
#include "loom/llm/request.h"

using namespace loom::llm;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

bool holds(std::string_view body, Range range) { return range.offset <= body.size() && range.end() <= body.size(); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static RequestReader reader;
    if (size == 0) return 0;
    constexpr Endpoint endpoints[] = {Endpoint::chat_completions, Endpoint::completions, Endpoint::embeddings,
                                      Endpoint::responses, Endpoint::messages};
    const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto request = reader.read(endpoints[data[0] % std::size(endpoints)], body, PromptWish::estimate);
    if (!request) {
        require(reader.error_offset() <= body.size() && request.error().what[0] != '\0');
        return 0;
    }
    for (const Range range :
         {request->model_range, request->stream_range, request->stream_options_range, request->include_usage_range,
          request->tools_range, request->tool_choice_range, request->last_user_range, request->messages_range}) {
        require(holds(body, range));
    }
    require(text_of(body, request->model_range).front() == '"' && text_of(body, request->model_range).back() == '"');
    simdjson::dom::parser parser;
    const auto error = parser.parse(simdjson::padded_string(body)).error();
    require(error == simdjson::SUCCESS || error == simdjson::STRING_ERROR || error == simdjson::NUMBER_ERROR);
    return 0;
}

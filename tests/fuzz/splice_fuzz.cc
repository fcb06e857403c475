// A body that is accepted stays one after its edits: the reader reads the new model, the stream options ask for usage,
// and everything else reads as before.
#include <cstdlib>
#include <string>

#include "loom/llm/edits.h"
#include "loom/llm/request.h"

using namespace loom::llm;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static RequestReader reader, second_reader;
    const std::string_view body(reinterpret_cast<const char*>(data), size);
    const auto request = reader.read(Endpoint::chat_completions, body);
    if (!request) return 0;
    Edits edits;
    rename_model(edits, *request, "\"renamed\"");
    const bool asked = ask_for_usage(edits, *request);
    std::string edited;
    edits.gather(body, [&](std::string_view piece) { edited += piece; });
    require(edited.size() == edits.output_bytes(body.size()));
    const auto again = second_reader.read(Endpoint::chat_completions, edited);
    require(again.has_value());
    require(again->model == "renamed");
    require(!request->stream || again->include_usage);
    require(asked == (request->stream && !request->include_usage));
    require(again->stream == request->stream && again->max_tokens == request->max_tokens && again->n == request->n);
    require(again->message_count == request->message_count && again->prompt_bytes == request->prompt_bytes);
    require(again->last_user_text == request->last_user_text && again->user == request->user);
    return 0;
}

// A body that is accepted stays one after its edits: the reader reads the new model, the stream options ask for usage,
// and everything else reads as before. Without what some servers refuse it is one too, and nothing is left to change.
#include <cstdlib>
#include <string>

#include "loom/llm/edits.h"
#include "loom/llm/quirk_edits.h"
#include "loom/llm/request.h"

using namespace loom::llm;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

Quirks some_quirks(uint32_t bits) {
    Quirks quirks;
    uint32_t at = 0;
#define LOOM_QUIRK(word) quirks.word = (bits >> at++ & 1) != 0;
    LOOM_QUIRKS(LOOM_QUIRK)
#undef LOOM_QUIRK
    return quirks;
}

void check_quirks(std::string_view body, const Request& request, const Quirks& quirks) {
    static RequestReader reader;
    static TranslateScratch scratch;
    loom::BlockPool pool;
    loom::ByteBuffer changed(pool), unchanged(pool);
    QuirkEdits edits(scratch, pool);
    const std::string model(request.model);
    const auto made = edits.apply(Endpoint::chat_completions, body, quirks, changed);
    require(made.has_value());
    if (!*made) return require(changed.empty());
    const auto again = reader.read(Endpoint::chat_completions, changed.view());
    require(again.has_value());
    require(again->model == model);
    QuirkEdits second(scratch, pool);
    const auto more = second.apply(Endpoint::chat_completions, changed.view(), quirks, unchanged);
    require(more.has_value() && !*more);
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
    for (const uint32_t bits : {0x7fffu, static_cast<uint32_t>(size * 2654435761u)})
        check_quirks(body, *request, some_quirks(bits));
    return 0;
}

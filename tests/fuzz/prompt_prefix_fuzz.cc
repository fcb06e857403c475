// Whatever a request says: it has a prefix, the same for each turn of a conversation, also where only its beginning is
// hashed; and a prompt_cache_key put into it leaves a document that says what it said before, and the key once.
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/base/json.h"
#include "loom/llm/edits.h"
#include "loom/llm/prompt_prefix.h"

using namespace loom::llm;

namespace {

constexpr std::string_view key = "loom-0123456789abcdef";

void require(bool good) {
    if (!good) std::abort();
}

/// How often a member of that name stands in the document, however it is spelt; -1 where this is no JSON.
int count_keys(std::string_view text) {
    static simdjson::dom::parser parser;
    simdjson::dom::object document;
    if (parser.parse(simdjson::padded_string(text)).get(document) != simdjson::SUCCESS) return -1;
    int count = 0;
    for (const auto member : document) count += member.key == "prompt_cache_key";
    return count;
}

/// The same conversation, a turn later.
void check_next_turn(Endpoint endpoint, std::string_view body, const Request& request, size_t bytes_max) {
    static RequestReader reader;
    if (request.opening_range.absent() || !text_of(body, request.messages_range).starts_with('[')) return;
    const std::string_view turn = endpoint == Endpoint::generate_content ? R"(,{"role":"model","parts":[{"text":"b"}]})"
                                                                         : R"(,{"role":"assistant","content":"b"})";
    std::string later(body);
    later.insert(request.messages_range.end() - 1, turn);
    const auto again = reader.read(endpoint, later);
    require(again.has_value());
    require(hash_prompt_prefix(*again, later, bytes_max) == hash_prompt_prefix(request, body, bytes_max));
}

void check_cache_key(Endpoint endpoint, std::string_view body, const Request& request) {
    static RequestReader reader;
    Edits edits;
    const bool placed = put_prompt_cache_key(edits, request, body, key);
    require(placed || edits.empty());
    if (!placed) return;
    std::string edited;
    edits.gather(body, [&](std::string_view piece) { edited += piece; });
    require(edited.size() == edits.output_bytes(body.size()));
    require(count_keys(edited) == (count_keys(body) < 0 ? -1 : 1));
    const auto again = reader.read(endpoint, edited);
    require(again.has_value());
    require(text_of(edited, again->cache_key_range) == "\"" + std::string(key) + "\"");
    require(again->model == request.model && again->prompt_bytes == request.prompt_bytes);
    require(hash_prompt_prefix(*again, edited, SIZE_MAX) == hash_prompt_prefix(request, body, SIZE_MAX));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static RequestReader reader;
    const std::string body(reinterpret_cast<const char*>(data), size);  // its end is guarded
    for (const Endpoint endpoint : {Endpoint::chat_completions, Endpoint::responses, Endpoint::messages,
                                    Endpoint::generate_content, Endpoint::embeddings, Endpoint::completions}) {
        const auto request = reader.read(endpoint, body);
        if (!request) continue;
        for (const size_t bytes_max : {size_t{0}, size % 97, SIZE_MAX}) {
            require(hash_prompt_prefix(*request, body, bytes_max) != 0);
            check_next_turn(endpoint, body, *request, bytes_max);
        }
        if (endpoint == Endpoint::chat_completions || endpoint == Endpoint::responses)
            check_cache_key(endpoint, body, *request);
    }
    return 0;
}

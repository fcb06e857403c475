// Any bytes as an error of any provider's: read the same again and beside members that nobody knows; a code that says
// it says it in whatever document; and an answer that is no error of the request is none.
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/base/json.h"
#include "loom/llm/refusal.h"

using namespace loom::llm;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

/// error.code of OpenAI's document, where it is one that says each thing once; else "".
std::string plain_code(std::string_view text) {
    static simdjson::dom::parser parser;
    simdjson::dom::object document, error;
    if (parser.parse(simdjson::padded_string(text)).get(document) != simdjson::SUCCESS) return "";
    if (document.size() != 1 || document["error"].get(error) != simdjson::SUCCESS) return "";
    std::string_view code, message;
    size_t codes = 0;
    for (const auto member : error) codes += member.key == "code";
    if (codes != 1 || error["code"].get(code) != simdjson::SUCCESS) return "";
    if (error["message"].get(message) != simdjson::SUCCESS || message.empty()) return "";
    return text.find('\\') == text.npos ? std::string(code) : "";
}

/// Does it say something where every provider's document may?
bool has_message(std::string_view text) {
    static simdjson::dom::parser parser;
    simdjson::dom::object document;
    if (parser.parse(simdjson::padded_string(text)).get(document) != simdjson::SUCCESS) return false;
    std::string_view outer, inner;
    size_t outers = 0;
    for (const auto member : document) outers += member.key == "message" || member.key == "error";
    if (outers != 2 || document["message"].get(outer) != simdjson::SUCCESS || outer.empty()) return false;
    return document["error"]["message"].get(inner) == simdjson::SUCCESS && !inner.empty();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static loom::BlockPool pool;
    const std::string body(reinterpret_cast<const char*>(data), size);  // its end is guarded
    for (const Protocol provider : {Protocol::openai_chat, Protocol::openai_responses, Protocol::openai_completions,
                                    Protocol::anthropic, Protocol::gemini, Protocol::bedrock, Protocol::cohere}) {
        const Refusal refusal = read_refusal(pool, provider, 400, body);
        require(refusal == Refusal::none || refusal == Refusal::context_window || refusal == Refusal::content_policy);
        require(read_refusal(pool, provider, 413, body) == refusal);
        for (const int status : {200, 401, 429, 500})
            require(read_refusal(pool, provider, status, body) == Refusal::none);
        if (!has_message(body)) continue;  // else its text as it stands is all that can be read
        std::string more(body);
        more.insert(more.find('{') + 1, R"("x_new":{"message":["prompt is too long"],"code":0},)");
        require(read_refusal(pool, provider, 400, more) == refusal);
    }
    const std::string code = plain_code(body);
    if (code == "context_length_exceeded")
        require(read_refusal(pool, Protocol::openai_chat, 400, body) == Refusal::context_window);
    if (code == "content_filter")
        require(read_refusal(pool, Protocol::openai_chat, 400, body) == Refusal::content_policy);
    return 0;
}

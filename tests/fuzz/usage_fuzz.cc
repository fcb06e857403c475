// The short cuts against the plain way. Of an answer that is valid JSON, UsageReader's look from the end must agree
// with the DOM; and a StreamReader that has seen events before must agree with one that has not.
#include <cstdlib>

#include "loom/base/json.h"
#include "loom/llm/stream_reader.h"
#include "loom/llm/usage.h"

using namespace loom::llm;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

/// prompt_tokens of the last top-level usage, or -1.
int64_t dom_input(simdjson::dom::element root) {
    int64_t input = -1;
    simdjson::dom::object object;
    if (root.get(object) != simdjson::SUCCESS) return -1;
    for (const auto member : object) {
        if (member.key != "usage") continue;
        input = -1;
        simdjson::dom::object usage;
        if (member.value.get(usage) != simdjson::SUCCESS) continue;
        for (const auto count : usage) {
            uint64_t value = 0;
            if (count.key == "prompt_tokens" && count.value.get(value) == simdjson::SUCCESS) {
                input = static_cast<int64_t>(value);
            }
        }
    }
    return input;
}

void compare_usage(std::string_view text) {
    static UsageReader reader;
    Usage usage;
    const auto found = reader.read(text, usage);
    // An escaped "usage", or other names of the counts, are not compared.
    if (text.find('\\') != text.npos || text.find("_tokens_") != text.npos || text.find("put_tokens") != text.npos)
        return;
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (parser.parse(simdjson::padded_string(text)).get(root) != simdjson::SUCCESS) return;
    const int64_t expected = dom_input(root);
    if (expected >= 0) require(found && *found && usage.input == static_cast<uint64_t>(expected));
}

void compare_streams(std::string_view text) {
    static StreamReader warm;
    StreamReader cold;
    Usage a_usage, b_usage;
    const EventFacts a = warm.read(text, a_usage), b = cold.read(text, b_usage);
    require(a.done == b.done && a.usage_present == b.usage_present && a.usage_only == b.usage_only);
    require(a.usage_null == b.usage_null && a.has_content == b.has_content && a.has_tool_call == b.has_tool_call);
    require(a.is_error == b.is_error && a.finished == b.finished && a.malformed == b.malformed);
    require(a.content == b.content && a_usage == b_usage && warm.texts().size() == cold.texts().size());
    for (size_t i = 0; i < cold.texts().size(); ++i) {
        require(warm.texts()[i].range == cold.texts()[i].range && warm.texts()[i].kind == cold.texts()[i].kind);
        require(cold.texts()[i].range.end() <= text.size());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    compare_usage(text);
    compare_streams(text);
    return 0;
}

// Any chat that a reader takes: its last text, where it is one, is a string of the document; and what is left of it
// without its oldest turns is a chat again, no longer than before, with the same last text, and trimmed no further by
// nothing; and its tokens are what was told of it.
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/llm/history_trim.h"
#include "loom/llm/last_turn.h"
#include "loom/llm/request.h"
#include "loom/llm/translate.h"

using namespace loom;
using namespace loom::llm;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

constexpr Endpoint endpoints[] = {Endpoint::chat_completions, Endpoint::responses, Endpoint::messages,
                                  Endpoint::generate_content};

std::string last_text(Endpoint endpoint, std::string_view body, const Request& request) {
    const Range range = lone_last_text(endpoint, body, request.messages_range);
    if (range.absent()) return {};
    require(range.end() <= body.size() && range.length >= 2);
    require(body[range.offset] == '"' && body[range.end() - 1] == '"');
    return std::string(text_of(body, range));
}

/// What is left for so many tokens is estimated to be what its reader says.
void require_tokens(Endpoint endpoint, std::string_view body, uint64_t tokens_max, HistoryTrim& trim, BlockPool& pool,
                    RequestReader& reader) {
    ByteBuffer out(pool);
    const auto gone = trim.trim_to(endpoint, body, tokens_max, out);
    if (!gone || gone->messages == 0) return;
    const std::string left(out.view());
    const auto read = reader.read(endpoint, left, PromptWish::estimate);
    require(read.has_value() && read->prompt_tokens_estimated == gone->tokens_left);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    static BlockPool pool;
    static TranslateScratch scratch;
    static RequestReader reader, again;
    const Endpoint endpoint = endpoints[data[0] % std::size(endpoints)];
    const std::string body(reinterpret_cast<const char*>(data) + 2, size - 2);  // its end is guarded
    const auto request = reader.read(endpoint, body);
    if (!request) return 0;
    const std::string last = last_text(endpoint, body, *request);
    HistoryTrim trim(scratch, pool);
    require_tokens(endpoint, body, data[1], trim, pool, again);
    ByteBuffer out(pool);
    const auto gone = trim.trim(endpoint, body, uint64_t{data[1]} * 8, out);
    if (!gone || gone->messages == 0) return 0;
    require(out.size() < body.size());
    const std::string left(out.view());
    const auto read = again.read(endpoint, left);
    require(read.has_value());
    require(read->model == request->model);
    require(read->prompt_bytes + gone->text_bytes == request->prompt_bytes);
    require(last_text(endpoint, left, *read) == last);
    return 0;
}

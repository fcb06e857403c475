// Any bytes as a stream's events, a line each, in any client's protocol: each text lies in its event, in order and
// between quotes, its slot is one that there is, and what is written of a slot is read again as a text.
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/llm/event_texts.h"

using namespace loom;
using namespace loom::llm;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

constexpr Protocol protocols[] = {Protocol::openai_chat, Protocol::openai_completions, Protocol::openai_responses,
                                  Protocol::anthropic, Protocol::gemini};

void check_changes(std::span<const EventTexts::Change> changes, std::string_view event) {
    for (const EventTexts::Change& change : changes) require(change.range.end() <= event.size());
}

void check_texts(const EventTexts& texts, std::string_view event) {
    size_t at = 0;
    for (const EventTexts::Text& text : texts.texts()) {
        require(text.slot < EventTexts::slots_max);
        require(text.range.offset > at || (at == 0 && text.range.offset > 0));
        require(text.range.end() < event.size() && event[text.range.end()] == '"');
        at = text.range.end();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    static BlockPool pool;
    static EventScratch scratch;
    const Protocol protocol = protocols[data[0] % std::size(protocols)];
    const std::string all(reinterpret_cast<const char*>(data) + 1, size - 1);
    EventTexts texts(scratch, protocol);
    ByteBuffer written(pool);
    for (size_t at = 0; at < all.size();) {
        const size_t end = std::min(all.find('\n', at), all.size());
        const std::string event = all.substr(at, end - at);  // its end is guarded
        at = end + 1;
        if (!texts.read(event)) return 0;  // what is open then has its events from those before
        check_texts(texts, event);
        check_changes(texts.repeats(), event);
        check_changes(texts.filtered(), event);
        for (const uint32_t slot : texts.ended()) {
            require(slot < EventTexts::slots_max);
            texts.write(slot, "more", written);
        }
        check_changes(texts.renumbered(), event);
    }
    texts.end();
    for (const uint32_t slot : texts.ended()) texts.write(slot, "last", written);
    require(written.empty() || written.view().ends_with("\n\n"));
    EventTexts document(scratch, protocol);
    if (document.read_document(all)) check_changes(document.repeats(), all);
    return 0;
}

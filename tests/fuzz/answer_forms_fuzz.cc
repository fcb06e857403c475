// Any bytes as a stream's events or as a document, of any client's protocol: read within their bounds; what becomes a
// document becomes a stream again, and that one the same document.
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/llm/answer_forms.h"

using namespace loom::llm;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

constexpr Protocol protocols[] = {Protocol::openai_chat, Protocol::openai_responses, Protocol::anthropic,
                                  Protocol::gemini};

TranslateTerms terms_of(Protocol protocol) {
    return {.client = protocol,
            .provider = protocol,
            .model = "m",
            .client_model = "m",
            .fallback_id = "id-1",
            .created = 1,
            .include_usage = true};
}

bool take_all(AnswerForms& forms, std::string_view events) {
    while (!events.empty()) {
        const size_t end = events.find("\n\n");
        std::string_view event = events.substr(0, end);
        events.remove_prefix(end == events.npos ? events.size() : end + 2);
        std::string_view name, data;
        while (!event.empty()) {
            const std::string_view line = event.substr(0, event.find('\n'));
            event.remove_prefix(std::min(event.size(), line.size() + 1));
            if (line.starts_with("event: ")) name = line.substr(7);
            if (line.starts_with("data: ")) data = line.substr(6);
        }
        if (!data.empty() && !forms.take_event(name, data)) return false;
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    static loom::BlockPool pool;
    static TranslateScratch scratch;
    const Protocol protocol = protocols[data[0] % std::size(protocols)];
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);  // its end is guarded
    const TranslateTerms terms = terms_of(protocol);
    {
        AnswerForms forms(scratch, pool, terms);
        (void)forms.ends_well(text);
        (void)AnswerForms::has_embeddings(scratch, text);
        loom::ByteBuffer out(pool);
        (void)forms.events_of(text, {}, out);
    }
    AnswerForms forms(scratch, pool, terms);
    loom::ByteBuffer document(pool);
    if (!take_all(forms, text) || !forms.document_of_taken({}, document)) return 0;
    require(document.view().starts_with('{') && document.view().ends_with('}'));
    AnswerForms to(scratch, pool, terms);
    loom::ByteBuffer events(pool);
    if (!to.events_of(document.view(), {}, events)) return 0;
    AnswerForms back(scratch, pool, terms);
    loom::ByteBuffer again(pool);
    require(take_all(back, events.view()));
    require(back.document_of_taken({}, again).has_value());
    return 0;
}

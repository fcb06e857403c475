#include "loom/llm/stream_reader.h"

#include <algorithm>

#include "event_walk.h"
#include "form.h"
#include "structure.h"

namespace loom::llm {

/// The form, and what an event that fits it means.
struct StreamReader::Form {
    EventForm form;
    EventFacts facts;                                   // but for content and has_content
    std::array<TextField, EventForm::holes_max> texts;  // but for their places
    uint32_t text_count = 0;
    std::array<int32_t, EventForm::holes_max> text_of_hole;
    int32_t content_text = -1;  // index of the text that is facts.content

    void learn(std::string_view data, const EventFacts& read, const EventWalk& walk,
               std::span<const TextField> read_texts);
};

StreamReader::StreamReader() : structure_(std::make_unique<Structure>()), form_(std::make_unique<Form>()) {}
StreamReader::~StreamReader() = default;
StreamReader::StreamReader(StreamReader&&) noexcept = default;
StreamReader& StreamReader::operator=(StreamReader&&) noexcept = default;

EventFacts StreamReader::read(std::string_view data, Usage& usage) {
    EventFacts facts;
    if (read_by_form(data, facts)) return facts;
    text_count_ = 0;
    texts_overflowed_ = false;
    if (data == "[DONE]") {
        facts.done = true;
        return facts;
    }
    return read_whole(data, usage);
}

bool StreamReader::read_by_form(std::string_view data, EventFacts& facts) {
    std::array<Range, EventForm::holes_max> values;
    if (!form_->form.fits(data, values)) return false;
    facts = form_->facts;
    texts_overflowed_ = false;
    text_count_ = form_->text_count;
    std::copy_n(form_->texts.begin(), text_count_, texts_.begin());
    facts.has_content = facts.has_tool_call;
    for (uint32_t i = 0; i < form_->form.hole_count(); ++i) {
        const int32_t text = form_->text_of_hole[i];
        if (text < 0) continue;
        texts_[static_cast<uint32_t>(text)].range = values[i];
        facts.has_content |= values[i].length > 2;
        if (text == form_->content_text) facts.content = values[i];
    }
    return true;
}

EventFacts StreamReader::read_whole(std::string_view data, Usage& usage) {
    EventFacts facts;
    Tokens tokens;
    Fault fault;
    if (!structure_->index(data, Structure::Utf8::passed, tokens, fault)) {
        facts.malformed = true;
        return facts;
    }
    EventWalk walk(data, tokens, texts_);
    if (!walk.run(facts, usage)) {
        facts.malformed = true;
        return facts;
    }
    text_count_ = walk.text_count();
    texts_overflowed_ = walk.texts_overflowed();
    form_->learn(data, facts, walk, texts());
    structure_->trim();
    return facts;
}

void StreamReader::Form::learn(std::string_view data, const EventFacts& read, const EventWalk& walk,
                               std::span<const TextField> read_texts) {
    // Counts of a usage differ from event to event; and what ends a stream comes once.
    const bool repeats = !read.usage_present && !read.is_error && !read.finished && !read_texts.empty();
    if (!repeats || walk.texts_overflowed() || walk.variables_overflowed()) return;
    facts = read;
    text_count = static_cast<uint32_t>(read_texts.size());  // each is a variable, of which there are holes_max at most
    std::copy(read_texts.begin(), read_texts.end(), texts.begin());
    content_text = -1;
    form.begin(data);
    uint32_t hole = 0;
    for (const Variable& variable : walk.variables()) {
        if (!form.add_hole(variable.kind, variable.range)) break;
        text_of_hole[hole++] = variable.text;
        const bool is_content = variable.text >= 0 && variable.range == read.content;
        if (is_content) content_text = variable.text;
    }
    form.end();
}

}  // namespace loom::llm

// One walk over an event of a streamed answer.
#pragma once

#include <array>

#include "cursor.h"
#include "form.h"
#include "loom/llm/stream_reader.h"

namespace loom::llm {

/// What of an event may differ in the next one without a change of its facts, in the order it stands.
struct Variable {
    Range range;
    EventForm::Hole kind = EventForm::Hole::string;
    int32_t text = -1;  // index of the text field it is
};

class EventWalk {
  public:
    EventWalk(std::string_view data, Tokens tokens, std::span<TextField> texts) noexcept
        : cursor_(data, tokens), texts_(texts) {}

    /// False for what is no JSON object.
    [[nodiscard]] bool run(EventFacts& facts, Usage& usage);

    [[nodiscard]] uint32_t text_count() const noexcept { return text_count_; }
    [[nodiscard]] bool texts_overflowed() const noexcept { return texts_overflowed_; }
    [[nodiscard]] std::span<const Variable> variables() const noexcept { return {variables_.data(), variable_count_}; }
    [[nodiscard]] bool variables_overflowed() const noexcept { return variables_overflowed_; }

  private:
    bool read_member(Range key);
    bool read_choices();
    bool read_choice();
    bool read_choice_member(Range key, uint32_t& index);
    bool read_delta();
    bool read_finish();
    bool read_content_parts();
    bool read_tool_calls();
    bool read_tool_call();
    bool read_function();
    bool read_text(TextField::Kind kind);
    void add_variable(Variable variable) noexcept;

    Cursor cursor_;
    std::span<TextField> texts_;
    uint32_t text_count_ = 0;
    bool texts_overflowed_ = false;
    std::array<Variable, EventForm::holes_max> variables_;
    uint32_t variable_count_ = 0;
    bool variables_overflowed_ = false;
    uint32_t choice_count_ = 0;
    bool choices_seen_ = false;
    EventFacts facts_;
    Usage usage_;
};

}  // namespace loom::llm

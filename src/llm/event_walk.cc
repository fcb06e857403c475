#include "event_walk.h"

#include <algorithm>

#include "usage_object.h"

namespace loom::llm {

bool EventWalk::run(EventFacts& facts, Usage& usage) {
    if (cursor_.peek() != '{') return false;
    if (!cursor_.each_member([&](Range key) { return read_member(key); }) || !cursor_.at_end()) return false;
    facts_.usage_only = facts_.usage_present && choice_count_ == 0;
    facts = facts_;
    if (facts.usage_present) usage = usage_;
    return true;
}

bool EventWalk::read_member(Range key) {
    const std::string_view name = inside(cursor_.text(), key);
    // Of strings only those that vary: the id, and what follows the choices (padding against traffic analysis).
    if (cursor_.peek() == '"' && name != "error") {
        const Range string = cursor_.take_string();
        const bool varies =
            name == "id" || (choices_seen_ && name != "model" && name != "object" && name != "system_fingerprint");
        if (name == "usage") facts_.usage_null = facts_.usage_present = false;
        if (varies) add_variable({string, EventForm::Hole::string, -1});
        return true;
    }
    if (name == "choices") return read_choices();
    if (name == "usage") {
        facts_.usage_null = cursor_.is_null();
        facts_.usage_present = false;
        return cursor_.peek() == '{' ? read_usage_object(cursor_, usage_, facts_.usage_present) : cursor_.skip_value();
    }
    if (name == "error") {
        facts_.is_error = !cursor_.is_null();
        return cursor_.skip_value();
    }
    Range value;
    const bool counts = name == "created" && cursor_.is_number();
    if (!cursor_.skip_value(value)) return false;
    if (counts) add_variable({value, EventForm::Hole::number, -1});
    return true;
}

bool EventWalk::read_choices() {
    choices_seen_ = true;
    if (cursor_.peek() != '[') return cursor_.skip_value();
    return cursor_.each_element([&] {
        choice_count_ += 1;
        return cursor_.peek() == '{' ? read_choice() : cursor_.skip_value();
    });
}

bool EventWalk::read_choice() {
    const uint32_t first_text = text_count_;
    uint32_t index = 0;
    if (!cursor_.each_member([&](Range key) { return read_choice_member(key, index); })) return false;
    for (uint32_t i = first_text; i < text_count_; ++i) texts_[i].choice = index;
    return true;
}

bool EventWalk::read_choice_member(Range key, uint32_t& index) {
    const std::string_view name = inside(cursor_.text(), key);
    if (name == "delta" && cursor_.peek() == '{') return read_delta();
    if (name == "text" && cursor_.peek() == '"') return read_text(TextField::Kind::text);
    if (name == "finish_reason") return read_finish();
    uint64_t count = 0;
    if (name != "index" || !cursor_.take_count(count)) return cursor_.skip_value();
    index = static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX));
    return true;
}

bool EventWalk::read_finish() {
    if (cursor_.is_null()) return cursor_.skip_value();
    Range reason;
    if (!cursor_.skip_value(reason)) return false;
    const std::string_view word = text_of(cursor_.text(), reason);
    facts_.finished = true;
    facts_.cut_short |= word != R"("stop")" && word != R"("tool_calls")" && word != R"("function_call")";
    return true;
}

bool EventWalk::read_delta() {
    using Kind = TextField::Kind;
    return cursor_.each_member([&](Range key) {
        const std::string_view name = inside(cursor_.text(), key);
        if (cursor_.peek() == '"') {
            if (name == "content") return read_text(Kind::content);
            if (name == "refusal") return read_text(Kind::refusal);
            if (name == "reasoning_content" || name == "reasoning") return read_text(Kind::reasoning);
            return cursor_.skip_value();
        }
        if (name == "content" && cursor_.peek() == '[') return read_content_parts();
        if (name == "tool_calls" && cursor_.peek() == '[') return read_tool_calls();
        if (name == "function_call" && cursor_.peek() == '{') return read_function();
        facts_.has_content |= name == "audio" && cursor_.peek() == '{';
        return cursor_.skip_value();
    });
}

/// Some providers send content as parts, as requests have them.
bool EventWalk::read_content_parts() {
    return cursor_.each_element([&] {
        if (cursor_.peek() != '{') return cursor_.skip_value();
        return cursor_.each_member([&](Range key) {
            const bool is_text = inside(cursor_.text(), key) == "text" && cursor_.peek() == '"';
            return is_text ? read_text(TextField::Kind::content) : cursor_.skip_value();
        });
    });
}

bool EventWalk::read_tool_calls() {
    return cursor_.each_element([&] { return cursor_.peek() == '{' ? read_tool_call() : cursor_.skip_value(); });
}

bool EventWalk::read_tool_call() {
    facts_.has_tool_call = facts_.has_content = true;
    const uint32_t first_text = text_count_;
    uint64_t index = 0;
    const bool good = cursor_.each_member([&](Range key) {
        const std::string_view name = inside(cursor_.text(), key);
        if (name == "function" && cursor_.peek() == '{') return read_function();
        return (name == "index" && cursor_.take_count(index)) || cursor_.skip_value();
    });
    if (!good) return false;
    const auto tool = static_cast<uint32_t>(std::min<uint64_t>(index, UINT32_MAX));
    for (uint32_t i = first_text; i < text_count_; ++i) texts_[i].tool = tool;
    return true;
}

bool EventWalk::read_function() {
    facts_.has_tool_call = facts_.has_content = true;
    return cursor_.each_member([&](Range key) {
        const std::string_view name = inside(cursor_.text(), key);
        if (cursor_.peek() == '"' && name == "arguments") return read_text(TextField::Kind::tool_arguments);
        if (cursor_.peek() == '"' && name == "name") return read_text(TextField::Kind::tool_name);
        return cursor_.skip_value();
    });
}

bool EventWalk::read_text(TextField::Kind kind) {
    const Range string = cursor_.take_string();
    facts_.has_content |= string.length > 2;
    const bool is_answer = kind == TextField::Kind::content || kind == TextField::Kind::text;
    if (is_answer && facts_.content.absent()) facts_.content = string;
    if (text_count_ == texts_.size()) {
        texts_overflowed_ = true;
        return true;
    }
    add_variable({string, EventForm::Hole::string, static_cast<int32_t>(text_count_)});
    texts_[text_count_++] = {string, 0, 0, kind};
    return true;
}

void EventWalk::add_variable(Variable variable) noexcept {
    if (variable_count_ == variables_.size()) {
        variables_overflowed_ = true;
        return;
    }
    variables_[variable_count_++] = variable;
}

}  // namespace loom::llm

#include "anthropic_turns.h"

#include <algorithm>

namespace loom::llm::anthropic {

namespace {

bool is_system(Role role) noexcept { return role == Role::system || role == Role::developer; }

bool is_thinking(const Part& part) noexcept {
    return part.kind == Part::Kind::thinking || part.kind == Part::Kind::redacted_thinking;
}

class TurnBuilder {
  public:
    TurnBuilder(const Model& model, Context& context) noexcept : model_(model), context_(context) {}

    void add(const Message& message) {
        if (has(message.name)) context_.losses.add("messages[].name");
        for (const Part& part : message.parts) {
            if (is_system(message.role)) {
                add_system(part);
            } else {
                add_part(part, message.role == Role::assistant ? Role::assistant : Role::user);
            }
        }
    }
    Turns finish() {
        // Behind an assistant's last turn there is no place for a system text.
        for (const Part* part : waiting_) hoist(*part);
        if (turns_.list.empty() && !turns_.system.empty()) {
            context_.losses.add("messages[].role");
            turns_.list.add(context_.arena, {.parts = turns_.system});
            turns_.system = {};
        }
        return turns_;
    }

  private:
    void add_system(const Part& part) {
        if (part.kind != Part::Kind::text) return context_.losses.add("messages[].content");
        if (is_blank(part.text)) return;
        if (turns_.list.empty()) {
            turns_.system.add(context_.arena, &part);
        } else if (!model_.system_turns || context_.terms.quirks.no_system_in_messages) {
            hoist(part);
        } else if (turns_.list.back().role == Role::user) {
            turns_.list.back().system.add(context_.arena, &part);
        } else {
            waiting_.add(context_.arena, &part);
        }
    }
    void hoist(const Part& part) {
        context_.losses.add("messages[].role");
        turns_.system.add(context_.arena, &part);
    }
    void add_part(const Part& part, Role role) {
        if (!is_written(part)) return;
        if (turns_.list.empty() || turns_.list.back().role != role) open(role);
        Turn& turn = turns_.list.back();
        if (!turn.system.empty())
            context_.losses.add("messages[].role");  // the user goes on: the system text moves back
        (part.kind == Part::Kind::tool_result ? turn.results : turn.parts).add(context_.arena, &part);
    }
    void open(Role role) {
        Turn& turn = turns_.list.add(context_.arena, {.role = role});
        if (role != Role::user || waiting_.empty()) return;
        turn.system = waiting_;
        waiting_ = {};
    }
    bool is_written(const Part& part) {
        switch (part.kind) {
            case Part::Kind::text:
            case Part::Kind::refusal: return !is_blank(part.text);
            case Part::Kind::thinking:
                if (!part.signature.empty()) return true;
                if (!part.text.empty()) context_.losses.add("reasoning_content");
                return false;
            default: return true;
        }
    }

    const Model& model_;
    Context& context_;
    Turns turns_;
    ArenaList<const Part*> waiting_;  // system texts behind an assistant's turn, until the user's comes
};

}  // namespace

Turns turns_of(const ChatRequest& request, const Model& model, Context& context) {
    TurnBuilder builder(model, context);
    for (const Message& message : request.messages) builder.add(message);
    return builder.finish();
}

bool lacks_thinking(const Turns& turns) noexcept {
    if (turns.list.empty() || turns.list.back().results.empty()) return false;
    const Turn* calls = nullptr;
    for (const Turn& turn : turns.list)
        if (turn.role == Role::assistant) calls = &turn;
    return calls == nullptr || calls->parts.empty() || !is_thinking(*calls->parts.front());
}

}  // namespace loom::llm::anthropic

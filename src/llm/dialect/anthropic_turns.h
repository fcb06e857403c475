// The messages of a conversation as Anthropic's turns: user and assistant by turns, system texts before them.
#pragma once

#include "anthropic.h"
#include "anthropic_model.h"

namespace loom::llm::anthropic {

/// What is not written (blank texts, thinking that nobody signed) is not among the parts, and no turn is empty.
struct Turn {
    Role role = Role::user;          // or assistant
    ArenaList<const Part*> results;  // of tools: they come first in their turn
    ArenaList<const Part*> parts;    // all others, in their order
    ArenaList<const Part*> system;   // system texts that stand behind this turn, as a message of their own
};

struct Turns {
    ArenaList<Turn> list;
    ArenaList<const Part*> system;  // for the field `system`
};

/// Consecutive messages of one side become one turn. System texts before all turns go to `system`; later ones stay at
/// their place where the model takes them there (behind a user's turn), else they go to `system` too, which is a loss
/// of their place. The first turn may be the assistant's (anthropic-sdk-typescript issue 622: taken since 2024-12). A
/// conversation of system texts alone becomes the user's: there must be a message.
[[nodiscard]] Turns turns_of(const ChatRequest& request, const Model& model, Context& context);

/// Does a turn of calls, answered by the last turn, lack the thinking it began with? Thinking by budget refuses it
/// then.
[[nodiscard]] bool lacks_thinking(const Turns& turns) noexcept;

}  // namespace loom::llm::anthropic

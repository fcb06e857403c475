// Writes content blocks: of a request's turns and of an answer.
#pragma once

#include "anthropic.h"
#include "json_out.h"

namespace loom::llm::anthropic {

/// A part of a turn of `role`. Text must not be blank, thinking must be signed: see turns_of().
/// Errors  unsupported (downstream): what Anthropic takes nowhere, or not in a turn of this role.
[[nodiscard]] Result<void> write_block(const Part& part, Role role, Context& context, JsonOut& json);

// Of any document.
/// A citation as Anthropic's object: its own as it stands, a page that another provider cites as what a search of the
/// web found; absent for another provider's file, which the client has not as a document.
[[nodiscard]] Json citation_of(Json citation, Context& context);
/// Of an answer: in as many blocks as there are places that citations name, since a citation stands for its block.
void write_cited_text(const Part& part, Context& context, JsonOut& json);
void write_text_block(const Part& part, Text text, Context& context, JsonOut& json);
void write_thinking_block(const Part& part, JsonOut& json);
void write_redacted_block(const Part& part, JsonOut& json);
/// id, name  as they are to stand there.
void write_tool_use_block(const Part& call, Text id, Text name, Context& context, JsonOut& json);

/// The id of an answer's call. One without (Gemini, Ollama) needs one, for its result comes back by it.
[[nodiscard]] Text call_id(Text id, uint32_t index, Context& context);

}  // namespace loom::llm::anthropic

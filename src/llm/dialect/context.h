// What every reader and writer of a dialect works with, during one call.
#pragma once

#include "aliases.h"
#include "chat.h"
#include "cursor.h"
#include "loom/base/result.h"
#include "loom/llm/translate.h"
#include "losses.h"
#include "memo.h"
#include "structure.h"

namespace loom::llm {

struct Context {
    Arena& arena;          // as long as the call's result is used
    Structure& structure;  // of the document at hand
    Structure& nested;     // of JSON inside its strings
    Losses& losses;
    Aliases& aliases;  // of the exchange: what the request's writer notes, the answer's reader finds
    const TranslateTerms& terms;
    const char* error_param = "";  // of a request that is refused: the field at fault
    uint32_t error_offset = 0;     // and its place in the body
    Memo* memo = nullptr;          // of the exchange; null where no client waits for an answer (StreamWatch)
};

// Reading: of the value under the cursor, which is consumed. A value of another type reads as absent.

/// A string's inside.
[[nodiscard]] inline bool take_text(Cursor& cursor, Text& text) {
    if (cursor.peek() != '"') return cursor.skip_value();
    text = inside(cursor.text(), cursor.take_string());
    return true;
}
/// Any value as it stands; `null` leaves it absent.
[[nodiscard]] inline bool take_json(Cursor& cursor, Json& value) {
    const bool null = cursor.is_null();
    Range range;
    if (!cursor.skip_value(range)) return false;
    if (!null) value = text_of(cursor.text(), range);
    return true;
}
[[nodiscard]] inline bool take_number(Cursor& cursor, Json& number) {
    return cursor.is_number() ? take_json(cursor, number) : cursor.skip_value();
}
[[nodiscard]] inline bool take_flag(Cursor& cursor, std::optional<bool>& flag) {
    if (cursor.is_true()) flag = true;
    if (cursor.is_false()) flag = false;
    return cursor.skip_value();
}
/// The key of a member, without its quotes.
[[nodiscard]] inline std::string_view name_of(const Cursor& cursor, Range key) { return inside(cursor.text(), key); }

/// A number's value; 0 where it is none.
[[nodiscard]] double value_of(Json number) noexcept;

/// Text decoded to plain bytes (in the arena only where it holds an escape).
[[nodiscard]] std::string_view plain(Text text, Arena& arena);
/// Plain bytes as the inside of a JSON string, in the arena.
[[nodiscard]] Text escaped(std::string_view plain, Arena& arena);
/// Does it hold anything but white space?
[[nodiscard]] bool is_blank(Text text) noexcept;

/// A call's arguments as a JSON object, whoever spelled them: `{}` for none. What is no JSON object (a model may write
/// anything) becomes {"_unparsed": text}, so that nothing is lost and the conversation goes on. On one line.
[[nodiscard]] Json arguments_object(const Part& call, Context& context);

/// A document on one line, as an event's data wants it: white space between tokens is all that a line's end can be.
[[nodiscard]] Json one_line(Json json, Arena& arena);

/// Splits "data:image/png;base64,AAAA". False where the text is no such URL; then media is as it was.
[[nodiscard]] bool split_data_url(Text url, Media& media) noexcept;

/// The text of a part list: one text as it stands, several joined (with `between`, an inside of a string) in the arena.
[[nodiscard]] Text joined_text(const ArenaList<Part>& parts, Text between, Arena& arena);

/// The effort that a request asks for, as OpenAI's models take it. Few know "max": it is sent to whoever said it in
/// OpenAI's words, and so knows the model; of another's clients (Claude Code's "max") it is xhigh, with a loss noted.
[[nodiscard]] Reasoning::Effort openai_effort(const Reasoning& reasoning, Context& context);

/// A number within [low, high]: written as it stands, or its bound with a loss noted as "name (range)".
[[nodiscard]] Json clamped(Json number, double low, double high, std::string_view name, Context& context);

}  // namespace loom::llm

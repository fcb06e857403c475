// From what was found in a window of texts to the bytes of the document that it stands in.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "loom/llm/text_reader.h"

namespace loom::proxy {

/// Bytes of the document, of one string or outside of strings.
struct WindowPiece {
    uint32_t begin = 0, end = 0;
    uint8_t depth = 0;  // strings around it
};

/// The places of the document that bytes of the window stand for, as far as they are of a string, or of one kind.
/// piece  called with a WindowPiece and its kind, in order.
template <class Piece>
void each_piece(const llm::TextWindow& window, uint32_t begin, uint32_t end, Piece&& piece) {
    WindowPiece now;
    auto kind = llm::TextRun::Kind::sign;
    for (uint32_t run = window.run_of(begin); run < window.run_count && window.runs[run].at < end; ++run) {
        const llm::TextRun& of = window.runs[run];
        if (of.kind == llm::TextRun::Kind::sign) continue;
        const uint32_t from = window.from(run, std::max(begin, of.at));
        const uint32_t behind = window.from_end(run, std::min(end, window.end_of(run)));
        if (kind == of.kind && now.depth == of.depth && (now.end == from || now.begin == from)) {
            now.end = behind;
            continue;
        }
        if (kind != llm::TextRun::Kind::sign) piece(now, kind);
        now = {from, behind, of.depth};
        kind = of.kind;
    }
    if (kind != llm::TextRun::Kind::sign) piece(now, kind);
}

enum class IsNumber : uint8_t { no, yes, unknown };

/// A number of JSON has no quotes, and what takes its place needs them. Whether it is one: then begin and end are those
/// of all of it, which is meant.
/// ends  no more comes behind the window. Else the answer may not be known yet.
/// trusts_form  text that looks like JSON is; else only what is known to hold it.
[[nodiscard]] IsNumber widen_number(const llm::TextWindow& window, uint32_t& begin, uint32_t& end, bool ends,
                                    bool trusts_form) noexcept;

/// Of what is written at a place of the window: how many strings of JSON there are around it. trusts_form  as above.
[[nodiscard]] uint8_t strings_around(const llm::TextWindow& window, uint32_t at, bool trusts_form) noexcept;

/// What a value is for who reads the document: what stands in one string, without that string's escapes and those of
/// the strings around it. One that stands in several is as the window has it.
/// from  where `document` begins.
[[nodiscard]] std::string meant_by(const llm::TextWindow& window, std::string_view document, uint32_t begin,
                                   uint32_t end, uint32_t from = 0);

/// A value as it stands inside so many strings of JSON.
[[nodiscard]] std::string inside_strings(std::string_view value, uint8_t depth);

}  // namespace loom::proxy

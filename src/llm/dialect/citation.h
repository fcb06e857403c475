// What a text of an answer rests on: a provider's own object, read into no protocol's words.
//
// A citation travels as its document has it (Part::citations, Delta::json), Anthropic's object or OpenAI's annotation,
// so that it stays the same to the byte where both sides know it. A writer of another family reads it here.
//
// Places in the answer's text are counted in code points of Unicode. Cohere does so (cohere-ai/melody's parser: "emoji:
// 🌈" has eight). OpenAI says "the index of the character" and no more; code points are what its SDK for Python slices
// by. Gemini counts bytes of UTF-8 (gemini_grounding.h). Anthropic and Bedrock say no places: what is cited for a text
// stands in the same block.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "context.h"
#include "delta.h"

namespace loom::llm {

/// In code points of a part's text, from its beginning; the end is not within.
struct Span {
    uint64_t begin = 0;
    uint64_t end = 0;
};

struct Citation {
    enum class Kind : uint8_t {
        other,     // what one family alone knows
        url,       // a page: url, title
        document,  // one that the request held: title; index among them, file_id and page where the protocol has them
    };
    Kind kind = Kind::other;
    bool is_nested = false;  // OpenAI chat's shape: what it says stands in a member of its type's name
    Text type;               // the family's own word
    Text url;
    Text title;
    Text cited_text;  // of the source; OpenAI does not say it
    Text file_id;
    Text source;  // of what the client itself found: its name, where that is no page
    Json index;
    Json page;                 // the first one that is cited
    std::optional<Span> span;  // none: all of its part's text
};

/// Anthropic's object, OpenAI chat's annotation or Responses'. False for what is no object.
[[nodiscard]] bool read_citation(Json citation, Context& context, Citation& read);
/// The objects of an array; none where it is no array.
[[nodiscard]] ArenaList<Json> citations_in(Json array, Context& context);

/// A page that is cited, as an annotation of Responses; in the arena.
[[nodiscard]] Json url_annotation(Text url, Text title, Span span, Arena& arena);

/// How many code points the inside of a string stands for. A pair of surrogates is one, and the low one is none, so
/// that a text's count is the sum of its pieces'.
[[nodiscard]] uint64_t code_points(Text inside) noexcept;
/// The byte of a text's inside where its code point `count` begins; its size where it has no more.
[[nodiscard]] size_t offset_of(Text inside, uint64_t count) noexcept;

/// How many bytes of UTF-8 the inside of a string stands for; of a pair of surrogates its high one has them all.
[[nodiscard]] uint64_t utf8_bytes(Text inside) noexcept;

/// A text as it grows. Where a code point of it stands is found in a few steps, however long the text is.
class PlacedText {
  public:
    struct Place {
        size_t at = 0;       // in the inside
        uint64_t bytes = 0;  // of UTF-8 before it
    };

    void append(Text inside);
    void clear();
    /// Of code point `count`; the text's end where it has no more.
    [[nodiscard]] Place find(uint64_t count) const noexcept;
    [[nodiscard]] uint64_t count() const noexcept { return count_; }
    [[nodiscard]] Text inside() const noexcept { return inside_; }

  private:
    static constexpr uint64_t stride = 256;

    std::string inside_;
    std::vector<Place> marks_;  // of every stride-th code point
    uint64_t count_ = 0;
};

/// Citations of a stream that say no place are told at their block's end: Anthropic tells them before the text, after
/// it or amid it, and who writes their places must know the whole of it.
class HeldCitations {
  public:
    static constexpr size_t bytes_max = 256 << 10;  // beyond, they are told as they come

    void take(Json citation, DeltaSink& sink);
    void tell(DeltaSink& sink);

  private:
    std::string bytes_;  // each with a line's end, as none has one within
};

}  // namespace loom::llm

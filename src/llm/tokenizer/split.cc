// The two patterns, written as the matching of a backtracking engine comes out. Their alternatives are numbered as they
// stand in tiktoken's pat_str:
//
//   cl100k_base  '(?i:[sdmt]|ll|ve|re) | [^\r\n\p{L}\p{N}]?+\p{L}++ | \p{N}{1,3}+ |  ?[^\s\p{L}\p{N}]++[\r\n]*+
//                | \s++$ | \s*[\r\n] | \s+(?!\S) | \s
//   o200k_base   P?[ULM]*[lLM]+C? | P?[ULM]+[lLM]*C? | \p{N}{1,3} |  ?[^\s\p{L}\p{N}]+[\r\n/]*
//                | \s*[\r\n]+ | \s+(?!\S) | \s+
//                with P = [^\r\n\p{L}\p{N}], ULM = \p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}, lLM = \p{Ll}\p{Lm}\p{Lo}\p{M}, and C
//                the contractions 's 't 're 've 'm 'll 'd in any case
#include "split.h"

namespace loom::llm {
namespace {

using Kind = TextWindow::Kind;
using Char = TextWindow::Char;

constexpr bool is_letter(Kind kind) noexcept {
    return kind == Kind::upper || kind == Kind::lower || kind == Kind::letter;
}
constexpr bool begins_word(Kind kind) noexcept {
    return kind == Kind::upper || kind == Kind::letter || kind == Kind::mark;
}
constexpr bool ends_word(Kind kind) noexcept {
    return kind == Kind::lower || kind == Kind::letter || kind == Kind::mark;
}
constexpr bool is_space(Kind kind) noexcept { return kind == Kind::space || kind == Kind::newline; }
constexpr bool is_symbol(Kind kind) noexcept { return kind == Kind::other || kind == Kind::mark; }

template <class Is>
uint32_t run_end(TextWindow& window, uint32_t offset, Is is) noexcept {
    for (;;) {
        const Char next = window.at(offset);
        if (!is(next.kind)) return offset;
        offset = next.end;
    }
}

/// Behind an apostrophe's contraction at offset; offset where there is none. Folding of case makes the long s an s.
uint32_t contraction_end(TextWindow& window, uint32_t offset) noexcept {
    if (!window.has(offset, '\'')) return offset;
    const auto lower = [&](uint32_t at) noexcept {
        const Char next = window.at(at);
        if (next.kind == Kind::end) return '\0';
        if (window.text.substr(at, next.end - at) == "\u017f") return 's';
        const char byte = window.text[at];
        return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
    };
    const uint32_t first = offset + 1;
    switch (lower(first)) {
        case 's':
        case 'd':
        case 'm':
        case 't': return window.at(first).end;
        case 'l': return lower(first + 1) == 'l' ? first + 2 : offset;
        case 'v':
        case 'r': return lower(first + 1) == 'e' ? first + 2 : offset;
        default: return offset;
    }
}

/// Up to three.
uint32_t digits_end(TextWindow& window, uint32_t offset) noexcept {
    for (int i = 0; i < 3; ++i) {
        const Char next = window.at(offset);
        if (next.kind != Kind::number) break;
        offset = next.end;
    }
    return offset;
}

/// ` ?[^\s\p{L}\p{N}]+` and the newlines behind it (o200k: slashes too); offset where there is none.
uint32_t symbols_end(TextWindow& window, uint32_t offset, bool takes_slashes) noexcept {
    const uint32_t begin = window.has(offset, ' ') ? offset + 1 : offset;
    uint32_t end = run_end(window, begin, is_symbol);
    if (end == begin) return offset;
    for (;;) {
        const Char next = window.at(end);
        if (next.kind != Kind::newline && !(takes_slashes && window.has(end, '/'))) return end;
        end = next.end;
    }
}

struct SpaceRun {
    uint32_t end;
    uint32_t last;         // where its last character begins
    uint32_t newline_end;  // behind its last newline; 0: it has none
    bool ends_text;
};
SpaceRun space_run(TextWindow& window, uint32_t offset) noexcept {
    SpaceRun run{.end = offset, .last = offset, .newline_end = 0, .ends_text = false};
    for (;;) {
        const Char next = window.at(run.end);
        run.ends_text = next.kind == Kind::end;
        if (!is_space(next.kind)) return run;
        run.last = run.end;
        run.end = next.end;
        if (next.kind == Kind::newline) run.newline_end = next.end;
    }
}

/// `\s+(?!\S)`, else all of it: the last space before a word is the word's.
uint32_t spaces_end(const SpaceRun& run, uint32_t offset) noexcept {
    return run.ends_text || run.last == offset ? run.end : run.last;
}

uint32_t cl100k_end(TextWindow& window, uint32_t offset) noexcept {
    const Char first = window.at(offset);
    if (const uint32_t end = contraction_end(window, offset); end != offset) return end;
    if (is_letter(first.kind)) return run_end(window, first.end, is_letter);
    if (first.kind == Kind::number) return digits_end(window, offset);
    if (first.kind != Kind::newline) {
        if (const uint32_t end = run_end(window, first.end, is_letter); end != first.end) return end;
        if (const uint32_t end = symbols_end(window, offset, false); end != offset) return end;
    }
    const SpaceRun run = space_run(window, offset);
    if (run.ends_text) return run.end;
    return run.newline_end != 0 ? run.newline_end : spaces_end(run, offset);
}

/// `[ULM]*[lLM]+` at offset, or offset. The first part takes all it can, and gives back up to the last character that
/// the second may have.
uint32_t word_end(TextWindow& window, uint32_t offset) noexcept {
    uint32_t end = offset, shared_end = offset;
    for (;;) {
        const Char next = window.at(end);
        if (!begins_word(next.kind)) break;
        end = next.end;
        if (next.kind != Kind::upper) shared_end = end;
    }
    if (window.at(end).kind != Kind::lower) return shared_end;
    return run_end(window, end, ends_word);
}

/// `[ULM]+[lLM]*` at offset, or offset.
uint32_t capitals_end(TextWindow& window, uint32_t offset) noexcept {
    const uint32_t end = run_end(window, offset, begins_word);
    return end == offset ? offset : run_end(window, end, ends_word);
}

uint32_t o200k_end(TextWindow& window, uint32_t offset) noexcept {
    const Char first = window.at(offset);
    const bool has_prefix = !is_letter(first.kind) && first.kind != Kind::number && first.kind != Kind::newline;
    const auto with_prefix_or_without = [&](auto find) noexcept {
        if (has_prefix)
            if (const uint32_t end = find(window, first.end); end != first.end) return end;
        return find(window, offset);
    };
    uint32_t end = with_prefix_or_without(word_end);
    if (end == offset) end = with_prefix_or_without(capitals_end);
    if (end != offset) return contraction_end(window, end);
    if (first.kind == Kind::number) return digits_end(window, offset);
    if (end = symbols_end(window, offset, true); end != offset) return end;
    const SpaceRun run = space_run(window, offset);
    return run.newline_end != 0 ? run.newline_end : spaces_end(run, offset);
}

}  // namespace

TextWindow::Char TextWindow::at(uint32_t offset) noexcept {
    const auto size = static_cast<uint32_t>(text.size());
    if (offset >= size) {
        starved |= !is_last;
        return {Kind::end, size};
    }
    const auto byte = [&](uint32_t i) noexcept { return static_cast<uint8_t>(text[offset + i]); };
    const uint8_t lead = byte(0);
    if (lead < 0x80) return {static_cast<Kind>(classes[lead]), offset + 1};
    const uint32_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (offset + length > size) starved |= !is_last;
    if (lead < 0xc2 || lead > 0xf4 || offset + length > size) return {Kind::other, offset + 1};
    uint32_t point = lead & (0x7fu >> length);
    for (uint32_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return {Kind::other, offset + 1};
        point = point << 6 | (byte(i) & 0x3fu);
    }
    if (point >= code_point_count) return {Kind::other, offset + 1};
    return {static_cast<Kind>(classes[point]), offset + length};
}

uint32_t piece_end(SplitPattern pattern, TextWindow& window, uint32_t offset) noexcept {
    return pattern == SplitPattern::cl100k_base ? cl100k_end(window, offset) : o200k_end(window, offset);
}

}  // namespace loom::llm

#include "prompt_scan.h"

#include <algorithm>
#include <array>

namespace loom::route {
namespace {

constexpr uint32_t front_words = 8;    // where most prompts say what to do
constexpr uint32_t asking_words = 60;  // behind these stands what it is to be done with
constexpr float front_factor = 1.5f, middle_factor = 1, material_factor = 0.35f, tail_factor = 0.7f;

/// ASCII letters as small ones; 0: another byte.
constexpr auto small_letters = [] {
    std::array<uint8_t, 256> letters{};
    for (unsigned c = 'a'; c <= 'z'; ++c) letters[c] = letters[c - 0x20] = static_cast<uint8_t>(c);
    return letters;
}();

/// Which words have been met: what is repeated, as in long material, says no more.
class Met {
  public:
    /// For the first time?
    bool note(uint16_t index) noexcept {
        uint64_t& word = bits_[index / 64];
        const uint64_t bit = uint64_t{1} << (index % 64);
        const bool is_new = (word & bit) == 0;
        word |= bit;
        return is_new;
    }

  private:
    std::array<uint64_t, 2 * WordTable::size / 64> bits_{};  // whole words, then stems
};

/// Reads one piece of text. The themes of both pieces add up in one form.
class Scan {
  public:
    Scan(std::string_view text, bool is_tail, PromptForm& form, Met& met) noexcept
        : at_(text.data()), end_(text.data() + text.size()), is_tail_(is_tail), form_(form), met_(met) {}

    void run() noexcept {
        while (at_ < end_) {
            const auto byte = static_cast<uint8_t>(*at_);
            if (small_letters[byte] != 0) [[likely]] {
                take_letters();
                continue;
            }
            at_ += 1;
            if (byte < 0x80 && byte != '\\') [[likely]]
                take_ascii(byte);
            else
                take(byte == '\\' ? read_escape() : read_utf8(byte));
        }
        end_word();
    }

  private:
    /// The innermost loop: as many ASCII letters as there are.
    void take_letters() noexcept {
        WordHash hash = hash_;
        uint32_t letters = letters_, names = 0;
        uint16_t stem = stem_;
        bool last_was_small = false;
        const char* at = at_;
        for (uint8_t letter; at < end_ && (letter = small_letters[static_cast<uint8_t>(*at)]) != 0; ++at) {
            const bool is_small = static_cast<uint8_t>(*at) == letter;
            names += last_was_small && !is_small ? 1 : 0;  // camelCase
            last_was_small = is_small;
            hash = add_letter(hash, letter);
            letters += 1;
            if (letters - stem_letters_min <= stem_letters_max - stem_letters_min && stem == WordTable::none)
                stem = word_stems.find(hash);
        }
        at_ = at;
        hash_ = hash;
        letters_ = letters;
        stem_ = stem;
        form_.names += names;
        digit_before_ = begins_line_ = false;
        last_mark_ = 0;
        last_ideograph_ = 0;
    }

    void take_ascii(uint8_t c) noexcept {
        if (c < '0' || c > '9') return take_mark(c);
        form_.sums += digit_before_ && is_operator(last_mark_) ? 1 : 0;
        digit_before_ = true;
        begins_line_ = false;
        last_mark_ = 0;
        add(c);
    }

    void take(char32_t c) noexcept {
        if (c < 0x80) {
            const uint8_t letter = small_letters[c];
            return letter != 0 ? add(letter) : take_ascii(static_cast<uint8_t>(c));
        }
        if (c >= 0x300 && c <= 0x36f) return;  // an accent of its own
        if (is_ideograph(c)) return take_ideograph(c);
        if (const char32_t letter = fold_letter(c); letter != 0) return add(letter);
        if (c == 0x3002 || c == 0xff01 || c == 0xff1a) form_.clauses += 1;
        if (c == 0xd7 || c == 0xf7 || (c >= 0x2200 && c <= 0x22ff)) take_sign();
        take_mark(' ');
    }

    /// × ÷ ∫ √ ≤ …
    void take_sign() noexcept {
        form_.sums += 1;
        last_mark_ = '*';
    }

    /// Each is half a word, and the second of a pair with the one before.
    void take_ideograph(char32_t c) noexcept {
        end_word();
        if (last_ideograph_ != 0) {
            const uint16_t slot = whole_words.find(add_letter(add_letter(word_hash_seed, last_ideograph_), c));
            if (slot != WordTable::none) note(slot, whole_words.word(slot));
            half_words_ ^= 1;
            form_.words += half_words_;
        }
        last_ideograph_ = c;
    }

    void add(char32_t letter) noexcept {
        last_ideograph_ = 0;
        hash_ = add_letter(hash_, letter);
        letters_ += 1;
        if (letters_ >= stem_letters_min && letters_ <= stem_letters_max && stem_ == WordTable::none)
            stem_ = word_stems.find(hash_);
    }

    void end_word() noexcept {
        if (letters_ == 0) return;
        form_.words += 1;
        toward_words_ -= toward_words_ > 0 ? 1 : 0;
        if (const uint16_t slot = whole_words.find(hash_); slot != WordTable::none)
            note(slot, whole_words.word(slot));
        else if (stem_ != WordTable::none)
            note(static_cast<uint16_t>(WordTable::size + stem_), word_stems.word(stem_));
        hash_ = word_hash_seed;
        letters_ = 0;
        stem_ = WordTable::none;
    }

    void note(uint16_t index, const Word& word) noexcept {
        if (word.theme == Theme::toward) toward_words_ = 3;  // it reaches over one: "in formal Spanish"
        if (word.theme == Theme::language && toward_words_ > 0) form_.wanted_language += 1;
        if (!met_.note(index)) return;
        form_.themes[static_cast<size_t>(word.theme)] += word.weight * factor();
        form_.themes[static_cast<size_t>(word.also)] += word.also_weight * factor();  // mostly to nobody's
    }

    [[nodiscard]] float factor() const noexcept {
        if (is_tail_) return tail_factor;
        if (form_.words <= front_words) return front_factor;
        return form_.words <= asking_words ? middle_factor : material_factor;
    }

    void take_mark(uint8_t c) noexcept {
        if (c == '_' && letters_ > 0) form_.names += 1;  // snake_case
        const bool short_word = letters_ == 1;
        end_word();
        last_ideograph_ = 0;
        switch (c) {
            case ' ': return;
            case '\n':
                begins_line_ = true;
                digit_before_ = false;
                break;
            case ',':
            case ':':
                form_.clauses += 1;
                form_.code_marks += last_mark_ == ':' && c == ':' ? 1 : 0;
                break;
            case ';':
                form_.clauses += 1;
                form_.code_marks += at_ == end_ || *at_ == '\\' || *at_ == '}' ? 1 : 0;  // at the end of a line
                break;
            case '{':
            case '}': form_.code_marks += 1; break;
            case ')': form_.code_marks += last_mark_ == '(' && last_mark_at_ + 1 == at_ ? 1 : 0; break;
            case '^': form_.sums += 2; break;
            case '%': form_.sums += digit_before_ ? 1 : 0; break;
            case '#': form_.code_marks += short_word ? 4 : 0; break;  // C#
            case '=':
                form_.code_marks += last_mark_ == '=' && last_mark_at_ + 1 == at_ ? 1 : 0;
                form_.sums += digit_before_ ? 1 : 0;
                break;
            case '>': form_.code_marks += (last_mark_ == '=' || last_mark_ == '-') && last_mark_at_ + 1 == at_; break;
            case '+': form_.code_marks += last_mark_ == '+' && last_mark_at_ + 1 == at_ ? 2 : 0; break;
            case '-': form_.list_items += begins_line_ ? 1 : 0; break;
            case '*': form_.list_items += begins_line_ ? 1 : 0; break;
            default: break;
        }
        begins_line_ = c == '\n';
        if (!is_operator(c) && c != '\n') digit_before_ = false;
        last_mark_ = c;
        last_mark_at_ = at_;
    }

    char32_t read_escape() noexcept {
        if (at_ == end_) return U' ';
        const char c = *at_++;
        if (c == 'n') return U'\n';
        if (c == 't' || c == 'r' || c == 'b' || c == 'f') return U' ';
        if (c != 'u') return static_cast<uint8_t>(c) < 0x80 && c != '\\' ? static_cast<char32_t>(c) : U' ';
        char32_t unit = 0;
        for (int i = 0; i < 4; ++i, ++at_) {
            if (at_ == end_ || !is_hex(*at_)) return U' ';
            unit = unit << 4 | hex(*at_);
        }
        return unit == U'\\' || unit < 0x20 ? U' ' : unit;  // half of a surrogate pair is no letter either
    }

    char32_t read_utf8(uint8_t first) noexcept {
        const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
        if (more == 0 || end_ - at_ < more) return 0xfffd;
        char32_t c = first & (0x3fu >> more);
        for (int i = 0; i < more; ++i) c = c << 6 | (static_cast<uint8_t>(*at_++) & 0x3f);
        return c;
    }

    static bool is_operator(uint8_t c) noexcept {
        return c == '*' || c == '+' || c == '/' || c == '^' || c == '=' || c == '-';
    }
    static bool is_hex(char c) noexcept { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }
    static uint32_t hex(char c) noexcept { return static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10); }

    const char* at_;
    const char* end_;
    bool is_tail_;
    PromptForm& form_;
    Met& met_;
    WordHash hash_ = word_hash_seed;
    uint32_t letters_ = 0;
    uint16_t stem_ = WordTable::none;
    uint32_t toward_words_ = 0;  // until which a language is one that is wanted, this one counted
    char32_t last_ideograph_ = 0;
    uint32_t half_words_ = 0;
    uint8_t last_mark_ = ' ';
    const char* last_mark_at_ = nullptr;
    bool digit_before_ = false;
    bool begins_line_ = true;
};

/// ``` begins or ends a block of code; it is looked for in more than the words are.
uint32_t count_fences(std::string_view text) noexcept {
    constexpr size_t looked_at_max = 16 * 1024;
    text = text.substr(0, looked_at_max);
    uint32_t fences = 0;
    for (size_t at = text.find("```"); at != text.npos && fences < 8; at = text.find("```", at + 3)) fences += 1;
    return fences;
}

}  // namespace

PromptForm scan_prompt(std::string_view text) noexcept {
    PromptForm form;
    Met met;
    form.fences = count_fences(text);
    if (text.size() <= head_bytes_max + tail_bytes_max) {
        Scan(text, false, form, met).run();
        return form;
    }
    Scan(text.substr(0, head_bytes_max), false, form, met).run();
    Scan(text.substr(text.size() - tail_bytes_max), true, form, met).run();
    return form;
}

}  // namespace loom::route

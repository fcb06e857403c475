#include "words.h"

#include <algorithm>
#include <charconv>

#include "characters.h"

namespace loom::cache {

namespace {

constexpr size_t quotation_bytes_max = 4096;

struct QuotePair {
    char32_t open;
    char32_t close;
    char32_t or_close;
};
constexpr QuotePair quote_pairs[] = {
    {'"', '"', '"'},          {'`', '`', '`'},          {0x201c, 0x201d, '"'}, {0x201e, 0x201c, 0x201d},
    {0xab, 0xbb, 0xbb},       {0x2018, 0x2019, '\''},   {'\'', '\'', 0x2019},  {0x300c, 0x300d, 0x300d},
    {0x300e, 0x300f, 0x300f}, {0x201d, 0x201d, 0x201d}, {0xbb, 0xab, 0xab},
};
constexpr size_t quote_pair_count = std::size(quote_pairs);

constexpr bool is_letter(unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80; }
constexpr bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter_of_ascii(char32_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
constexpr bool is_upper(unsigned char c) { return c >= 'A' && c <= 'Z'; }
constexpr char lower(char c) { return is_upper(static_cast<unsigned char>(c)) ? static_cast<char>(c + 0x20) : c; }

class WordReader {
  public:
    WordReader(std::string_view text, Words& words) noexcept : text_(text), words_(words) {
        words.text = text;
        words.count = words.kana = words.ideographs = 0;
        words.looks = 0;
    }

    void read() noexcept {
        while (at_ < text_.size() && words_.count < words_max) step();
        words_.whole = at_ >= text_.size() && !lost_words_;
    }

  private:
    void step() noexcept {
        if (starts_line_) {
            starts_line_ = false;
            if (take_code_line()) return;
        }
        const Character read = character_at(text_, at_);
        const char32_t c = plain(read.value);
        if (is_letter_of_ascii(c) && take_plain_word()) return;
        switch (class_of(c)) {
            case CharacterClass::blank:
                if (c == '\n') starts_line_ = first_ = true;
                at_ += read.bytes;
                return;
            case CharacterClass::hidden: at_ += read.bytes; return;
            case CharacterClass::ideograph: return take_ideograph(c, read.bytes);
            default: break;
        }
        if ((class_of(c) == CharacterClass::soft || c == '`') && take_quotation(read.value)) return;
        if (class_of(c) == CharacterClass::soft && read.bytes > 1) {  // of one byte: part of what it stands at
            if (c == 0x3002 || c == 0x964 || c == 0x61f) first_ = true;
            at_ += read.bytes;
            return;
        }
        take_chunk();
    }

    /// Most words: letters, and what ends them. False: it is something else, and nothing was taken.
    bool take_plain_word() noexcept {
        size_t end = at_;
        while (end < text_.size() && is_letter_of_ascii(static_cast<unsigned char>(text_[end]))) ++end;
        size_t next = end;
        bool ends_sentence = false;
        for (; next < text_.size(); ++next) {
            const char c = text_[next];
            const bool ends = c == '.' || c == '!' || c == '?' || c == ':';
            if (!ends && c != ',' && c != ';') break;
            ends_sentence = ends_sentence || ends;
        }
        if (next < text_.size() && text_[next] != ' ' && text_[next] != '\n') return false;
        words_.looks += next - at_;
        push_word(at_, end, false);
        first_ = ends_sentence;
        at_ = next;
        return true;
    }

    // ---- What is taken to the letter

    /// A line of code, where the text has more than one line: indented, or with the marks of code.
    bool take_code_line() noexcept {
        const size_t end = std::min(text_.find('\n', at_), text_.size());
        words_.looks += end - at_;
        std::string_view line = text_.substr(at_, end - at_);
        while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\t'))
            line.remove_suffix(1);
        if (line.empty() || !looks_like_code(line)) return false;
        push(WordKind::code, exact_hash(line), at_, line.size());
        at_ = end;
        return true;
    }

    [[nodiscard]] bool looks_like_code(std::string_view line) const noexcept {
        if (at_ == 0 && text_.find('\n') == text_.npos) return false;
        if (line.starts_with("  ") || line.starts_with('\t')) return true;
        const char end = line.back();
        const auto marks =
            std::ranges::count_if(line, [](char c) { return std::string_view("{}()[]=<>;").contains(c); });
        return end == '{' || end == '}' || end == ';' || (end == ':' && marks > 0) || marks >= 4;
    }

    bool take_quotation(char32_t open) noexcept {
        const std::string_view rest = text_.substr(at_);
        if (rest.starts_with("```")) return take_fence();
        for (size_t i = 0; i < quote_pair_count; ++i) {
            if (quote_pairs[i].open != open || unclosed_[i]) continue;
            const size_t begin = at_ + character_at(text_, at_).bytes;
            const size_t end = closing(quote_pairs[i], begin);
            words_.looks += std::min(end, std::min(text_.size(), begin + quotation_bytes_max)) - begin;
            if (end == text_.npos) {
                lost_words_ = lost_words_ || begin + quotation_bytes_max < text_.size();  // it may end out of reach
                unclosed_[i] = true;  // the next one of this kind would look in vain too
                continue;
            }
            const bool code = open == '`';
            push(code ? WordKind::code : WordKind::quotation, exact_hash(trimmed(begin, end)), begin, end - begin);
            at_ = end + character_at(text_, end).bytes;
            return true;
        }
        return false;
    }

    bool take_fence() noexcept {
        size_t end = text_.find("```", at_ + 3);
        if (end == text_.npos) end = text_.size();
        push(WordKind::code, exact_hash(trimmed(at_ + 3, end)), at_ + 3, end - at_ - 3);
        at_ = std::min(end + 3, text_.size());
        return true;
    }

    [[nodiscard]] size_t closing(const QuotePair& pair, size_t begin) const noexcept {
        const size_t stop = std::min(text_.size(), begin + quotation_bytes_max);
        const bool apostrophe = pair.close == '\'' || pair.close == 0x2019;
        for (size_t at = begin; at < stop;) {
            const Character read = character_at(text_, at);
            const size_t next = at + read.bytes;
            const bool closes = read.value == pair.close || read.value == pair.or_close;
            const bool in_word =
                apostrophe && next < text_.size() && is_letter(static_cast<unsigned char>(text_[next]));
            if (closes && !in_word && at > begin) return at;
            at = next;
        }
        return text_.npos;
    }

    [[nodiscard]] std::string_view trimmed(size_t begin, size_t end) const noexcept {
        std::string_view part = text_.substr(begin, end - begin);
        const auto blank = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
        while (!part.empty() && blank(part.front())) part.remove_prefix(1);
        while (!part.empty() && blank(part.back())) part.remove_suffix(1);
        return part;
    }

    // ---- What stands between blanks

    void take_ideograph(char32_t c, uint32_t bytes) noexcept {
        words_.kana += is_kana(c);
        words_.ideographs += 1;
        push(WordKind::ideograph, hash_end(hash_step(hash_start, c)), at_, bytes);
        at_ += bytes;
    }

    void take_chunk() noexcept {
        const size_t begin = at_;
        while (at_ < text_.size()) {
            const Character read = character_at(text_, at_);
            const char32_t c = plain(read.value);
            const CharacterClass kind = class_of(c);
            const bool mark = kind == CharacterClass::soft && (read.bytes > 1 ? c != '\'' : c == '"');
            if (kind == CharacterClass::blank || kind == CharacterClass::ideograph || (mark && at_ > begin)) break;
            at_ += read.bytes;
        }
        words_.looks += at_ - begin;
        take_core(begin, at_);
    }

    /// Without the marks of its sentence.
    void take_core(size_t begin, size_t end) noexcept {
        const std::string_view chunk = text_.substr(begin, end - begin);
        if (is_sign_alone(chunk)) return push_code(begin, end);
        const bool call = chunk.find('(', 1) != chunk.npos;
        size_t core = begin;
        while (core < end && leading_mark(core, end, core == begin)) {
            if (text_[core] == '(' && core + 1 < end && is_formal(core + 1, end)) push_code(core, core + 1);
            ++core;
        }
        size_t closed = end;
        bool ends_sentence = false;
        while (core < closed && trailing_mark(text_[closed - 1], call)) {
            const char c = text_[--closed];
            ends_sentence = ends_sentence || c == '.' || c == '!' || c == '?' || c == ':';
        }
        if (core < closed) {
            take_bare(core, closed);
            take_closing_marks(core, closed, end);
        }
        if (ends_sentence) first_ = true;
    }

    /// A bracket of a formula, and feet.
    void take_closing_marks(size_t core, size_t closed, size_t end) noexcept {
        if (text_.substr(closed, end - closed).contains(')') && is_formal(core, closed)) push_code(closed, closed + 1);
        const bool after_digit = is_digit(static_cast<unsigned char>(text_[closed - 1]));
        if (after_digit && closed < end && text_[closed] == '\'') push_code(closed, closed + 1);
    }

    /// Marks of a sentence's end, alone, where it goes on: "git add . does".
    [[nodiscard]] bool is_mark_within(std::string_view chunk) const noexcept {
        if (chunk.find_first_not_of(".!?") != chunk.npos) return false;
        const size_t next = text_.find_first_not_of(" \n", at_);
        return next != text_.npos && text_[next] >= 'a' && text_[next] <= 'z';
    }

    /// "cd ..", 5", and what stands between the parts of "a ? b : c".
    [[nodiscard]] bool is_sign_alone(std::string_view chunk) const noexcept {
        if (chunk == ".." || is_mark_within(chunk)) return true;
        if (chunk.size() != 1 || words_.count == 0) return false;
        const Word& before = words_.at[words_.count - 1];
        if (chunk == "\"") return before.kind == WordKind::number && before.begin + before.size == at_ - 1;
        return (chunk == "?" || chunk == ":") && before.size == 1;
    }

    [[nodiscard]] bool leading_mark(size_t at, size_t end, bool very_first) const noexcept {
        const char c = text_[at];
        const bool before_letter = at + 1 < end && is_letter(static_cast<unsigned char>(text_[at + 1]));
        const bool before_digit = at + 1 < end && is_digit(static_cast<unsigned char>(text_[at + 1]));
        if (c == '.' && before_digit) return !very_first;                // .5
        if (c == '.' || c == '!') return !very_first || !before_letter;  // .NET, !x
        return c == '(' || c == '\'' || c == '"' || c == ',' || c == ':' || c == ';' || c == '?' || c == ')';
    }
    [[nodiscard]] static bool trailing_mark(char c, bool call) noexcept {
        return c == '.' || c == ',' || c == '!' || c == '?' || c == ';' || c == ':' || c == '\'' || c == '"' ||
               (!call && (c == ')' || c == '('));
    }
    /// A bracket at it belongs to a formula.
    [[nodiscard]] bool is_formal(size_t begin, size_t end) const noexcept {
        return end - begin == 1 || is_digit(static_cast<unsigned char>(text_[begin])) ||
               is_digit(static_cast<unsigned char>(text_[end - 1]));
    }

    void take_bare(size_t begin, size_t end) noexcept {
        const std::string_view bare = text_.substr(begin, end - begin);
        if (take_money(begin, end) || take_number(begin, end)) return;
        if (is_words(bare)) return take_words(begin, end);
        if (is_abbreviation(bare)) return push_abbreviation(begin, end);
        if (bare.starts_with("\xc2\xb0")) return push_word(begin, end, false);  // a degree
        if (bare == "&") return push_word_of("and", begin, end);
        if (is_dash(begin, end)) return;
        push_code(begin, end);
    }

    [[nodiscard]] static bool is_words(std::string_view bare) noexcept {
        for (size_t i = 0; i < bare.size(); ++i) {
            const auto c = static_cast<unsigned char>(bare[i]);
            if (c >= 0x80) {
                const Character read = character_at(bare, i);
                const char32_t mark = plain(read.value);
                if (mark != '\'' && class_of(mark) != CharacterClass::letter &&
                    class_of(mark) != CharacterClass::hidden)
                    return false;
                i += read.bytes - 1;
                continue;
            }
            const bool joint = (c == '-' || c == '\'') && i > 0 && i + 1 < bare.size() && bare[i + 1] != '-';
            if (!is_letter(c) && !is_digit(c) && !joint) return false;
        }
        return true;
    }

    /// U.S.A., e.g., p.m.
    [[nodiscard]] static bool is_abbreviation(std::string_view bare) noexcept {
        if (bare.size() < 3 || bare.size() > 15) return false;
        for (size_t i = 0; i < bare.size(); ++i)
            if (i % 2 == 0 ? !is_letter(static_cast<unsigned char>(bare[i])) || (bare[i] & 0x80) != 0 : bare[i] != '.')
                return false;
        return bare.size() % 2 == 1;
    }

    /// A dash between words. Between other things it is a minus.
    [[nodiscard]] bool is_dash(size_t begin, size_t end) const noexcept {
        if (text_.substr(begin, end - begin).find_first_not_of('-') != std::string_view::npos) return false;
        if (words_.count == 0) return true;
        const Word& before = words_.at[words_.count - 1];
        return before.kind == WordKind::word && before.size > 1;
    }

    // ---- Numbers

    bool take_money(size_t begin, size_t end) noexcept {
        const Character read = character_at(text_, begin);
        std::string_view name;
        switch (read.value) {
            case '$': name = "dollar"; break;
            case 0x20ac: name = "euro"; break;
            case 0xa3: name = "pound"; break;
            case 0xa5: name = "yen"; break;
            case 0x20b9: name = "rupee"; break;
            default: return false;
        }
        const size_t first = begin + read.bytes;
        if (first >= end || !is_digit(static_cast<unsigned char>(text_[first])) || !take_number(first, end))
            return false;
        push_word_of(name, begin, first);
        return true;
    }

    /// Digits, with what may stand before, between and behind them.
    bool take_number(size_t begin, size_t end) noexcept {
        size_t at = begin;
        const bool sign = text_[at] == '-' || text_[at] == '+';
        if (sign && (end - begin < 2 || !is_digit(static_cast<unsigned char>(text_[begin + 1])))) return false;
        at += sign;
        if (!is_digit(static_cast<unsigned char>(text_[at]))) return false;
        if (take_date(begin, end)) return true;
        size_t stop = at;
        while (stop < end && (is_digit(static_cast<unsigned char>(text_[stop])) ||
                              ((text_[stop] == '.' || text_[stop] == ',') && stop + 1 < end &&
                               is_digit(static_cast<unsigned char>(text_[stop + 1])))))
            ++stop;
        if (!take_suffix(stop, end, true)) return false;
        push_number(begin, stop, end);
        return take_suffix(stop, end, false);
    }

    /// 12:30, 2024-05-01, 1/2/2024.
    bool take_date(size_t begin, size_t end) noexcept {
        size_t colons = 0, hyphens = 0, slashes = 0;
        for (size_t at = begin; at < end; ++at) {
            const char c = text_[at];
            if (is_digit(static_cast<unsigned char>(c))) continue;
            colons += c == ':';
            slashes += c == '/';
            hyphens += c == '-';
            if (c != ':' && c != '/' && c != '-') return false;
        }
        if ((colons == 0) + (slashes == 0) + (hyphens == 0) != 2) return false;
        if (colons == 0 && slashes != 2 && hyphens != 2) return false;
        push(WordKind::date, exact_hash(text_.substr(begin, end - begin)), begin, end - begin);
        return true;
    }

    /// May what follows the digits stand there (try), and takes it.
    bool take_suffix(size_t stop, size_t end, bool only_try) noexcept {
        const std::string_view rest = text_.substr(stop, end - stop);
        if (rest.empty()) return true;
        if (rest == "%") {
            if (!only_try) push_word_of("percent", stop, end);
            return true;
        }
        if (rest == "k" || rest == "K" || rest == "M") return true;  // part of the value
        constexpr size_t range_bytes_max = 32;
        if (rest[0] == '-' && rest.size() > 1 && rest.size() <= range_bytes_max &&
            is_digit(static_cast<unsigned char>(rest[1]))) {
            if (only_try) return rest.find_first_not_of("-0123456789.,%") == rest.npos;
            return take_number(stop + 1, end);
        }
        const Character read = character_at(text_, stop);
        const bool money = read.value == 0x20ac || read.value == '$' || read.value == 0xa3;
        if (money && read.bytes == rest.size()) {
            if (!only_try)
                push_word_of(read.value == '$' ? "dollar" : read.value == 0xa3 ? "pound" : "euro", stop, end);
            return true;
        }
        const bool degree = read.value == 0xb0;
        if (!degree && !is_words(rest)) return false;
        if (!only_try) push_word(stop, end, true);
        return true;
    }

    void push_number(size_t begin, size_t stop, size_t end) noexcept {
        const std::string_view suffix = text_.substr(stop, end - stop);
        char digits[64];
        size_t size = 0;
        const auto add = [&](char c) {
            if (size < sizeof digits) digits[size++] = c;
        };
        const std::string_view number = text_.substr(begin, stop - begin);
        if (number.size() + 6 > sizeof digits) return push(WordKind::number, exact_hash(number), begin, number.size());
        const bool groups = are_groups(number);
        for (char c : number)
            if (c != '+' && !(groups && c == ',')) add(c == ',' ? '.' : c);
        const std::string_view written(digits, size);
        if (!written.contains('.') && (suffix == "k" || suffix == "K"))
            for (int i = 0; i < 3; ++i) add('0');
        else if (!written.contains('.') && suffix == "M")
            for (int i = 0; i < 6; ++i) add('0');
        else if (suffix == "k" || suffix == "K" || suffix == "M")
            add(lower(suffix[0]));
        push(WordKind::number, number_hash({digits, size}), begin, number.size());
    }

    /// 1,234,567: commas that part thousands, and not the decimals.
    [[nodiscard]] static bool are_groups(std::string_view number) noexcept {
        size_t since = 0;
        bool seen = false;
        for (char c : number) {
            if (c == '.') break;
            if (c == ',') {
                if ((seen && since != 3) || since > 3 || since == 0) return false;
                seen = true;
                since = 0;
            } else if (is_digit(static_cast<unsigned char>(c))) {
                ++since;
            }
        }
        return seen && since == 3;
    }

    // ---- Words

    /// Parted at hyphens and apostrophes.
    void take_words(size_t begin, size_t end) noexcept {
        size_t from = begin;
        bool joined = false;
        for (size_t at = begin; at < end;) {
            const Character read = character_at(text_, at);
            const char32_t c = plain(read.value);
            if (c == '-' || c == '\'') {
                push_part(from, at, joined);
                from = at + read.bytes;
                joined = c == '\'';
            }
            at += read.bytes;
        }
        push_part(from, end, joined);
    }

    void push_part(size_t begin, size_t end, bool joined) noexcept {
        if (begin >= end) return;
        if (is_digit(static_cast<unsigned char>(text_[begin])) && take_number(begin, end)) return;
        if (joined && push_contraction(text_.substr(begin, end - begin), begin, end)) return;
        push_word(begin, end, joined);
    }

    /// n't, 're, 've, 'll, 'd, 'm; "'s" stays, since it may be a genitive.
    bool push_contraction(std::string_view part, size_t begin, size_t end) noexcept {
        if (part == "t" || part == "T") {
            if (words_.count == 0) return false;
            Word& left = words_.at[words_.count - 1];
            if (left.kind != WordKind::word || left.size < 2 || left.last[0] != 'n') return false;
            left.hash = without_n(text_.substr(left.begin, left.size));
            push_word_of("not", begin, end);
            return true;
        }
        constexpr std::pair<std::string_view, std::string_view> rows[] = {
            {"re", "are"}, {"ve", "have"}, {"ll", "will"}, {"d", "would"}, {"m", "am"}};
        for (const auto& [short_form, long_form] : rows) {
            if (part != short_form) continue;
            push_word_of(long_form, begin, end);
            return true;
        }
        if ((part == "s" || part == "S") && words_.count > 0 && takes_is(words_.at[words_.count - 1].hash)) {
            push_word_of("is", begin, end);
            return true;
        }
        return false;
    }

    /// "what's" is "what is", and "France's" is not "France is".
    [[nodiscard]] static bool takes_is(uint64_t left) noexcept {
        constexpr std::string_view words[] = {"what", "who",  "how",   "where", "when", "why",
                                              "it",   "that", "there", "here",  "he",   "she"};
        return std::ranges::any_of(words, [&](std::string_view word) { return folded_hash(word) == left; });
    }

    [[nodiscard]] static uint64_t without_n(std::string_view left) noexcept {
        const uint64_t hash = folded_hash(left);
        if (hash == folded_hash("can")) return hash;
        if (hash == folded_hash("won")) return folded_hash("will");
        if (hash == folded_hash("shan")) return folded_hash("shall");
        if (hash == folded_hash("ain")) return folded_hash("is");
        return folded_hash(left.substr(0, left.size() - 1));
    }

    /// What is counted of a word's letters, one by one.
    struct Letters {
        uint64_t hash = hash_start;
        uint32_t count = 0, capitals = 0, last = 0;
        bool starts_small = false;

        void take(char32_t c, char32_t folded) noexcept {
            hash = hash_step(hash, folded);
            if (count == 0) starts_small = folded == c && c >= 'a' && c <= 'z';
            capitals += folded != c;
            last = last << 8 | (folded < 0x80 ? folded : 0);
            count += 1;
        }
    };

    [[nodiscard]] static Letters letters_of(std::string_view written) noexcept {
        Letters letters;
        size_t at = 0;
        for (; at < written.size() && static_cast<unsigned char>(written[at]) < 0x80; ++at) {
            const auto c = static_cast<unsigned char>(written[at]);
            letters.take(c, is_upper(c) ? c + 0x20U : c);
        }
        while (at < written.size()) {
            const Character read = character_at(written, at);
            at += read.bytes;
            const char32_t c = plain(read.value);
            if (read.bytes == 1 || class_of(c) != CharacterClass::hidden) letters.take(c, small(c));
        }
        return letters;
    }

    void push_word(size_t begin, size_t end, bool joined) noexcept {
        const std::string_view written = text_.substr(begin, end - begin);
        Letters letters = letters_of(written);
        if (letters.count == 0) return;
        Word word{};
        word.capital = small(plain(character_at(written, 0).value)) != character_at(written, 0).value;
        word.all_capitals = letters.capitals > 1 && letters.capitals == letters.count;
        word.inner_capital = letters.capitals > (word.capital ? 1 : 0) && !word.all_capitals;
        if (letters.starts_small && word.inner_capital && !joined) return push_code(begin, end);  // userId
        const bool unit_may_be =
            written.size() <= 4 && words_.count > 0 && words_.at[words_.count - 1].kind == WordKind::number;
        word.hash = hash_end(letters.hash);
        word.exact = word.inner_capital || unit_may_be ? exact_hash(written) : 0;
        word.begin = static_cast<uint32_t>(begin);
        word.size = static_cast<uint32_t>(end - begin);
        word.kind = WordKind::word;
        word.joined = joined;
        word.letters = letters.count;
        for (char& letter : word.last) letter = static_cast<char>(letters.last & 0xff), letters.last >>= 8;
        add(word);
    }

    void push_abbreviation(size_t begin, size_t end) noexcept {
        char letters[8];
        size_t size = 0;
        for (size_t at = begin; at < end; at += 2) letters[size++] = text_[at];
        const std::string_view name(letters, size);
        Word word{};
        word.hash = folded_hash(name);
        word.exact = exact_hash(name);
        word.begin = static_cast<uint32_t>(begin);
        word.size = static_cast<uint32_t>(end - begin);
        word.kind = WordKind::word;
        word.capital = is_upper(static_cast<unsigned char>(letters[0]));
        word.all_capitals = std::ranges::all_of(name, [](char c) { return is_upper(static_cast<unsigned char>(c)); });
        word.letters = static_cast<uint32_t>(size);
        add(word);
    }

    /// A word that stands there in another form.
    void push_word_of(std::string_view name, size_t begin, size_t end) noexcept {
        Word word{};
        word.hash = folded_hash(name);
        word.begin = static_cast<uint32_t>(begin);
        word.size = static_cast<uint32_t>(end - begin);
        word.kind = WordKind::word;
        word.letters = static_cast<uint32_t>(name.size());
        for (size_t i = 0; i < 4 && i < name.size(); ++i) word.last[i] = name[name.size() - 1 - i];
        add(word);
    }

    /// "C++", "Node.js" and addresses in any case; all other code to the letter.
    void push_code(size_t begin, size_t end) noexcept {
        const std::string_view written = text_.substr(begin, end - begin);
        const size_t letters =
            std::ranges::find_if_not(written, [](char c) { return is_letter(static_cast<unsigned char>(c)); }) -
            written.begin();
        const std::string_view rest = written.substr(letters);
        const bool any_case =
            letters > 0 && (rest == "++" || rest == "#" || rest == ".js" || rest == ".com" || rest == ".org");
        push(WordKind::code, any_case ? folded_hash(written) : exact_hash(written), begin, end - begin);
    }

    void push(WordKind kind, uint64_t hash, size_t begin, size_t size) noexcept {
        Word word{};
        word.hash = hash;
        word.begin = static_cast<uint32_t>(begin);
        word.size = static_cast<uint32_t>(size);
        word.kind = kind;
        add(word);
    }

    void add(Word& word) noexcept {
        if (words_.count == words_max) {
            lost_words_ = true;
            return;
        }
        word.first = first_;
        first_ = false;
        words_.at[words_.count++] = word;
    }

    std::string_view text_;
    Words& words_;
    size_t at_ = 0;
    bool first_ = true;
    bool lost_words_ = false;
    bool starts_line_ = true;
    bool unclosed_[quote_pair_count] = {};
};

}  // namespace

uint64_t number_hash(std::string_view digits) noexcept {
    uint64_t hash = hash_start ^ 0xd161;
    for (char c : digits) hash = hash_step(hash, static_cast<unsigned char>(c));
    return hash_end(hash);
}

uint64_t number_hash(uint64_t value) noexcept {
    char digits[24];
    const auto written = std::to_chars(digits, digits + sizeof digits, value);
    return number_hash(std::string_view(digits, written.ptr));
}

void read_words(std::string_view text, Words& words) noexcept {
    const auto is_blank = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    WordReader(text, words).read();
}

}  // namespace loom::cache

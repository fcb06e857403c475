#include "wording.h"

#include <algorithm>
#include <array>

#include "characters.h"
#include "lexicon.h"
#include "loom/base/assert.h"

namespace loom::cache {

namespace {

constexpr std::string_view spelling_rows[] = {
    "color colour",
    "colors colours",
    "favorite favourite",
    "favorites favourites",
    "center centre",
    "centers centres",
    "license licence",
    "licenses licences",
    "gray grey",
    "tire tyre",
    "tires tyres",
    "aluminum aluminium",
    "theater theatre",
    "theaters theatres",
    "flavor flavour",
    "flavors flavours",
    "neighbor neighbour",
    "neighbors neighbours",
    "behavior behaviour",
    "behaviors behaviours",
    "television tv",
    "televisions tvs",
    "fridge refrigerator",
    "fridges refrigerators",
    "sofa couch",
    "sofas couches",
    "drawback disadvantage",
    "drawbacks disadvantages",
    "buy purchase",
    "reply respond",
};

// Where a text speaks of words, each of them is itself.
constexpr std::string_view of_words =
    "mean means meaning word words say said spell spelled spelling pronounce translate translated difference differ "
    "between called synonym synonyms define rhyme rhymes versus vs letter letters digit digits zeros comma commas "
    "syllable syllables character characters vowels anagram roman written";
constexpr std::string_view requests =
    "explain write list give summarize summarise translate suggest recommend draft generate provide rewrite help tell";
// What is done by a recipe: "how do I look" is no "how can I look", and "how do I spend my days" asks for no way to.
constexpr std::string_view recipes =
    "make create cook bake boil fry grill roast brew calculate compute solve convert install uninstall fix repair "
    "remove delete clean wash build draw fold peel measure merge split reverse sort center align open close save copy "
    "paste rename move download upload reset change debug deploy configure enable disable connect plant prune cancel "
    "register buy purchase freeze reheat sharpen recover prepare";
// Code, and titles of works: each letter and mark is itself.
constexpr std::string_view of_letters =
    "css html code class tag import variable function method keyword print rename grep git string command regex sang "
    "wrote sung song songs lyrics title titled novel album band movie film book poem search replace python java "
    "javascript typescript rust php ruby swift kotlin scala perl sql bash excel latex json yaml xml";
constexpr std::string_view after_is = "the a an my your our their its his her in on at";
constexpr std::string_view auxiliaries = "is are do does did can could will would should";
constexpr std::string_view givers = "me list";
constexpr std::string_view relations = "to into from in out on with of that at by for";
constexpr std::string_view objects = "a an the me my this these three four five";
constexpr std::string_view asking = "how what who when where why which";
// "In January, how do I plan a trip" is no "plan a trip in January": what is done in these is done there either way.
constexpr std::string_view places =
    "python java javascript typescript rust go c php ruby swift kotlin scala perl sql css html bash excel numpy pandas";
constexpr std::string_view genitives = "capital population currency flag";
constexpr std::string_view dont_rows[] = {"dont do", "doesnt does", "didnt did", "isnt is", "arent are", "wasnt was"};
constexpr std::string_view whats_rows[] = {"whats what", "wheres where", "whos who"};

constexpr uint64_t salted(uint64_t hash, uint64_t kind) {
    return hash_end(hash_step(hash, static_cast<char32_t>(kind)));
}

template <class Each>
constexpr void each_word(std::string_view words, Each&& each) {
    while (!words.empty()) {
        const size_t end = std::min(words.find(' '), words.size());
        if (end > 0) each(words.substr(0, end));
        words.remove_prefix(std::min(end + 1, words.size()));
    }
}

/// Hashes of a list's words, sorted: made once.
class WordSet {
  public:
    explicit WordSet(std::string_view words) {
        each_word(words, [&](std::string_view word) {
            LOOM_ASSERT(count_ < hashes_.size());  // of literals: as large as they were written
            hashes_[count_++] = folded_hash(word);
        });
        std::sort(hashes_.begin(), hashes_.begin() + count_);
    }
    [[nodiscard]] bool has(uint64_t hash) const noexcept {
        return std::binary_search(hashes_.begin(), hashes_.begin() + count_, hash);
    }

  private:
    std::array<uint64_t, 80> hashes_{};
    size_t count_ = 0;
};

struct Tables {
    WordSet of_words{cache::of_words}, requests{cache::requests}, objects{cache::objects}, asking{cache::asking},
        genitives{cache::genitives}, places{cache::places}, greetings{"hi hello hey thanks"}, recipes{cache::recipes},
        of_letters{cache::of_letters}, after_is{cache::after_is}, auxiliaries{cache::auxiliaries},
        givers{cache::givers}, relations{cache::relations}, answers{"yes no"}, courtesies{"please bitte пожалуйста"},
        offers{"can could"};
    std::array<std::pair<uint64_t, uint64_t>, 2 * std::size(spelling_rows)> spellings{};
    uint64_t how = folded_hash("how"), to = folded_hash("to"), do_ = folded_hash("do"), can = folded_hash("can"),
             i = folded_hash("i"), you = folded_hash("you"), please = folded_hash("please"), me = folded_hash("me"),
             tell = folded_hash("tell"), help = folded_hash("help"), is = folded_hash("is"), not_ = folded_hash("not"),
             in = folded_hash("in"), what = folded_hash("what"), the = folded_hash("the"), of = folded_hash("of"),
             s = folded_hash("s"), difference = folded_hash("difference"), between = folded_hash("between"),
             and_ = folded_hash("and"), compare = folded_hash("compare"), a = folded_hash("a"), an = folded_hash("an"),
             pound = folded_hash("pound"), bucks = folded_hash("bucks"), cannot = folded_hash("cannot"),
             por = folded_hash("por"), favor = folded_hash("favor"), per = folded_hash("per"),
             favore = folded_hash("favore");

    Tables() {
        size_t count = 0;
        for (const std::string_view row : spelling_rows)
            each_word(row, [&](std::string_view word) {
                spellings[count++] = {folded_hash(word), folded_hash(row.substr(0, row.find(' ')))};
            });
        std::ranges::sort(spellings);
    }
};

const Tables& tables() {
    static const Tables all;
    return all;
}

enum class AtomKind : uint8_t { word, number, date, quotation, code, mark };

/// What is compared: a word, or the marks between two of them.
struct Atom {
    uint64_t hash;
    uint32_t begin, size;  // of what is compared in its case too; size 0: of nothing
    AtomKind kind;
    bool first;  // in its sentence
};

constexpr size_t atoms_max = 3 * words_max + 4;

struct Wording {
    std::string_view text;
    size_t count = 0;
    bool small = false;    // there is no capital
    bool turkish = false;  // "I" is no large "i"
    std::array<Atom, atoms_max> at;

    [[nodiscard]] std::span<const Atom> atoms() const { return {at.data(), count}; }
};

/// Straight and curly are one; single and double are two, as they are in code.
char32_t straight(char32_t c) {
    if (c >= 0x201c && c <= 0x201f) return '"';
    return c >= 0x2018 && c <= 0x201b ? U'\'' : c;
}

class WordingReader {
  public:
    WordingReader(const Words& words, bool english, Wording& wording) noexcept
        : words_(words), wording_(wording), known_(tables()), english_(english) {
        wording.text = words.text;
        bool capital = false;
        for (char c : words.text) capital = capital || (c >= 'A' && c <= 'Z');
        for (size_t i = 0; i < words.count; ++i) capital = capital || words.at[i].capital;
        wording.small = english && !capital;
        for (const std::string_view letter : {"\xc4\xb0", "\xc4\xb1", "\xc4\x9f", "\xc5\x9f"})
            wording.turkish = wording.turkish || words.text.contains(letter);
        for (size_t i = 0; i < words.count; ++i) take_subject(words.at[i]);
    }

    void read() noexcept {
        const size_t end = words_.count - courtesy_at_end();
        for (size_t i = 0; i < end;) {
            const bool new_sentence = i > 0 && ends_sentence(i);
            if (!skip_gap_) take_gap(i);
            skip_gap_ = false;
            const bool after_place = i == 2 && hash(0) == known_.in && known_.places.has(hash(1)) && gap(2) == ", ";
            const bool starts = i == 0 || new_sentence || starts_again_ || after_place;
            starts_again_ = false;
            const size_t taken = starts ? take_frame(i) : 0;
            if (taken > 0) {
                i += taken;
                continue;
            }
            take_word(i, starts);
            ++i;
        }
        take_end();
    }

  private:
    void take_subject(const Word& word) noexcept {
        of_letters_ = of_letters_ || word.kind == WordKind::code || known_.of_letters.has(word.hash);
        of_words_ = of_words_ || of_letters_ || word.kind == WordKind::quotation || known_.of_words.has(word.hash);
    }

    [[nodiscard]] uint64_t hash(size_t i) const noexcept { return i < words_.count ? words_.at[i].hash : 0; }
    [[nodiscard]] size_t end_of(size_t i) const noexcept { return words_.at[i].begin + words_.at[i].size; }
    [[nodiscard]] std::string_view written(size_t i) const noexcept {
        return words_.text.substr(words_.at[i].begin, words_.at[i].size);
    }
    /// What stands between the word before and this one.
    [[nodiscard]] std::string_view gap(size_t i) const noexcept {
        size_t begin = 0;
        for (size_t back = 1; back <= 2 && back <= i; ++back) begin = std::max(begin, end_of(i - back));  // $5
        size_t end = i < words_.count ? words_.at[i].begin : words_.text.size();
        if (i + 1 < words_.count) end = std::min<size_t>(end, words_.at[i + 1].begin);
        return begin >= end ? std::string_view{} : words_.text.substr(begin, end - begin);
    }
    [[nodiscard]] bool blank_gap(size_t i) const noexcept {
        return gap(i).find_first_not_of(" \t") == std::string_view::npos;
    }
    [[nodiscard]] bool ends_sentence(size_t i) const noexcept {
        const std::string_view between = gap(i);
        if (between.find_first_of("?!") != between.npos) return !words_.at[i - 1].capital;  // Yahoo! Answers
        return between.starts_with('.') && words_.at[i - 1].kind == WordKind::word && words_.at[i - 1].letters >= 4;
    }

    void push(uint64_t hash, AtomKind kind, bool first = false, size_t begin = 0, size_t size = 0) noexcept {
        if (wording_.count == atoms_max) return;
        wording_.at[wording_.count++] = {.hash = hash,
                                         .begin = static_cast<uint32_t>(begin),
                                         .size = static_cast<uint32_t>(size),
                                         .kind = kind,
                                         .first = first};
    }

    // ---- Marks

    void take_gap(size_t i) noexcept {
        const std::string_view marks = gap(i);
        const Word& word = words_.at[i];
        const bool number_before = i > 0 && words_.at[i - 1].kind == WordKind::number;
        if (marks.empty()) {  // 3D, but 5kg is 5 kg
            if (number_before && word.kind == WordKind::word && word.begin >= end_of(i - 1) && !is_unit(word))
                push(hash_start, AtomKind::mark);
            return;
        }
        if (i > 0 && is_apostrophe(marks) && word.kind == WordKind::word) return;  // in a word
        push_marks(marks, i == 0, number_before && word.kind == WordKind::number);
    }

    [[nodiscard]] static bool is_apostrophe(std::string_view marks) noexcept {
        const Character read = character_at(marks, 0);
        return plain(read.value) == '\'' && read.bytes == marks.size();
    }

    void push_marks(std::string_view marks, bool very_first, bool in_range) noexcept {
        uint64_t all = hash_start;
        bool any = false, blank = false, line = false;
        for (size_t at = 0; at < marks.size();) {
            const Character read = character_at(marks, at);
            at += read.bytes;
            char32_t c = plain(read.value);
            const CharacterClass kind = class_of(c);
            if (kind == CharacterClass::hidden || (very_first && (c == 0xbf || c == 0xa1))) continue;
            if (kind == CharacterClass::blank) {
                blank = true;
                line = line || c == '\n';
                continue;
            }
            if (in_range && !of_letters_ && c == 0x2013) c = '-';
            if (!of_letters_) c = straight(c);
            if (blank && !very_first) all = hash_step(all, ' ');
            blank = false;
            all = hash_step(all, c);
            any = true;
        }
        if (any && blank) all = hash_step(all, ' ');
        if (line) all = hash_step(all, '\n');
        if (any || line) push(hash_end(all), AtomKind::mark);
    }

    /// One mark at the very end adds nothing: 10! and n! do, and so does the name Yahoo!
    void take_end() noexcept {
        if (words_.count == 0) return push_marks(words_.text, false, false);
        std::string_view marks = gap(words_.count);
        const Word& last = words_.at[words_.count - 1];
        for (const std::string_view full_width : {"\xef\xbc\x9f", "\xe3\x80\x82"})
            if (marks == full_width) return;
        if (marks.empty()) return;
        const bool adds_nothing =
            (marks.back() == '?' && !asks_for_mark(marks)) || (marks == "." && last.kind != WordKind::code) ||
            (marks == "!" && last.kind == WordKind::word && last.letters > 1 && !last.capital && !last.inner_capital);
        const bool closes = marks.size() > 1 && marks.back() == '.' && marks[marks.size() - 2] != ' ';
        if (adds_nothing || closes) marks.remove_suffix(1);
        if (adds_nothing && last.kind == WordKind::word && last.letters > 1)  // "??"
            while (marks.ends_with("??") || marks == "?") marks.remove_suffix(1);
        if (!skip_gap_ || !marks.empty()) push_marks(marks, true, false);
    }

    /// "What is the meaning of ?"
    [[nodiscard]] bool asks_for_mark(std::string_view marks) const noexcept {
        const Word& last = words_.at[words_.count - 1];
        return english_ && marks.front() == ' ' &&
               (of_words_ || last.kind != WordKind::word || lexicon().languages_of(last.hash) != 0);
    }

    // ---- What frames a request

    /// Words that add nothing where a sentence begins: how many.
    size_t take_frame(size_t i) noexcept {
        if (const size_t taken = take_courtesy(i); taken > 0) return taken;
        if (!english_) return 0;
        if (const size_t taken = take_offer(i); taken > 0) {
            starts_again_ = true;
            return taken;
        }
        if (hash(i) != known_.how || !blank_gap(i + 1)) return 0;
        const bool to = hash(i + 1) == known_.to && i + 3 < words_.count;
        const bool i_do = (hash(i + 1) == known_.do_ || hash(i + 1) == known_.can) && hash(i + 2) == known_.i &&
                          i + 4 < words_.count && blank_gap(i + 2);
        if ((!to && !i_do) || !known_.recipes.has(hash(to ? i + 2 : i + 3))) return 0;
        push(salted(known_.how, 1), AtomKind::word, true);
        return to ? 2 : 3;
    }

    /// "Hi," and "Please,", before more: how many words.
    size_t take_courtesy(size_t i) noexcept {
        if (i != 0) return 0;
        if (of_words_ || words_.text.contains(':')) return 0;
        const bool greets = english_ && known_.greetings.has(hash(0));
        const size_t words = greets ? 1 : courtesy_at(0);
        if (words == 0 || words_.count < words + 3 || (gap(words) != ", " && gap(words) != "! ")) return 0;
        const uint64_t next = hash(words);
        const bool requests = known_.asking.has(next) || known_.requests.has(next) || known_.offers.has(next) ||
                              known_.auxiliaries.has(next);
        if (!requests && (greets || words_.at[words].capital)) return 0;  // "Thanks, Obama"
        skip_gap_ = starts_again_ = true;
        return words;
    }

    /// "…, please": how many words at the end add nothing.
    [[nodiscard]] size_t courtesy_at_end() const noexcept {
        if (!english_ || of_words_ || words_.text.contains(':')) return 0;
        for (size_t words = 1; words <= 1 && words + 3 <= words_.count; ++words)
            if (courtesy_at(words_.count - words) == words && !known_.answers.has(hash(words_.count - words - 1)) &&
                gap(words_.count - words) == ", ")
                return words;
        return 0;
    }

    /// "please", "por favor": how many words it has.
    [[nodiscard]] size_t courtesy_at(size_t i) const noexcept {
        if (known_.courtesies.has(hash(i))) return 1;
        const bool two = (hash(i) == known_.por && hash(i + 1) == known_.favor) ||
                         (hash(i) == known_.per && hash(i + 1) == known_.favore);
        return two && blank_gap(i + 1) ? 2 : 0;
    }

    /// "Please explain", "can you write a", "could you tell me how".
    size_t take_offer(size_t i) noexcept {
        size_t at = i;
        const bool offer = known_.offers.has(hash(at)) && hash(at + 1) == known_.you;
        if (offer) at += 2;
        const bool please = hash(at) == known_.please;
        if (please) ++at;
        if (at == i || at + 2 >= words_.count || !known_.requests.has(hash(at))) return 0;
        for (size_t k = i + 1; k <= at + 2; ++k)
            if (!blank_gap(k)) return 0;
        if (hash(at) == known_.help && hash(at + 1) != known_.me) return 0;
        if (hash(at) == known_.tell)
            return hash(at + 1) == known_.me && known_.asking.has(hash(at + 2)) ? at + 2 - i : 0;
        return please || known_.objects.has(hash(at + 1)) || words_.at[at + 1].kind == WordKind::number ? at - i : 0;
    }

    // ---- Words

    void take_word(size_t i, bool first) noexcept {
        const Word& word = words_.at[i];
        switch (word.kind) {
            case WordKind::quotation: return push(word.hash, AtomKind::quotation);
            case WordKind::code: return push(salted(exact_hash(written(i)), 2), AtomKind::code);
            case WordKind::date: return push(word.hash, AtomKind::date);
            case WordKind::ideograph: return push(word.hash, AtomKind::word);
            case WordKind::number: return take_number(i);
            case WordKind::word: break;
        }
        const bool as_written = folded_hash(written(i)) == word.hash;
        if (!as_written && take_other_form(i)) return;
        if (!as_written) return push(salted(exact_hash(written(i)), 3), AtomKind::word);
        if (english_ && !of_letters_ && take_english(i, first)) return;
        push(word.hash, AtomKind::word, first, word.begin, word.size);
    }

    /// By its value, where it measures something; "100,200" may be two.
    void take_number(size_t i) noexcept {
        const std::string_view digits = written(i);
        const bool measures = i + 1 < words_.count && words_.at[i + 1].kind == WordKind::word &&
                              (is_unit(words_.at[i + 1]) || (i + 2 < words_.count && is_unit(words_.at[i + 2])));
        const bool doubtful =
            digits[0] == '+' || (digits.contains(',') && (of_words_ || !digits.ends_with(",000") || !measures));
        push(doubtful ? salted(exact_hash(digits), 4) : words_.at[i].hash, AtomKind::number);
    }

    /// What is read as another word: n't, 're, %, $.
    bool take_other_form(size_t i) noexcept {
        const Word& word = words_.at[i];
        const std::string_view form = written(i);
        const bool short_form =
            i > 0 && is_apostrophe_before(i) && form != "d" && form != "D" && (word.hash != known_.is || is_no_has(i));
        const bool before_short =
            i + 1 < words_.count && hash(i + 1) == known_.not_ && written(i + 1).size() == 1 && !form.starts_with("ai");
        const bool money = (form == "$" || form == "\xe2\x82\xac") && is_unit(word);
        if (of_letters_ || (!english_ && !money)) return false;
        if (!short_form && !before_short && !money) return false;
        push(money ? unit_hash(word) : word.hash, AtomKind::word);
        return true;
    }

    /// "What's the time", but not "what's the dog eaten".
    [[nodiscard]] bool is_no_has(size_t i) const noexcept {
        if (!known_.after_is.has(hash(i + 1))) return false;
        for (size_t k = i + 1; k < words_.count; ++k) {
            const std::string_view end(words_.at[k].last, 2);  // backwards
            if (end == "ne" || end == "de" || end == "en" || end == "nw" || end == "th" || end == "tp") return false;
        }
        return true;
    }

    [[nodiscard]] bool is_apostrophe_before(size_t i) const noexcept {
        const std::string_view marks = gap(i);
        return !marks.empty() && is_apostrophe(marks);
    }

    bool take_english(size_t i, bool first) noexcept {
        const Word& word = words_.at[i];
        const bool after_number = i > 0 && words_.at[i - 1].kind == WordKind::number;
        const bool plain_case = !word.inner_capital && !word.all_capitals && (!word.capital || first);
        if (word.joined || !plain_case) return false;
        if (after_number && is_unit(word)) return push(unit_hash(word), AtomKind::word), true;
        if (const uint64_t value = small_number(i); value > 0) return push(number_hash(value), AtomKind::number), true;
        if (take_unmarked_contraction(i)) return true;
        const uint64_t spelled = american(i);
        if (spelled == word.hash) return false;
        push(spelled, AtomKind::word);
        return true;
    }

    /// Two to twelve, of what is to be given: "the three musketeers" are no 3.
    [[nodiscard]] uint64_t small_number(size_t i) const noexcept {
        const auto counts = [&](size_t at) {
            if (at >= words_.count) return false;
            if (words_.at[at].kind == WordKind::number) return true;
            const Meaning* const meaning = lexicon().find(hash(at), Language::english);
            return meaning != nullptr && (meaning->role == Role::number || meaning->role == Role::multiplier);
        };
        if (i == 0 || !known_.givers.has(hash(i - 1)) || !blank_gap(i)) return 0;
        if (of_words_ || words_.at[i].capital || !counts(i) || counts(i + 1) || (i > 0 && counts(i - 1))) return 0;
        const Meaning* const meaning = lexicon().find(hash(i), Language::english);
        return meaning->role == Role::number && meaning->argument >= 2 && meaning->argument <= 12 ? meaning->argument
                                                                                                  : 0;
    }

    /// "dont", "whats": no other words.
    bool take_unmarked_contraction(size_t i) noexcept {
        const Word& word = words_.at[i];
        const auto take = [&](std::string_view row, uint64_t second) {
            const size_t blank = row.find(' ');
            if (folded_hash(row.substr(0, blank)) != word.hash) return false;
            push(folded_hash(row.substr(blank + 1)), AtomKind::word);
            push(second, AtomKind::word);
            return true;
        };
        if (word.hash == known_.cannot) {
            push(known_.can, AtomKind::word);
            push(known_.not_, AtomKind::word);
            return true;
        }
        if (word.letters < 4 || word.letters > 6 || (word.last[0] != 't' && word.last[0] != 's')) return false;
        return std::ranges::any_of(dont_rows, [&](std::string_view row) { return take(row, known_.not_); }) ||
               (is_no_has(i) &&
                std::ranges::any_of(whats_rows, [&](std::string_view row) { return take(row, known_.is); }));
    }

    [[nodiscard]] uint64_t american(size_t i) const noexcept {
        const Word& word = words_.at[i];
        if (of_words_) return word.hash;
        const auto found =
            std::ranges::lower_bound(known_.spellings, word.hash, {}, &std::pair<uint64_t, uint64_t>::first);
        if (found != known_.spellings.end() && found->first == word.hash) return found->second;
        char letters[32];
        if (word.letters <= 5 || word.size > sizeof letters || std::string_view(word.last, 3) != "esi")
            return word.hash;
        std::ranges::copy(written(i), letters);
        letters[word.size - 2] = 'z';
        return folded_hash({letters, word.size});
    }

    // ---- Units

    [[nodiscard]] static bool is_unit(const Word& word) noexcept {
        const Meaning* const meaning = lexicon().find(word.hash, Language::any);
        return meaning != nullptr && meaning->topic == VetoReason::unit;
    }
    /// A pound is money or a weight.
    [[nodiscard]] uint64_t unit_hash(const Word& word) const noexcept {
        const Meaning* const meaning = lexicon().find(word.hash, Language::any);
        const bool of_a_class = meaning->role == Role::concept_ && meaning->argument != known_.pound;
        return of_a_class && word.hash != known_.bucks ? meaning->argument : word.hash;
    }

    const Words& words_;
    Wording& wording_;
    const Tables& known_;
    bool english_;
    bool of_words_ = false;      // it speaks of words
    bool of_letters_ = false;    // or of code, or of works by their titles
    bool skip_gap_ = false;      // it belongs to what was left away
    bool starts_again_ = false;  // as if the sentence began here
};

// ---- Comparing

std::string_view written(const Wording& wording, const Atom& atom) {
    return wording.text.substr(atom.begin, atom.size);
}

constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool all_capitals(std::string_view word) { return word.size() > 1 && std::ranges::all_of(word, is_upper); }
bool is_vowel(char c) { return std::string_view("aeiouyAEIOUY").contains(c); }

/// "Will", "May": they begin questions.
bool is_small_word(uint64_t hash) {
    const Meaning* const meaning = lexicon().find(hash, Language::english);
    return meaning != nullptr && (meaning->role == Role::modal || meaning->role == Role::tense);
}

/// Of two words that are equal but for their case.
bool cases_agree(const Wording& a, const Atom& x, const Wording& b, const Atom& y) {
    const std::string_view one = written(a, x), other = written(b, y);
    if (one.empty() || other.empty() || one == other) return true;
    if (one.size() != other.size()) return false;  // an accent apart
    if (all_capitals(one) != all_capitals(other)) return false;
    const bool starts = x.first || y.first;
    if (lexicon().is_homograph(x.hash) && !(starts && is_small_word(x.hash))) return false;  // Polish, polish
    if (one.size() == 1) {
        const char c = static_cast<char>(one[0] | 0x20);
        return (c == 'a' && starts) || (c == 'i' && (starts || a.small || b.small));
    }
    if (starts && !((a.turkish || b.turkish) && (one[0] | 0x20) == 'i')) {
        const Character first = character_at(one, 0);
        if (first.bytes == character_at(other, 0).bytes && one.substr(first.bytes) == other.substr(first.bytes))
            return true;
    }
    const bool unit_like = one.size() <= 4 && std::ranges::none_of(one, is_vowel);
    return (a.small || b.small) && !unit_like && !a.turkish && !b.turkish;
}

VetoReason reason_of(const Atom& atom) {
    switch (atom.kind) {
        case AtomKind::number: return VetoReason::number;
        case AtomKind::date: return VetoReason::date;
        case AtomKind::quotation: return VetoReason::quotation;
        case AtomKind::code:
        case AtomKind::mark: return VetoReason::code;
        case AtomKind::word: break;
    }
    const Meaning* const meaning = lexicon().find(atom.hash, Language::english);
    if (meaning == nullptr) return VetoReason::word;
    switch (meaning->role) {
        case Role::question:
        case Role::modal: return VetoReason::question;
        case Role::tense: return VetoReason::tense;
        default: return meaning->topic;
    }
}

using Atoms = std::span<const Atom>;

/// Whether two runs of the same length are alike. reason  of the first difference, where it is asked for.
bool alike(const Wording& a, Atoms of_a, const Wording& b, Atoms of_b, VetoReason* reason = nullptr) {
    const size_t both = std::min(of_a.size(), of_b.size());
    for (size_t i = 0; i < both; ++i) {
        if (of_a[i].hash != of_b[i].hash) {
            if (reason != nullptr) *reason = std::min(reason_of(of_a[i]), reason_of(of_b[i]));
            return false;
        }
        if (!cases_agree(a, of_a[i], b, of_b[i])) {
            if (reason != nullptr) *reason = VetoReason::name;
            return false;
        }
    }
    if (of_a.size() == of_b.size()) return true;
    if (reason != nullptr) *reason = reason_of(of_a.size() > both ? of_a[both] : of_b[both]);
    return false;
}

bool are(Atoms atoms, std::initializer_list<uint64_t> hashes) {
    return atoms.size() >= hashes.size() &&
           std::equal(hashes.begin(), hashes.end(), atoms.begin(),
                      [](uint64_t hash, const Atom& atom) { return atom.hash == hash; });
}

/// "In Python, how do I …" in a; "How do I … in Python" in b.
bool is_moved(const Wording& a, const Wording& b) {
    const Tables& known = tables();
    const Atoms one = a.atoms(), other = b.atoms();
    if (one.size() < 6 || !are(one, {known.in}) || !known.places.has(one[1].hash) || one[2].kind != AtomKind::mark)
        return false;
    static const uint64_t comma = hash_end(hash_step(hash_step(hash_start, ','), ' '));
    if (one[2].hash != comma || other.size() != one.size() - 1) return false;
    const Atoms rest = one.subspan(3);
    if (std::ranges::any_of(
            rest, [&](const Atom& atom) { return known.relations.has(atom.hash) || known.places.has(atom.hash); }))
        return false;
    const bool asks = are(rest, {salted(known.how, 1)}) || (are(rest, {known.what, known.is}) && rest.size() <= 4);
    return asks && alike(a, rest, b, other.first(rest.size())) && alike(a, one.first(2), b, other.subspan(rest.size()));
}

/// "What is France's capital" in a; "What is the capital of France" in b.
bool is_genitive(const Wording& a, const Wording& b) {
    const Tables& known = tables();
    const Atoms one = a.atoms(), other = b.atoms();
    return one.size() == 5 && other.size() == 6 && are(one, {known.what, known.is}) && one[3].hash == known.s &&
           known.genitives.has(one[4].hash) && are(other, {known.what, known.is, known.the, one[4].hash, known.of}) &&
           alike(a, one.subspan(2, 1), b, other.subspan(5)) && one[2].kind == AtomKind::word && one[2].size > 0 &&
           (a.small || is_upper(a.text[one[2].begin]));
}

/// The two sides of "the difference between A and B", "compare A and B", to the end of the text.
struct Sides {
    Atoms left, right;
};
bool sides_of(Atoms atoms, Sides& sides) {
    const Tables& known = tables();
    if (are(atoms, {known.what, known.is, known.the})) atoms = atoms.subspan(3);
    const size_t lead = are(atoms, {known.difference, known.between}) ? 2 : are(atoms, {known.compare}) ? 1 : 0;
    if (lead == 0) return false;
    atoms = atoms.subspan(lead);
    const auto is_and = [&](const Atom& atom) { return atom.hash == known.and_; };
    if (std::ranges::count_if(atoms, is_and) != 1) return false;
    const auto at = static_cast<size_t>(std::ranges::find_if(atoms, is_and) - atoms.begin());
    sides = {atoms.first(at), atoms.subspan(at + 1)};
    const auto is_thing = [&](Atoms side) {
        const bool article = side.size() == 2 && (side[0].hash == known.a || side[0].hash == known.an);
        return (side.size() == 1 || article) && side.back().kind == AtomKind::word;
    };
    return is_thing(sides.left) && is_thing(sides.right);
}

bool is_symmetric(const Wording& a, const Wording& b) {
    Sides one, other;
    const bool both_compare = are(a.atoms(), {tables().compare}) == are(b.atoms(), {tables().compare});
    if (!both_compare || !sides_of(a.atoms(), one) || !sides_of(b.atoms(), other)) return false;
    return (alike(a, one.left, b, other.left) && alike(a, one.right, b, other.right)) ||
           (alike(a, one.left, b, other.right) && alike(a, one.right, b, other.left));
}

/// A third of its words or more are known: Polish and Romanian have some that look English.
bool is_english(const Words& words) {
    size_t known = 0, all = 0;
    for (size_t i = 0; i < words.count; ++i) {
        if (words.at[i].kind != WordKind::word) continue;
        ++all;
        for (const Language language : {Language::english, Language::any}) {
            const Meaning* const meaning = lexicon().find(words.at[i].hash, language);
            if (meaning == nullptr || meaning->role == Role::none) continue;
            ++known;
            break;
        }
    }
    return known * 3 >= all && known > 0;
}

}  // namespace

std::span<const std::string_view> spellings() noexcept { return spelling_rows; }

VetoReason compare_wording(const Words& a_words, const Words& b_words, bool english) noexcept {
    english = english && is_english(a_words) && is_english(b_words);
    Wording a, b;
    WordingReader(a_words, english, a).read();
    WordingReader(b_words, english, b).read();
    VetoReason reason = VetoReason::none;
    if (alike(a, a.atoms(), b, b.atoms(), &reason)) return VetoReason::none;
    if (!english) return reason;
    const bool same = is_moved(a, b) || is_moved(b, a) || is_genitive(a, b) || is_genitive(b, a) || is_symmetric(a, b);
    return same ? VetoReason::none : reason;
}

}  // namespace loom::cache

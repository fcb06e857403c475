#include "reading.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "characters.h"

namespace loom::cache {

namespace {

constexpr uint64_t name_salt = 0x517cc1b727220a95;
constexpr uint64_t ordinal_salt = 0x2545f4914f6cdd1d;
constexpr uint64_t unit_salt = 0x9fb21c651e98df25;

/// "c'est" speaks for French, and vitamin C does not.
bool may_tell(const Words& words, size_t i) noexcept {
    const Word& word = words.at[i];
    if (word.kind != WordKind::word || word.all_capitals) return false;
    return word.size > 1 || std::string_view("aeiouy").contains(word.last[0]) ||
           (i + 1 < words.count && words.at[i + 1].joined);
}

using Votes = std::array<uint32_t, language_count>;

uint16_t most_voted(const Votes& votes) noexcept {
    uint16_t languages = 0;
    for (size_t i = 0; i < votes.size(); ++i)
        if (votes[i] == std::ranges::max(votes)) languages = static_cast<uint16_t>(languages | 1u << i);
    return languages;
}

/// Those of `languages` that know most of the words by any table: "give me three tips".
uint16_t narrowed(const Words& words, uint16_t languages) noexcept {
    Votes votes{};
    for (uint16_t left = languages; left != 0; left = static_cast<uint16_t>(left & (left - 1))) {
        const Language language = first_language(left);
        for (size_t i = 0; i < words.count; ++i) {
            const Meaning* const meaning = lexicon().find(words.at[i].hash, language);
            votes[static_cast<size_t>(language)] += meaning != nullptr && meaning->role != Role::none;
        }
    }
    return most_voted(votes) & languages;
}

class PromptReader {
  public:
    PromptReader(const Words& words, Language language, Reading& reading) noexcept
        : words_(words), reading_(reading), known_(lexicon()), language_(language) {
        reading.text = words.text;
        reading.whole = words.whole;
        reading.questions = reading.modals = reading.tenses = reading.verbs = 0;
        reading.count = 0;
    }

    void read() noexcept {
        uint64_t all = hash_start;
        for (size_t i = 0; i < words_.count; ++i) all = Lexicon::phrase_step(all, words_.at[i].hash);
        reading_.words_hash = all;
        for (size_t i = 0; i < words_.count;) i += take(i);
        flush_number();
        reading_.links_after = links_;
        reading_.links_after_order = links_order_;
    }

  private:
    /// Returns how many words it took.
    size_t take(size_t i) noexcept {
        const Word& word = words_.at[i];
        if (word.first) {
            opening_ = true;
            sentence_at_ = reading_.count;
        }
        if (word.kind == WordKind::quotation || word.kind == WordKind::code || word.kind == WordKind::date) {
            flush_number();
            push(word, word.hash,
                 word.kind == WordKind::quotation ? VetoReason::quotation
                 : word.kind == WordKind::code    ? VetoReason::code
                                                  : VetoReason::date);
            return 1;
        }
        const Meaning* const meaning = meaning_of(word);
        if (const size_t phrase = take_phrase(i, meaning); phrase > 0) return phrase;
        if (word.kind == WordKind::number) {
            flush_number();
            take_digits(word, i);
            return 1;
        }
        take_word(word, meaning, i);
        return 1;
    }

    [[nodiscard]] const Meaning* meaning_of(const Word& word) const noexcept {
        const Meaning* const found = known_.find(word.hash, language_);
        if (found != nullptr && (found->role != Role::none || found->longest > 1)) return found;
        return known_.find(word.hash, Language::any);
    }

    /// The longest phrase that begins here.
    size_t take_phrase(size_t i, const Meaning* start) noexcept {
        if (start == nullptr || start->longest < 2) return 0;
        uint64_t phrase = Lexicon::phrase_step(Lexicon::phrase_start(), words_.at[i].hash);
        const Meaning* found = nullptr;
        size_t found_words = 0;
        const size_t longest = std::min<size_t>(start->longest, words_.count - i);
        for (size_t words = 2; words <= longest; ++words) {
            const Word& next = words_.at[i + words - 1];
            if (next.kind == WordKind::quotation || next.kind == WordKind::code || next.first) break;
            phrase = Lexicon::phrase_step(phrase, next.hash);
            const Meaning* const meaning = known_.find(phrase, language_);
            if (meaning == nullptr || meaning->role == Role::none) continue;
            found = meaning;
            found_words = words;
        }
        if (found == nullptr) return 0;
        flush_number();
        const size_t next = i + found_words;
        const bool of_anyone =
            found->also == Role::person && next < words_.count && known_.is_instruction(words_.at[next].hash);
        if (!of_anyone) act(found->also, found->also_argument);
        apply(words_.at[i], *found);
        return found_words;
    }

    // ---- Numbers

    void take_digits(const Word& word, size_t i) noexcept {
        const Word* const next = i + 1 < words_.count ? &words_.at[i + 1] : nullptr;
        const bool is_ordinal = next != nullptr && next->joined && next->letters == 2 && is_ordinal_suffix(*next);
        push(word, is_ordinal ? word.hash ^ ordinal_salt : word.hash, VetoReason::number);
        after_number_ = true;
        ordinal_suffix_ = is_ordinal;
    }

    [[nodiscard]] static bool is_ordinal_suffix(const Word& word) noexcept {
        const std::string_view suffix(word.last, 2);  // backwards
        return suffix == "ts" || suffix == "dn" || suffix == "dr" || suffix == "ht";
    }

    /// "two hundred" becomes one number, "twenty five" too; "five six" are two.
    void take_number_word(const Word& word, uint64_t value) noexcept {
        const bool completes =
            number_word_ != nullptr && value < 10 && value > 0 && number_ % 100 >= 20 && number_ % 10 == 0;
        const bool follows_hundred = number_word_ != nullptr && value < 100 && number_ >= 100 && number_ % 100 == 0;
        if (number_word_ != nullptr && !completes && !follows_hundred) flush_number();
        if (number_word_ == nullptr) number_ = 0;
        number_ += value;
        number_word_ = &word;
    }

    void take_multiplier(const Word& word, uint64_t by) noexcept {
        if (number_word_ == nullptr) number_ = 1;
        if (number_ > uint64_t{1} << 32) flush_number();
        number_ = std::max<uint64_t>(number_, 1) * by;
        number_word_ = &word;
    }

    void flush_number() noexcept {
        if (number_word_ == nullptr) return;
        push(*number_word_, number_hash(number_), VetoReason::number);
        number_word_ = nullptr;
        number_ = 0;
        after_number_ = true;
    }

    // ---- Words

    void take_word(const Word& word, const Meaning* meaning, size_t i) noexcept {
        if (std::exchange(ordinal_suffix_, false)) {
            after_number_ = false;
            return;
        }
        const Role role = meaning == nullptr ? Role::none : meaning->role;
        if (role == Role::number) return take_number_word(word, meaning->argument);
        if (role == Role::multiplier) return take_multiplier(word, meaning->argument);
        const bool follows_digits = i > 0 && words_.at[i - 1].kind == WordKind::number;
        flush_number();
        const bool unit_may_follow = std::exchange(after_number_, false);
        if (is_name(word, role, i)) {
            name_at_ = i;
            return push(word, word.hash ^ name_salt, VetoReason::name);
        }
        if (word.joined && word.letters == 1 && word.last[0] == 's') return take_s(word, i);
        static const uint64_t am = folded_hash("am");  // in the morning, and not I
        if (unit_may_follow && follows_digits && word.exact != 0 && word.letters <= 3 &&
            (role == Role::none || word.hash == am || (word.joined && role != Role::concept_)))
            return push(word, word.exact ^ unit_salt, VetoReason::unit);
        if (role == Role::none) return push(word, stemmed(word), VetoReason::word);
        act(meaning->also, meaning->also_argument);
        apply(word, *meaning);
    }

    void take_s(const Word& word, size_t i) noexcept {
        if (i > 0 && words_.at[i - 1].kind == WordKind::number)  // the 1980s
            push(word, word.hash ^ unit_salt, VetoReason::date);
        else if (reading_.count > 0)
            reading_.tokens[reading_.count - 1].genitive = true;
    }

    /// US and us, Turkey and turkey, World War I.
    [[nodiscard]] bool is_name(const Word& word, Role role, size_t i) const noexcept {
        if (word.kind != WordKind::word) return false;
        if (word.capital && word.letters == 1 && word.size == 1 && word.last[0] == 'i')
            return i > 0 && words_.at[i - 1].capital && !words_.at[i - 1].first && !word.first;  // but "can I"
        const bool may_be_name =
            role != Role::none && (language_ == Language::english || role == Role::drop || role == Role::link);
        if (word.capital && !word.first && !word.all_capitals && may_be_name && known_.languages_of(word.hash) != 0 &&
            stands_out(i))
            return true;  // the film "It", Le Mans
        const bool is_article = language_ == Language::english && word.letters == 1 && word.last[0] == 'a';
        if (is_article && i + 1 < words_.count && words_.at[i + 1].letters == 1) return true;  // mv a b
        if (word.all_capitals && word.letters <= 4) {
            const uint16_t languages = known_.languages_of(word.hash);
            return languages != 0 && !shouts(i);
        }
        return word.capital && !word.first && known_.is_homograph(word.hash);
    }

    /// It has a capital, and not because all words of a title have one.
    [[nodiscard]] bool stands_out(size_t i) const noexcept {
        if (i == 0) return false;
        const Word& before = words_.at[i - 1];
        if (name_at_ == i - 1) return true;  // "The Who"
        return before.first ? i + 1 >= words_.count || !words_.at[i + 1].capital : !before.capital;
    }

    /// All of the text is in capitals, as far as its neighbours tell.
    [[nodiscard]] bool shouts(size_t i) const noexcept {
        const auto loud = [&](size_t at) { return words_.at[at].all_capitals || words_.at[at].kind != WordKind::word; };
        return (i == 0 || loud(i - 1)) && (i + 1 >= words_.count || loud(i + 1));
    }

    void apply(const Word& word, const Meaning& meaning) noexcept {
        const bool is_verb = opening_ && is_single(meaning, word) && is_auxiliary(word);
        if (is_verb) reading_.questions |= q_whether;
        const bool adds_nothing = meaning.role == Role::drop || meaning.role == Role::greeting;
        const bool out_of_place = (meaning.role == Role::greeting && !opening_) ||
                                  (meaning.role == Role::aside && reading_.count > sentence_at_);
        if (out_of_place) return push(word, word.hash, VetoReason::word);
        opening_ = opening_ && adds_nothing && !is_verb;
        switch (meaning.role) {
            case Role::concept_: return push(word, meaning.argument, meaning.topic);
            case Role::same: return push(word, word.hash, meaning.topic);
            case Role::common:
                push(word, stemmed(word), meaning.topic);
                if (reading_.count > 0) reading_.tokens[reading_.count - 1].common = true;
                return;
            case Role::ordinal: return push(word, number_hash(meaning.argument) ^ ordinal_salt, VetoReason::number);
            default: return act(meaning.role, meaning.argument);
        }
    }

    [[nodiscard]] bool is_single(const Meaning& meaning, const Word& word) const noexcept {
        return known_.find(word.hash, language_) == &meaning;
    }

    /// A verb at the head of a question that is answered by yes or no.
    [[nodiscard]] bool is_auxiliary(const Word& word) const noexcept {
        if (language_ != Language::english) return false;
        static const std::array<uint64_t, 16> verbs = {
            folded_hash("is"),    folded_hash("are"),  folded_hash("am"),    folded_hash("was"),
            folded_hash("were"),  folded_hash("do"),   folded_hash("does"),  folded_hash("did"),
            folded_hash("can"),   folded_hash("may"),  folded_hash("could"), folded_hash("should"),
            folded_hash("would"), folded_hash("will"), folded_hash("had"),   folded_hash("must")};
        return std::ranges::find(verbs, word.hash) != verbs.end();
    }

    void act(Role role, uint64_t argument) noexcept {
        const auto bits = static_cast<uint32_t>(argument);
        switch (role) {
            case Role::question: reading_.questions |= bits; return;
            case Role::modal: reading_.modals |= bits; return;
            case Role::drop: reading_.verbs |= bits; return;
            case Role::tense: reading_.tenses |= bits; return;
            case Role::negation: links_ |= (links_ & l_not) != 0 ? l_not_twice : l_not; return;
            case Role::person:
            case Role::link: return link(bits);
            default: return;
        }
    }

    void link(uint32_t bits) noexcept {
        links_ |= bits;
        const uint32_t ordered = bits & (l_strong | l_person);
        if (ordered != 0) links_order_ = links_order_ * 37 + static_cast<uint32_t>(std::countr_zero(ordered)) + 1;
    }

    /// English: without the s of a plural or of a third person, and in American spelling.
    [[nodiscard]] uint64_t stemmed(const Word& word) const noexcept {
        if (language_ != Language::english || word.letters < 4) return word.hash;
        const char last = word.last[0], before = word.last[1], third = word.last[2];
        size_t cut = 0;
        std::string_view end;
        if (last == 's' && before == 'e' && third == 'i' && word.letters > 4) {
            cut = 3, end = "y";
        } else if (last == 's' && before == 'e' && (third == 's' || third == 'x' || third == 'z' || third == 'h') &&
                   word.letters > 4) {
            cut = third == 'z' ? 1 : 2;
        } else if (last == 's' && before != 's' && before != 'u' && before != 'i' && before != '\0') {
            cut = 1;
        } else if (last == 'e' && before == 's' && third == 'i' && word.letters > 5) {
            cut = 2, end = "ze";
        }
        if (cut == 0) return word.hash;
        const std::string_view written = words_.text.substr(word.begin, word.size);
        if (cut >= written.size()) return word.hash;
        const uint64_t stem = hash_of(written.substr(0, written.size() - cut), end);
        const Meaning* const meaning = known_.find(stem, language_);
        const bool known = meaning != nullptr && meaning->role == Role::concept_;
        return known ? meaning->argument : stem;
    }

    [[nodiscard]] static uint64_t hash_of(std::string_view head, std::string_view tail) noexcept {
        uint64_t hash = hash_start;
        for (const std::string_view part : {head, tail})
            for (size_t at = 0; at < part.size();) {
                const Character read = character_at(part, at);
                const char32_t c = plain(read.value);
                at += read.bytes;
                if (class_of(c) != CharacterClass::hidden) hash = hash_step(hash, small(c));
            }
        return hash_end(hash);
    }

    void push(const Word& word, uint64_t concept_hash, VetoReason topic) noexcept {
        opening_ = false;
        after_number_ = false;
        Token& token = reading_.tokens[reading_.count];
        token = {.concept_hash = concept_hash,
                 .raw = word.hash,
                 .exact = word.inner_capital ? word.exact : 0,
                 .links = std::exchange(links_, 0),
                 .links_order = std::exchange(links_order_, 0),
                 .begin = word.begin,
                 .size = word.size,
                 .topic = topic,
                 .genitive = false,
                 .capital = word.capital && !word.first,
                 .common = false,
                 .listed = concept_hash != word.hash};
        ++reading_.count;
    }

    const Words& words_;
    Reading& reading_;
    const Lexicon& known_;
    Language language_;
    uint32_t links_ = 0;
    uint32_t links_order_ = 0;
    size_t sentence_at_ = 0;      // the token that it begins with
    size_t name_at_ = words_max;  // the last word that is_name() took for one
    bool opening_ = true;         // nothing but politeness yet, in this sentence
    bool after_number_ = false;
    bool ordinal_suffix_ = false;
    uint64_t number_ = 0;
    const Word* number_word_ = nullptr;  // the last one of a number in words
};

}  // namespace

uint16_t likely_languages(const Words& words) noexcept {
    const auto bit = [](Language language) { return static_cast<uint16_t>(1u << static_cast<unsigned>(language)); };
    if (words.kana > 0) return bit(Language::japanese);
    if (words.ideographs * 2 > words.count) return bit(Language::chinese);
    Votes votes{};
    for (size_t i = 0; i < words.count; ++i) {
        if (!may_tell(words, i)) continue;
        for (uint16_t bits = lexicon().languages_of(words.at[i].hash); bits != 0;
             bits = static_cast<uint16_t>(bits & (bits - 1)))
            ++votes[static_cast<size_t>(std::countr_zero(bits))];
    }
    if (std::ranges::max(votes) == 0) return 0;
    const uint16_t languages = most_voted(votes);
    return std::has_single_bit(languages) ? languages : narrowed(words, languages);
}

Language first_language(uint16_t languages) noexcept {
    return languages == 0 ? Language::english : static_cast<Language>(std::countr_zero(languages));
}

void read_prompt(const Words& words, Language language, Reading& reading) noexcept {
    PromptReader(words, language, reading).read();
}

}  // namespace loom::cache

#include "lexicon.h"

#include <algorithm>
#include <bit>

#include "characters.h"
#include "loom/base/assert.h"
#include "words.h"

namespace loom::cache {

namespace {

template <class Each>
void each_part(std::string_view words, char mark, Each&& each) {
    while (!words.empty()) {
        const size_t end = std::min(words.find(mark), words.size());
        if (end > 0) each(words.substr(0, end));
        words.remove_prefix(std::min(end + 1, words.size()));
    }
}

uint64_t entry_hash(std::string_view word) {
    return word[0] >= '0' && word[0] <= '9' ? number_hash(word) : folded_hash(word);
}

constexpr uint64_t keyed(uint64_t word, Language language) {
    return word + (static_cast<uint64_t>(language) + 1) * 0xa0761d6478bd642f;
}
constexpr uint64_t pair_key(uint64_t one, uint64_t other) { return one + other + (one ^ other) * 3; }

uint64_t phrase_hash(std::string_view entry) {
    if (!entry.contains('_')) return entry_hash(entry);
    uint64_t phrase = Lexicon::phrase_start();
    each_part(entry, '_', [&](std::string_view word) { phrase = Lexicon::phrase_step(phrase, entry_hash(word)); });
    return phrase;
}

}  // namespace

template <class Value>
Lexicon::Table<Value>::Table(size_t keys_max) : slots_(std::bit_ceil(keys_max * 2)) {}

template <class Value>
Value& Lexicon::Table<Value>::at(uint64_t key) {
    for (size_t i = key & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
        if (slots_[i].key == key) return slots_[i].value;
        if (slots_[i].key != 0) continue;
        LOOM_ASSERT(++count_ * 4 < slots_.size() * 3);  // the tables are of literals: as large as they were written
        slots_[i].key = key;
        return slots_[i].value;
    }
}

template <class Value>
const Value* Lexicon::Table<Value>::find(uint64_t key) const noexcept {
    for (size_t i = key & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
        if (slots_[i].key == key) return &slots_[i].value;
        if (slots_[i].key == 0) return nullptr;
    }
}

Lexicon::Lexicon() : meanings_(8192), languages_(2048), antonyms_(1024), homographs_(128), instructions_(128) {
    for (const auto rows : {function_rows(), phrase_rows(), number_rows(), synonym_rows(), topic_rows()})
        add_rows(rows);
    for (const LexiconRow& row : function_rows())
        each_part(row.words, ' ', [&](std::string_view word) {
            if (!word.contains('_'))
                languages_.at(folded_hash(word)) |= static_cast<uint16_t>(1u << static_cast<unsigned>(row.language));
        });
    for (const std::string_view row : antonym_rows())
        each_part(row, ' ', [&](std::string_view pair) {
            const size_t slash = pair.find('/');
            antonyms_.at(pair_key(phrase_hash(pair.substr(0, slash)), phrase_hash(pair.substr(slash + 1)))) = true;
        });
    each_part(homographs(), ' ', [&](std::string_view word) { homographs_.at(folded_hash(word)) = true; });
    each_part(instructions(), ' ', [&](std::string_view word) { instructions_.at(folded_hash(word)) = true; });
}

void Lexicon::add_rows(std::span<const LexiconRow> rows) {
    for (const LexiconRow& row : rows) {
        Meaning meaning{.argument = row.argument,
                        .also_argument = row.also_argument,
                        .role = row.role,
                        .also = row.also,
                        .topic = row.topic};
        if (row.role == Role::concept_) {
            const std::string_view first = row.words.substr(0, row.words.find(' '));
            meaning.argument = phrase_hash(first);
        }
        each_part(row.words, ' ', [&](std::string_view entry) { add_entry(entry, row.language, meaning); });
    }
}

void Lexicon::add_entry(std::string_view entry, Language language, const Meaning& meaning) {
    add_meaning(phrase_hash(entry), language, meaning);
    const auto words = static_cast<uint8_t>(1 + std::ranges::count(entry, '_'));
    if (words == 1) return;
    const uint64_t first = entry_hash(entry.substr(0, entry.find('_')));
    Meaning& start = meanings_.at(keyed(first, language));
    start.longest = std::max(start.longest, words);
}

/// The first row that has a word decides.
void Lexicon::add_meaning(uint64_t word, Language language, const Meaning& meaning) {
    Meaning& slot = meanings_.at(keyed(word, language));
    if (slot.role != Role::none) return;
    const uint8_t longest = slot.longest;
    slot = meaning;
    slot.longest = longest;
}

const Meaning* Lexicon::find(uint64_t word, Language language) const noexcept {
    return meanings_.find(keyed(word, language));
}

uint16_t Lexicon::languages_of(uint64_t word) const noexcept {
    const uint16_t* const found = languages_.find(word);
    return found == nullptr ? uint16_t{0} : *found;
}

bool Lexicon::are_antonyms(uint64_t one, uint64_t other) const noexcept {
    return antonyms_.find(pair_key(one, other)) != nullptr;
}

bool Lexicon::is_homograph(uint64_t word) const noexcept { return homographs_.find(word) != nullptr; }

bool Lexicon::is_instruction(uint64_t word) const noexcept { return instructions_.find(word) != nullptr; }

const Lexicon& lexicon() {
    static const Lexicon words;
    return words;
}

}  // namespace loom::cache

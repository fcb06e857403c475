#include "loom/guard/system_text.h"

#include <algorithm>
#include <bit>

#include "loom/base/crypto.h"
#include "window.h"

namespace loom::guard {

namespace {

constexpr uint64_t seed = 0xcbf29ce484222325, prime = 0x100000001b3;

constexpr uint64_t mixed(uint64_t value) noexcept {
    value = (value ^ value >> 32) * 0x9e3779b97f4a7c15;
    return value ^ value >> 29;
}

/// Of the process: words and what they follow can be chosen, where they stand in a table cannot.
struct TableKey {
    uint64_t words = random_u64(), states = random_u64();
};
const TableKey& table_key() noexcept {
    static const TableKey key;
    return key;
}

/// Both halves of a product of which each factor has a part that nobody knows.
size_t keyed(uint64_t word, uint64_t state) noexcept {
    const TableKey& key = table_key();
    const auto product = static_cast<unsigned __int128>(word ^ key.words) * (state ^ key.states);
    return static_cast<size_t>(product) ^ static_cast<size_t>(product >> 64);
}

constexpr bool is_word_byte(unsigned char c) noexcept { return is_alnum(c) || c >= 0x80; }

/// A buffer of `count` values, each 0 in all its bytes.
template <class T>
void make_room(ByteBuffer& buffer, size_t count) {
    buffer.reserve(count * sizeof(T));
    buffer.resize(count * sizeof(T));
    std::ranges::fill_n(buffer.data(), static_cast<ptrdiff_t>(count * sizeof(T)), '\0');
}

}  // namespace

// Words.

/// Marks of three bytes: U+2000 to U+206F, U+3000 to U+303F, U+FF00 to U+FF0F and the other marks of full width.
constexpr bool may_be_mark(unsigned char first, unsigned char second) noexcept {
    if (first == 0xe2) return second == 0x80 || second == 0x81;
    if (first == 0xe3) return second == 0x80;
    return first == 0xef && (second == 0xbc || second == 0xbd);
}
constexpr bool is_mark(unsigned char first, unsigned char second, unsigned char third) noexcept {
    if (first != 0xef) return true;
    if (second == 0xbc) return third <= 0x8f || (third >= 0x9a && third <= 0xa0) || third >= 0xbb;
    return third == 0x80 || (third >= 0x9b && third <= 0xa5);
}

void WordReader::take(unsigned char c) noexcept {
    if (skips_) return;
    if (!in_word_) hash_ = seed, size_ = 0;
    in_word_ = true;
    size_ += 1;
    hash_ = (hash_ ^ static_cast<unsigned>(lower(c))) * prime;
}

WordReader::Step WordReader::taken(bool begins) noexcept {
    if (in_word_ && size_ > word_bytes_max) {
        in_word_ = false;
        skips_ = true;
        return Step::drops;
    }
    return begins ? Step::begins : Step::none;
}

bool WordReader::end() noexcept {
    skips_ = false;
    if (!in_word_) return false;
    in_word_ = false;
    ended_ = mixed(hash_);
    return true;
}

/// Three bytes make a mark that separates words, or, where it has no width, is not there at all.
WordReader::Step WordReader::put(unsigned char c) noexcept {
    if (waiting_ == 1 && may_be_mark(first_, c)) {
        waiting_ = 2;
        second_ = c;
        return Step::none;
    }
    if (waiting_ == 2) {
        waiting_ = 0;
        const bool no_width = first_ == 0xe2 && second_ == 0x80 && c >= 0x8b && c <= 0x8f;
        if (no_width) {
            size_ += in_word_ ? 3 : 0;
            return taken(false);
        }
        if ((c & 0xc0) == 0x80 && is_mark(first_, second_, c)) return end() ? Step::ends : Step::none;
        if ((c & 0xc0) == 0x80) {
            const bool begins = !in_word_ && !skips_;
            for (const unsigned char byte : {first_, second_, c}) take(byte);
            return taken(begins);
        }
        return is_word_byte(c) || !end() ? put(c) : Step::ends;  // a mark that is none
    }
    if (waiting_ == 1) {
        waiting_ = 0;
        const bool begins = !in_word_ && !skips_;
        if (begins && !is_word_byte(c)) return Step::none;  // no character
        take(first_);
        if (!is_word_byte(c)) return end() ? Step::ends : Step::none;
        take(c);
        return taken(begins);
    }
    if (c == 0xe2 || c == 0xe3 || c == 0xef) {
        waiting_ = 1;
        first_ = c;
        return Step::none;
    }
    if (!is_word_byte(c)) return end() ? Step::ends : Step::none;
    const bool begins = !in_word_ && !skips_;
    take(c);
    return taken(begins);
}

bool WordReader::finish() noexcept {
    waiting_ = 0;
    return end();
}

// The automaton.

SystemText::State& SystemText::state(uint32_t i) const noexcept {
    return reinterpret_cast<State*>(const_cast<char*>(states_.data()))[i];
}
SystemText::Edge& SystemText::edge(uint32_t i) const noexcept {
    return reinterpret_cast<Edge*>(const_cast<char*>(edges_.data()))[i];
}

void SystemText::add_word(uint64_t word) {
    if (word_count_ == words_max) return;
    words_.append({reinterpret_cast<const char*>(&word), sizeof(word)});
    word_count_ += 1;
}

void SystemText::add(std::string_view text) {
    for (const char c : text) {
        if (full()) return;
        const WordReader::Step step = reader_.put(static_cast<unsigned char>(c));
        if (step == WordReader::Step::ends) add_word(reader_.hash());
        if (step == WordReader::Step::drops) add_border();
    }
}

void SystemText::add_border() { add_word(mixed(~uint64_t{text_count_++})); }

/// Nothing goes on from one text to the next: between them stands a word that no text has.
void SystemText::end_text() {
    if (reader_.finish()) add_word(reader_.hash());
    add_border();
}

uint32_t SystemText::find_edge(uint32_t from, uint64_t word) const noexcept {
    const auto* const table = reinterpret_cast<const uint32_t*>(table_.data());
    for (size_t slot = keyed(word, from) & table_mask_;; slot = (slot + 1) & table_mask_) {
        probes_ += 1;
        if (table[slot] == 0) return none;
        const Edge& at = edge(table[slot] - 1);
        if (at.from == from && at.word == word) return table[slot] - 1;
    }
}

void SystemText::add_edge(uint32_t from, uint64_t word, uint32_t to) noexcept {
    auto* const table = reinterpret_cast<uint32_t*>(table_.data());
    size_t slot = keyed(word, from) & table_mask_;
    for (; table[slot] != 0; slot = (slot + 1) & table_mask_) probes_ += 1;
    edge(edge_count_) = {.word = word, .from = from, .to = to, .next = state(from).edges};
    state(from).edges = edge_count_;
    edge_count_ += 1;
    table[slot] = edge_count_;
}

uint32_t SystemText::add_state(uint32_t length) noexcept {
    state(state_count_) = {.length = length};
    return state_count_++;
}

void SystemText::extend(uint64_t word, uint32_t& last) {
    const uint32_t made = add_state(state(last).length + 1);
    uint32_t at = last, found = none;
    for (; at != none && (found = find_edge(at, word)) == none; at = state(at).link) add_edge(at, word, made);
    last = made;
    if (at == none) {
        state(made).link = 0;
        return;
    }
    const uint32_t next = edge(found).to;
    if (state(next).length == state(at).length + 1) {
        state(made).link = next;
        return;
    }
    const uint32_t copy = add_state(state(at).length + 1);
    state(copy).link = state(next).link;
    for (uint32_t i = state(next).edges; i != none; i = edge(i).next) add_edge(copy, edge(i).word, edge(i).to);
    for (; at != none && (found = find_edge(at, word)) != none && edge(found).to == next; at = state(at).link)
        edge(found).to = copy;
    state(next).link = state(made).link = copy;
}

void SystemText::make() {
    if (word_count_ <= run_words) return;
    make_room<State>(states_, 2 * size_t{word_count_});
    make_room<Edge>(edges_, 3 * size_t{word_count_});
    table_mask_ = std::bit_ceil(6 * size_t{word_count_}) - 1;
    make_room<uint32_t>(table_, table_mask_ + 1);
    uint32_t last = add_state(0);
    for (uint32_t i = 0; i < word_count_; ++i) extend(reinterpret_cast<const uint64_t*>(words_.data())[i], last);
    words_.release();
}

void SystemText::step(Place& place, uint64_t word) const noexcept {
    place.last[place.next] = word;
    place.next = (place.next + 1) % run_words;
    if (empty()) return;
    uint32_t found = none;
    while ((found = find_edge(place.state, word)) == none && place.state != 0) {
        place.state = state(place.state).link;
        place.words = state(place.state).length;
    }
    if (found == none) {
        place.words = 0;
        return;
    }
    place.state = edge(found).to;
    place.words += 1;
}

uint64_t SystemText::run_hash(const Place& place) noexcept {
    uint64_t hash = seed;
    for (size_t i = 0; i < run_words; ++i) hash = mixed(hash * prime ^ place.last[(place.next + i) % run_words]);
    return std::max<uint64_t>(hash, 1);
}

size_t SystemText::known_slot(uint64_t run) const noexcept {
    const auto* const known = reinterpret_cast<const uint64_t*>(known_.data());
    size_t slot = keyed(run, 0) & known_mask_;
    for (; known[slot] != 0 && known[slot] != run; slot = (slot + 1) & known_mask_) probes_ += 1;
    return slot;
}

bool SystemText::leaks(const Place& place) const noexcept {
    if (place.words < run_words) return false;
    if (known_count_ == 0) return true;
    const uint64_t run = run_hash(place);
    return reinterpret_cast<const uint64_t*>(known_.data())[known_slot(run)] != run;
}

// What the user says too. The instructions have fewer runs than words, and no other is kept.

void SystemText::exempt(std::string_view text) {
    if (empty()) return;
    const auto take = [this] {
        step(place_, reader_.hash());
        if (place_.words < run_words) return;
        if (known_mask_ == 0) {
            known_mask_ = std::bit_ceil(2 * size_t{word_count_}) - 1;
            make_room<uint64_t>(known_, known_mask_ + 1);
        }
        const uint64_t run = run_hash(place_);
        uint64_t& slot = reinterpret_cast<uint64_t*>(known_.data())[known_slot(run)];
        known_count_ += slot == 0;
        slot = run;
    };
    for (const char c : text) {
        const WordReader::Step step = reader_.put(static_cast<unsigned char>(c));
        if (step == WordReader::Step::ends) take();
        if (step == WordReader::Step::drops) place_ = {};
    }
}

void SystemText::end_exempt() {
    exempt("\x1e");
    place_ = {};
}

}  // namespace loom::guard

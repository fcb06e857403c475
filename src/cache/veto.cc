#include "loom/cache/veto.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include "characters.h"
#include "reading.h"
#include "wording.h"

namespace loom::cache {

namespace {

constexpr std::array<std::string_view, veto_reason_count> names = {
    "none",    "length",      "language", "quotation", "code",   "number", "unit", "date", "negation",
    "antonym", "comparative", "question", "tense",     "person", "format", "name", "word", "direction",
};

/// Those that were found; the first of them is told.
class Reasons {
  public:
    void add(VetoReason reason) noexcept { bits_ |= 1u << static_cast<unsigned>(reason); }
    [[nodiscard]] bool any() const noexcept { return bits_ != 0; }
    [[nodiscard]] VetoReason first() const noexcept {
        return bits_ == 0 ? VetoReason::none : static_cast<VetoReason>(std::countr_zero(bits_));
    }

  private:
    uint32_t bits_ = 0;
};

using Tokens = std::span<const Token>;
Tokens tokens_of(const Reading& reading) { return {reading.tokens.data(), reading.count}; }
std::string_view written(const Reading& reading, const Token& token) {
    return reading.text.substr(token.begin, token.size);
}

// ---- Words that stand in one of them alone

/// What is left of one when all that the other has too is taken away.
struct Rest {
    std::array<uint16_t, words_max> of_a, of_b;
    size_t a_count = 0, b_count = 0;
};

using Order = std::array<uint16_t, words_max>;
void sort_by_concept(Tokens tokens, Order& order) {
    for (size_t i = 0; i < tokens.size(); ++i) order[i] = static_cast<uint16_t>(i);
    std::sort(order.begin(), order.begin() + tokens.size(), [&](uint16_t x, uint16_t y) {
        return tokens[x].concept_hash != tokens[y].concept_hash ? tokens[x].concept_hash < tokens[y].concept_hash
                                                                : x < y;
    });
}

void find_rest(Tokens a, Tokens b, Rest& rest) {
    Order a_order, b_order;
    sort_by_concept(a, a_order);
    sort_by_concept(b, b_order);
    size_t i = 0, j = 0;
    while (i < a.size() || j < b.size()) {
        const bool only_a = j == b.size() || (i < a.size() && a[a_order[i]].concept_hash < b[b_order[j]].concept_hash);
        const bool only_b = i == a.size() || (j < b.size() && b[b_order[j]].concept_hash < a[a_order[i]].concept_hash);
        if (only_a)
            rest.of_a[rest.a_count++] = a_order[i++];
        else if (only_b)
            rest.of_b[rest.b_count++] = b_order[j++];
        else
            ++i, ++j;
    }
}

constexpr std::string_view negative_prefixes[] = {"un", "in",  "im",  "il",  "ir", "dis", "non",
                                                  "ab", "mis", "des", "dés", "не", "ne"};

bool same_small(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) {
        const auto small = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 0x20) : c; };
        return small(x) == small(y);
    });
}

bool is_negated(std::string_view longer, std::string_view shorter) {
    return std::ranges::any_of(negative_prefixes, [&](std::string_view prefix) {
        return longer.size() == shorter.size() + prefix.size() && same_small(longer.substr(0, prefix.size()), prefix) &&
               same_small(longer.substr(prefix.size()), shorter);
    });
}

void judge_pair(const Reading& a, const Token& x, const Reading& b, const Token& y, Reasons& reasons) {
    if (lexicon().are_antonyms(x.raw, y.raw) || lexicon().are_antonyms(x.concept_hash, y.concept_hash))
        reasons.add(VetoReason::antonym);
    const std::string_view one = written(a, x), other = written(b, y);
    if (is_negated(one, other) || is_negated(other, one)) reasons.add(VetoReason::negation);
}

void judge_words(const Reading& a, const Reading& b, Reasons& reasons) {
    Rest rest;
    find_rest(tokens_of(a), tokens_of(b), rest);
    const auto judge = [&](const Token& token) {
        reasons.add(token.topic == VetoReason::word && token.capital ? VetoReason::name : token.topic);
    };
    for (size_t i = 0; i < rest.a_count; ++i) judge(a.tokens[rest.of_a[i]]);
    for (size_t i = 0; i < rest.b_count; ++i) judge(b.tokens[rest.of_b[i]]);
    constexpr size_t looked_at = 8;  // names of reasons only: what is left is a veto anyway
    for (size_t i = 0; i < std::min(rest.a_count, looked_at); ++i)
        for (size_t j = 0; j < std::min(rest.b_count, looked_at); ++j)
            judge_pair(a, a.tokens[rest.of_a[i]], b, b.tokens[rest.of_b[j]], reasons);
}

// ---- How words are tied to those before them

bool persons_agree(uint32_t a, uint32_t b) {
    a &= l_person, b &= l_person;
    return a == b || (a | b) == l_me || (a == 0 && b == l_us) || (b == 0 && a == l_us);
}

/// One of them has "the" and the other has "a". Neither is often left away.
bool articles_agree(uint32_t a, uint32_t b) { return ((a | b) & l_article) != l_article || ((a ^ b) & l_article) == 0; }

bool links_agree(uint32_t a, uint32_t b) {
    return ((a ^ b) & (l_strong | l_negation | l_own)) == 0 && persons_agree(a, b) && articles_agree(a, b);
}

/// Of the same ties, these stand in the same order.
bool orders_agree(uint32_t a, uint32_t a_order, uint32_t b, uint32_t b_order) {
    constexpr uint32_t ordered = l_strong | l_person;
    return (a & ordered) != (b & ordered) || a_order == b_order;
}
bool orders_agree(const Token& a, const Token& b) {
    return orders_agree(a.links, a.links_order, b.links, b.links_order);
}

void judge_links(uint32_t a, uint32_t b, Reasons& reasons) {
    if (((a ^ b) & l_negation) != 0) reasons.add(VetoReason::negation);
    const uint32_t strong = (a ^ b) & l_strong;
    if ((strong & l_before) != 0 && (strong & l_after) != 0) reasons.add(VetoReason::antonym);
    if (strong != 0) reasons.add(VetoReason::direction);
    if (((a ^ b) & l_own) != 0 || !persons_agree(a, b)) reasons.add(VetoReason::person);
    if (!articles_agree(a, b)) reasons.add(VetoReason::word);
}

uint32_t all_links(const Reading& reading) {
    uint32_t links = reading.links_after;
    for (const Token& token : tokens_of(reading)) links |= token.links;
    return links;
}

/// Where words differ, their ties cannot be compared one by one; what is said of all of them still names the reason.
void judge_all_links(const Reading& a, const Reading& b, Reasons& reasons) {
    const uint32_t differ = all_links(a) ^ all_links(b);
    if ((differ & l_negation) != 0) reasons.add(VetoReason::negation);
    if ((differ & l_before) != 0 && (differ & l_after) != 0) reasons.add(VetoReason::antonym);
    if (!persons_agree(all_links(a), all_links(b))) reasons.add(VetoReason::person);
}

// ---- Order

bool same_concepts(Tokens a, Tokens b) {
    return std::ranges::equal(a, b, {}, &Token::concept_hash, &Token::concept_hash);
}

/// Ties within a block: those of its first word lead out of it.
bool inner_links_agree(Tokens a, Tokens b) {
    for (size_t i = 1; i < a.size(); ++i)
        if (!links_agree(a[i].links, b[i].links) || !orders_agree(a[i], b[i])) return false;
    return true;
}

/// Two prompts whose words are the same from one place to another, but for two blocks that changed places.
struct Swap {
    Tokens head, tail;      // as they stand in the one
    Tokens tail_b, head_b;  // and in the other, where the tail comes first
    bool whole = false;     // they are all of the text
};

/// "In Python, how do I …" and "How do I … in Python".
bool is_moved_phrase(const Swap& swap) {
    constexpr uint32_t leads = l_in | l_on | l_at | l_for | l_with;
    const uint32_t head = swap.head.front().links, head_b = swap.head_b.front().links;
    const uint32_t tail = swap.tail.front().links, tail_b = swap.tail_b.front().links;
    constexpr uint32_t relations = (l_strong & ~leads) | l_negation;
    const bool one_phrase =
        std::ranges::none_of(swap.head.subspan(1), [](const Token& token) { return (token.links & relations) != 0; });
    return swap.whole && (head & leads) != 0 && (head & leads) == (head_b & leads) && one_phrase &&
           ((head | head_b) & relations) == ((head & head_b) & relations) &&
           links_agree(tail & ~leads, tail_b & ~leads) && ((tail | tail_b) & (leads | l_or | l_than)) == 0 &&
           persons_agree(head | head_b, head & head_b);
}

/// "France's capital" and "the capital of France".
bool is_genitive(const Swap& swap) {
    const uint32_t head_b = swap.head_b.front().links;
    const uint32_t others = swap.head.front().links | swap.tail.front().links | swap.tail_b.front().links;
    return swap.head.back().genitive && (head_b & (l_strong | l_weak)) == l_of &&
           ((others | head_b) & (l_strong | l_negation | l_person)) == 0;
}

/// "between tea and coffee", "compare tea and coffee": it does not matter which comes first. With numbers it does.
bool is_symmetric(const Swap& swap, Tokens all, size_t at) {
    static const uint64_t compare = folded_hash("compare");
    const uint32_t first = swap.head.front().links, first_b = swap.tail_b.front().links;
    const uint32_t second = swap.tail.front().links, second_b = swap.head_b.front().links;
    const bool is_pair =
        (second & second_b & l_and) != 0 && links_agree(second, second_b) && links_agree(first, first_b);
    const bool is_told = (first & first_b & l_between) != 0 || (at > 0 && all[at - 1].concept_hash == compare);
    return is_pair && is_told &&
           std::ranges::none_of(all, [](const Token& token) { return token.topic == VetoReason::number; });
}

bool may_swap(const Swap& swap, Tokens a, size_t at) {
    if (!inner_links_agree(swap.head, swap.head_b) || !inner_links_agree(swap.tail, swap.tail_b)) return false;
    return is_moved_phrase(swap) || is_genitive(swap) || is_symmetric(swap, a, at);
}

/// The same words in another order, which is one of those that do not matter: a's blocks XY are YX in b.
bool is_swapped(const Reading& of_a, const Reading& of_b) {
    const Tokens a = tokens_of(of_a), b = tokens_of(of_b);
    size_t first = 0, last = a.size();
    while (first < last && a[first].concept_hash == b[first].concept_hash) ++first;
    while (last > first && a[last - 1].concept_hash == b[last - 1].concept_hash) --last;
    for (size_t i = 0; i < a.size(); ++i)
        if ((i < first || i >= last) && (!links_agree(a[i].links, b[i].links) || !orders_agree(a[i], b[i])))
            return false;
    const Tokens in_a = a.subspan(first, last - first), in_b = b.subspan(first, last - first);
    constexpr size_t tries_max = 8;
    size_t tries = 0;
    for (size_t k = 1; k < in_a.size() && tries < tries_max; ++k) {
        if (in_a[k].concept_hash != in_b[0].concept_hash) continue;
        ++tries;
        const size_t rest = in_a.size() - k;
        const Swap swap{in_a.first(k), in_a.subspan(k), in_b.first(rest), in_b.subspan(rest), in_a.size() == a.size()};
        if (!same_concepts(swap.head, swap.head_b) || !same_concepts(swap.tail, swap.tail_b)) continue;
        if (may_swap(swap, a, first)) return true;
        const Swap back{swap.tail_b, swap.head_b, swap.head, swap.tail, swap.whole};
        if (may_swap(back, b, first)) return true;
    }
    return false;
}

void judge_order(const Reading& a, const Reading& b, Reasons& reasons) {
    if (!links_agree(a.links_after, b.links_after)) judge_links(a.links_after, b.links_after, reasons);
    if (!orders_agree(a.links_after, a.links_after_order, b.links_after, b.links_after_order))
        reasons.add(VetoReason::direction);
    if (!same_concepts(tokens_of(a), tokens_of(b))) {
        if (is_swapped(a, b) || is_swapped(b, a)) return;
        reasons.add(VetoReason::direction);
        judge_all_links(a, b, reasons);
        return;
    }
    for (size_t i = 0; i < a.count; ++i) {
        const Token &x = a.tokens[i], &y = b.tokens[i];
        judge_links(x.links, y.links, reasons);
        if (!orders_agree(x, y)) reasons.add(VetoReason::direction);
        if (((x.links ^ y.links) & l_the) != 0 && lexicon().is_homograph(x.raw))
            reasons.add(VetoReason::name);                                                      // the Amazon
        if (x.exact != 0 && y.exact != 0 && x.exact != y.exact) reasons.add(VetoReason::code);  // myValue, MyValue
    }
}

// ---- The question

void judge_question(const Reading& a, const Reading& b, Reasons& reasons) {
    if (((a.questions ^ b.questions) & ~static_cast<uint32_t>(q_what)) != 0 || a.modals != b.modals)
        reasons.add(VetoReason::question);
    if (a.verbs != 0 && b.verbs != 0 && (a.verbs & b.verbs) == 0) reasons.add(VetoReason::question);
    if (a.tenses != b.tenses) reasons.add(VetoReason::tense);
}

/// "How much does it cost" asks for the price.
void ask_for_price(Reading& reading) {
    static const uint64_t price = folded_hash("price");
    const auto is_price = [](const Token& token) { return token.concept_hash == price; };
    if (std::ranges::any_of(tokens_of(reading), is_price)) reading.questions &= ~static_cast<uint32_t>(q_how_much);
}

/// Whose it is, and which one, does not change how it is done.
void forget_articles(Reading& reading) {
    for (Token& token : std::span(reading.tokens.data(), reading.count)) token.links &= ~(l_own | l_article);
    reading.links_after &= ~(l_own | l_article);
}

/// "What is the time" and "what is time".
bool is_one_thing(const Reading& a, const Reading& b) {
    return a.count == 1 && b.count == 1 && ((a.tokens[0].links ^ b.tokens[0].links) & l_the) != 0;
}

VetoReason compare(Reading& a, Reading& b) {
    Reasons reasons;
    ask_for_price(a);
    ask_for_price(b);
    if ((a.questions & b.questions & q_how) != 0) forget_articles(a), forget_articles(b);
    if (is_one_thing(a, b)) reasons.add(VetoReason::word);
    judge_question(a, b, reasons);
    judge_words(a, b, reasons);
    if (reasons.any())
        judge_all_links(a, b, reasons);
    else
        judge_order(a, b, reasons);
    // Of small words alone, like "who are you": nothing that is left says what was asked.
    if (!reasons.any() && a.count == 0 && a.words_hash != b.words_hash) reasons.add(VetoReason::word);
    return reasons.first();
}

constexpr uint16_t only_english = 1u << static_cast<unsigned>(Language::english);

/// Where nothing tells, it is taken for English, as the other one has to be able to.
uint16_t common_languages(uint16_t a, uint16_t b) {
    if (a == 0 && b == 0) return only_english;
    if (a == 0 || b == 0) return ((a | b) & only_english) != 0 ? static_cast<uint16_t>(a | b) : uint16_t{0};
    return a & b;
}

/// Where a text may be of several languages, it has to pass in each.
[[gnu::noinline]] VetoReason compare_readings(const Words& a_words, const Words& b_words, uint16_t languages) {
    Reasons reasons;
    for (uint16_t left = languages; left != 0; left = static_cast<uint16_t>(left & (left - 1))) {
        Reading a, b;
        read_prompt(a_words, first_language(left), a);
        read_prompt(b_words, first_language(left), b);
        if (const VetoReason reason = compare(a, b); reason != VetoReason::none) reasons.add(reason);
    }
    return reasons.first();
}

}  // namespace

std::string_view veto_reason_name(VetoReason reason) noexcept { return names[static_cast<size_t>(reason)]; }

VetoReason veto(std::string_view asked, std::string_view kept) {
    if (asked == kept) return VetoReason::none;
    if (asked.size() > veto_bytes_max || kept.size() > veto_bytes_max) return VetoReason::length;
    Words a_words, b_words;
    read_words(asked, a_words);
    read_words(kept, b_words);
    if (!a_words.whole || !b_words.whole) return VetoReason::length;
    const uint16_t languages = common_languages(likely_languages(a_words), likely_languages(b_words));
    if (languages == 0) return VetoReason::language;
    if (const VetoReason reason = compare_readings(a_words, b_words, languages); reason != VetoReason::none)
        return reason;
    return compare_wording(a_words, b_words, languages == only_english);
}

}  // namespace loom::cache

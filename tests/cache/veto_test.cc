#include "loom/cache/veto.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "lexicon.h"
#include "loom/cache/embedder.h"
#include "prompt_sets.h"
#include "wording.h"
#include "words.h"

namespace loom::cache {
namespace {

using test::PromptPair;
using test::read_pairs;

VetoReason both_ways(std::string_view one, std::string_view other) {
    const VetoReason reason = veto(one, other);
    EXPECT_EQ(veto(other, one), reason) << one << " | " << other;
    return reason;
}

std::string told(std::string_view one, std::string_view other) {
    return std::string(veto_reason_name(both_ways(one, other)));
}

std::vector<std::string> all_prompts() {
    std::vector<std::string> prompts;
    for (const char* name :
         {"pairs_seen.tsv", "pairs_held_out.tsv", "paraphrases_seen.tsv", "paraphrases_held_out.tsv"})
        for (const PromptPair& pair : read_pairs(name)) prompts.insert(prompts.end(), {pair.one, pair.other});
    return prompts;
}

template <class Each>
void each_part(std::string_view words, char mark, Each&& each) {
    while (!words.empty()) {
        const size_t end = std::min(words.find(mark), words.size());
        if (end > 0) each(std::string(words.substr(0, end)));
        words.remove_prefix(std::min(end + 1, words.size()));
    }
}

std::string as_written(std::string entry) {
    for (char& c : entry)
        if (c == '_') c = ' ';
    return entry;
}

TEST(Veto, SaysWhy) {
    EXPECT_EQ(told("Translate \"cat\"", "Translate \"dog\""), "quotation");
    EXPECT_EQ(told("What does `ls -a` do?", "What does `ls -l` do?"), "code");
    EXPECT_EQ(told("Give me 3 ideas", "Give me 4 ideas"), "number");
    EXPECT_EQ(told("Is 5 kg a lot?", "Is 5 mg a lot?"), "unit");
    EXPECT_EQ(told("What happened on Monday?", "What happened on Friday?"), "date");
    EXPECT_EQ(told("Is it safe?", "Is it not safe?"), "negation");
    EXPECT_EQ(told("Is it visible?", "Is it invisible?"), "negation");
    EXPECT_EQ(told("How do I enable 2FA?", "How do I turn off 2FA?"), "antonym");
    EXPECT_EQ(told("What comes before lunch?", "What comes after lunch?"), "antonym");
    EXPECT_EQ(told("Which has most people?", "Which has fewest people?"), "comparative");
    EXPECT_EQ(told("Who invented it first of all?", "When invented it first of all?"), "question");
    EXPECT_EQ(told("Can I eat honey?", "Should I eat honey?"), "question");
    EXPECT_EQ(told("Who is the king?", "Who was the king?"), "tense");
    EXPECT_EQ(told("What is my name?", "What is your name?"), "person");
    EXPECT_EQ(told("Write it as JSON", "Write it as YAML"), "format");
    EXPECT_EQ(told("Answer in French", "Answer in Dutch"), "language");
    EXPECT_EQ(told("Was ist Python?", "What is Python?"), "language");
    EXPECT_EQ(told("What is in Oslo?", "What is in Rome?"), "name");
    EXPECT_EQ(told("How do I clean wool?", "How do I clean silk?"), "word");
    EXPECT_EQ(told("Is A better than B?", "Is B better than A?"), "direction");
    EXPECT_EQ(told("Trains from Lyon", "Trains to Lyon"), "direction");
    EXPECT_EQ(told("Why?", std::string(veto_bytes_max + 1, 'a')), "length");
}

TEST(Veto, LetsPassWhatOnlyFramesTheQuestion) {
    constexpr std::pair<const char*, const char*> same[] = {
        {"How do I reset my password?", "how can i reset my password"},
        {"How do I boil an egg?", "How to boil an egg"},
        {"Hi! Could you please tell me how to boil an egg?", "How do I boil an egg?"},
        {"Please, explain the tides of the sea", "Explain the tides of the sea, please."},
        {"Por favor, explica la fotos\u00edntesis", "Explica la fotos\u00edntesis"},
        {"Give me three tips", "Give me 3 tips!"},
        {"How much is 1,000 kilometres?", "How much is 1000 km?"},
        {"In Python, how do I reverse a list?", "How do I reverse a list in Python?"},
        {"What is France's capital?", "What is the capital of France?"},
        {"What is the difference between tea and coffee?", "Difference between coffee and tea"},
        {"I can\u2019t log in", "I cannot log in"},
        {"Translate \u201cgood day\u201d", "Translate \"good day\""},
        {"Why is the sky blue?", "why is the sky blue??"},
        {"Summarise the plot of Hamlet", "Summarize the plot of Hamlet"},
        {"Is it $5?", "Is it 5 dollars?"},
        {"Is  it\tsafe?", "is it safe"},
        {"Who isn't here?", "Who is not here?"},
        {"\u00bfQu\u00e9 es esto?", "qu\u00e9 es esto"},
    };
    for (const auto& [one, other] : same) EXPECT_EQ(told(one, other), "none") << one << " | " << other;
}

/// The veto alone, whatever the similarity. When the 157 held-out pairs were first looked at, all of them were vetoed.
/// Of five more sets, written against what the reading leaves away and measured once, 9 of 129, 2 of 79, 2 of 90, 8 of
/// 88 and 3 of 69 passed, and of a reviewer's 297 of 379: so the wording has the last word since. Of the 67 that were
/// written when it was done none passed at the first look; of two rounds of 110 against its own list 40 and 90 did.
/// Most of those asked the same; the others are among those that are seen, and the list is shorter.
TEST(Veto, NoPairOfTheSetsIsTakenForTheOther) {
    const auto embedder = make_lexical_embedder();
    size_t count = 0;
    std::map<std::string, size_t> kinds;
    for (const char* name : {"pairs_seen.tsv", "pairs_held_out.tsv"})
        for (const PromptPair& pair : read_pairs(name)) {
            ++count;
            ++kinds[pair.kind];
            EXPECT_NE(both_ways(pair.one, pair.other), VetoReason::none) << pair.one << " | " << pair.other;
        }
    EXPECT_GE(count, 400u);
    std::set<std::string> reasons;
    for (size_t i = 0; i < veto_reason_count; ++i) reasons.emplace(veto_reason_name(static_cast<VetoReason>(i)));
    EXPECT_EQ(reasons.size(), veto_reason_count);
    for (const auto& [kind, pairs] : kinds) EXPECT_TRUE(reasons.contains(kind) && pairs >= 10) << kind << ": " << pairs;
}

TEST(Veto, LetsEveryTextAnswerItself) {
    for (const std::string& prompt : all_prompts()) {
        EXPECT_EQ(veto(prompt, prompt), VetoReason::none) << prompt;
        EXPECT_EQ(both_ways(prompt, "  " + prompt + "\n"), VetoReason::none) << prompt;
    }
    EXPECT_EQ(veto("", ""), VetoReason::none);
    EXPECT_EQ(veto("\xff\xfe", "\xff\xfe"), VetoReason::none);
    const std::string huge(veto_bytes_max * 4, 'a');
    EXPECT_EQ(veto(huge, huge), VetoReason::none);
}

TEST(Veto, AWordMoreOrLessIsSeenWhereverItStands) {
    const std::vector<std::string> words = {"Why", "did", "the", "old", "baker", "sell", "bread", "in", "Vienna", "?"};
    for (size_t at = 0; at <= words.size(); ++at)
        for (const char* more : {"not", "never", "Anna", "7", "seldom", "\"x\"", "without", "tomorrow"}) {
            std::string one, other;
            for (size_t i = 0; i <= words.size(); ++i) {
                if (i == at) other += std::string(more) + " ";
                if (i == words.size()) break;
                one += words[i] + " ";
                other += words[i] + " ";
            }
            EXPECT_NE(both_ways(one, other), VetoReason::none) << other;
        }
}

TEST(Veto, IsTheSameFromBothSides) {
    const std::vector<std::string> prompts = all_prompts();
    constexpr unsigned seed = 7;
    std::mt19937 random(seed);
    for (int i = 0; i < 20'000; ++i) both_ways(prompts[random() % prompts.size()], prompts[random() % prompts.size()]);
}

/// Wherever a text is cut, in the midst of a character too: no reading beyond it, and another text than the whole.
TEST(Veto, EveryCutOfATextIsRead) {
    for (const std::string text :
         {"Hi! Was kostet „ein Kilo“ Äpfel (2–3 €) am 3.5.2024, 12:30 Uhr?",
          "如何打开“自动更新”？通知をオンにする方法は？",
          "Explain:\n```\nfor (int i = 0; i < n; ++i) s += a[i];\n```\nIsn't it O(n^2), e.g. at 5GB/s or $1,000.50?"})
        for (size_t size = 0; size < text.size(); ++size) {
            const std::string cut(text.data(), size);  // its end is guarded
            both_ways(cut, text);
            EXPECT_EQ(veto(cut, cut + " "), VetoReason::none) << cut;
        }
}

TEST(Veto, HostileTextsAreReadInLinearTime) {
    for (const std::string piece : {"'",  "\"",           "'a",   "'a ", "\" a", "`",   "``` ", "(",    "1-", "1-1 ",
                                    "a-", "$1",           "1,",   "\n ", "\n",   "«a ", "„“",   "a'",   "[",  "1.",
                                    "-",  "\xe2\x80\x98", "\xff", "你",  "1:",   "x=",  "U.",   "\n'a", " '", "‘ "}) {
        std::string text;
        while (text.size() < veto_bytes_max) text += piece;
        Words words;
        read_words(text, words);
        EXPECT_LE(words.looks, 16 * text.size()) << piece;
        EXPECT_LE(words.count, words_max);
        text.resize(text.size() / 2);
        both_ways(text, text.substr(1));
    }
}

/// What was not read has not been compared, whatever it is a part of.
TEST(Veto, RefusesWhatItCannotReadToItsEnd) {
    for (const std::string piece : {"a ", "a-", "a'", "1-", "你", "\"a\" ", "x=1 "}) {
        std::string text;
        while (text.size() + 8 < veto_bytes_max) text += piece;
        EXPECT_NE(both_ways(text + "cat", text + "dog"), VetoReason::none) << piece;
    }
    std::string longest;
    for (size_t i = 0; i < words_max; ++i) longest += "word ";
    longest.pop_back();
    EXPECT_EQ(both_ways(longest, longest + "."), VetoReason::none);
    EXPECT_EQ(both_ways(longest, longest + " more"), VetoReason::length);
}

TEST(Veto, KnowsOfEachAntonymThatItIsOne) {
    size_t pairs = 0;
    for (const std::string_view row : antonym_rows())
        each_part(row, ' ', [&](const std::string& pair) {
            ++pairs;
            const size_t slash = pair.find('/');
            ASSERT_NE(slash, pair.npos) << pair;
            const std::string one = as_written(pair.substr(0, slash)), other = as_written(pair.substr(slash + 1));
            EXPECT_NE(both_ways("The keeper wants " + one + " there", "The keeper wants " + other + " there"),
                      VetoReason::none)
                << pair;
        });
    EXPECT_GE(pairs, 500u);
}

/// A word of two classes would make their words stand for each other, or not, as it happens.
TEST(Veto, AWordHasOneMeaningInALanguage) {
    std::map<std::pair<Language, std::string>, std::string> seen;
    for (const auto rows : {function_rows(), synonym_rows()})
        for (const LexiconRow& row : rows)
            each_part(row.words, ' ', [&](const std::string& entry) {
                const auto [at, fresh] = seen.try_emplace({row.language, entry}, std::string(row.words));
                EXPECT_TRUE(fresh || at->second == row.words) << entry << ": " << row.words << " | " << at->second;
            });
}

TEST(Veto, WordsOfOneSpellingStandForEachOtherButNotWhereTheyAreSpokenOf) {
    for (const std::string_view row : spellings()) {
        const size_t blank = row.find(' ');
        const std::string one(row.substr(0, blank)), other(row.substr(blank + 1));
        EXPECT_EQ(both_ways("Does the keeper " + one + " it", "Does the keeper " + other + " it"), VetoReason::none)
            << row;
        EXPECT_NE(both_ways("What does " + one + " mean", "What does " + other + " mean"), VetoReason::none) << row;
        EXPECT_NE(both_ways("Does the " + one + " it", "Does the " + other + "s it"), VetoReason::none) << row;
    }
}

/// Every word and every mark is there for something, in every language: one more, and it is another prompt.
TEST(Veto, EveryWordAndEveryMarkCounts) {
    for (const std::string& prompt : all_prompts())
        for (size_t at = prompt.find(' '); at != prompt.npos; at = prompt.find(' ', at + 1)) {
            if (prompt.find_first_of("\"`'\n") != prompt.npos || prompt[at - 1] == ' ' || prompt[at - 1] < 'A')
                continue;
            for (const char* more : {" the", " it", " lo", " sich", " ne", " zażółć", " ;", ":)", " (", " -"}) {
                const std::string longer = prompt.substr(0, at) + more + prompt.substr(at);
                EXPECT_NE(both_ways(prompt, longer), VetoReason::none) << longer;
            }
        }
}

/// A mark that opens a quotation and none that closes it within reach: whether it is one is not known.
TEST(Veto, RefusesAQuotationThatIsTooLongToBeRead) {
    const std::string text(5000, ' ');
    EXPECT_EQ(both_ways("Say \"a" + text + "b\" c", "Say \"a" + text + "b\" d"), VetoReason::length);
    EXPECT_EQ(both_ways("Say \"yes\"", "Say \"a" + text + "b\" \"yes\""), VetoReason::length);
}

}  // namespace
}  // namespace loom::cache

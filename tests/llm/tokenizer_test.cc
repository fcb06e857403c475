#include "loom/llm/tokenizer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "loom/base/base64.h"
#include "loom/llm/json_text.h"
#include "loom/llm/request.h"
#include "loom/llm/text_count.h"

namespace loom::llm {
namespace {

/// Written by tokenizer/make_vectors.py, by tiktoken itself.
std::string read_file(const std::string& name) {
    std::ifstream file(std::string(LOOM_TOKENIZER_VECTORS) + "/" + name, std::ios::binary);
    EXPECT_TRUE(file.is_open()) << name;
    return {std::istreambuf_iterator<char>(file), {}};
}

const Tokenizer& family(const std::string& name) {
    const auto load = [](const std::string& of) {
        auto parsed = Tokenizer::parse(*split_pattern(of), read_file(of + ".4000.tiktoken"));
        EXPECT_TRUE(parsed.has_value());
        return std::move(*parsed);
    };
    static const Tokenizer cl100k = load("cl100k_base"), o200k = load("o200k_base");
    return name == "cl100k_base" ? cl100k : o200k;
}

struct Vector {
    std::string family, text;
    std::vector<uint32_t> tokens;
};

std::vector<Vector> vectors() {
    std::istringstream lines(read_file("vectors.txt"));
    std::vector<Vector> all;
    for (std::string family, text, tokens; lines >> family >> text >> tokens;) {
        Vector one{.family = family, .text = {}, .tokens = {}};
        if (text != "-") EXPECT_TRUE(base64_decode(text, one.text));
        std::istringstream numbers(tokens == "-" ? std::string() : tokens);
        for (std::string number; std::getline(numbers, number, ',');)
            one.tokens.push_back(static_cast<uint32_t>(std::stoul(number)));
        all.push_back(std::move(one));
    }
    return all;
}

std::vector<uint32_t> encoded(const std::string& name, std::string_view text) {
    static TokenCounter counter;
    std::vector<uint32_t> tokens;
    counter.encode(family(name), text, tokens);
    return tokens;
}

std::string base64(std::string_view bytes) {
    std::string text;
    base64_encode({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, text);
    return text;
}

/// All single bytes, and then these, by rank.
std::string rank_file(const std::vector<std::string>& tokens) {
    std::string file;
    for (int i = 0; i < 256; ++i) file += fmt::format("{} {}\n", base64(std::string(1, static_cast<char>(i))), i);
    for (size_t i = 0; i < tokens.size(); ++i) file += fmt::format("{} {}\n", base64(tokens[i]), 256 + i);
    return file;
}

TEST(Tokenizer, MakesTheTokensThatTiktokenMakes) {
    const auto all = vectors();
    ASSERT_GT(all.size(), 300u);
    for (const Vector& one : all) {
        EXPECT_EQ(encoded(one.family, one.text), one.tokens) << one.family << ": " << one.text;
    }
}

TEST(Tokenizer, CountsAJsonStringAsWhatItMeans) {
    TokenCounter counter;
    for (const Vector& one : vectors()) {
        std::string raw, ascii;
        escape(one.text, raw);
        EXPECT_EQ(counter.count(family(one.family), one.text), one.tokens.size());
        EXPECT_EQ(counter.count_json(family(one.family), raw), one.tokens.size()) << raw;
    }
    // The same text, spelled out.
    const Tokenizer& o200k = family("o200k_base");
    EXPECT_EQ(counter.count_json(o200k, R"(\u0048ello \ud83d\ude00\n)"), counter.count(o200k, "Hello 😀\n"));
    EXPECT_EQ(counter.count_json(o200k, R"(\ud83d x)"), counter.count(o200k, "\ufffd x"));
    // What is no escape counts as what it is, and nothing is read beyond the end.
    for (const std::string_view broken : {"\\", "a\\", "\\u", "\\u12", "\\uD83D\\", "\\uD83D\\u", "\\x41", "\\uZZZZ"})
        EXPECT_GT(counter.count_json(o200k, broken), 0u) << broken;
}

/// By the definition: the lowest rank of all pairs is merged, the leftmost of equals.
std::vector<uint32_t> merged_plainly(const std::vector<std::string>& tokens, const std::string& piece) {
    const auto rank = [&](const std::string& bytes) -> uint32_t {
        if (bytes.size() == 1) return static_cast<uint8_t>(bytes[0]);
        const auto found = std::ranges::find(tokens, bytes);
        return found == tokens.end() ? UINT32_MAX : 256 + static_cast<uint32_t>(found - tokens.begin());
    };
    if (rank(piece) != UINT32_MAX) return {rank(piece)};
    std::vector<std::string> parts;
    for (const char c : piece) parts.emplace_back(1, c);
    for (;;) {
        uint32_t lowest = UINT32_MAX;
        size_t at = 0;
        for (size_t i = 0; i + 1 < parts.size(); ++i)
            if (rank(parts[i] + parts[i + 1]) < lowest) lowest = rank(parts[at = i] + parts[i + 1]);
        if (lowest == UINT32_MAX) break;
        parts[at] += parts[at + 1];
        parts.erase(parts.begin() + static_cast<ptrdiff_t>(at) + 1);
    }
    std::vector<uint32_t> ranks;
    for (const std::string& part : parts) ranks.push_back(rank(part));
    return ranks;
}

TEST(Tokenizer, MergesAsTheDefinitionSaysWhateverTheRanksAre) {
    std::mt19937 random(1);
    TokenCounter counter;
    for (int round = 0; round < 60; ++round) {
        std::vector<std::string> tokens;
        const auto any_part = [&] {
            if (tokens.empty() || random() % 3 == 0) return std::string(1, static_cast<char>('a' + random() % 3));
            return tokens[random() % tokens.size()];
        };
        for (int i = 0; i < 40; ++i) {
            const std::string token = any_part() + any_part();
            if (token.size() < 20 && std::ranges::find(tokens, token) == tokens.end()) tokens.push_back(token);
        }
        std::ranges::shuffle(tokens, random);
        const auto tokenizer = Tokenizer::parse(SplitPattern::cl100k_base, rank_file(tokens));
        ASSERT_TRUE(tokenizer);
        for (const size_t length : {2u, 3u, 30u, 63u, 64u, 65u, 66u, 130u, 400u}) {
            std::string piece;
            for (size_t i = 0; i < length; ++i) piece += static_cast<char>('a' + random() % 3);
            std::vector<uint32_t> ranks;
            counter.encode(*tokenizer, piece, ranks);
            EXPECT_EQ(ranks, merged_plainly(tokens, piece)) << piece;
        }
    }
}

TEST(Tokenizer, ATextOfAnyLengthIsItsPieces) {
    // Far longer than the window, cut by it at every place of a sentence.
    const std::string sentence = "We'll see: the naïve 日本語 costs 12345 € \r\n\r\n   or so…  ";
    for (const char* const name : {"cl100k_base", "o200k_base"}) {
        TokenCounter counter;
        std::string text;
        for (int i = 0; i < 600; ++i) text += sentence;
        const uint64_t whole = counter.count(family(name), text);
        const uint64_t first = counter.count(family(name), sentence + sentence);
        const uint64_t each = counter.count(family(name), sentence + sentence + sentence) - first;
        EXPECT_EQ(whole, first + each * 598) << name;
        for (size_t shift = 1; shift < sentence.size() + 2; ++shift)
            EXPECT_EQ(counter.count(family(name), std::string(shift, '!') + " " + text),
                      counter.count(family(name), std::string(shift, '!') + " " + sentence + sentence) + each * 598)
                << name << " " << shift;
    }
}

TEST(Tokenizer, APieceLongerThanTheWindowIsOffByLittle) {
    TokenCounter counter;
    // 200 000 bytes without a border: where the window cuts them a few tokens may differ from those of the whole.
    const size_t bytes = 200'000, cuts = bytes / TokenCounter::piece_bytes_max + 1;
    for (const char* const name : {"cl100k_base", "o200k_base"}) {
        std::string cut, letters;
        std::mt19937 random(2);
        for (size_t i = 0; i < bytes; ++i) letters += static_cast<char>('a' + random() % 26);
        const auto near = [&](const std::string& text, size_t part) {
            const uint64_t whole = counter.count(family(name), text);
            uint64_t sum = 0;
            for (size_t at = 0; at < text.size(); at += part) sum += counter.count(family(name), text.substr(at, part));
            EXPECT_NEAR(static_cast<double>(whole), static_cast<double>(sum),
                        static_cast<double>(cuts * 4 + bytes / part * 4))
                << name;
        };
        near(letters, 4000);
        near(std::string(bytes, 'a'), 4000);
        near(std::string(bytes, '\''), 4000);
    }
}

TEST(Tokenizer, AnyBytesHaveTokensThatMakeThemAgain) {
    std::mt19937 random(3);
    std::vector<std::string> of_rank;
    std::istringstream lines(read_file("o200k_base.4000.tiktoken"));
    for (std::string token, rank; lines >> token >> rank;) {
        of_rank.emplace_back();
        ASSERT_TRUE(base64_decode(token, of_rank.back()));
    }
    for (int round = 0; round < 200; ++round) {
        std::string bytes, again;
        for (size_t length = random() % 300; bytes.size() < length;) bytes += static_cast<char>(random());
        for (const uint32_t rank : encoded("o200k_base", bytes)) again += of_rank[rank];
        EXPECT_EQ(again, bytes);
    }
}

TEST(Tokenizer, RefusesWhatIsNoRankFileAndNamesTheLine) {
    const std::string good = rank_file({"ab", "abc"});
    ASSERT_TRUE(Tokenizer::parse(SplitPattern::cl100k_base, good));
    EXPECT_EQ(Tokenizer::parse(SplitPattern::cl100k_base, good)->token_count(), 258u);
    const auto fault = [](const std::string& file) {
        const auto parsed = Tokenizer::parse(SplitPattern::cl100k_base, file);
        return parsed ? std::string("taken") : fmt::format("{}: {}", parsed.error().line, parsed.error().what);
    };
    EXPECT_EQ(fault(good + "\n"), "taken");
    EXPECT_EQ(fault(good + "\nYWJjZA== 300\n"), "259: is no token in base64, a space, and a rank");
    EXPECT_EQ(fault(good + "!!!! 300\n"), "259: has a token that is no base64");
    EXPECT_EQ(fault(good + " 300\n"), "259: has a token that is no base64");
    EXPECT_EQ(fault(good + "YWJj 300\n"), "259: has a token that stands before it already");
    EXPECT_EQ(fault(good + "YWI= 300\n"), "259: has a token that stands before it already");
    EXPECT_EQ(fault(good + "YQ== 300\n"), "259: has a token that stands before it already");
    EXPECT_EQ(fault(good + "YWJjZA== 7\n"), "259: has a rank that stands before it already");
    for (const char* const rank : {"", "-1", "1x", "16777216", "99999999999", " 7"})
        EXPECT_EQ(fault(good + "YWJjZA== " + rank), "259: has a rank that is no number from 0 to 16777215") << rank;
    EXPECT_EQ(fault(good + base64(std::string(513, 'x')) + " 300"),
              "259: has a token that is too long (512 bytes at most)");
    EXPECT_EQ(fault(good + std::string(100'000, 'x') + " 300"),
              "259: has a token that is too long (512 bytes at most)");
    EXPECT_EQ(fault(""), "0: lacks the token of a single byte: without all 256 not every text has tokens");
    // A file that was cut anywhere before the last byte's token.
    for (size_t end = 0; end < rank_file({}).size() - 1; end += 7)
        EXPECT_NE(fault(rank_file({}).substr(0, end)), "taken") << end;
    EXPECT_EQ(fault(std::string(Tokenizer::token_count_max + 1, '\n')), "0: has more tokens than any family (1048576)");
    std::string dos;
    for (const char c : good) dos += c == '\n' ? "\r\n" : std::string(1, c);
    EXPECT_EQ(fault(dos), "taken");
}

TEST(Tokenizer, CountsThePromptOfADocument) {
    RequestReader reader;
    TokenCounter counter;
    const Tokenizer& o200k = family("o200k_base");
    const auto count = [&](Endpoint endpoint, std::string_view body) {
        EXPECT_TRUE(reader.read(endpoint, body)) << body;
        return reader.count_prompt(endpoint, body, o200k, counter);
    };
    const uint64_t hello = counter.count(o200k, "Hello, world\n"), rules = counter.count(o200k, "Be brief.");
    EXPECT_EQ(
        count(Endpoint::chat_completions, R"({"model":"m","messages":[{"role":"system","content":"Be brief."},)"
                                          R"({"role":"user","content":[{"type":"text","text":"Hello, world\n"}]}]})"),
        hello + rules + chat_frame_tokens(2));
    EXPECT_EQ(count(Endpoint::responses, R"({"model":"m","instructions":"Be brief.","input":"Hello, world\n"})"),
              hello + rules);
    EXPECT_EQ(
        count(
            Endpoint::messages,
            R"({"model":"m","max_tokens":1,"system":"Be brief.","messages":[{"role":"user","content":"Hello, world\n"}]})"),
        hello + rules);
    EXPECT_EQ(count(Endpoint::generate_content, R"({"contents":[{"parts":[{"text":"Hello, world\n"}]}]})"), hello);
    // What is read is not changed by being counted.
    const std::string body = R"({"model":"m","messages":[{"role":"user","content":"Hello, world\n"}]})";
    const auto before = reader.read(Endpoint::chat_completions, body);
    (void)count(Endpoint::chat_completions, body);
    EXPECT_EQ(before->model, "m");
    EXPECT_EQ(count(Endpoint::chat_completions, R"({"model":"m","messages":[]})"), chat_frame_tokens(0));
}

TEST(Tokenizer, OfALongPromptTheRestGoesByTheRateOfItsBeginning) {
    RequestReader reader;
    TokenCounter counter;
    const Tokenizer& o200k = family("o200k_base");
    std::string text;
    while (text.size() < 400'000) text += "The quick brown fox jumps over the lazy dog. ";
    const std::string body = R"({"model":"m","input":")" + text + "\"}";
    ASSERT_TRUE(reader.read(Endpoint::embeddings, body));
    const auto exact = static_cast<double>(counter.count(o200k, text));
    EXPECT_NEAR(static_cast<double>(reader.count_prompt(Endpoint::embeddings, body, o200k, counter)), exact,
                exact / 200);
}

/// A front that has few tokens for its bytes must not make what is behind it cheap.
TEST(CountPrompt, WhatIsBehindACheapFrontIsWhatItIsEstimatedAtLeast) {
    TokenCounter counter;
    RequestReader reader;
    const Tokenizer& o200k = family("o200k_base");
    const size_t rest_bytes = 100'000;
    const std::string front(RequestReader::counted_bytes_max, ' '), rest(rest_bytes, 'x');
    const std::string body = R"({"model":"m","input":")" + front + rest + "\"}";
    ASSERT_TRUE(reader.read(Endpoint::embeddings, body));
    EXPECT_LT(counter.count(o200k, front), front.size() / 8) << "a cheap front";
    EXPECT_GE(reader.count_prompt(Endpoint::embeddings, body, o200k, counter),
              estimated_tokens(std::string_view(rest)));
}

TEST(TextCount, SaysWhetherAnyOfItIsAGuess) {
    TokenCounter counter;
    const auto is_exact = [&counter](const std::string& text, size_t unread, bool has_content) {
        TextCount count(family("o200k_base"), counter);
        count.add("Hello");
        count.end_event(true);
        EXPECT_TRUE(count.is_exact());
        if (!text.empty()) count.add(text);
        if (unread != 0) count.add_unread(unread);
        count.end_event(has_content);
        const bool exact = count.is_exact();
        count.add(" world");
        count.end_event(true);
        EXPECT_EQ(count.is_exact(), exact) << "what was a guess stays in the sum";
        return exact;
    };
    EXPECT_TRUE(is_exact("", 0, false)) << "an event that says nothing";
    EXPECT_TRUE(is_exact(" there", 0, true));
    EXPECT_TRUE(is_exact(std::string(RequestReader::counted_bytes_max, 'a'), 0, true));
    EXPECT_FALSE(is_exact("", 0, true)) << "a picture";
    EXPECT_FALSE(is_exact(" there", 1, true));
    EXPECT_FALSE(is_exact(std::string(RequestReader::counted_bytes_max + 1, 'a'), 0, true));
}

/// A stream: each text of an event is counted by itself, so much of an event, and what is no text as a token.
TEST(TextCount, IsTheSumOfItsEventsTexts) {
    TokenCounter counter;
    const Tokenizer& tokenizer = family("o200k_base");
    TextCount count(tokenizer, counter);
    uint64_t expected = 0;
    count.end_event(false);  // one that says nothing
    EXPECT_EQ(count.tokens(), expected);
    count.end_event(true);  // a picture
    EXPECT_EQ(count.tokens(), expected += 1);
    for (const std::string_view text : {"Hello", " w\\u00f6rld, h", "ello", ""}) {
        count.add(text);
        expected += counter.count_json(tokenizer, text);
    }
    EXPECT_EQ(count.tokens(), 1u);  // it is not over
    count.end_event(true);
    EXPECT_EQ(count.tokens(), expected);
    std::string words;
    while (words.size() < RequestReader::counted_bytes_max + 4000) words += "word ";
    for (int event = 0; event < 2; ++event) {
        const std::string_view begin = std::string_view(words).substr(0, 1000),
                               rest = std::string_view(words).substr(1000);
        count.add(begin);
        count.add(rest);
        count.add("behind it all");
        count.add_unread(70);
        count.end_event(true);
        const size_t room = RequestReader::counted_bytes_max - begin.size();
        expected += counter.count_json(tokenizer, begin) + counter.count_json(tokenizer, rest.substr(0, room)) +
                    estimated_tokens(rest.size() - room + 13 + 70);
        EXPECT_EQ(count.tokens(), expected) << event;
    }
}

TEST(TokenizerFamily, IsKnownByTheModelsName) {
    EXPECT_EQ(tokenizer_family("gpt-4o"), "o200k_base");
    EXPECT_EQ(tokenizer_family("gpt-4o-mini-2024-07-18"), "o200k_base");
    EXPECT_EQ(tokenizer_family("gpt-4.1-nano"), "o200k_base");
    EXPECT_EQ(tokenizer_family("gpt-5"), "o200k_base");
    EXPECT_EQ(tokenizer_family("gpt-5.1"), "o200k_base");
    EXPECT_EQ(tokenizer_family("o3-mini"), "o200k_base");
    EXPECT_EQ(tokenizer_family("ft:gpt-4o-mini-2024-07-18:acme::id"), "o200k_base");
    EXPECT_EQ(tokenizer_family("gpt-4"), "cl100k_base");
    EXPECT_EQ(tokenizer_family("gpt-4-turbo"), "cl100k_base");
    EXPECT_EQ(tokenizer_family("gpt-3.5-turbo-0125"), "cl100k_base");
    EXPECT_EQ(tokenizer_family("text-embedding-3-small"), "cl100k_base");
    EXPECT_EQ(tokenizer_family("claude-sonnet-4"), "");
    EXPECT_EQ(tokenizer_family("o10"), "");
    EXPECT_EQ(tokenizer_family("gpt-44"), "");
    EXPECT_EQ(tokenizer_family(""), "");
}

}  // namespace
}  // namespace loom::llm

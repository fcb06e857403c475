#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "characters.h"
#include "loom/base/assert.h"
#include "loom/cache/embedder.h"
#include "reading.h"

namespace loom::cache {

namespace {

// How much a feature counts. What a prompt speaks of counts most; the frame around it ("can you tell me how to") is
// gone already when it has been read. Sums of all that 1024 words can give stay far below 2^31.
constexpr int32_t weight_rare = 64, weight_common = 28, weight_neighbours = 12, weight_letters = 6,
                  weight_question = 20, weight_small_word = 32;

using Sums = std::array<int32_t, lexical_dimensions>;

constexpr uint64_t mixed(uint64_t hash) {
    hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93;
    return hash ^ hash >> 29;
}

/// Into one place, with a sign.
void add(Sums& sums, uint32_t hash, int32_t weight) {
    sums[uint64_t{hash >> 1} * lexical_dimensions >> 31] += (hash & 1) != 0 ? weight : -weight;
}

/// Into four places: two words are not taken for each other because they meet in one.
void add_spread(Sums& sums, uint64_t hash, int32_t weight) {
    const uint64_t first = mixed(hash), second = mixed(hash + 0x9e3779b97f4a7c15);
    for (const uint64_t half : {first, second}) {
        add(sums, static_cast<uint32_t>(half), weight / 2);
        add(sums, static_cast<uint32_t>(half >> 32), weight / 2);
    }
}

/// Three letters each, with the ends of the word: words that look alike are a little nearer.
void add_letters(Sums& sums, std::string_view word) {
    uint32_t window = ' ';
    for (size_t i = 0; i <= word.size(); ++i) {
        const char c = i == word.size() ? ' ' : word[i];
        const char small = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 0x20) : c;
        window = (window << 8 | static_cast<unsigned char>(small)) & 0xffffff;
        if (i > 0) add(sums, static_cast<uint32_t>(mixed(window) >> 16), weight_letters);
    }
}

void add_tokens(Sums& sums, const Reading& reading) {
    uint64_t before = 0;
    for (size_t i = 0; i < reading.count; ++i) {
        const Token& token = reading.tokens[i];
        add_spread(sums, token.concept_hash, token.common ? weight_common : weight_rare);
        if (before != 0) add_spread(sums, before * 3 + token.concept_hash, weight_neighbours);
        before = token.concept_hash;
        const bool is_word = token.topic == VetoReason::word || token.topic == VetoReason::name;
        if (is_word && !token.listed) add_letters(sums, reading.text.substr(token.begin, token.size));
        if ((token.links & l_negation) != 0) add_spread(sums, l_not, weight_question);
    }
}

/// Bit by bit, but for `what`, which asks nothing that a bare name does not.
void add_question(Sums& sums, const Reading& reading) {
    for (uint32_t bits = reading.questions & ~static_cast<uint32_t>(q_what); bits != 0; bits &= bits - 1)
        add_spread(sums, 0x9e57 + (bits & (~bits + 1)), weight_question);
}

void write_unit(const Sums& sums, std::span<float> into) {
    uint64_t squares = 0;
    for (int32_t sum : sums) squares += static_cast<uint64_t>(int64_t{sum} * sum);
    const double length = std::sqrt(static_cast<double>(squares));
    for (size_t i = 0; i < sums.size(); ++i)
        into[i] = squares == 0 ? 0.0F : static_cast<float>(static_cast<double>(sums[i]) / length);
}

class LexicalEmbedder final : public Embedder {
  public:
    [[nodiscard]] size_t dimensions() const noexcept override { return lexical_dimensions; }

    void embed(std::string_view text, std::span<float> into) const override {
        LOOM_ASSERT(into.size() == lexical_dimensions);
        Words words;
        Reading reading;
        read_words(text, words);
        read_prompt(words, first_language(likely_languages(words)), reading);
        Sums sums{};
        add_tokens(sums, reading);
        if (reading.count > 0)
            add_question(sums, reading);
        else  // "who are you"
            for (size_t i = 0; i < words.count; ++i) add_spread(sums, words.at[i].hash, weight_small_word);
        write_unit(sums, into);
    }
};

}  // namespace

std::unique_ptr<Embedder> make_lexical_embedder() {
    (void)lexicon();  // its tables are made now, and not by the first request
    return std::make_unique<LexicalEmbedder>();
}

}  // namespace loom::cache

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "encoder/activation.h"
#include "encoder/matrix.h"
#include "encoder/safetensors.h"
#include "encoder/wordpiece.h"
#include "encoder_fixture.h"

namespace loom::cache {
namespace {

using testing::SmallEncoder;

std::vector<uint32_t> tokens_of(std::string_view text, size_t most = 512, bool lower_case = true) {
    static const std::string vocabulary = SmallEncoder().vocabulary_file();
    const auto pieces = WordPiece::read(vocabulary, lower_case);
    return pieces.value().tokens(text, most);
}
using Tokens = std::vector<uint32_t>;

// [CLS] is 2, [SEP] 3, [UNK] 1.
TEST(WordPieces, AreTheLongestThatFit) {
    EXPECT_EQ(tokens_of("how do i reset my password?"), (Tokens{2, 4, 5, 6, 7, 8, 9, 10, 11, 3}));
    EXPECT_EQ(tokens_of("unaffable"), (Tokens{2, 1, 3})) << "able is no piece that goes on";
    EXPECT_EQ(tokens_of("unaff"), (Tokens{2, 12, 13, 14, 3}));
    EXPECT_EQ(tokens_of(""), (Tokens{2, 3}));
}

TEST(WordPieces, CaseAccentsAndWidthDoNotCount) {
    EXPECT_EQ(tokens_of("HÖW  dó\tI\nréset"), (Tokens{2, 4, 5, 6, 7, 3}));
    EXPECT_EQ(tokens_of("HOW", 512, false), (Tokens{2, 1, 3})) << "where they do";
}

TEST(WordPieces, PunctuationAndIdeographsStandAlone) {
    EXPECT_EQ(tokens_of("how?do"), (Tokens{2, 4, 11, 5, 3}));
    EXPECT_EQ(tokens_of("日本how"), (Tokens{2, 16, 17, 4, 3}));
}

TEST(WordPieces, WhatIsNoTextIsLeftOut) {
    EXPECT_EQ(tokens_of(std::string_view("ho\0w\x01", 5)), (Tokens{2, 4, 3}));
    EXPECT_EQ(tokens_of("h\xff\xfeow\xe2\x82"), (Tokens{2, 4, 3}));
    EXPECT_EQ(tokens_of("ho\u200dw"), (Tokens{2, 4, 3}));
}

TEST(WordPieces, AreAsManyAsTheModelReads) {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "how ";
    EXPECT_EQ(tokens_of(text, 5), (Tokens{2, 4, 4, 4, 3}));
    EXPECT_EQ(tokens_of("how how how", 5), (Tokens{2, 4, 4, 4, 3}));
    EXPECT_EQ(tokens_of("password password", 5), (Tokens{2, 9, 10, 9, 3})) << "cut within a word";
    EXPECT_EQ(tokens_of(std::string(101, 'i')), (Tokens{2, 1, 3})) << "no word is so long";
}

TEST(WordPieces, TheVocabularyHasToHaveItsMarks) {
    const auto none = WordPiece::read("how\ndo\n", true);
    ASSERT_FALSE(none);
    EXPECT_NE(none.error().find("vocab.txt"), std::string::npos);
}

TEST(Matrices, EachKernelAgreesWithPlainSums) {
    std::mt19937 random(7);
    std::uniform_real_distribution<float> values(-1, 1);
    const auto fill = [&](size_t count) {
        std::vector<float> made(count);
        for (float& one : made) one = values(random);
        return made;
    };
    for (const size_t count : {1U, 2U, 3U, 5U, 7U, 8U, 13U, 33U}) {
        for (const size_t depth : {1U, 8U, 31U, 64U}) {
            for (const size_t columns : {1U, 31U, 32U, 33U, 96U}) {
                const auto x = fill(count * (depth + 3));
                const auto weights = fill(depth * columns);
                const auto bias = fill(columns);
                PackedMatrix matrix;
                matrix.pack(weights.data(), depth, columns, columns);
                for (const NamedKernel& kernel : multiply_kernels()) {
                    std::vector<float> y(count * (columns + 2), 99.0F);
                    kernel.multiply(matrix, {.x = x.data(),
                                             .x_stride = depth + 3,
                                             .count = count,
                                             .y = y.data(),
                                             .y_stride = columns + 2,
                                             .bias = bias.data()});
                    for (size_t row = 0; row < count; ++row) {
                        for (size_t column = 0; column < columns; ++column) {
                            double sum = bias[column];
                            for (size_t k = 0; k < depth; ++k)
                                sum += static_cast<double>(x[row * (depth + 3) + k]) * weights[k * columns + column];
                            ASSERT_NEAR(y[row * (columns + 2) + column], sum, 1e-4) << kernel.name;
                        }
                        ASSERT_EQ(y[row * (columns + 2) + columns], 99.0F) << kernel.name << ": beyond its row";
                    }
                }
            }
        }
    }
}

TEST(Matrices, ATransposeIsPackedAlike) {
    const std::vector<float> values{1, 2, 3, 4, 5, 6};  // 2 × 3
    PackedMatrix transposed;
    transposed.pack_transposed(values.data(), 3, 2, 3);
    const std::vector<float> x{1, 10, 100};
    std::vector<float> y(2);
    multiply(transposed, {.x = x.data(), .x_stride = 3, .count = 1, .y = y.data(), .y_stride = 2});
    EXPECT_EQ(y, (std::vector<float>{321, 654}));
}

TEST(Activations, AreWhatTheyAreCalled) {
    std::vector<float> made;
    for (double x = -12; x <= 12; x += 0.013) made.push_back(static_cast<float>(x));
    std::vector<float> given = made;
    gelu(made);
    for (size_t i = 0; i < made.size(); ++i) {
        const double x = given[i];
        ASSERT_NEAR(made[i], x * 0.5 * (1 + std::erf(x / std::sqrt(2.0))), 2e-6) << x;
    }
    std::vector<float> row{-1000, 0, 1, 2, 80};
    softmax(row);
    EXPECT_NEAR(row[4], 1, 1e-6);
    EXPECT_NEAR(row[0], 0, 1e-6);
    std::vector<float> two{0.5F, 1.25F};
    softmax(two);
    EXPECT_NEAR(two[0], 1 / (1 + std::exp(0.75)), 1e-6);
}

TEST(SentenceEncoder, AgreesWithThePlainArithmetic) {
    const SmallEncoder small;
    const std::string config = small.config();
    const std::string vocabulary = small.vocabulary_file();
    const std::string weights = small.weights_file();
    const auto encoder = make_sentence_encoder({.config = config, .vocabulary = vocabulary, .weights = weights});
    ASSERT_TRUE(encoder) << encoder.error();
    ASSERT_EQ((*encoder)->dimensions(), small.hidden);
    for (const auto& [text, tokens] : std::vector<std::pair<std::string, std::vector<size_t>>>{
             {"how", {2, 4, 3}},
             {"how do i reset my password?", {2, 4, 5, 6, 7, 8, 9, 10, 11, 3}},
             {"what do i", {2, 1, 5, 6, 3}},
             {"how how how how how how how how how how how how how", {2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3}}}) {
        std::vector<float> made(small.hidden);
        (*encoder)->embed(text, made);
        const auto expected = small.reference(tokens);
        for (size_t i = 0; i < made.size(); ++i) ASSERT_NEAR(made[i], expected[i], 1e-5) << text << " " << i;
    }
    std::vector<float> nothing(small.hidden, 1.0F);
    (*encoder)->embed("  \n", nothing);
    EXPECT_EQ(nothing, std::vector<float>(small.hidden, 0.0F));
}

TEST(SentenceEncoder, PoolsAndReadsAsItsFilesSay) {
    const SmallEncoder small;
    const std::string config = small.config();
    const std::string vocabulary = small.vocabulary_file();
    const std::string weights = small.weights_file();
    const auto vector_of = [&](std::string_view text, EncoderFiles files) {
        files.config = config, files.vocabulary = vocabulary, files.weights = weights;
        const auto encoder = make_sentence_encoder(files);
        EXPECT_TRUE(encoder) << encoder.error();
        std::vector<float> made(small.hidden);
        if (encoder) (*encoder)->embed(text, made);
        return made;
    };
    EXPECT_NE(vector_of("how do i", {.pooling = R"({"pooling_mode_cls_token":true})"}), vector_of("how do i", {}));
    EXPECT_EQ(vector_of("how do i", {.sentence_config = R"({"max_seq_length":4})"}), vector_of("how do", {}));
    EXPECT_NE(vector_of("HOW", {.tokenizer_config = R"({"do_lower_case":false})"}), vector_of("how", {}));
}

TEST(SentenceEncoder, WhatIsWrongIsNamed) {
    const SmallEncoder small;
    const std::string config = small.config();
    const std::string vocabulary = small.vocabulary_file();
    const std::string weights = small.weights_file();
    const auto fault = [](const EncoderFiles& files) {
        const auto made = make_sentence_encoder(files);
        return made ? std::string("none") : made.error();
    };
    const auto in_config = [&](std::string_view from, std::string_view to) {
        std::string changed = config;
        changed.replace(changed.find(from), from.size(), to);
        return fault({.config = changed, .vocabulary = vocabulary, .weights = weights});
    };
    EXPECT_EQ(fault({.config = config, .vocabulary = vocabulary, .weights = weights}), "none");
    EXPECT_NE(in_config("\"bert\"", "\"gpt2\"").find("model_type"), std::string::npos);
    EXPECT_NE(in_config("\"gelu\"", "\"relu\"").find("hidden_act"), std::string::npos);
    EXPECT_NE(in_config("\"hidden_size\":24", "\"hidden_size\":25").find("num_attention_heads"), std::string::npos);
    EXPECT_NE(in_config("\"hidden_size\":24", "\"hidden_size\":27").find("word_embeddings"), std::string::npos);
    EXPECT_NE(in_config("\"hidden_size\":24", "\"hidden_size\":-1").find("hidden_size"), std::string::npos);
    EXPECT_NE(in_config("\"num_hidden_layers\":2", "\"num_hidden_layers\":3").find("encoder.layer.2"),
              std::string::npos);
    EXPECT_NE(fault({.config = "[", .vocabulary = vocabulary, .weights = weights}).find("config.json"),
              std::string::npos);
    const std::string doubled = vocabulary + "how\nhow\n[SEP]\n";
    EXPECT_NE(fault({.config = config, .vocabulary = doubled, .weights = weights}).find("vocab_size"),
              std::string::npos)
        << "a piece that is there twice has the later line's number";
    EXPECT_NE(in_config("1e-12", "-1").find("layer_norm_eps"), std::string::npos);
    EXPECT_NE(in_config("1e-12", "1e300").find("layer_norm_eps"), std::string::npos);
    const std::string more = vocabulary + "one\ntoo\n";
    EXPECT_NE(fault({.config = config, .vocabulary = more, .weights = weights}).find("vocab_size"), std::string::npos);
}

TEST(SentenceEncoder, EveryTruncationOfTheWeightsIsRefused) {
    const SmallEncoder small;
    const std::string config = small.config();
    const std::string vocabulary = small.vocabulary_file();
    const std::string weights = small.weights_file();
    uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, weights.data(), sizeof header_bytes);
    for (size_t size = 0; size < weights.size(); size += size < header_bytes + 64 ? 1 : 997) {
        const std::string cut = weights.substr(0, size);
        EXPECT_FALSE(make_sentence_encoder({.config = config, .vocabulary = vocabulary, .weights = cut})) << size;
    }
    std::string hostile = weights;
    std::memset(hostile.data(), 0xff, sizeof(uint64_t));
    EXPECT_FALSE(make_sentence_encoder({.config = config, .vocabulary = vocabulary, .weights = hostile}));
}

/// A small file that says to be large.
TEST(Safetensors, TensorsOverEachOtherAreRefused) {
    const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                               R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
    const uint64_t length = header.size();
    EXPECT_FALSE(Safetensors::read(std::string(reinterpret_cast<const char*>(&length), sizeof length) + header +
                                   std::string(8, '\0')));
}

TEST(Safetensors, ReadsHalvesOfBothKinds) {
    const auto file_of = [](const char* type, const std::vector<uint16_t>& values) {
        const std::string header = std::string(R"({"a":{"dtype":")") + type + R"(","shape":[)" +
                                   std::to_string(values.size()) + R"(],"data_offsets":[0,)" +
                                   std::to_string(values.size() * 2) + "]}}";
        const uint64_t length = header.size();
        return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header +
               std::string(reinterpret_cast<const char*>(values.data()), values.size() * 2);
    };
    const std::string halves = file_of("F16", {0x3c00, 0xc000, 0x3555, 0x0001, 0x8000, 0x7bff});
    const auto f16 = Safetensors::read(halves)->floats("a", std::vector<size_t>{6});
    ASSERT_TRUE(f16);
    EXPECT_EQ(*f16, (std::vector<float>{1, -2, 0.333251953125F, 0x1p-24F, -0.0F, 65504}));
    const std::string brains = file_of("BF16", {0x3f80, 0xc000, 0x4049});
    EXPECT_EQ(*Safetensors::read(brains)->floats("a", std::vector<size_t>{3}), (std::vector<float>{1, -2, 3.140625F}));
    const std::string longs = file_of("I64", {0, 0, 0, 0});
    EXPECT_FALSE(Safetensors::read(longs)->floats("a", std::vector<size_t>{4}));
    EXPECT_FALSE(Safetensors::read(halves)->floats("a", std::vector<size_t>{5})) << "of another shape";
}

}  // namespace
}  // namespace loom::cache

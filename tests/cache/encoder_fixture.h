// A small encoder with weights of chance, and the same arithmetic as plainly as it can be written.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "loom/cache/sentence_encoder.h"

namespace loom::cache::testing {

struct SmallEncoder {
    size_t hidden = 24;
    size_t wide = 40;
    size_t layers = 2;
    size_t heads = 3;
    size_t positions = 12;
    std::vector<std::string> vocabulary{"[PAD]", "[UNK]",  "[CLS]", "[SEP]", "how", "do",   "i",    "reset", "my",
                                        "pass",  "##word", "?",     "un",    "##a", "##ff", "able", "日",    "本"};
    std::map<std::string, std::vector<size_t>> shapes;
    std::map<std::string, std::vector<float>> tensors;

    SmallEncoder() {
        add("embeddings.word_embeddings.weight", {vocabulary.size(), hidden});
        add("embeddings.position_embeddings.weight", {positions, hidden});
        add("embeddings.token_type_embeddings.weight", {2, hidden});
        add_norm("embeddings.LayerNorm");
        for (size_t i = 0; i < layers; ++i) {
            const std::string layer = "encoder.layer." + std::to_string(i) + ".";
            for (const char* const part : {"query", "key", "value"})
                add_linear(layer + "attention.self." + part, hidden, hidden);
            add_linear(layer + "attention.output.dense", hidden, hidden);
            add_norm(layer + "attention.output.LayerNorm");
            add_linear(layer + "intermediate.dense", wide, hidden);
            add_linear(layer + "output.dense", hidden, wide);
            add_norm(layer + "output.LayerNorm");
        }
    }

    [[nodiscard]] std::string config() const {
        return R"({"model_type":"bert","hidden_act":"gelu","hidden_size":)" + std::to_string(hidden) +
               R"(,"intermediate_size":)" + std::to_string(wide) + R"(,"num_hidden_layers":)" + std::to_string(layers) +
               R"(,"num_attention_heads":)" + std::to_string(heads) + R"(,"max_position_embeddings":)" +
               std::to_string(positions) + R"(,"vocab_size":)" + std::to_string(vocabulary.size()) +
               R"(,"type_vocab_size":2,"layer_norm_eps":1e-12})";
    }
    [[nodiscard]] std::string vocabulary_file() const {
        std::string text;
        for (const std::string& piece : vocabulary) text += piece + "\n";
        return text;
    }
    [[nodiscard]] std::string weights_file() const {
        std::string header = "{\"__metadata__\":{\"format\":\"pt\"}";
        std::string data;
        for (const auto& [name, values] : tensors) {
            const size_t begin = data.size();
            data.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
            std::string shape;
            for (const size_t size : shapes.at(name)) shape += (shape.empty() ? "" : ",") + std::to_string(size);
            header += ",\"" + name + R"(":{"dtype":"F32","shape":[)" + shape + R"(],"data_offsets":[)" +
                      std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
        }
        header += "}";
        const uint64_t length = header.size();
        return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + data;
    }

    /// The last states' mean, of length 1.
    [[nodiscard]] std::vector<double> reference(const std::vector<size_t>& tokens) const {
        Rows states;
        for (size_t row = 0; row < tokens.size(); ++row) {
            std::vector<double> state;
            for (size_t i = 0; i < hidden; ++i)
                state.push_back(at("embeddings.word_embeddings.weight", tokens[row] * hidden + i) +
                                at("embeddings.position_embeddings.weight", row * hidden + i) +
                                at("embeddings.token_type_embeddings.weight", i));
            states.push_back(state);
        }
        states = norm(states, "embeddings.LayerNorm");
        for (size_t i = 0; i < layers; ++i) states = layer(states, "encoder.layer." + std::to_string(i) + ".");
        std::vector<double> mean(hidden);
        for (const auto& state : states)
            for (size_t i = 0; i < hidden; ++i) mean[i] += state[i];
        double length = 0;
        for (const double value : mean) length += value * value;
        for (double& value : mean) value /= std::sqrt(length);
        return mean;
    }

  private:
    using Rows = std::vector<std::vector<double>>;

    void add(const std::string& name, const std::vector<size_t>& shape) {
        size_t count = 1;
        for (const size_t size : shape) count *= size;
        std::uniform_real_distribution<float> values(-0.5F, 0.5F);
        std::vector<float>& tensor = tensors[name];
        for (size_t i = 0; i < count; ++i) tensor.push_back(values(random_));
        shapes[name] = shape;
    }
    void add_linear(const std::string& name, size_t out, size_t in) {
        add(name + ".weight", {out, in});
        add(name + ".bias", {out});
    }
    void add_norm(const std::string& name) {
        add(name + ".weight", {hidden});
        add(name + ".bias", {hidden});
    }
    [[nodiscard]] double at(const std::string& name, size_t i) const { return tensors.at(name).at(i); }

    [[nodiscard]] Rows linear(const Rows& x, const std::string& name) const {
        const size_t out = shapes.at(name + ".weight")[0];
        Rows y;
        for (const auto& row : x) {
            std::vector<double> made;
            for (size_t o = 0; o < out; ++o) {
                double sum = at(name + ".bias", o);
                for (size_t i = 0; i < row.size(); ++i) sum += row[i] * at(name + ".weight", o * row.size() + i);
                made.push_back(sum);
            }
            y.push_back(made);
        }
        return y;
    }
    [[nodiscard]] Rows norm(const Rows& x, const std::string& name) const {
        Rows y;
        for (const auto& row : x) {
            double mean = 0;
            double variance = 0;
            for (const double value : row) mean += value / static_cast<double>(row.size());
            for (const double value : row)
                variance += (value - mean) * (value - mean) / static_cast<double>(row.size());
            std::vector<double> made;
            for (size_t i = 0; i < row.size(); ++i)
                made.push_back((row[i] - mean) / std::sqrt(variance + 1e-12) * at(name + ".weight", i) +
                               at(name + ".bias", i));
            y.push_back(made);
        }
        return y;
    }
    [[nodiscard]] Rows layer(const Rows& x, const std::string& name) const {
        const Rows query = linear(x, name + "attention.self.query");
        const Rows key = linear(x, name + "attention.self.key");
        const Rows value = linear(x, name + "attention.self.value");
        const size_t part = hidden / heads;
        Rows context(x.size(), std::vector<double>(hidden));
        for (size_t head = 0; head < heads; ++head) {
            for (size_t row = 0; row < x.size(); ++row) {
                std::vector<double> share;
                double sum = 0;
                for (size_t other = 0; other < x.size(); ++other) {
                    double dot = 0;
                    for (size_t i = head * part; i < (head + 1) * part; ++i) dot += query[row][i] * key[other][i];
                    share.push_back(std::exp(dot / std::sqrt(static_cast<double>(part))));
                    sum += share.back();
                }
                for (size_t other = 0; other < x.size(); ++other)
                    for (size_t i = head * part; i < (head + 1) * part; ++i)
                        context[row][i] += share[other] / sum * value[other][i];
            }
        }
        const auto add_to = [](Rows a, const Rows& b) {
            for (size_t row = 0; row < a.size(); ++row)
                for (size_t i = 0; i < a[row].size(); ++i) a[row][i] += b[row][i];
            return a;
        };
        const Rows attended =
            norm(add_to(linear(context, name + "attention.output.dense"), x), name + "attention.output.LayerNorm");
        Rows middle = linear(attended, name + "intermediate.dense");
        for (auto& row : middle)
            for (double& one : row) one = one * 0.5 * (1 + std::erf(one / std::sqrt(2.0)));
        return norm(add_to(linear(middle, name + "output.dense"), attended), name + "output.LayerNorm");
    }

    std::mt19937 random_{20261122};
};

}  // namespace loom::cache::testing

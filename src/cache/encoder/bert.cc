#include "bert.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "activation.h"

namespace loom::cache {

/// Whole tensors by their names in a checkpoint; the first error stays.
class Bert::Reader {
  public:
    explicit Reader(const Safetensors& file) : file_(file) {
        if (file.has("bert.embeddings.word_embeddings.weight")) prefix_ = "bert.";
    }

    std::vector<float> tensor(const std::string& name, std::initializer_list<size_t> shape) {
        auto values = file_.floats(prefix_ + name, std::vector<size_t>(shape));
        if (values) return std::move(*values);
        if (error_.empty()) error_ = std::move(values.error());
        return {};
    }
    /// Of several that read the same, one beside the other.
    Linear linear(std::initializer_list<std::string> names, size_t out, size_t in) {
        std::vector<float> weight;
        Linear made;
        for (const std::string& name : names) {
            const std::vector<float> part = tensor(name + ".weight", {out, in});
            const std::vector<float> bias = tensor(name + ".bias", {out});
            weight.insert(weight.end(), part.begin(), part.end());
            made.bias.insert(made.bias.end(), bias.begin(), bias.end());
        }
        if (error_.empty()) made.weight.pack_transposed(weight.data(), in, out * names.size(), in);
        return made;
    }
    Norm norm(const std::string& name, size_t size) {
        return {tensor(name + ".weight", {size}), tensor(name + ".bias", {size})};
    }
    [[nodiscard]] const std::string& error() const noexcept { return error_; }

  private:
    const Safetensors& file_;
    std::string prefix_;
    std::string error_;
};

/// Of one text, as large as it is.
struct Bert::Workspace {
    Workspace(const BertShape& shape, size_t rows)
        : states(rows * shape.hidden_size),
          mixed(rows * shape.hidden_size * 3),
          context(rows * shape.hidden_size),
          scores(rows * rows),
          wide(rows * shape.intermediate_size),
          made(rows * shape.hidden_size) {}

    std::vector<float> states;
    std::vector<float> mixed;  // a row's query, key and value
    std::vector<float> context;
    PackedMatrix keys;  // of one head
    PackedMatrix values;
    std::vector<float> scores;
    std::vector<float> wide;
    std::vector<float> made;
};

std::expected<Bert, std::string> Bert::read(const BertShape& shape, const Safetensors& file) {
    Bert made;
    made.shape_ = shape;
    Reader reader(file);
    const size_t hidden = shape.hidden_size;
    made.words_ = reader.tensor("embeddings.word_embeddings.weight", {shape.vocab_size, hidden});
    made.positions_ = reader.tensor("embeddings.position_embeddings.weight", {shape.max_position_embeddings, hidden});
    const auto types = reader.tensor("embeddings.token_type_embeddings.weight", {shape.type_vocab_size, hidden});
    made.norm_ = reader.norm("embeddings.LayerNorm", hidden);
    for (size_t i = 0; i < shape.num_hidden_layers && reader.error().empty(); ++i) {
        const std::string layer = fmt::format("encoder.layer.{}.", i);
        Layer one;
        const std::string self = layer + "attention.self.";
        one.attention_in = reader.linear({self + "query", self + "key", self + "value"}, hidden, hidden);
        one.attention_out = reader.linear({layer + "attention.output.dense"}, hidden, hidden);
        one.attention_norm = reader.norm(layer + "attention.output.LayerNorm", hidden);
        one.intermediate = reader.linear({layer + "intermediate.dense"}, shape.intermediate_size, hidden);
        one.output = reader.linear({layer + "output.dense"}, hidden, shape.intermediate_size);
        one.output_norm = reader.norm(layer + "output.LayerNorm", hidden);
        made.layers_.push_back(std::move(one));
    }
    if (!reader.error().empty()) return std::unexpected(reader.error());
    for (size_t i = 0; i < made.positions_.size(); ++i) made.positions_[i] += types[i % hidden];
    return made;
}

void Bert::apply(const Linear& linear, std::span<const float> x, size_t rows, std::span<float> y) {
    multiply(linear.weight, {.x = x.data(),
                             .x_stride = linear.weight.rows(),
                             .count = rows,
                             .y = y.data(),
                             .y_stride = linear.weight.columns(),
                             .bias = linear.bias.data()});
}

void Bert::normalise(const Norm& norm, std::span<float> rows) const {
    const size_t width = shape_.hidden_size;
    for (size_t at = 0; at < rows.size(); at += width)
        normalise_layer(rows.subspan(at, width), norm.weight, norm.bias, shape_.layer_norm_eps);
}

/// Every state looks at all of them, in each head by a part of its width of its own.
void Bert::attend(size_t rows, Workspace& work) const {
    const size_t hidden = shape_.hidden_size;
    const size_t width = hidden / shape_.num_attention_heads;
    const size_t stride = hidden * 3;
    const float scale = 1.0F / std::sqrt(static_cast<float>(width));
    for (size_t head = 0; head < shape_.num_attention_heads; ++head) {
        float* const query = work.mixed.data() + head * width;
        for (size_t row = 0; row < rows; ++row)
            for (size_t i = 0; i < width; ++i) query[row * stride + i] *= scale;
        work.keys.pack_transposed(query + hidden, width, rows, stride);
        work.values.pack(query + 2 * hidden, rows, width, stride);
        multiply(work.keys, {.x = query, .x_stride = stride, .count = rows, .y = work.scores.data(), .y_stride = rows});
        for (size_t row = 0; row < rows; ++row) softmax(std::span(work.scores).subspan(row * rows, rows));
        multiply(work.values, {.x = work.scores.data(),
                               .x_stride = rows,
                               .count = rows,
                               .y = work.context.data() + head * width,
                               .y_stride = hidden});
    }
}

std::vector<float> Bert::run(std::span<const uint32_t> tokens) const {
    const size_t rows = tokens.size();
    const size_t hidden = shape_.hidden_size;
    Workspace work(shape_, rows);
    for (size_t row = 0; row < rows; ++row) {
        const float* const word = words_.data() + tokens[row] * hidden;
        const float* const position = positions_.data() + row * hidden;
        for (size_t i = 0; i < hidden; ++i) work.states[row * hidden + i] = word[i] + position[i];
    }
    normalise(norm_, work.states);
    const auto add_states = [&work] {
        for (size_t i = 0; i < work.made.size(); ++i) work.made[i] += work.states[i];
    };
    for (const Layer& layer : layers_) {
        apply(layer.attention_in, work.states, rows, work.mixed);
        attend(rows, work);
        apply(layer.attention_out, work.context, rows, work.made);
        add_states();
        normalise(layer.attention_norm, work.made);
        std::swap(work.states, work.made);
        apply(layer.intermediate, work.states, rows, work.wide);
        gelu(work.wide);
        apply(layer.output, work.wide, rows, work.made);
        add_states();
        normalise(layer.output_norm, work.made);
        std::swap(work.states, work.made);
    }
    return std::move(work.states);
}

}  // namespace loom::cache

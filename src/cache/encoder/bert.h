// A BERT encoder: tokens in, the states of its last layer out.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "matrix.h"
#include "safetensors.h"

namespace loom::cache {

/// config.json's names.
struct BertShape {
    size_t hidden_size = 0;
    size_t intermediate_size = 0;
    size_t num_hidden_layers = 0;
    size_t num_attention_heads = 0;
    size_t max_position_embeddings = 0;
    size_t vocab_size = 0;
    size_t type_vocab_size = 0;
    float layer_norm_eps = 1e-12F;
};

/// Weights as the layers use them. Const once it is read; run() may be called by several threads at once.
/// Source  "BERT: Pre-training of Deep Bidirectional Transformers", Devlin et al. 2018; transformers' BertModel.
class Bert {
  public:
    /// Errors  a sentence that names the tensor.
    [[nodiscard]] static std::expected<Bert, std::string> read(const BertShape& shape, const Safetensors& file);

    /// tokens  1 to max_position_embeddings of them, each below vocab_size.
    /// Returns tokens × hidden_size, row after row.
    [[nodiscard]] std::vector<float> run(std::span<const uint32_t> tokens) const;
    [[nodiscard]] const BertShape& shape() const noexcept { return shape_; }

  private:
    struct Linear {
        PackedMatrix weight;  // in × out
        std::vector<float> bias;
    };
    struct Norm {
        std::vector<float> weight;
        std::vector<float> bias;
    };
    struct Layer {
        Linear attention_in;  // query, key and value, one under the other
        Linear attention_out;
        Norm attention_norm;
        Linear intermediate;
        Linear output;
        Norm output_norm;
    };
    struct Workspace;
    class Reader;

    static void apply(const Linear& linear, std::span<const float> x, size_t rows, std::span<float> y);
    void normalise(const Norm& norm, std::span<float> rows) const;
    void attend(size_t rows, Workspace& work) const;

    BertShape shape_;
    std::vector<float> words_;      // vocab_size × hidden_size
    std::vector<float> positions_;  // max_position_embeddings × hidden_size, of the first sentence's type
    Norm norm_;
    std::vector<Layer> layers_;
};

}  // namespace loom::cache

// A sentence model from a local folder: what a text means, as a vector.
//
// Takes BERT-class encoders (all-MiniLM-L6-v2 and its kin) as sentence-transformers keeps them: WordPiece tokens, an
// encoder of N layers with absolute positions, the mean of its last states or the first one's, brought to length 1.
// The files' words are Hugging Face's: https://huggingface.co/docs/safetensors and transformers' BertModel.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "loom/cache/embedder.h"

namespace loom::cache {

/// What the folder's files hold. Nothing of it is needed once the encoder is made.
struct EncoderFiles {
    std::string_view config;            // config.json
    std::string_view vocabulary;        // vocab.txt
    std::string_view weights;           // model.safetensors: F32, F16 or BF16
    std::string_view tokenizer_config;  // tokenizer_config.json; "": letters' case does not count
    std::string_view
        sentence_config;  // sentence_bert_config.json; "": as many tokens as the model has positions for, 512 at most
    std::string_view pooling;  // 1_Pooling/config.json; "": the mean
};

/// Holds the weights as floats: 87 MiB for all-MiniLM-L6-v2. embed() takes its working memory from the heap and one
/// core for its time; a text beyond the model's length counts as far as that reaches.
/// Errors  a sentence that names the file and what is wrong with it.
[[nodiscard]] std::expected<std::unique_ptr<Embedder>, std::string> make_sentence_encoder(const EncoderFiles& files);

}  // namespace loom::cache

// A sentence model's folder, as sentence-transformers keeps it: config.json, vocab.txt, model.safetensors and, where
// they are there, tokenizer_config.json, sentence_bert_config.json and 1_Pooling/config.json.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "loom/cache/embedder.h"

namespace loom::app {

/// Errors  a sentence that names the file.
[[nodiscard]] std::expected<std::unique_ptr<cache::Embedder>, std::string> load_sentence_model(
    const std::string& folder);

/// What is wrong with the folder as far as that shows without reading the weights; "": nothing.
[[nodiscard]] std::string fault_of_sentence_model(const std::string& folder);
/// Of its weights once they are read; 0: there are none.
[[nodiscard]] uint64_t sentence_model_bytes(const std::string& folder);

/// `loom embed DIR`: the vector of each line of standard input, as a JSON array a line.
/// Returns the exit status.
int embed_lines_with(const std::string& folder);

}  // namespace loom::app

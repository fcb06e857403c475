// A text as the tokens that BERT-class models read.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace loom::cache {

/// The longest piece of the vocabulary that a word begins with, then the longest that goes on with it ("##…").
/// Source  transformers' BertTokenizer; tokenizers' BertNormalizer, BertPreTokenizer and WordPiece.
class WordPiece {
  public:
    /// vocabulary  vocab.txt: a piece a line, its number the line's.
    /// Errors      a sentence that names the file.
    [[nodiscard]] static std::expected<WordPiece, std::string> read(std::string_view vocabulary, bool lower_case);

    /// [CLS] … [SEP], tokens_max of them at most.
    [[nodiscard]] std::vector<uint32_t> tokens(std::string_view text, size_t tokens_max) const;
    /// Lines of the vocabulary: every token is below it.
    [[nodiscard]] size_t size() const noexcept { return line_count_; }

    static constexpr size_t word_code_points_max = 100;  // a longer word is unknown

  private:
    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
    };
    void append_word(std::string_view word, size_t code_points, std::vector<uint32_t>& tokens) const;

    std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>> pieces_;
    size_t line_count_ = 0;
    size_t piece_bytes_max_ = 0;  // of all pieces: no search is longer
    uint32_t unknown_ = 0;
    uint32_t begin_ = 0;
    uint32_t end_ = 0;
    bool lower_case_ = true;
};

}  // namespace loom::cache

// Any bytes as a sentence model's weights (w), as its settings (s), as a vocabulary (v), or as text for a small one
// (anything else): refused with a sentence, or read into as many tokens as there is room for and no other.
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "encoder/safetensors.h"
#include "encoder/wordpiece.h"
#include "loom/cache/sentence_encoder.h"

using namespace loom::cache;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

constexpr std::string_view vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\nab\n##a\n?\n\xe6\x97\xa5\n\xd0\xb1\n";

void check_text(const WordPiece& pieces, std::string_view text) {
    for (const size_t most : {size_t{3}, size_t{16}, size_t{100'000}}) {
        const std::vector<uint32_t> tokens = pieces.tokens(text, most);
        require(tokens.size() >= 2 && tokens.size() <= most);
        for (const uint32_t token : tokens) require(token < 1'000'000);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);  // its end is guarded
    if (data[0] == 'w') {
        const auto file = Safetensors::read(text);
        if (!file) {
            require(!file.error().empty());
            return 0;
        }
        for (const size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{1} << 62})
            (void)file->floats("a", std::vector<size_t>{count});
        (void)file->floats("a", std::vector<size_t>{size_t{1} << 32, size_t{1} << 32});
        return 0;
    }
    if (data[0] == 's') {
        const auto made = make_sentence_encoder({.config = text,
                                                 .vocabulary = vocabulary,
                                                 .weights = "",
                                                 .tokenizer_config = text,
                                                 .sentence_config = text,
                                                 .pooling = text});
        require(!made && !made.error().empty());
        return 0;
    }
    if (data[0] == 'v') {
        const auto pieces = WordPiece::read(text, true);
        if (pieces) check_text(*pieces, text.substr(text.size() / 2));
        return 0;
    }
    static const WordPiece small = *WordPiece::read(vocabulary, true);
    check_text(small, text);
    return 0;
}

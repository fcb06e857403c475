#include <array>
#include <cmath>
#include <cstdint>

#include "loom/base/hash.h"
#include "loom/cache/embedder.h"

namespace loom::cache {

namespace {

using Sums = std::array<int32_t, lexical_dimensions>;

constexpr bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c & 0x80) != 0;
}
constexpr char small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

void add(Sums& sums, uint64_t hash, int32_t weight) {
    const size_t at = static_cast<size_t>((hash >> 32) * lexical_dimensions >> 32);
    sums[at] += (hash & 1) != 0 ? weight : -weight;
}

void write_unit(const Sums& sums, std::span<float> into) {
    uint64_t squares = 0;
    for (int32_t sum : sums) squares += static_cast<uint64_t>(static_cast<int64_t>(sum) * sum);
    const double length = std::sqrt(static_cast<double>(squares));
    for (size_t i = 0; i < sums.size(); ++i)
        into[i] = squares == 0 ? 0.0F : static_cast<float>(static_cast<double>(sums[i]) / length);
}

class LexicalEmbedder final : public Embedder {
  public:
    [[nodiscard]] size_t dimensions() const noexcept override { return lexical_dimensions; }

    void embed(std::string_view text, std::span<float> into) const override {
        Sums sums{};
        std::array<char, 32> word;
        size_t size = 0;
        const auto take = [&] {
            if (size == 0) return;
            add(sums, hash64({word.data(), size}, 1), 64);
            for (size_t i = 0; i + 3 <= size; ++i) add(sums, hash64({word.data() + i, 3}, 2), 8);
            size = 0;
        };
        for (char c : text.substr(0, text_bytes_max)) {
            if (!is_word(c) || size == word.size()) take();
            if (is_word(c)) word[size++] = small(c);
        }
        take();
        write_unit(sums, into);
    }

  private:
    static constexpr size_t text_bytes_max = size_t{1} << 20;  // sums cannot overflow
};

}  // namespace

std::unique_ptr<Embedder> make_lexical_embedder() { return std::make_unique<LexicalEmbedder>(); }

}  // namespace loom::cache

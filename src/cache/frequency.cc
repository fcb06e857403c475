#include "loom/cache/frequency.h"

#include <algorithm>
#include <bit>

namespace loom::cache {
namespace {

constexpr unsigned rows = 4;
constexpr uint64_t counter_max = 15;
constexpr uint64_t low_bits = 0x7777'7777'7777'7777;
constexpr size_t words_min = 256;
constexpr uint32_t notes_per_word = 10;

size_t word_count(size_t entries) noexcept {
    return std::bit_ceil(std::clamp(entries, words_min, Frequency::words_max));
}

}  // namespace

Frequency::Frequency(size_t entries)
    : words_(word_count(entries)), notes_max_(static_cast<uint32_t>(words_.size()) * notes_per_word) {}

size_t Frequency::memory_bytes(size_t entries) noexcept { return word_count(entries) * sizeof(uint64_t); }

/// The key is a hash already: each row takes other bits of it.
size_t Frequency::word_of(const Key& key, unsigned row) const noexcept {
    return static_cast<size_t>(std::rotr(key.high, static_cast<int>(row * 16))) & (words_.size() - 1);
}
unsigned Frequency::shift_of(const Key& key, unsigned row) noexcept {
    return (static_cast<unsigned>(key.low >> (row * 2)) % 4 + row * 4) * 4;
}

void Frequency::note(const Key& key) noexcept {
    bool grew = false;
    for (unsigned row = 0; row < rows; ++row) {
        uint64_t& word = words_[word_of(key, row)];
        const unsigned shift = shift_of(key, row);
        if ((word >> shift & counter_max) == counter_max) continue;
        word += uint64_t{1} << shift;
        grew = true;
    }
    if (grew && ++notes_ == notes_max_) halve();
}

uint32_t Frequency::of(const Key& key) const noexcept {
    uint64_t least = counter_max;
    for (unsigned row = 0; row < rows; ++row)
        least = std::min(least, words_[word_of(key, row)] >> shift_of(key, row) & counter_max);
    return static_cast<uint32_t>(least);
}

void Frequency::halve() noexcept {
    for (uint64_t& word : words_) word = word >> 1 & low_bits;
    notes_ /= 2;
}

}  // namespace loom::cache

// What the last words meant: whether some of them, in order and near to each other, make a rule.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace loom::guard {

class WordTrail {
  public:
    /// A word that means something, which is the word_index-th of the text and begins at `begin`.
    void add(uint32_t meaning, uint32_t word_index, uint64_t begin) noexcept {
        entries_[count_ % ring_size] = {meaning, word_index, begin};
        count_ += 1;
    }
    /// The newest word is the last step, and the others stand before it in order, with `near` words between the first
    /// and the last. begin: of the first.
    template <size_t steps_max>
    [[nodiscard]] bool meets(const uint32_t (&steps)[steps_max], uint32_t near, uint64_t& begin) const noexcept {
        size_t step = steps_max;
        while (steps[step - 1] == 0) step -= 1;
        if ((back(0).meaning & steps[step - 1]) == 0) return false;
        step -= 1;
        const uint32_t held = std::min(count_, ring_size);
        for (uint32_t i = 1; i < held && step > 0; ++i) {
            if (back(0).word_index - back(i).word_index > near) return false;
            if ((back(i).meaning & steps[step - 1]) == 0) continue;
            step -= 1;
            begin = back(i).begin;
        }
        return step == 0;
    }

  private:
    static constexpr uint32_t ring_size = 16;
    struct Entry {
        uint32_t meaning = 0;
        uint32_t word_index = 0;
        uint64_t begin = 0;
    };
    [[nodiscard]] const Entry& back(uint32_t i) const noexcept { return entries_[(count_ - 1 - i) % ring_size]; }

    std::array<Entry, ring_size> entries_;
    uint32_t count_ = 0;
};

}  // namespace loom::guard

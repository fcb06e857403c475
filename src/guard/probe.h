// One place of a text that may belong to something, and what detectors ask about it.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "number.h"
#include "window.h"

namespace loom::guard {

/// Empty where nothing was found.
struct Match {
    Pos begin = 0;
    Pos end = 0;
    explicit operator bool() const noexcept { return end > begin; }
};

/// Words in lower case, each of which begins with a letter, or with one of another script.
class Words {
  public:
    template <size_t count>
    consteval Words(const std::string_view (&words)[count]) : words_(words) {
        for (const std::string_view word : words) {
            if (first_of(word.front()) == 0) throw "a word begins with a small letter, or one of another script";
            firsts_ |= first_of(word.front());
        }
    }
    [[nodiscard]] auto begin() const noexcept { return words_.begin(); }
    [[nodiscard]] auto end() const noexcept { return words_.end(); }
    /// The letters that words begin with, as bits; one more for all scripts but Latin.
    [[nodiscard]] uint32_t firsts() const noexcept { return firsts_; }

    static constexpr uint32_t foreign = uint32_t{1} << 26;
    /// Of a small letter, or a byte of another script; 0 for anything else.
    [[nodiscard]] static constexpr uint32_t first_of(char c) noexcept {
        if (static_cast<unsigned char>(c) >= 0x80) return foreign;
        return is_lower(c) ? uint32_t{1} << (c - 'a') : 0;
    }

  private:
    std::span<const std::string_view> words_;
    uint32_t firsts_ = 0;
};

class Probe {
  public:
    Probe(Window& window, Pos at) noexcept : text(window), anchor(at) {}

    Window& text;
    const Pos anchor;  // the byte that the pre-filter has seen

    /// Of an anchor that is a number's first digit.
    [[nodiscard]] const Number& number() noexcept {
        if (!number_read_) read_number(text, anchor, number_);
        number_read_ = true;
        return number_;
    }
    /// Does one of the words stand in the last `context_bytes` before `begin`, as a word or the beginning of one?
    /// words  in lower case; ASCII is compared without regard to case.
    [[nodiscard]] bool has_context(Pos begin, Words words) noexcept;
    static constexpr Pos context_bytes = 48;

  private:
    void read_context(Pos begin) noexcept;

    bool number_read_ = false;
    Number number_;
    Pos context_of_ = -1;
    uint32_t context_size_ = 0;
    uint32_t context_firsts_ = 0;  // what its words begin with, as Words::firsts()
    uint32_t word_count_ = 0;
    std::array<uint8_t, (context_bytes + 1) / 2> words_at_;  // where those of ASCII begin
    std::array<char, context_bytes> context_;
};

}  // namespace loom::guard

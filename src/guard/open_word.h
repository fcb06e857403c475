// The word at hand of a text that is read character by character, in the letters that it may be meant in.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "injection_fold.h"
#include "window.h"

namespace loom::guard {

/// Bytes of one word, as many as fit; a longer one is none.
template <size_t size_max>
struct BoundedText {
    std::array<char, size_max> bytes;
    size_t size = 0;
    bool too_long = false;

    void add(char c) noexcept {
        if (size < size_max)
            bytes[size++] = c;
        else
            too_long = true;
    }
    void clear() noexcept { size = 0, too_long = false; }
    [[nodiscard]] std::string_view view() const noexcept { return {bytes.data(), too_long ? 0 : size}; }
};

class OpenWord {
  public:
    static constexpr size_t bytes_max = 32;

    /// c  a letter.
    void add(const FoldedChar& c) noexcept {
        word_.add(c.latin);
        if (c.native_size == 0) {
            native_.add(c.latin);
            all_native_ = false;
        }
        for (uint8_t i = 0; i < c.native_size; ++i) native_.add(c.native[i]);
        has_leet_ |= !is_lower(c.latin);
        letters_ += 1;
    }
    /// letters  of ASCII, in either case, bytes_max at most.
    void set(std::string_view letters) noexcept {
        for (size_t i = 0; i < letters.size(); ++i) word_.bytes[i] = static_cast<char>(letters[i] | 0x20);
        word_.size = letters.size();
        all_native_ = false;
        letters_ = static_cast<uint32_t>(letters.size());
    }
    void clear() noexcept {
        word_.clear();
        native_.clear();
        all_native_ = true;
        has_leet_ = false;
        letters_ = 0;
    }

    [[nodiscard]] bool empty() const noexcept { return word_.size == 0; }
    /// Whatever follows, it means nothing.
    [[nodiscard]] bool too_long() const noexcept { return word_.too_long; }
    [[nodiscard]] uint32_t letters() const noexcept { return letters_; }
    [[nodiscard]] char first() const noexcept { return word_.bytes[0]; }
    /// As it looks in Latin letters ('?' where it looks like none); empty where it is too long.
    [[nodiscard]] std::string_view latin() const noexcept { return word_.view(); }
    /// As it was written, but small.
    [[nodiscard]] std::string_view native() const noexcept { return native_.view(); }
    [[nodiscard]] bool has_native() const noexcept { return native_.size > 0; }
    [[nodiscard]] bool all_native() const noexcept { return all_native_; }
    /// Digits or signs stand in it, which may be meant as letters.
    [[nodiscard]] bool has_leet() const noexcept { return has_leet_; }

  private:
    BoundedText<bytes_max> word_, native_;
    uint32_t letters_ = 0;
    bool all_native_ = true;
    bool has_leet_ = false;
};

}  // namespace loom::guard

// What a detector sees of a text: the bytes that are there, and whether more may come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loom::guard {

/// Signed, so that the byte before the first is a place too.
using Pos = ptrdiff_t;

/// A detector is a function of the bytes that it asks for. Where it asks for one that has not come yet it is undecided,
/// and its answer is thrown away; else no later byte could change it. So a stream finds what the whole text has.
class Window {
  public:
    /// How far before its anchor a detector may look: a stream remembers so much of what it has let go.
    static constexpr Pos lookbehind_max = 128;

    Window(std::string_view text, bool final) noexcept : data_(text.data()), size_(text.size()), final_(final) {}

    /// -1 before the text and behind its end.
    [[nodiscard]] int at(Pos i) noexcept {
        looks_ += 1;
        if (static_cast<size_t>(i) < size_) [[likely]]
            return static_cast<unsigned char>(data_[i]);
        if (i >= 0) undecided_ |= !final_;
        return -1;
    }
    /// So many bytes were looked at without asking.
    void note_looks(Pos count) noexcept { looks_ += static_cast<uint64_t>(count); }
    [[nodiscard]] const char* data() const noexcept { return data_; }
    [[nodiscard]] Pos size() const noexcept { return static_cast<Pos>(size_); }
    /// Of bytes that at() gave.
    [[nodiscard]] std::string_view view(Pos begin, Pos end) const noexcept {
        return {data_ + begin, static_cast<size_t>(end - begin)};
    }
    /// Does `word` stand at i?
    [[nodiscard]] bool starts(Pos i, std::string_view word) noexcept {
        for (char c : word)
            if (at(i++) != static_cast<unsigned char>(c)) return false;
        return true;
    }

    /// Nothing follows behind the bytes that are there.
    [[nodiscard]] bool final() const noexcept { return final_; }
    [[nodiscard]] bool undecided() const noexcept { return undecided_; }
    void begin_decision() noexcept { undecided_ = false; }
    /// How often a byte was looked at, for the law that this is linear in the text.
    [[nodiscard]] uint64_t looks() const noexcept { return looks_; }

  private:
    const char* data_;
    size_t size_;
    bool final_;
    bool undecided_ = false;
    uint64_t looks_ = 0;
};

/// ASCII alone; -1 is none of them.
constexpr bool is_digit(int c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_upper(int c) noexcept { return c >= 'A' && c <= 'Z'; }
constexpr bool is_lower(int c) noexcept { return c >= 'a' && c <= 'z'; }
constexpr bool is_alpha(int c) noexcept { return is_upper(c) || is_lower(c); }
constexpr bool is_alnum(int c) noexcept { return is_digit(c) || is_alpha(c); }
constexpr bool is_hex(int c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
constexpr bool is_name(int c) noexcept { return is_alnum(c) || c == '_'; }
constexpr int lower(int c) noexcept { return is_upper(c) ? c + ('a' - 'A') : c; }
constexpr int upper(int c) noexcept { return is_lower(c) ? c - ('a' - 'A') : c; }
/// 0..15 of a hexadecimal digit.
constexpr int hex_value(int c) noexcept { return is_digit(c) ? c - '0' : lower(c) - 'a' + 10; }

}  // namespace loom::guard

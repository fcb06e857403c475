#include "cursor.h"

namespace loom::llm {

/// A quote does not end a scalar: the first stage sees `0"x"` as one token.
bool Cursor::ends_scalar(size_t offset) const noexcept {
    const char c = at(offset);
    return is_space(c) || c == ',' || c == '}' || c == ']' || c == ':' || c == '{' || c == '[';
}

bool Cursor::is_literal(std::string_view literal) const noexcept {
    if (at_end()) return false;
    const size_t begin = *next_;
    return text_.substr(begin, literal.size()) == literal && ends_scalar(begin + literal.size());
}

/// Where the number that begins here ends, or where it began when it is none.
size_t Cursor::number_end(size_t begin) const noexcept {
    size_t p = begin + (at(begin) == '-');
    if (!is_digit(at(p))) return begin;
    if (at(p) == '0') {
        p += 1;
    } else {
        while (is_digit(at(p))) ++p;
    }
    if (at(p) == '.') {
        if (!is_digit(at(++p))) return begin;
        while (is_digit(at(p))) ++p;
    }
    if (at(p) == 'e' || at(p) == 'E') {
        ++p;
        p += at(p) == '-' || at(p) == '+';
        if (!is_digit(at(p))) return begin;
        while (is_digit(at(p))) ++p;
    }
    return ends_scalar(p) ? p : begin;
}

bool Cursor::skip_scalar() noexcept {
    const char c = peek();
    const bool good = c == 'n'   ? is_null()
                      : c == 't' ? is_true()
                      : c == 'f' ? is_false()
                                 : is_number() && number_end(*next_) != *next_;
    if (!good) return fail_here("a value is expected");
    ++next_;
    return true;
}

bool Cursor::take_count(uint64_t& count) noexcept {
    if (at_end() || !is_digit(peek())) return false;
    const size_t begin = *next_, end = number_end(begin);
    if (end == begin) return false;
    uint64_t value = 0;
    for (size_t p = begin; p < end; ++p) {
        if (!is_digit(text_[p])) return false;
        if (__builtin_mul_overflow(value, 10, &value)) value = UINT64_MAX;
        if (__builtin_add_overflow(value, static_cast<uint64_t>(text_[p] - '0'), &value)) value = UINT64_MAX;
    }
    count = value;
    ++next_;
    return true;
}

/// Without recursion: one bit a level says whether it is an object.
bool Cursor::skip_container() noexcept {
    std::array<uint64_t, depth_max / 64> objects{};
    const uint32_t base = depth_;
    bool in_object = false;
    for (;;) {  // at a value
        char c = peek();
        if (c == '{' || c == '[') {
            if (!enter()) return false;
            in_object = c == '{';
            const uint32_t level = depth_ - 1;
            objects[level / 64] = (objects[level / 64] & ~(1ull << level % 64)) | uint64_t{in_object} << level % 64;
            c = peek();
            if (c != (in_object ? '}' : ']')) {
                if (!in_object) continue;
                goto key;
            }
        } else if (c == '"') {
            ++next_;
            c = peek();
        } else {
            if (!skip_scalar()) return false;
            c = peek();
        }
        while (c == (in_object ? '}' : ']')) {
            leave();
            if (depth_ == base) return true;
            const uint32_t level = depth_ - 1;
            in_object = objects[level / 64] >> level % 64 & 1;
            c = peek();
        }
        if (c != ',') return fail_here("a comma or the end of the array or object is expected");
        ++next_;
        if (!in_object) continue;
    key:
        if (peek() != '"') return fail_here("a key in quotes is expected");
        ++next_;
        if (peek() != ':') return fail_here("a colon is expected behind the key");
        ++next_;
    }
}

}  // namespace loom::llm

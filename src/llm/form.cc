#include "form.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace loom::llm {

namespace {

bool is_hex(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

/// Bytes of the escape at p, 0 when it is broken.
size_t escape_bytes(const char* p, const char* end) {
    if (end - p < 2) return 0;
    if (std::memchr("\"\\/bfnrt", p[1], 8) != nullptr) return 2;
    if (p[1] != 'u' || end - p < 6) return 0;
    return is_hex(p[2]) && is_hex(p[3]) && is_hex(p[4]) && is_hex(p[5]) ? 6 : 0;
}

/// The first quote, backslash or control character.
const char* find_special(const char* p, const char* end) {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), last_control = _mm_set1_epi8(0x1f);
    while (end - p >= 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
        const __m128i special =
            _mm_or_si128(control, _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
        const auto hits = static_cast<uint32_t>(_mm_movemask_epi8(special));
        if (hits != 0) return p + __builtin_ctz(hits);
        p += 16;
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && static_cast<uint8_t>(*p) >= 0x20) ++p;
    return p;
}

/// The quote that closes the string body at p, or null when it is not well formed.
const char* string_end(const char* p, const char* end) {
    for (;;) {
        p = find_special(p, end);
        if (p == end) return nullptr;
        if (*p == '"') return p;
        const size_t escape = *p == '\\' ? escape_bytes(p, end) : 0;
        if (escape == 0) return nullptr;
        p += escape;
    }
}

const char* number_end(const char* p, const char* end) {
    const char* first = p;
    while (p < end && *p >= '0' && *p <= '9') ++p;
    return p == first || (*first == '0' && p - first > 1) ? nullptr : p;
}

}  // namespace

void EventForm::begin(std::string_view event) noexcept {
    hole_count_ = used_ = taken_ = 0;
    event_ = event;
    open_ = true;
}

/// Takes the bytes up to `end` as a literal. Its bytes stand in bytes_ from the last used on.
bool EventForm::add_literal(uint32_t end) noexcept {
    const uint32_t length = end - taken_;
    if (used_ + length > bytes_max) return open_ = false;
    std::memcpy(bytes_.data() + used_, event_.data() + taken_, length);
    tail_ = {static_cast<uint16_t>(used_), static_cast<uint16_t>(length), Hole::string};
    used_ += length;
    return true;
}

bool EventForm::add_hole(Hole kind, Range value) noexcept {
    if (!open_ || hole_count_ == holes_max || value.offset < taken_) return open_ = false;
    const uint32_t quote = kind == Hole::string;  // quotes are part of the literals
    if (!add_literal(value.offset + quote)) return false;
    tail_.kind = kind;
    parts_[hole_count_++] = tail_;
    taken_ = value.end() - quote;
    return true;
}

void EventForm::end() noexcept {
    if (!open_ || !add_literal(static_cast<uint32_t>(event_.size()))) hole_count_ = 0;
    event_ = {};
    open_ = false;
}

bool EventForm::fits(std::string_view event, std::array<Range, holes_max>& values) const noexcept {
    if (hole_count_ == 0 || event.size() < used_) return false;
    const char *const begin = event.data(), *const end = begin + event.size(), *p = begin;
    for (uint32_t i = 0; i < hole_count_; ++i) {
        const Part part = parts_[i];
        if (end - p < part.length || std::memcmp(p, bytes_.data() + part.begin, part.length) != 0) return false;
        p += part.length;
        const bool string = part.kind == Hole::string;
        const char* stop = string ? string_end(p, end) : number_end(p, end);
        if (stop == nullptr) return false;
        values[i] = {static_cast<uint32_t>(p - begin) - string, static_cast<uint32_t>(stop - p) + 2 * string};
        p = stop;
    }
    return end - p == tail_.length && std::memcmp(p, bytes_.data() + tail_.begin, tail_.length) == 0;
}

}  // namespace loom::llm

#include "html_tag.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "schemes.h"
#include "window.h"

namespace loom::guard {

namespace {

constexpr std::string_view acting_elements[] = {
    "animate",  "animatemotion", "animatetransform",
    "applet",   "base",          "button",
    "embed",    "fencedframe",   "foreignobject",
    "form",     "frame",         "frameset",
    "iframe",   "ilayer",        "input",
    "isindex",  "keygen",        "layer",
    "link",     "math",          "meta",
    "noembed",  "noframes",      "noscript",
    "object",   "param",         "plaintext",
    "portal",   "script",        "select",
    "set",      "style",         "svg",
    "textarea", "use",           "xmp",
};
static_assert(std::ranges::is_sorted(acting_elements));
constexpr std::string_view code_elements[] = {"script", "style"};
constexpr std::string_view code_attributes[] = {"formaction", "srcdoc", "style"};
constexpr std::string_view word_attributes[] = {"alt", "title"};  // read by people alone
constexpr std::string_view picture_types[] = {"avif", "bmp", "gif", "jpeg", "jpg", "png", "webp", "x-icon"};

/// A word in small letters; one that is longer than any that is looked for is none of them.
struct Small {
    static constexpr size_t bytes_max = 24;
    std::array<char, bytes_max> bytes;
    size_t size = 0;
    explicit Small(std::string_view word) noexcept {
        if (word.size() > bytes_max) return;
        for (const char c : word) bytes[size++] = static_cast<char>(lower(static_cast<unsigned char>(c)));
    }
    [[nodiscard]] std::string_view view() const noexcept { return {bytes.data(), size}; }
};

bool is_one_of(std::string_view word, auto& words) noexcept {
    return std::ranges::find(words, word) != std::ranges::end(words);
}

/// The characters of a value, its entities read as far as any is part of a scheme.
class ValueReader {
  public:
    explicit ValueReader(std::string_view value) noexcept : rest_(value) {}
    /// -1: no more. What is not ASCII is 0x80.
    int next() noexcept {
        if (rest_.empty()) return -1;
        const auto c = static_cast<unsigned char>(rest_.front());
        if (c == '&') return entity();
        rest_.remove_prefix(1);
        return c;
    }

  private:
    int entity() noexcept {
        rest_.remove_prefix(1);
        if (rest_.starts_with('#')) return number();
        struct Name {
            std::string_view name;
            char meaning;
        };
        constexpr Name names[] = {{"colon", ':'}, {"Tab", '\t'}, {"NewLine", '\n'}, {"sol", '/'}, {"comma", ','},
                                  {"semi", ';'},  {"plus", '+'}, {"period", '.'},   {"amp", '&'}, {"AMP", '&'}};
        for (const Name& one : names) {
            if (!rest_.starts_with(one.name)) continue;
            rest_.remove_prefix(one.name.size());
            if (rest_.starts_with(';')) rest_.remove_prefix(1);
            return one.meaning;
        }
        return '&';
    }
    int number() noexcept {
        const bool hex = rest_.size() > 1 && lower(static_cast<unsigned char>(rest_[1])) == 'x';
        size_t at = hex ? 2 : 1;
        uint32_t code = 0;
        const size_t first = at;
        for (; at < rest_.size(); ++at) {
            const auto c = static_cast<unsigned char>(rest_[at]);
            if (hex ? !is_hex(c) : !is_digit(c)) break;
            code = std::min<uint32_t>(code * (hex ? 16 : 10) + static_cast<uint32_t>(hex_value(c)), 0x110000);
        }
        if (at == first) return '&';
        if (at < rest_.size() && rest_[at] == ';') at += 1;
        rest_.remove_prefix(at);
        return code < 0x80 ? static_cast<int>(code) : 0x80;
    }
    std::string_view rest_;
};

/// As a reader of addresses takes them: blanks in front left out, and breaks and tabs everywhere (WHATWG URL).
class SchemeReader {
  public:
    explicit SchemeReader(std::string_view value) noexcept : reader_(value) {}
    int next() noexcept {
        while (true) {
            const int c = reader_.next();
            if (c < 0) return c;
            if (c == '\t' || c == '\n' || c == '\r' || (!begun_ && c <= ' ')) continue;
            begun_ = true;
            return lower(c);
        }
    }
    /// Up to one of the ends, which is gone then; "" where none comes in time.
    std::string_view word(std::string_view ends) noexcept {
        for (size_ = 0; size_ < word_.size();) {
            const int c = next();
            if (c < 0) return {};
            if (ends.find(static_cast<char>(c)) != ends.npos) return {word_.data(), size_};
            word_[size_++] = static_cast<char>(c);
        }
        return {};
    }

  private:
    ValueReader reader_;
    bool begun_ = false;
    std::array<char, 16> word_{};
    size_t size_ = 0;
};

bool is_code(std::string_view address) noexcept {
    SchemeReader reader(address);
    const std::string_view scheme = reader.word(":");
    if (is_code_scheme(scheme)) return true;
    if (scheme != "data") return false;
    return reader.word("/") != "image" || !is_one_of(reader.word(";,"), picture_types);
}

std::string_view without_prefix(std::string_view name) noexcept { return name.substr(name.rfind(':') + 1); }

}  // namespace

bool is_acting_element(std::string_view name) noexcept {
    return std::ranges::binary_search(acting_elements, Small(without_prefix(name)).view()) || is_code(name);
}

bool holds_code(std::string_view name) noexcept { return is_one_of(Small(name).view(), code_elements); }

bool is_acting_attribute(std::string_view name, std::string_view value) noexcept {
    const Small small(name);
    const bool listens = name.size() > 2 && lower(static_cast<unsigned char>(name[0])) == 'o' &&
                         lower(static_cast<unsigned char>(name[1])) == 'n';
    if (listens || is_one_of(small.view(), code_attributes)) return true;
    return !is_one_of(small.view(), word_attributes) && is_code(value);
}

}  // namespace loom::guard

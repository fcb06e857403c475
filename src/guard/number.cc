#include "number.h"

namespace loom::guard {

namespace {

constexpr bool is_gap(int c) noexcept { return c == ' ' || c == '-' || c == '.' || c == '/' || c == '(' || c == ')'; }
/// Which two signs may stand together: "(0)20", ") 123", "8 (495)", ")-".
constexpr bool is_gap_pair(int first, int second) noexcept {
    return (first == ')' && (second == ' ' || second == '-' || second == '(')) ||
           (second == '(' && (first == ' ' || first == '-'));
}

/// Bytes that are all there.
class Near {
  public:
    explicit Near(const char* data) noexcept : data_(data) {}
    [[nodiscard]] int at(Pos i) const noexcept { return static_cast<unsigned char>(data_[i]); }

  private:
    const char* data_;
};

/// How many bytes lie between two groups; 0 where none follows.
template <class Text>
Pos gap_at(Text& text, Pos i) noexcept {
    const int first = text.at(i);
    if (!is_gap(first)) return 0;
    const int second = text.at(i + 1);
    if (is_digit(second)) return 1;
    return is_gap_pair(first, second) && is_digit(text.at(i + 2)) ? 2 : 0;
}

template <class Text>
void read(Text& text, Pos begin, Number& number) noexcept {
    number.begin = begin;
    number.digit_count = number.group_count = 0;
    number.opened = text.at(begin - 1) == '(';
    number.plus = text.at(begin - 1 - (number.opened ? 1 : 0)) == '+';
    if (number.opened && number.plus) number.plus = false;  // "+(": nobody writes that
    if (!number.opened && number.plus) number.opened = text.at(begin - 2) == '(';
    Pos at = begin;
    Pos gap = 0;
    while (number.group_count < Number::groups_max) {
        Number::Group& group = number.group[number.group_count];
        group = {.first = number.digit_count};
        if (gap > 0) group.gap = static_cast<char>(text.at(at));
        if (gap > 1) group.second_gap = static_cast<char>(text.at(at + 1));
        at += gap;
        for (int c = text.at(at); is_digit(c); c = text.at(++at)) {
            if (number.digit_count == Number::digits_max) {  // longer than anything that has a meaning here
                number.digit_count = static_cast<uint8_t>(number.digits_in(number.group_count));
                group = {};
                return;
            }
            number.digit[number.digit_count++] = static_cast<uint8_t>(c - '0');
            group.count += 1;
        }
        group.end = static_cast<uint8_t>(at - begin);
        number.group_count += 1;
        gap = gap_at(text, at);
        if (gap == 0) return;
    }
}

}  // namespace

void read_number(Window& text, Pos begin, Number& number) noexcept {
    constexpr Pos before = 2, behind = Number::bytes_max + 4;
    if (begin < before || begin + behind > text.size()) return read(text, begin, number);
    Near near(text.data());
    read(near, begin, number);
    text.note_looks(number.group_count == 0 ? Pos{Number::digits_max} : number.end_of(number.group_count - 1) - begin);
}

bool Number::grouped(std::initializer_list<uint8_t> lengths, char gap) const noexcept {
    if (group_count < lengths.size()) return false;
    uint32_t i = 0;
    for (uint8_t length : lengths) {
        if (group[i].count != length) return false;
        if (i > 0 && (group[i].gap != gap || group[i].second_gap != 0)) return false;
        i += 1;
    }
    return i == group_count || group[i].gap != gap;
}

bool follows_digits(Window& text, Pos begin) noexcept {
    constexpr Pos blanks_max = 8;
    Pos at = begin - 1;
    while (begin - at <= blanks_max && (text.at(at) == ' ' || text.at(at) == '\n' || text.at(at) == '\t')) at -= 1;
    return at < begin - 1 && is_digit(text.at(at));
}

bool free_before(Window& text, Pos begin) noexcept {
    const int c = text.at(begin - 1);
    if (is_name(c)) return false;
    if (c == '.' || c == ',') return !is_digit(text.at(begin - 2));
    if (c == '-' || c == '/') return !is_name(text.at(begin - 2));
    return true;
}

bool free_after(Window& text, Pos end) noexcept {
    const int c = text.at(end);
    if (is_name(c) || c == '@') return false;
    if (c == '-') return !is_name(text.at(end + 1));
    if (c == '.' || c == ',' || c == '/' || c == ':') return !is_digit(text.at(end + 1));
    return true;
}

}  // namespace loom::guard

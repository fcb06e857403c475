// IEEE 802 MAC addresses: "00:1a:2b:3c:4d:5e", "00-1A-2B-3C-4D-5E", and Cisco's "001a.2b3c.4d5e".
#include "detectors.h"

namespace loom::guard {

namespace {

constexpr Pos pairs_bytes = 17;
constexpr Pos dotted_bytes = 14;

/// Groups of `width` hexadecimal digits, `count` of them.
Match read_at(Window& text, Pos begin, int width, int count, int sign) noexcept {
    Pos at = begin;
    bool some = false, has_letter = false,
         all = true;  // of neither all zeros nor all ones: the first is nobody, the second everybody
    for (int group = 0; group < count; ++group) {
        if (group > 0 && text.at(at++) != sign) return {};
        for (int i = 0; i < width; ++i) {
            const int c = text.at(at++);
            if (!is_hex(c)) return {};
            some |= c != '0';
            has_letter |= !is_digit(c);
            all &= lower(c) == 'f';
        }
    }
    const int before = text.at(begin - 1);
    const int next = text.at(at);
    if (!some || all || is_name(before) || is_name(next)) return {};
    if ((before == sign && is_hex(text.at(begin - 2))) || (next == sign && is_hex(text.at(at + 1)))) return {};
    // With dots tables of weights are written too; theirs stand between more dots, or have no letter.
    if (sign == '.' && (before == '.' || before == '*' || !has_letter)) return {};
    return {begin, at};
}

}  // namespace

Match find_mac(Probe& probe) noexcept { return read_at(probe.text, probe.anchor - 2, 2, 6, ':'); }

/// The forms that have no colon begin at any of their digits that is the first.
Match find_mac_in_number(Probe& probe) noexcept {
    Window& text = probe.text;
    const auto is_inside = [&](int c) { return is_hex(c) || c == '-' || c == '.'; };
    Pos begin = probe.anchor;
    while (is_inside(text.at(begin - 1)) && probe.anchor - begin < pairs_bytes) {
        begin -= 1;
        if (is_digit(text.at(begin))) return {};  // that digit's anchor had it
    }
    const int second = text.at(begin + 2);
    if (second == '-') return read_at(text, begin, 2, 6, '-');
    if (text.at(begin + 4) == '.' && probe.anchor - begin < dotted_bytes) return read_at(text, begin, 4, 3, '.');
    return {};
}

}  // namespace loom::guard

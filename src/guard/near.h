// The second look of the pre-filter, at the bytes that stand near: most numbers and signs can be nothing, by the
// lengths of their groups and what is between them. Of all places of a block at once, as bits; what is refused here no
// finder would have found (tests/guard/frozen_test.cc asks them all).
#pragma once

#include <iterator>
#include <string_view>

#include "anchors.h"

namespace loom::guard {

/// Into the kernels, which have the better instructions.
#define LOOM_NEAR [[gnu::always_inline]] inline

/// Two windows side by side: bit i of the first is the byte i - near_before of a block, and of the second the one half
/// a block behind it. Places are the 32 bits from near_before on.
using Halves = uint64_t __attribute__((vector_size(16)));
inline constexpr Pos half_block = anchor_block / 2;
inline constexpr Pos near_before = 8;
static_assert(near_before + half_block + anchor_behind == 64);
static_assert(anchor_before > near_before, "of what a window begins with the byte before it is looked at as well");

/// Where which bytes stand.
template <class Bits>
struct Near {
    Bits digits, letters, hex_letters;
    Bits blank, dash, dot, slash, open, close, plus;
    Bits one_or_two;
    Bits at_sign, colon, equals, quote;  // of quotes both
    Bits name_end;                       // with the byte before it, what the name of a secret may end with
};

/// The names that finders of ':' and '=' know end with these, in four groups: a byte that is of one group as the last,
/// behind one that is of the same as the last but one.
struct NameEnd {
    std::string_view before_last, last;
};
inline constexpr NameEnd name_ends[] = {{"rw", "d"},      // password, pwd, passwd
                                        {"e", "nty"},     // token, secret, key
                                        {"rs", "e"},      // signature, passphrase
                                        {"ail", "gls"}};  // credential, credentials, sig

/// Both by their halves, in either case; a letter may be taken for one that shares them.
struct NameEndTables {
    HalfTable before_last_low{}, before_last_high{}, last_low{}, last_high{};
};
inline constexpr NameEndTables name_end_tables = [] {
    NameEndTables tables;
    for (size_t i = 0; i < std::size(name_ends); ++i) {
        const auto group = static_cast<uint8_t>(1u << i);
        const auto add = [group](std::string_view letters, HalfTable& low, HalfTable& high) {
            for (const char c : letters) {
                low[c & 15] |= group;
                high[(c >> 4) & 15] |= group;
                high[(c >> 4) & 13] |= group;  // the capital
            }
        };
        add(name_ends[i].before_last, tables.before_last_low, tables.before_last_high);
        add(name_ends[i].last, tables.last_low, tables.last_high);
    }
    return tables;
}();
constexpr bool may_end_name(unsigned char before_last, unsigned char last) noexcept {
    const NameEndTables& t = name_end_tables;
    return (t.before_last_low[before_last & 15] & t.before_last_high[before_last >> 4] & t.last_low[last & 15] &
            t.last_high[last >> 4]) != 0;
}

LOOM_NEAR Near<Halves> side_by_side(const Near<uint64_t>& a, const Near<uint64_t>& b) noexcept {
    const auto both = [](uint64_t first, uint64_t second) { return Halves{first, second}; };
    return {.digits = both(a.digits, b.digits),
            .letters = both(a.letters, b.letters),
            .hex_letters = both(a.hex_letters, b.hex_letters),
            .blank = both(a.blank, b.blank),
            .dash = both(a.dash, b.dash),
            .dot = both(a.dot, b.dot),
            .slash = both(a.slash, b.slash),
            .open = both(a.open, b.open),
            .close = both(a.close, b.close),
            .plus = both(a.plus, b.plus),
            .one_or_two = both(a.one_or_two, b.one_or_two),
            .at_sign = both(a.at_sign, b.at_sign),
            .colon = both(a.colon, b.colon),
            .equals = both(a.equals, b.equals),
            .quote = both(a.quote, b.quote),
            .name_end = both(a.name_end, b.name_end)};
}

/// Numbers by how many digits they have, from where they begin.
template <class Bits>
struct Runs {
    Bits begin, r1, r2, r3, r4, r5, r6, r7, r8;
    Bits from_2, from_8, from_13, from_14, from_20;  // so many or more

    [[gnu::always_inline]] explicit Runs(const Bits& digits) noexcept : begin(digits & ~(digits << 1)) {
        const Bits d2 = digits & digits >> 1, d3 = d2 & digits >> 2, d4 = d2 & d2 >> 2, d8 = d4 & d4 >> 4;
        const Bits from_3 = begin & d3, from_4 = begin & d4, from_5 = from_4 & digits >> 4, from_6 = from_4 & d2 >> 4,
                   from_7 = from_4 & d3 >> 4, from_9 = begin & d8 & digits >> 8;
        from_2 = begin & d2;
        from_8 = begin & d8;
        from_13 = from_9 & d4 >> 9;
        from_14 = from_13 & digits >> 13;
        from_20 = from_8 & d8 >> 8 & d4 >> 16;
        r1 = begin & ~from_2;
        r2 = from_2 & ~from_3;
        r3 = from_3 & ~from_4;
        r4 = from_4 & ~from_5;
        r5 = from_5 & ~from_6;
        r6 = from_6 & ~from_7;
        r7 = from_7 & ~from_8;
        r8 = from_8 & ~from_9;
    }
};

/// Groups as identity numbers, cards and telephones have them.
template <class Bits>
LOOM_NEAR Bits may_be_grouped(const Near<Bits>& near, const Runs<Bits>& runs) noexcept {
    const auto& [begin, r1, r2, r3, r4, r5, r6, r7, r8, from_2, from_8, from_13, from_14, from_20] = runs;
    const Bits blank_or_dash = near.blank | near.dash;
    const Bits gap = blank_or_dash | near.dot | near.slash;
    // The same sign stands on both sides of a group; or, of some telephones, a blank and a dash.
    const auto same = [&](int distance) {
        return (near.blank & blank_or_dash >> distance) | (near.dash & near.dash >> distance) |
               (near.dot & near.dot >> distance) | (near.slash & near.slash >> distance);
    };
    // From the sign before a group: the lengths of this one and those behind it.
    const Bits of_2 = same(3) & r2 >> 1, of_3 = same(4) & r3 >> 1, of_4 = same(5) & r4 >> 1;
    const Bits g22 = of_2 & r2 >> 4, g23 = of_2 & r3 >> 4, g24 = of_2 & r4 >> 4;
    const Bits g33 = of_3 & r3 >> 5, g34 = of_3 & r4 >> 5, g44 = of_4 & r4 >> 6;
    const Bits g222 = of_2 & g22 >> 3, g322 = of_3 & g22 >> 4;
    const Bits behind_4 = g44 | g23 | g34 | g33 | g322 | g222;
    const Bits behind_3 = g24 | g34 | g33 | g44 | g322 | g222 | g23;
    const Bits behind_2 = g222 | g33 | g44;
    const Bits threes =
        (r4 & behind_4 >> 4) | (r3 & behind_3 >> 3) | (r2 & behind_2 >> 2) | (r1 & g33 >> 1) | (r5 & g33 >> 5);
    // Two groups, of which the second is long.
    const Bits g5 = gap & r5 >> 1, g6 = gap & r6 >> 1, g7 = gap & r7 >> 1, g8 = gap & r8 >> 1;
    const Bits twos = (r2 & (g5 | g8) >> 2) | (r3 & (g6 | g7 | g8) >> 3) | (r4 & (g5 | g6 | g7 | g8) >> 4) |
                      (r5 & (g5 | g6 | g7) >> 5);
    // An area in parentheses: "(555) 123", "8 (495) 123", "1-555) 123".
    const Bits closes = near.close & (near.digits >> 1 | (blank_or_dash >> 1 & near.digits >> 2));
    const Bits opened =
        near.open << 1 & ((r2 & closes >> 2) | (r3 & closes >> 3) | (r4 & closes >> 4) | (r5 & closes >> 5));
    const Bits area =
        r1 & (((blank_or_dash | near.close) >> 1 & near.open >> 2) | (gap >> 1 & r3 >> 2 & near.close >> 5));
    // "AB 12 34 56 C", "AB123456C"
    const Bits letters_before =
        (near.letters << 1 & near.letters << 2) | (near.blank << 1 & near.letters << 2 & near.letters << 3);
    const Bits six = r6 & (near.letters >> 6 | (near.blank >> 6 & near.letters >> 7));
    const Bits insurance = letters_before & (six | (r2 & g22 >> 2));
    return threes | twos | opened | area | insurance;
}

/// "10.0.0.1"
template <class Bits>
LOOM_NEAR Bits may_be_address(const Near<Bits>& near, const Runs<Bits>& runs) noexcept {
    const Bits& digits = near.digits;
    const Bits dots = near.dot & digits << 1 & digits >> 1;
    const auto follows = [&](const Bits& dots_behind) {
        return dots_behind >> 2 | (digits >> 2 & (dots_behind >> 3 | (digits >> 3 & dots_behind >> 4)));
    };
    const Bits three = dots & follows(dots & follows(dots));
    return (runs.r1 & three >> 1) | (runs.r2 & three >> 2) | (runs.r3 & three >> 3);
}

/// "00-1a-2b-3c-4d-5e": three dashes behind or before the first digit. "001a.2b3c.4d5e".
template <class Bits>
LOOM_NEAR Bits may_be_mac(const Near<Bits>& near, const Runs<Bits>& runs) noexcept {
    const Bits &dash = near.dash, &dot = near.dot, hex = near.digits | near.hex_letters;
    const Bits dashes = dash & dash >> 3 & dash >> 6;
    const Bits pairs = dashes >> 1 | dashes >> 2 | dashes << 7 | dashes << 8;
    const Bits dots = dot & dot >> 5 & hex >> 1 & hex >> 2 & hex >> 3 & hex >> 4;
    const Bits letters = dot & near.hex_letters << 1 & near.hex_letters << 2 & near.hex_letters << 3;
    const Bits first = dots | letters;
    return runs.begin &
           (pairs | dots >> 1 | dots >> 2 | dots >> 3 | dots >> 4 | first << 1 | first << 2 | first << 3 | first << 4);
}

/// Numbers in letters, and those of France, which may have blanks anywhere.
template <class Bits>
LOOM_NEAR Bits may_be_among_letters(const Near<Bits>& near, const Runs<Bits>& runs) noexcept {
    const Bits &digits = near.digits, &letters = near.letters, words = digits | letters;
    // "DE89 3704", behind what is no word.
    const Bits two_before = letters << 1 & letters << 2;
    const Bits iban = runs.from_2 & two_before & ~(words << 3);
    // "RSSMRA85T10A562S"
    const Bits six_before = two_before & two_before << 2 & two_before << 4;
    const Bits fiscal = six_before & ((runs.r1 & letters >> 1) | (runs.r2 & letters >> 2) | (runs.r3 & letters >> 3));
    // The shortest address of a wallet has 26 signs.
    const Bits w2 = words & words >> 1, w4 = w2 & w2 >> 2, w8 = w4 & w4 >> 4;
    const Bits wallet = runs.begin & ~(words << 1) & w8 & w8 >> 8 & w4 >> 16 & w2 >> 20;
    // Fifteen digits, or six and the letter of a place in Corsica, with a blank between any of them; a 1 or 2 begins
    // them. Without a blank they are known by their length.
    const Bits chain = digits | (near.blank & digits << 1 & digits >> 1);
    const Bits c2 = chain & chain >> 1, c4 = c2 & c2 >> 2, c8 = c4 & c4 >> 4;
    const Bits fifteen = c8 & c8 >> 8 & ~runs.from_14;
    Bits corsica = digits & (near.hex_letters >> 1 | (near.blank >> 1 & near.hex_letters >> 2));
    corsica |= chain & corsica >> 1;
    corsica |= c2 & corsica >> 2;
    corsica |= c4 & corsica >> 4;
    corsica |= c8 & corsica >> 8;
    return iban | fiscal | wallet | (runs.begin & near.one_or_two & (fifteen | (corsica & c4 & c2 >> 4)));
}

template <class Bits>
LOOM_NEAR Bits may_be_number(const Near<Bits>& near) noexcept {
    const Runs<Bits> runs(near.digits);
    // By itself; of 7 digits behind a letter.
    const Bits plain = (runs.from_8 & ~runs.from_13) | (runs.from_14 & ~runs.from_20) | (runs.r7 & near.letters << 1);
    // "+49 30 123": eight digits at least.
    const Bits chain = near.digits | near.blank | near.dash | near.dot | near.slash | near.open | near.close;
    const Bits c2 = chain & chain >> 1, c4 = c2 & c2 >> 2;
    const Bits international = runs.begin & near.plus << 1 & c4 & c4 >> 4;
    return plain | international | may_be_grouped(near, runs) | may_be_address(near, runs) | may_be_mac(near, runs) |
           may_be_among_letters(near, runs);
}

template <class Bits>
LOOM_NEAR Bits may_be_sign(const Near<Bits>& near) noexcept {
    const Bits &colon = near.colon, hex = near.digits | near.hex_letters, words = near.digits | near.letters;
    // Behind a secret's name, and up to three of these.
    const Bits between = near.blank | near.quote | colon;
    const Bits& name = near.name_end;
    const Bits named =
        name << 1 | (between << 1 & (name << 2 | (between << 2 & (name << 3 | (between << 3 & name << 4)))));
    const Bits url = near.slash >> 1 & near.slash >> 2;
    // Groups of up to four hexadecimal digits: "::", or three colons.
    const Bits two = colon & colon >> 1;
    const Bits h2 = hex & hex >> 1, h3 = h2 & hex >> 2, h4 = h2 & h2 >> 2;
    const Bits n1 = colon & hex >> 1 & colon >> 2, n2 = colon & h2 >> 1 & colon >> 3, n3 = colon & h3 >> 1 & colon >> 4,
               n4 = colon & h4 >> 1 & colon >> 5;
    const Bits more = two | n1 | n2 | n3 | n4;
    const Bits groups = two | (n1 & more >> 2) | (n2 & more >> 3) | (n3 & more >> 4) | (n4 & more >> 5);
    const Bits free =
        ~(words << 1) |
        (hex << 1 &
         (~(words << 2) | (hex << 2 & (~(words << 3) | (hex << 3 & (~(words << 4) | (hex << 4 & ~(words << 5))))))));
    return near.at_sign | ((colon | near.equals) & named) | (colon & url) | (groups & free);
}

/// Of what the first look has found what may be something.
LOOM_NEAR void look_near(Anchors& found, const Near<uint64_t>& first, const Near<uint64_t>& second) noexcept {
    const Near<Halves> near = side_by_side(first, second);
    const auto places = [](const Halves& bits) {
        const Halves at = bits >> near_before;
        return (at[0] & 0xffffffff) | at[1] << half_block;
    };
    if (found.numbers != 0) found.numbers &= places(may_be_number(near));
    if (found.signs != 0) found.signs &= places(may_be_sign(near));
}

}  // namespace loom::guard

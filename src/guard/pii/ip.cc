// IPv4 in dotted decimals (RFC 3986, 3.2.2) and IPv6 (RFC 4291, 2.2; RFC 5952). Addresses that name nobody are none:
// this host, all hosts, masks (RFC 6890).
#include "detectors.h"

namespace loom::guard {

namespace {

constexpr std::string_view version_words[] = {"version", "release", "v",        "ver",      "build",  "assembly",
                                              "section", "chapter", "\xc2\xa7", "firmware", "driver", "oid"};

constexpr std::string_view address_words[] = {"ip",     "ipv4", "host", "server", "address", "addr",    "from",
                                              "client", "ping", "dns",  "router", "gateway", "connect", "adresse"};

/// Without leading zeros: "010" is eight to some and ten to others.
int octet(const Number& number, uint32_t index) noexcept {
    const Number::Group& group = number.group[index];
    if (group.count > 3 || (group.count > 1 && number.digit[group.first] == 0)) return -1;
    int value = 0;
    for (uint32_t i = 0; i < group.count; ++i) value = value * 10 + number.digit[group.first + i];
    return value <= 255 ? value : -1;
}

constexpr Pos hex_group_max = 4;

struct Groups {
    int count = 0;
    int longest = 0;
    bool compressed = false;
    bool has_digit = false;
};

/// Reads groups and colons from `at`; returns where they end. What does not follow the grammar has a count of -1.
Pos read_groups(Window& text, Pos at, Groups& groups) noexcept {
    if (text.at(at) == ':') {
        if (text.at(at + 1) != ':') return at;
        groups.compressed = true;
        at += 2;
    }
    while (groups.count < 9) {
        Pos end = at;
        while (is_hex(text.at(end)) && end - at <= hex_group_max) {
            groups.has_digit |= is_digit(text.at(end));
            end += 1;
        }
        const int length = static_cast<int>(end - at);
        if (length == 0) return groups.compressed && text.at(at - 1) == ':' && text.at(at - 2) == ':' ? at : at - 1;
        if (length > hex_group_max) break;
        groups.count += 1;
        groups.longest = length > groups.longest ? length : groups.longest;
        if (text.at(end) != ':') return end;
        at = end + 1;
        if (text.at(at) != ':') continue;
        if (groups.compressed) break;
        groups.compressed = true;
        at += 1;
    }
    groups.count = -1;
    return at;
}

}  // namespace

Match find_ipv4(Probe& probe) noexcept {
    const Number& number = probe.number();
    if (number.group_count < 4 ||
        !number.grouped({number.group[0].count, number.group[1].count, number.group[2].count, number.group[3].count},
                        '.'))
        return {};
    int octets[4];
    for (uint32_t i = 0; i < 4; ++i) octets[i] = octet(number, i);
    for (int value : octets)
        if (value < 0) return {};
    if (octets[0] == 0 || octets[0] == 127 || octets[0] >= 224) return {};  // nobody's, one's own, many's
    Window& text = probe.text;
    const Pos end = number.end_of(3);
    // "/24" behind it is a network's length, ":443" a port.
    const int next = text.at(end);
    const bool ends = next == '/' || next == ':' || free_after(text, end);
    const bool begins = free_before(text, number.begin) || text.at(number.begin - 1) == '/';
    if (!begins || !ends || number.plus) return {};
    if (probe.has_context(number.begin, version_words)) {
        // Only where nothing but a sign stands between.
        Pos i = number.begin - 1;
        while (text.at(i) == ' ' || text.at(i) == ':' || text.at(i) == '=' || text.at(i) == '"') --i;
        if (is_alpha(text.at(i)) && number.begin - i < 5 && probe.has_context(i + 1, version_words)) return {};
    }
    // Sections of documents count low, and one address in 4000.
    const bool low = octets[0] < 32 && octets[1] < 32 && octets[2] < 32 && octets[3] < 32 && octets[0] != 10;
    if (low && !probe.has_context(number.begin, address_words)) return {};
    return {number.begin, end};
}

Match find_ipv6(Probe& probe) noexcept {
    Window& text = probe.text;
    Pos begin = probe.anchor;
    while (is_hex(text.at(begin - 1)) && probe.anchor - begin <= hex_group_max) begin -= 1;
    if (probe.anchor - begin > hex_group_max) return {};
    const int before = text.at(begin - 1);
    if (is_name(before) || before == ':' || before == '.') return {};
    Groups groups;
    const Pos end = read_groups(text, begin, groups);
    if (groups.count < 0 || end <= begin) return {};
    const int next = text.at(end);
    if (is_name(next) || next == ':' || (next == '.' && is_digit(text.at(end + 1)))) return {};
    // Names in programs look so too ("dead::beef"), and times of day.
    if (groups.compressed ? groups.count < 2 || groups.count > 7 || !groups.has_digit || groups.longest < 3
                          : groups.count != 8)
        return {};
    return {begin, end};
}

}  // namespace loom::guard

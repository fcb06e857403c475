// JSON Web Tokens (RFC 7515, 7.1; RFC 7516, 7.1) and private keys in PEM (RFC 7468, RFC 1421's headers, OpenSSH, PGP).
#include "detectors.h"

namespace loom::guard {

namespace {

constexpr Pos bytes_max = 8192;

constexpr bool is_base64url(int c) noexcept { return is_name(c) || c == '-'; }
constexpr bool is_base64(int c) noexcept { return is_alnum(c) || c == '+' || c == '/' || c == '='; }

/// The end of a line of PEM, also where it is written as "\n" inside a string; 0 where none is.
Pos line_break(Window& text, Pos at) noexcept {
    const int c = text.at(at);
    if (c == '\n') return 1;
    if (c == '\r') return text.at(at + 1) == '\n' ? 2 : 1;
    if (c != '\\') return 0;
    if (text.at(at + 1) == 'n') return 2;
    return text.at(at + 1) == 'r' && text.at(at + 2) == '\\' && text.at(at + 3) == 'n' ? 4 : 0;
}

/// "Proc-Type: 4,ENCRYPTED" and the like; 0 where none stands. No header holds the dashes of a first line: nothing is
/// read past where another key may begin.
Pos header_line(Window& text, Pos at) noexcept {
    constexpr Pos name_max = 24, value_max = 96;
    Pos end = at;
    while ((is_alpha(text.at(end)) || text.at(end) == '-') && end - at < name_max) end += 1;
    if (end == at || text.at(end) != ':' || text.at(end + 1) != ' ') return 0;
    const Pos value = end += 2;
    while (text.at(end) > ' ' - 1 && text.at(end) < 0x7f && text.at(end) != '\\' && end - value < value_max) {
        if (text.at(end) == '-' && text.at(end + 1) == '-' && text.at(end + 2) == '-') return 0;
        end += 1;
    }
    const Pos line = line_break(text, end);
    return line == 0 ? 0 : end + line - at;
}

/// "-----END RSA PRIVATE KEY-----" at `at`; its length, or 0.
Pos end_line(Window& text, Pos at) noexcept {
    constexpr Pos label_max = 48;
    if (!text.starts(at, "-----END ")) return 0;
    Pos end = at + 9;
    while ((is_upper(text.at(end)) || is_digit(text.at(end)) || text.at(end) == ' ') && end - at < label_max) end += 1;
    return text.starts(end, "-----") ? end + 5 - at : 0;
}

}  // namespace

/// Three parts, or the five of one that is encrypted; the first is a JSON object, and the second of three too.
Match find_jwt(Probe& probe) noexcept {
    Window& text = probe.text;
    const Pos begin = probe.anchor - 2;
    const int before = text.at(begin - 1);
    if (is_base64url(before) || before == '.') return {};
    Pos part = begin;
    Pos end = begin;
    Pos second = 0, last = 0;
    int parts = 0;
    for (;;) {
        while (is_base64url(text.at(end)))
            if (++end - begin > bytes_max) return {};
        parts += 1;
        if (parts == 1 && end - part < 16) return {};
        if (parts == 2) second = part;
        last = end - part;
        if (text.at(end) != '.' || parts == 5) break;
        if (parts >= 2 && !is_base64url(text.at(end + 1)) && text.at(end + 1) != '.') break;  // a sentence's full stop
        part = ++end;
    }
    const bool is_signed = parts == 3 && text.starts(second, "ey") && last >= 16;
    return is_signed || parts == 5 ? Match{begin, end} : Match{};
}

/// From the first dash to the last of the line that ends it; where that line is missing, to where it stops to be a key.
Match find_private_key(Probe& probe) noexcept {
    Window& text = probe.text;
    constexpr Pos dashes = 5, label_max = 48, body_min = 32;
    const Pos begin = probe.anchor - 2 - dashes;
    if (begin < 0 || !text.starts(begin, "-----BEGIN ")) return {};
    Pos at = begin + 11;
    const Pos label = at;
    while ((is_upper(text.at(at)) || is_digit(text.at(at)) || text.at(at) == ' ') && at - label < label_max) at += 1;
    const std::string_view name = text.view(label, at);
    if (!name.ends_with("PRIVATE KEY") && !name.ends_with("PRIVATE KEY BLOCK")) return {};
    if (!text.starts(at, "-----")) return {};
    at += dashes;
    Pos signs = 0;
    for (Pos end = at; end - begin < bytes_max;) {
        if (const Pos line = line_break(text, end); line > 0) {
            end += line;
            while ((text.at(end) == ' ' || text.at(end) == '\t') && end - begin < bytes_max) end += 1;
            for (Pos header = 1; signs == 0 && header > 0 && end - begin < bytes_max; end += header)
                header = header_line(text, end);
            continue;
        }
        if (const Pos last = end_line(text, end); last > 0) return signs > 0 ? Match{begin, end + last} : Match{};
        if (!is_base64(text.at(end))) break;
        signs += 1;
        at = ++end;
    }
    return signs >= body_min ? Match{begin, at} : Match{};
}

}  // namespace loom::guard

// Credentials in addresses (RFC 3986, 3.2.1): "postgres://user:password@host". The whole authority is meant, so that
// nothing of it is left beside the mail address that it looks like.
#include "detectors.h"

namespace loom::guard {

namespace {

constexpr Pos scheme_bytes_max = 32;
constexpr Pos user_bytes_max = 256;
constexpr Pos host_bytes_max = 255;

constexpr bool is_scheme(int c) noexcept { return is_alnum(c) || c == '+' || c == '-' || c == '.'; }
constexpr bool ends_authority(int c) noexcept {
    return c <= ' ' || c == '/' || c == '?' || c == '#' || c == '"' || c == '<' || c == '>' || c == '`' || c == '\\';
}
/// What stands where the reader is to put a password: "${PASSWORD}", "<password>", "***".
constexpr bool is_placeholder(int c) noexcept { return c == '$' || c == '{' || c == '*' || c == '[' || c == '%'; }

}  // namespace

Match find_url_credentials(Probe& probe) noexcept {
    Window& text = probe.text;
    if (text.at(probe.anchor + 1) != '/' || text.at(probe.anchor + 2) != '/') return {};
    Pos begin = probe.anchor;
    while (is_scheme(text.at(begin - 1)) && probe.anchor - begin < scheme_bytes_max) begin -= 1;
    while (begin < probe.anchor && !is_alpha(text.at(begin))) begin += 1;
    if (begin == probe.anchor) return {};
    const Pos user = probe.anchor + 3;
    Pos colon = 0;
    Pos at = user;
    for (; text.at(at) != '@'; ++at) {
        if (ends_authority(text.at(at)) || at - user > user_bytes_max) return {};
        if (text.at(at) == ':' && colon == 0) colon = at;
    }
    if (colon == 0 || at - colon < 2 || is_placeholder(text.at(colon + 1))) return {};
    Pos end = at + 1;
    while (is_alnum(text.at(end)) || text.at(end) == '-' || text.at(end) == '.' || text.at(end) == ':' ||
           text.at(end) == '[' || text.at(end) == ']') {
        if (++end - at > host_bytes_max) return {};
    }
    while (end > at + 1 && (text.at(end - 1) == '.' || text.at(end - 1) == ':')) end -= 1;
    return end > at + 1 ? Match{begin, end} : Match{};
}

}  // namespace loom::guard

// Values that are given to a name which says that they are secret: `api_key = "…"`, `"password": "…"`, `TOKEN=…`. The
// value has to look as if it was drawn by chance: by its length, its signs and their entropy (C. Shannon, 1948).
#include <algorithm>
#include <array>
#include <cmath>

#include "../near.h"
#include "detectors.h"

namespace loom::guard {

namespace {

constexpr Pos name_bytes_max = 48;
constexpr Pos value_bytes_min = 12;
constexpr Pos value_bytes_max = 512;

constexpr std::string_view secret_names[] = {
    "password",   "passwd",     "passphrase",  "pwd",           "secret",       "token",          "apikey",
    "api_key",    "api-key",    "accesskey",   "access_key",    "access-key",   "secretkey",      "secret_key",
    "secret-key", "privatekey", "private_key", "authkey",       "auth_key",     "encryption_key", "signing_key",
    "master_key", "credential", "credentials", "client_secret", "clientsecret",
};
constexpr std::string_view azure_names[] = {"accountkey", "sharedaccesskey", "sharedaccesssignature", "sig"};

/// The pre-filter asks nobody about a name that ends otherwise.
constexpr bool pre_filter_knows(std::span<const std::string_view> names) noexcept {
    return std::ranges::all_of(names, [](std::string_view name) {
        return may_end_name(static_cast<unsigned char>(name[name.size() - 2]), static_cast<unsigned char>(name.back()));
    });
}
static_assert(pre_filter_knows(secret_names) && pre_filter_knows(azure_names));

/// What people write where a secret is to be put, and what programs read it with.
constexpr std::string_view stand_ins[] = {"example", "your",   "changeme", "placeholder", "process.",
                                          "environ", "getenv", "config.",  "secrets.",    "redacted",
                                          "dummy",   "sample", "insert",   "xxxx",        "****",
                                          "....",    "self.",  "this.",    "0123456789",  "abcdef"};

struct Assignment {
    std::array<char, name_bytes_max> name;  // in lower case
    size_t name_size = 0;
    Pos begin = 0, end = 0;  // of the value
    bool quoted = false;

    [[nodiscard]] std::string_view name_view() const noexcept { return {name.data(), name_size}; }
};

constexpr bool is_value(int c) noexcept {
    return c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '`' && c != '\\';
}
/// Without '=', which is padding at the end alone: each run of these is read by the one name before it.
constexpr bool is_bare(int c) noexcept {
    return is_alnum(c) || c == '+' || c == '/' || c == '_' || c == '-' || c == '.' || c == '~' || c == '!' ||
           c == '@' || c == '%' || c == '^' || c == '*';
}
constexpr int padding_max = 2;

Pos skip_padding(Window& text, Pos at) noexcept {
    for (int i = 0; i < padding_max && text.at(at) == '='; ++i) at += 1;
    return at;
}

void read_name(Window& text, Pos anchor, Assignment& found) noexcept {
    Pos end = anchor;
    for (int blanks = 0; blanks < 3 && (text.at(end - 1) == ' ' || text.at(end - 1) == '"' ||
                                        text.at(end - 1) == '\'' || text.at(end - 1) == ':');
         ++blanks)
        end -= 1;
    Pos begin = end;
    while ((is_name(text.at(begin - 1)) || text.at(begin - 1) == '-') && end - begin < name_bytes_max) begin -= 1;
    for (Pos i = begin; i < end; ++i) found.name[found.name_size++] = static_cast<char>(lower(text.at(i)));
}

/// Behind the sign: blanks, a quote, the value up to what ends it.
bool read_value(Window& text, Pos anchor, Assignment& found) noexcept {
    Pos at = anchor + 1;
    if (text.at(at) == '=' || text.at(at) == '>') at += 1;
    for (int blanks = 0; blanks < 3 && text.at(at) == ' '; ++blanks) at += 1;
    const int quote = text.at(at);
    found.quoted = quote == '"' || quote == '\'' || quote == '`';
    if (found.quoted) at += 1;
    found.begin = at;
    while (found.quoted ? is_value(text.at(at)) : is_bare(text.at(at)))
        if (++at - found.begin > value_bytes_max) return false;
    if (found.quoted && text.at(at) != quote) return false;
    if (!found.quoted) at = skip_padding(text, at);
    // A call or an index of something is a program, not a value.
    if (!found.quoted && (text.at(at) == '(' || text.at(at) == '[' || text.at(at) == '{')) return false;
    while (!found.quoted && at > found.begin && (text.at(at - 1) == '.' || text.at(at - 1) == '!')) at -= 1;
    found.end = at;
    return at - found.begin >= value_bytes_min;
}

bool contains_folded(std::string_view text, std::string_view word) noexcept {
    return !std::ranges::search(text, word, [](char a, char b) { return lower(a) == b; }).empty();
}

/// Bits a sign.
double entropy_of(std::string_view value) noexcept {
    std::array<uint32_t, 128> counts{};
    for (char c : value) counts[static_cast<size_t>(c) & 127] += 1;
    double bits = 0;
    const auto total = static_cast<double>(value.size());
    for (uint32_t count : counts)
        if (count > 0) bits -= count / total * std::log2(count / total);
    return bits;
}

bool looks_secret(const Assignment& found, std::string_view value) noexcept {
    const auto count = [&](auto is) { return std::ranges::count_if(value, is); };
    const auto digits = count([](char c) { return is_digit(c); });
    const auto small = count([](char c) { return is_lower(c); });
    const auto capitals = count([](char c) { return is_upper(c); });
    const auto letters = small + capitals;
    if (digits < 2 || letters < 2) return false;
    const auto others = static_cast<long>(value.size()) - digits - letters;
    const int kinds = 1 + (small > 0) + (capitals > 0) + (others > 0);
    if (!found.quoted && value.find('.') != value.npos) return false;  // config.token2, and names of files
    if (value.starts_with('$') || value.starts_with('{') || value.starts_with('<') || value.starts_with('%'))
        return false;
    if (value.find("://") != value.npos || value.starts_with('/') || value.starts_with("./")) return false;
    for (std::string_view word : stand_ins)
        if (contains_folded(value, word)) return false;
    if (value.size() < 16 && kinds < 3) return false;
    return entropy_of(value) >= (value.size() < 16 ? 3.0 : 3.3);
}

bool ends_with_one(std::string_view name, std::span<const std::string_view> words) noexcept {
    return std::ranges::any_of(
        words, [&](std::string_view word) { return name.back() == word.back() && name.ends_with(word); });
}

}  // namespace

Match find_secret(Probe& probe) noexcept {
    Assignment found;
    read_name(probe.text, probe.anchor, found);
    if (found.name_size == 0 || !ends_with_one(found.name_view(), secret_names)) return {};
    if (!read_value(probe.text, probe.anchor, found)) return {};
    return looks_secret(found, probe.text.view(found.begin, found.end)) ? Match{found.begin, found.end} : Match{};
}

/// Keys of storage accounts and buses, in connection strings: 44 or 88 signs of Base64; and signatures of shared access
/// (Microsoft Learn, "Configure Azure Storage connection strings", "Create an account SAS").
Match find_azure_key(Probe& probe) noexcept {
    Window& text = probe.text;
    if (text.at(probe.anchor) != '=') return {};
    Assignment found;
    read_name(text, probe.anchor, found);
    if (std::ranges::find(azure_names, found.name_view()) == std::end(azure_names)) return {};
    const Pos begin = probe.anchor + 1;
    Pos end = begin;
    bool digit = false;
    for (int c = text.at(end); is_alnum(c) || c == '+' || c == '/' || c == '%'; c = text.at(++end)) {
        digit |= is_digit(c);
        if (end - begin > 118) return {};
    }
    end = skip_padding(text, end);
    return digit && end - begin >= 40 ? Match{begin, end} : Match{};
}

}  // namespace loom::guard

#include "aliases.h"

#include <algorithm>
#include <cstring>

#include "loom/base/hash.h"

namespace loom::llm {

namespace {

constexpr size_t mark_bytes = 9;  // '_' and eight hexadecimal digits of the name's hash

bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool allowed(char c, NameRule rule) noexcept {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || (rule.dots && (c == '.' || c == ':'));
}

bool fits(Text name, NameRule rule) noexcept {
    if (name.empty() || name.size() > rule.bytes_max) return false;
    if (rule.letter_first && !is_letter(name.front())) return false;
    return std::ranges::all_of(name, [rule](char c) { return allowed(c, rule); });
}

}  // namespace

Text Aliases::alias_of(Text name, NameRule rule) {
    if (fits(name, rule)) return name;
    for (const Pair& pair : pairs_)
        if (pair.name == name) return pair.alias;
    // As much of the name as fits, and its hash: the same in every request, for the provider's prompt cache.
    const size_t kept = std::min<size_t>(name.size(), rule.bytes_max - mark_bytes - 1);
    char* const alias = arena_.take(kept + mark_bytes + 1);
    size_t bytes = 0;
    if (rule.letter_first && (name.empty() || !is_letter(name.front()))) alias[bytes++] = '_';
    for (size_t i = 0; i < kept; ++i) alias[bytes++] = allowed(name[i], rule) ? name[i] : '_';
    for (uint64_t hash = hash64(name);; ++hash) {
        size_t end = bytes;
        alias[end++] = '_';
        for (int shift = 28; shift >= 0; shift -= 4) alias[end++] = "0123456789abcdef"[hash >> shift & 15];
        if (!taken({alias, end})) return pairs_.add(arena_, {arena_.keep(name), {alias, end}}).alias;
    }
}

Text Aliases::original_of(Text alias) const noexcept {
    for (const Pair& pair : pairs_)
        if (pair.alias == alias) return pair.name;
    return alias;
}

bool Aliases::taken(Text alias) const noexcept {
    return std::ranges::any_of(pairs_, [alias](const Pair& pair) { return pair.alias == alias; });
}

}  // namespace loom::llm

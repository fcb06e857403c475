#include "aliases.h"

#include <algorithm>
#include <cstring>

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
    if (const auto made = aliases_.find(name); made != aliases_.end()) return made->second;
    // As much of the name as fits, and its hash: the same in every request, for the provider's prompt cache.
    const size_t kept_bytes = std::min<size_t>(name.size(), rule.bytes_max - mark_bytes - 1);
    char* const alias = arena_.take(kept_bytes + mark_bytes + 1);
    size_t bytes = 0;
    if (rule.letter_first && (name.empty() || !is_letter(name.front()))) alias[bytes++] = '_';
    for (size_t i = 0; i < kept_bytes; ++i) alias[bytes++] = allowed(name[i], rule) ? name[i] : '_';
    for (uint64_t hash = hash64(name);; ++hash) {
        size_t end = bytes;
        alias[end++] = '_';
        for (int shift = 28; shift >= 0; shift -= 4) alias[end++] = "0123456789abcdef"[hash >> shift & 15];
        const Text made(alias, end);
        if (originals_.contains(made)) continue;
        const Text kept = arena_.keep(name);
        aliases_.emplace(kept, made);
        originals_.emplace(made, kept);
        return made;
    }
}

Text Aliases::original_of(Text alias) const noexcept {
    const auto found = originals_.find(alias);
    return found == originals_.end() ? alias : found->second;
}

}  // namespace loom::llm

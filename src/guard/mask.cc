#include "loom/guard/mask.h"

#include <algorithm>
#include <charconv>

#include "loom/base/assert.h"
#include "loom/base/crypto.h"
#include "loom/base/hash.h"
#include "loom/guard/restore.h"
#include "window.h"

namespace loom::guard {

namespace {

/// Under a key of the process: nobody can make values meet.
Hash128 hash_of(PiiType type, std::string_view value) noexcept {
    static const uint64_t seed = random_u64();
    return hash128(value, seed + static_cast<uint64_t>(type));
}

/// "[LABEL_suffix]", or "[LABEL]".
std::string_view bracketed(std::string_view label, std::string_view suffix, Arena& arena) {
    const size_t size = label.size() + 2 + (suffix.empty() ? 0 : suffix.size() + 1);
    char* const begin = arena.take(size);
    char* at = begin;
    *at++ = '[';
    at = std::ranges::copy(label, at).out;
    if (!suffix.empty()) *at++ = '_';
    at = std::ranges::copy(suffix, at).out;
    *at++ = ']';
    return {begin, size};
}

/// The sign that stands at `at`, as who reads the document sees it, which goes behind it; 0 for any that no placeholder
/// has.
char take_sign(std::string_view document, size_t& at) noexcept {
    constexpr size_t slashes_max = 32, digits = 4;
    if (at == document.size()) return 0;
    if (document[at] != '\\') return document[at++];
    size_t next = at;
    while (next < document.size() && next - at < slashes_max && document[next] == '\\') next += 1;
    if (document.size() - next <= digits || document[next] != 'u') return 0;
    uint32_t code = 0;
    const char* const end = document.data() + next + 1 + digits;
    if (std::from_chars(document.data() + next + 1, end, code, 16).ptr != end || code >= 0x80) return 0;
    at = next + 1 + digits;
    return static_cast<char>(code);
}

/// What is called so is itself from here on, and so are all numbers before it, which the table gives in turn.
void reserve(std::string_view placeholder, MaskTable& table) {
    const size_t sign = placeholder.rfind('_');
    if (sign == placeholder.npos) return;
    uint32_t number = 0;
    std::from_chars(placeholder.data() + sign + 1, placeholder.data() + placeholder.size(), number);
    if (number > MaskTable::value_count_max) return;  // no table gives so high a one
    const std::string_view label = placeholder.substr(1, sign - 1);
    const auto type = table.type_of(label);
    if (!type) return;
    for (uint32_t n = 1; n <= number; ++n) {
        std::array<char, MaskTable::placeholder_bytes_max + 16> own{'['};
        char* at = std::ranges::copy(label, own.data() + 1).out;
        *at++ = '_';
        at = std::to_chars(at, own.data() + own.size() - 1, n).ptr;
        *at++ = ']';
        (void)table.placeholder(*type, {own.data(), static_cast<size_t>(at - own.data())});
    }
}

/// What stands behind a '['.
void reserve_at(std::string_view document, size_t at, MaskTable& table) {
    std::array<char, MaskTable::placeholder_bytes_max> name{'['};
    for (size_t size = 1; size < name.size();) {
        const char c = take_sign(document, at);
        name[size++] = c;
        if (c == ']') return reserve({name.data(), size}, table);
        if (!is_upper(c) && !is_digit(c) && c != '_') return;
    }
}

}  // namespace

void reserve_placeholders(std::string_view document, size_t begin, size_t end, MaskTable& table) {
    constexpr std::string_view escape = "u005", rare = escape.substr(1);  // of "\u005b"; 'u' is everywhere
    const std::string_view part = document.substr(0, std::min(document.size(), end + escape.size()));
    for (size_t at = part.find('[', begin); at < end; at = part.find('[', at + 1)) reserve_at(document, at + 1, table);
    for (size_t at = part.find(rare, begin + 1); at <= end; at = part.find(rare, at + 1)) {
        const size_t last = at + rare.size();
        if (part[at - 1] == escape[0] && last < document.size() && (document[last] | 0x20) == 'b')
            reserve_at(document, last + 1, table);
    }
}

MaskTable::MaskTable(Arena& arena, bool keeps_values, const CustomTypes* custom) noexcept
    : arena_(arena), custom_(custom), keeps_values_(keeps_values) {}

std::optional<PiiType> MaskTable::type_of(std::string_view label) const noexcept {
    const uint32_t count = pii_named_count + (custom_ == nullptr ? 0 : custom_->size());
    for (uint32_t i = 0; i < count; ++i)
        if (label_of(static_cast<PiiType>(i), custom_) == label) return static_cast<PiiType>(i);
    return std::nullopt;
}

const MaskTable::Entry* MaskTable::find(PiiType type, std::string_view value, const Hash128& hash) const noexcept {
    if (index_ == nullptr) return nullptr;
    for (const Entry* entry = index_->by_value[hash.low % bucket_count]; entry != nullptr; entry = entry->next)
        if (entry->hash == hash && entry->type == type && (entry->value.empty() || entry->value == value)) return entry;
    return nullptr;
}

bool MaskTable::keeps(PiiType type, std::string_view value) const noexcept {
    if (value_bytes_ == 0) return false;
    const Entry* const entry = find(type, value, hash_of(type, value));
    return entry != nullptr && !entry->value.empty();
}

std::string_view MaskTable::placeholder(PiiType type, std::string_view value) {
    const Hash128 hash = hash_of(type, value);
    if (const Entry* const entry = find(type, value, hash); entry != nullptr) return entry->placeholder;
    if (index_ == nullptr) index_ = &arena_.make<Index>();
    const bool has_room = !keeps_values_ || value_bytes_ + value.size() <= value_bytes_max;
    if (count_ == value_count_max || !has_room) {
        std::string_view& unnumbered = index_->unnumbered[static_cast<size_t>(type)];
        if (unnumbered.empty()) unnumbered = bracketed(label_of(type, custom_), {}, arena_);
        return unnumbered;
    }
    count_ += 1;
    if (keeps_values_) value_bytes_ += value.size();
    const uint16_t number = ++index_->numbers[static_cast<uint32_t>(type)];
    std::array<char, 8> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    Entry*& bucket = index_->by_value[hash.low % bucket_count];
    Entry*& other = index_->by_placeholder[placeholder_bucket(type, number)];
    Entry& entry = arena_.make<Entry>();
    entry = {bucket,
             other,
             keeps_values_ ? arena_.keep(value) : std::string_view(),
             bracketed(label_of(type, custom_), {digits.data(), static_cast<size_t>(end - digits.data())}, arena_),
             hash,
             type,
             number};
    LOOM_ASSERT(entry.placeholder.size() < placeholder_bytes_max);
    bucket = other = &entry;
    return entry.placeholder;
}

/// "[LABEL_7]" names its type and its number: found by those, however many there are.
std::string_view MaskTable::value_of(std::string_view placeholder) const noexcept {
    if (placeholder.size() < 4 || placeholder.size() > placeholder_bytes_max || count_ == 0) return {};
    const size_t sign = placeholder.rfind('_');
    if (sign == placeholder.npos || index_ == nullptr) return {};
    uint32_t number = 0;
    std::from_chars(placeholder.data() + sign + 1, placeholder.data() + placeholder.size(), number);
    const auto type = type_of(placeholder.substr(1, sign - 1));
    if (!type) return {};
    for (const Entry* entry = index_->by_placeholder[placeholder_bucket(*type, number)]; entry != nullptr;
         entry = entry->next_placeholder)
        if (entry->placeholder == placeholder) return entry->value;
    return {};
}

std::optional<PlaceholderSpan> find_placeholder(std::string_view text, size_t from, bool ends) noexcept {
    for (size_t begin = text.find('[', from); begin != text.npos; begin = text.find('[', begin + 1)) {
        size_t end = begin + 1;
        const size_t bound = begin + MaskTable::placeholder_bytes_max - 1;
        const auto goes_on = [](char c) { return is_upper(c) || is_digit(c) || c == '_'; };
        while (end < text.size() && end < bound && goes_on(text[end])) end += 1;
        if (end == text.size() && end < bound && !ends) return PlaceholderSpan{begin, begin, false};
        if (end < text.size() && text[end] == ']') return PlaceholderSpan{begin, end + 1, true};
    }
    if (ends) return std::nullopt;
    return PlaceholderSpan{text.size(), text.size(), false};
}

std::string_view mask_partly(PiiType type, std::string_view value, Arena& arena) {
    char* const out = arena.take(value.size());
    const auto is_plain = [](char c) { return is_alnum(static_cast<unsigned char>(c)); };
    const size_t at_sign = type == PiiType::email ? value.find('@') : value.npos;
    // Of numbers the last four are told, as on a receipt; of a name its first letter. Short ones tell nothing.
    const bool tells_end = type == PiiType::credit_card || type == PiiType::iban || type == PiiType::phone ||
                           type == PiiType::ssn || type == PiiType::itin;
    const auto plain_count = static_cast<size_t>(std::ranges::count_if(value, is_plain));
    const size_t shown = tells_end && plain_count >= 9 ? 4 : 0;
    size_t seen = 0;
    for (size_t i = 0; i < value.size(); ++i) {
        const bool counts = is_plain(value[i]);
        seen += counts;
        bool show = counts && plain_count - seen < shown;
        if (at_sign != value.npos) show = i >= at_sign || (i == 0 && at_sign > 1);
        if (tells_end && (value[i] == ' ' || value[i] == '-')) show = true;
        const bool harmless = value[i] >= ' ' && value[i] < 0x7f && value[i] != '"' && value[i] != '\\';
        out[i] = show && harmless ? value[i] : '*';
    }
    return {out, value.size()};
}

std::string_view mask_by_hash(std::string_view label, std::string_view value, std::span<const uint8_t> key,
                              Arena& arena) {
    constexpr size_t hex_digits = 16;  // of 64 bits: two of a million values meet in one of 10^7 cases
    const std::array<char, 64> hex = hex_of(hmac_sha256(key, value));
    return bracketed(label, {hex.data(), hex_digits}, arena);
}

void Exemptions::add(std::string_view value) {
    std::string folded;
    for (char c : value) folded += static_cast<char>(lower(static_cast<unsigned char>(c)));
    if (folded.starts_with('*')) {
        folded.erase(0, 1);
        folded.resize(std::min<size_t>(folded.size(), 255));
        endings_ += static_cast<char>(folded.size());
        endings_ += folded;
        return;
    }
    if (whole_.empty()) whole_ += '\0';
    whole_ += folded;
    whole_ += '\0';
}

bool Exemptions::has(std::string_view value) const noexcept {
    const auto same = [&](std::string_view own, std::string_view given) {
        return std::ranges::equal(own, given, [](char a, char b) {
            return static_cast<unsigned char>(a) == lower(static_cast<unsigned char>(b));
        });
    };
    for (size_t at = 0; at < endings_.size();) {
        const auto size = static_cast<size_t>(static_cast<unsigned char>(endings_[at]));
        const std::string_view ending = std::string_view(endings_).substr(at + 1, size);
        if (value.size() >= size && same(ending, value.substr(value.size() - size))) return true;
        at += 1 + size;
    }
    for (size_t at = 0; at + 1 < whole_.size();) {
        const size_t end = whole_.find('\0', at + 1);
        if (same(std::string_view(whole_).substr(at + 1, end - at - 1), value)) return true;
        at = end;
    }
    return false;
}

}  // namespace loom::guard

#include "loom/guard/custom_types.h"

#include <fmt/format.h>
#include <hs/hs.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <tuple>

#include "check_digits.h"
#include "loom/base/assert.h"
#include "loom/guard/pii.h"
#include "repetition.h"
#include "window.h"

namespace loom::guard {

namespace {

/// Stands between two texts of a document: no match goes over it.
constexpr char text_sign = '\x1e';
constexpr uint32_t digits_max = 128;

bool mod_97(std::string_view text) noexcept {
    uint32_t rest = 0;
    bool any = false;
    for (const char c : text) {
        if (!is_alnum(static_cast<unsigned char>(c))) continue;
        any = true;
        const int value = is_digit(c) ? c - '0' : lower(static_cast<unsigned char>(c)) - 'a' + 10;
        rest = (rest * (value > 9 ? 100 : 10) + static_cast<uint32_t>(value)) % 97;
    }
    return any && rest == 1;
}

bool is_right(CustomCheck check, std::string_view text) noexcept {
    if (check == CustomCheck::none) return true;
    if (check == CustomCheck::mod_97) return mod_97(text);
    std::array<uint8_t, digits_max> digits;
    uint32_t count = 0;
    for (const char c : text) {
        if (!is_digit(c)) continue;
        if (count == digits_max) return false;
        digits[count++] = static_cast<uint8_t>(c - '0');
    }
    const Digits all(digits.data(), count);
    if (count < 2) return false;
    switch (check) {
        case CustomCheck::luhn: return luhn(all);
        case CustomCheck::verhoeff: return verhoeff(all);
        case CustomCheck::mod_11_10: return mod_11_10(all);
        default: return true;
    }
}

/// One word or phrase, literally.
std::string pattern_of(std::string_view word) {
    const auto is_word = [](char c) { return is_alnum(static_cast<unsigned char>(c)) || c == '_'; };
    std::string pattern = is_word(word.front()) ? "\\b" : "";
    for (const char c : word) {
        if (c == ' ')
            pattern += "\\s{1,8}";
        else if (is_word(c))
            pattern += c;
        else
            pattern += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    return is_word(word.back()) ? pattern + "\\b" : pattern;
}

std::string pattern_of(const CustomType& type) {
    if (type.words.empty()) return bound_repetitions(type.pattern, type.repeat_max);
    std::string all = "(?i)(?:";
    for (const std::string& word : type.words) {
        if (all.size() > 7) all += '|';
        all += pattern_of(word);
    }
    return all + ")";
}

struct Freed {
    void operator()(hs_compile_error_t* error) const noexcept { hs_free_compile_error(error); }
    void operator()(hs_database_t* database) const noexcept { hs_free_database(database); }
    void operator()(hs_expr_info_t* info) const noexcept { std::free(info); }
};

/// Why an expression cannot be looked for, if so; else what a match of it is at most long.
std::expected<uint32_t, std::string> width_of(const std::string& pattern) {
    if (pattern.starts_with("(*")) return std::unexpected("verbs like (*UTF8) are not taken: it is of bytes");
    hs_expr_info_t* told = nullptr;
    hs_compile_error_t* wrong = nullptr;
    const hs_error_t step = hs_expression_info(pattern.c_str(), HS_FLAG_SOM_LEFTMOST, &told, &wrong);
    const std::unique_ptr<hs_expr_info_t, Freed> info(told);
    const std::unique_ptr<hs_compile_error_t, Freed> error(wrong);
    if (step != HS_SUCCESS) return std::unexpected(error != nullptr ? error->message : "it cannot be read");
    if (info->min_width == 0) return std::unexpected("it matches where nothing stands");
    if (info->max_width > CustomTypes::bytes_max_max)
        return std::unexpected(
            info->max_width == UINT32_MAX
                ? fmt::format("a match has no bound; {} bytes are the most", CustomTypes::bytes_max_max)
                : fmt::format(
                      "a match may have {} bytes, and {} are the most: bound what repeats ({{1,20}} in place of +), "
                      "or lower max_length",
                      info->max_width, CustomTypes::bytes_max_max));
    return info->max_width;
}

}  // namespace

/// What one look works with. There are as many as threads, so that one is nearly always free at once.
struct CustomScratch {
    static constexpr uint32_t count_max = 16 * 1024;

    std::atomic_flag taken;
    hs_scratch_t* memory = nullptr;
    std::vector<CustomTypes::Match> matches = std::vector<CustomTypes::Match>(count_max);
    uint32_t count = 0;

    ~CustomScratch() { hs_free_scratch(memory); }
};

struct CustomTypes::Engine {
    std::unique_ptr<hs_database_t, Freed> database;
    std::vector<CustomScratch> scratches;

    CustomScratch& take() noexcept {
        static std::atomic<uint32_t> threads{0};
        thread_local const uint32_t first = threads.fetch_add(1, std::memory_order_relaxed);
        for (size_t i = first;; ++i)
            if (auto& one = scratches[i % scratches.size()]; !one.taken.test_and_set(std::memory_order_acquire))
                return one;
    }
};

namespace {

struct Collecting {
    const std::vector<CustomCheck>& checks;
    std::string_view segment;
    size_t offset;  // of the segment in the text
    size_t begin, end;
    CustomScratch& scratch;
    uint64_t& looks;
    bool is_full = false;
};

/// Told of each place where a match ends, with the leftmost beginning of one that does.
int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned, void* context) {
    constexpr uint64_t looks_of_match = 4;
    auto& all = *static_cast<Collecting*>(context);
    const size_t begin = all.offset + from;
    all.looks += looks_of_match;
    if (begin < all.begin || begin >= all.end) return 0;
    if (all.checks[id] != CustomCheck::none) all.looks += to - from;
    if (!is_right(all.checks[id], all.segment.substr(from, to - from))) return 0;
    if (all.scratch.count == CustomScratch::count_max) {
        all.is_full = true;
        return 1;
    }
    all.scratch.matches[all.scratch.count++] = {static_cast<uint32_t>(begin), static_cast<uint32_t>(all.offset + to),
                                                custom_type(id)};
    return 0;
}

/// In order, and of each type and beginning the longest alone.
void tidy(std::vector<CustomTypes::Match>& matches, uint32_t& count) noexcept {
    using Match = CustomTypes::Match;
    const auto begin = matches.begin(), end = begin + count;
    std::sort(begin, end, [](const Match& a, const Match& b) {
        return std::tie(a.begin, a.type, b.end) < std::tie(b.begin, b.type, a.end);
    });
    const auto same = [](const Match& a, const Match& b) { return a.begin == b.begin && a.type == b.type; };
    count = static_cast<uint32_t>(std::unique(begin, end, same) - begin);
}

bool is_inside_character(char c) noexcept { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// No half of a character is left over.
void widen(CustomTypes::Match& match, std::string_view text) noexcept {
    constexpr uint32_t more_max = 3;
    for (uint32_t i = 0; i < more_max && match.begin > 0 && is_inside_character(text[match.begin]); ++i)
        match.begin -= 1;
    for (uint32_t i = 0; i < more_max && match.end < text.size() && is_inside_character(text[match.end]); ++i)
        match.end += 1;
}

}  // namespace

CustomTypes::CustomTypes() : engine_(std::make_unique<Engine>()) {}
CustomTypes::~CustomTypes() = default;

std::expected<std::shared_ptr<const CustomTypes>, CustomTypes::Fault> CustomTypes::compile(
    const std::vector<CustomType>& types, uint32_t threads) {
    LOOM_ASSERT(types.size() <= custom_type_count_max);
    std::shared_ptr<CustomTypes> made(new CustomTypes);
    std::vector<std::string> patterns;
    for (const CustomType& type : types) {
        const size_t index = patterns.size();
        patterns.push_back(pattern_of(type));
        const auto width = width_of(patterns.back());
        if (!width) return std::unexpected(Fault{index, width.error()});
        made->bytes_max_ = std::max(made->bytes_max_, *width);
        made->names_.push_back(type.name);
        std::string& label = made->labels_.emplace_back(type.name);
        for (char& c : label) c = static_cast<char>(upper(static_cast<unsigned char>(c)));
        made->checks_.push_back(type.check);
    }
    std::vector<const char*> texts;
    std::vector<unsigned> ids, flags(patterns.size(), HS_FLAG_SOM_LEFTMOST);
    for (const std::string& pattern : patterns) {
        ids.push_back(static_cast<unsigned>(texts.size()));
        texts.push_back(pattern.c_str());
    }
    hs_database_t* database = nullptr;
    hs_compile_error_t* wrong = nullptr;
    const hs_error_t step =
        hs_compile_multi(texts.data(), flags.data(), ids.data(), static_cast<unsigned>(texts.size()), HS_MODE_BLOCK,
                         nullptr, &database, &wrong);
    const std::unique_ptr<hs_compile_error_t, Freed> error(wrong);
    made->engine_->database.reset(database);
    if (step != HS_SUCCESS) {
        const int index = error != nullptr ? error->expression : 0;
        return std::unexpected(Fault{static_cast<size_t>(std::max(index, 0)),
                                     error != nullptr
                                         ? fmt::format("{} Bound what repeats ({{1,20}} in place of +), or lower "
                                                       "max_length: two repetitions of 64 may be too large.",
                                                       error->message)
                                         : "it cannot be compiled"});
    }
    made->engine_->scratches = std::vector<CustomScratch>(std::max(threads, 1u));
    for (CustomScratch& one : made->engine_->scratches)
        if (hs_alloc_scratch(database, &one.memory) != HS_SUCCESS)
            return std::unexpected(Fault{0, "there is no memory to look for it"});
    return made;
}

CustomTypes::Look::Look(const CustomTypes& types) noexcept : types_(types), scratch_(types.engine_->take()) {}
CustomTypes::Look::~Look() { scratch_.taken.clear(std::memory_order_release); }

std::span<const CustomTypes::Match> CustomTypes::Look::find(std::string_view text, size_t begin, size_t& end) {
    constexpr uint64_t bytes_of_look = 8;
    const size_t around = types_.around();
    for (bool whole = false; !whole;) {
        scratch_.count = 0;
        whole = true;
        size_t at = begin > around ? begin - around : 0;
        const size_t stop = std::min(text.size(), end + around);
        looks_ += (stop - at) / bytes_of_look;
        while (at < stop && whole) {
            const size_t segment_end = std::min(text.find(text_sign, at), stop);
            const std::string_view segment = text.substr(at, segment_end - at);
            Collecting all{types_.checks_, segment, at, begin, end, scratch_, looks_};
            if (segment_end > begin && !segment.empty()) {
                const hs_error_t step =
                    hs_scan(types_.engine_->database.get(), segment.data(), static_cast<unsigned>(segment.size()), 0,
                            scratch_.memory, on_match, &all);
                LOOM_ASSERT(step == HS_SUCCESS || (step == HS_SCAN_TERMINATED && all.is_full));
            }
            whole = !all.is_full;
            at = segment_end + 1;
        }
        if (whole) break;
        LOOM_ASSERT(end - begin > 1);  // at one place no more end than a match is long, of each type
        end = begin + (end - begin) / 2;
    }
    tidy(scratch_.matches, scratch_.count);
    for (uint32_t i = 0; i < scratch_.count; ++i) widen(scratch_.matches[i], text);
    return {scratch_.matches.data(), scratch_.count};
}

std::string_view name_of(PiiType type, const CustomTypes* custom) noexcept {
    return is_custom(type) ? custom->name(type) : pii_type_name(type);
}

std::string_view label_of(PiiType type, const CustomTypes* custom) noexcept {
    return is_custom(type) ? custom->label(type) : pii_info(type).label;
}

}  // namespace loom::guard

#include "loom/guard/custom_types.h"

#include <fmt/format.h>
#include <hs/hs.h>

#include <algorithm>
#include <atomic>
#include <optional>

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

struct CustomTypes::Engine {
    /// What one scan works with. There are as many as threads, so that one is nearly always free at once.
    struct Scratch {
        std::atomic_flag taken;
        hs_scratch_t* memory = nullptr;
        ~Scratch() { hs_free_scratch(memory); }
    };
    std::unique_ptr<hs_database_t, Freed> database;
    std::vector<Scratch> scratches;

    Scratch& take() noexcept {
        for (size_t i = 0;; i = (i + 1) % scratches.size())
            if (!scratches[i].taken.test_and_set(std::memory_order_acquire)) return scratches[i];
    }
};

namespace {

struct Collecting {
    const std::vector<CustomCheck>& checks;
    std::string_view segment;
    size_t offset;  // of the segment in the text
    size_t begin, end;
    CustomTypes::Batch& batch;
    std::array<uint32_t, custom_type_count_max> last;  // of each type, in the batch
    bool is_full = false;
};

/// Told of each place where a match ends, with the leftmost beginning of one that does.
int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned, void* context) {
    auto& all = *static_cast<Collecting*>(context);
    const size_t begin = all.offset + from;
    if (begin < all.begin || begin >= all.end) return 0;
    if (!is_right(all.checks[id], all.segment.substr(from, to - from))) return 0;
    const auto end = static_cast<uint32_t>(all.offset + to);
    const uint32_t last = all.last[id];
    if (last < all.batch.count && all.batch.matches[last].begin == begin) {
        all.batch.matches[last].end = std::max(all.batch.matches[last].end, end);
        return 0;
    }
    if (all.batch.count == CustomTypes::Batch::count_max) {
        all.is_full = true;
        return 1;
    }
    all.last[id] = all.batch.count;
    all.batch.matches[all.batch.count++] = {static_cast<uint32_t>(begin), end, custom_type(id)};
    return 0;
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
                                     error != nullptr ? error->message : "it cannot be compiled"});
    }
    made->engine_->scratches = std::vector<Engine::Scratch>(std::max(threads, 1u));
    for (Engine::Scratch& one : made->engine_->scratches)
        if (hs_alloc_scratch(database, &one.memory) != HS_SUCCESS)
            return std::unexpected(Fault{0, "there is no memory to look for it"});
    return made;
}

size_t CustomTypes::find(std::string_view text, size_t begin, size_t end, Batch& batch) const {
    Engine::Scratch& scratch = engine_->take();
    const size_t around = bytes_max_ + 1;
    for (bool whole = false; !whole; end = whole ? end : begin + (end - begin + 1) / 2) {
        batch.count = 0;
        whole = true;
        size_t at = begin > around ? begin - around : 0;
        const size_t stop = std::min(text.size(), end + around);
        while (at < stop && whole) {
            const size_t segment_end = std::min(text.find(text_sign, at), stop);
            const std::string_view segment = text.substr(at, segment_end - at);
            Collecting all{checks_, segment, at, begin, end, batch, {}};
            all.last.fill(Batch::count_max);
            if (segment_end > begin && !segment.empty())
                (void)hs_scan(engine_->database.get(), segment.data(), static_cast<unsigned>(segment.size()), 0,
                              scratch.memory, on_match, &all);
            whole = !all.is_full;
            at = segment_end + 1;
        }
        LOOM_ASSERT(whole || end - begin > 1);  // matches that begin at one place are one of each type
    }
    scratch.taken.clear(std::memory_order_release);
    const auto in_order = [](const Match& a, const Match& b) {
        return a.begin != b.begin ? a.begin < b.begin : a.type < b.type;
    };
    std::sort(batch.matches.begin(), batch.matches.begin() + batch.count, in_order);
    return end;
}

std::string_view name_of(PiiType type, const CustomTypes* custom) noexcept {
    return is_custom(type) ? custom->name(type) : pii_type_name(type);
}

std::string_view label_of(PiiType type, const CustomTypes* custom) noexcept {
    return is_custom(type) ? custom->label(type) : pii_info(type).label;
}

}  // namespace loom::guard

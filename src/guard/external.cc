#include "loom/guard/external.h"

#include <algorithm>
#include <tuple>

#include "loom/base/bounded_json.h"
#include "window.h"

namespace loom::guard {

namespace {

namespace dom = simdjson::dom;

constexpr size_t depth_max = 16;
constexpr size_t warm_bytes_max = 256 * 1024;  // of an answer: what larger ones take is given back

/// Well formed. What the request is may have made it so, and it says nothing of the guard's health.
std::unexpected<Error> no_answer(const char* what) noexcept { return fail(Errc::unsupported, Side::upstream, what); }
std::unexpected<Error> no_json() noexcept { return fail(Errc::bad_message, Side::upstream, "is no JSON object"); }

/// A word that may be told on: nothing that a person has written.
bool is_word(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
        return is_alpha(c) || is_digit(c) || std::string_view("_-./:").find(c) != std::string_view::npos;
    });
}

/// The member of this name, where there is one and no more.
enum class Found : uint8_t { none, one, more };
Found find(const dom::object& object, std::string_view name, dom::element& out) {
    Found found = Found::none;
    for (const auto [key, value] : object) {
        if (key != name) continue;
        if (found != Found::none) return Found::more;
        found = Found::one;
        out = value;
    }
    return found;
}

bool read_text(const dom::object& object, std::string_view name, std::string_view& out) {
    dom::element element;
    return find(object, name, element) == Found::one && element.get(out) == simdjson::SUCCESS;
}

bool read_place(const dom::object& object, std::string_view name, uint32_t& out) {
    dom::element element;
    uint64_t number = 0;
    if (find(object, name, element) != Found::one || element.get(number) != simdjson::SUCCESS) return false;
    out = static_cast<uint32_t>(number);
    return number <= UINT32_MAX;
}

Result<void> read_spans(const dom::object& answer, std::span<const uint32_t> text_bytes,
                        std::vector<ExternalSpan>& spans) {
    dom::element element;
    dom::array list;
    if (find(answer, "spans", element) != Found::one || element.get(list) != simdjson::SUCCESS)
        return no_answer("says mask, and has no list of 'spans'");
    for (const dom::element one : list) {
        if (spans.size() == ExternalReader::spans_max) return no_answer("has more spans than 1024");
        dom::object object;
        ExternalSpan span;
        if (one.get(object) != simdjson::SUCCESS || !read_place(object, "text", span.text) ||
            !read_place(object, "begin", span.begin) || !read_place(object, "end", span.end))
            return no_answer("has a span without 'text', 'begin' and 'end' as numbers");
        if (span.text >= text_bytes.size() || span.begin >= span.end || span.end > text_bytes[span.text])
            return no_answer("has a span that is in no text");
        std::string_view type;
        (void)read_text(object, "type", type);
        span.label = external_label(type);
        spans.push_back(std::move(span));
    }
    if (spans.empty()) return no_answer("says mask, and has no span");
    join_spans(spans);
    return {};
}

}  // namespace

void join_spans(std::vector<ExternalSpan>& spans) {
    std::ranges::sort(spans, {}, [](const ExternalSpan& one) { return std::tuple(one.text, one.begin, one.end); });
    size_t count = 0;
    for (ExternalSpan& one : spans) {
        if (count > 0 && spans[count - 1].text == one.text && one.begin < spans[count - 1].end) {
            spans[count - 1].end = std::max(spans[count - 1].end, one.end);
            continue;
        }
        if (&spans[count] != &one) spans[count] = std::move(one);
        count += 1;
    }
    spans.resize(count);
}

std::string external_label(std::string_view type) {
    std::string label = "[";
    for (const char c : type) {
        if (label.size() + 1 == ExternalReader::label_bytes_max) break;
        if (is_alpha(c))
            label += static_cast<char>(c & ~0x20);
        else if (label.size() > 1 && label.back() != '_' && !is_digit(c))
            label += '_';
    }
    while (label.back() == '_') label.pop_back();
    if (label.size() == 1) label += "MASKED";
    return label + ']';
}

struct ExternalReader::Scratch {
    dom::parser parser;

    bool read(std::string_view text, dom::object& out) { return json::parse_bounded(parser, text, depth_max, out); }
    void give_back_large() {
        if (parser.capacity() > warm_bytes_max) parser = dom::parser();
    }
};

ExternalReader::ExternalReader() : scratch_(std::make_unique<Scratch>()) {}
ExternalReader::~ExternalReader() = default;
ExternalReader::ExternalReader(ExternalReader&&) noexcept = default;

/// Of each byte: a word of simdjson's tape, a place in its index, five thirds of a string, and a copy with padding.
size_t ExternalReader::memory_bytes_max(size_t document_bytes) noexcept {
    return document_bytes * (sizeof(uint64_t) + sizeof(uint32_t) + 2 + 1) + 4096;
}

Result<ExternalVerdict> ExternalReader::read_webhook(std::string_view document, std::span<const uint32_t> text_bytes) {
    dom::object answer;
    if (!scratch_->read(document, answer)) return no_json();
    std::string_view word;
    if (!read_text(answer, "verdict", word)) return no_answer("does not say 'verdict' once, as a text");
    ExternalVerdict verdict;
    if (word == "block")
        verdict.result = GuardResult::block;
    else if (word == "mask")
        verdict.result = GuardResult::mask;
    else if (word != "allow")
        return no_answer("has a verdict that is neither allow, block nor mask");
    if (verdict.result == GuardResult::mask) {
        const auto read = read_spans(answer, text_bytes, verdict.spans);
        if (!read) return std::unexpected(read.error());
    }
    std::string_view reason;
    if (read_text(answer, "reason", reason) && is_word(reason)) verdict.reason = reason;
    return verdict;
}

namespace {

/// What counts of one text, as names.
class Moderation {
  public:
    Moderation(const ModerationTerms& terms, std::vector<std::string_view>& names) : terms_(terms), names_(names) {}

    /// Returns whether anything does.
    Result<bool> read(const dom::object& result) {
        dom::element element;
        bool flagged = false;
        if (find(result, "flagged", element) != Found::one || element.get(flagged) != simdjson::SUCCESS)
            return no_answer("has a result that does not say 'flagged'");
        bool counts = LOOM_TRY(read_scores(result));
        if (terms_.categories.empty() && terms_.thresholds.empty()) {
            if (flagged) LOOM_TRY(read_flags(result, false));
            return flagged;
        }
        const bool any = LOOM_TRY(read_flags(result, true));
        counts |= any;
        return counts;
    }

  private:
    [[nodiscard]] bool has_threshold(std::string_view name) const noexcept {
        return std::ranges::find(terms_.thresholds, name, &ModerationTerms::Threshold::category) !=
               terms_.thresholds.end();
    }
    /// There may be as many names as the answer has room for, and some fill a reason.
    void note(std::string_view name) {
        if (names_.size() == ExternalReader::names_max || !is_word(name)) return;
        if (std::ranges::find(names_, name) == names_.end()) names_.push_back(name);
    }

    Result<bool> read_scores(const dom::object& result) {
        if (terms_.thresholds.empty()) return false;
        dom::element element;
        dom::object scores;
        if (find(result, "category_scores", element) != Found::one || element.get(scores) != simdjson::SUCCESS)
            return no_answer("has a result without 'category_scores'");
        bool any = false;
        for (const ModerationTerms::Threshold& one : terms_.thresholds) {
            double score = 0;
            if (find(scores, one.category, element) != Found::one || element.get(score) != simdjson::SUCCESS)
                return no_answer("has no score of a category that has a threshold (.thresholds)");
            if (score < one.score) continue;
            any = true;
            note(one.category);
        }
        return any;
    }

    /// Flags that are null, of categories that this model does not have, are none.
    Result<bool> read_flags(const dom::object& result, bool is_needed) {
        dom::element element;
        dom::object flags;
        if (find(result, "categories", element) != Found::one || element.get(flags) != simdjson::SUCCESS) {
            if (!is_needed) return false;
            return no_answer("has a result without 'categories'");
        }
        for (const std::string& one : terms_.categories)
            if (find(flags, one, element) != Found::one)
                return no_answer("does not know a category that is asked for (.categories)");
        bool any = false;
        for (const auto [name, value] : flags) {
            bool flag = false;
            if (value.get(flag) != simdjson::SUCCESS || !flag || has_threshold(name)) continue;
            if (!terms_.categories.empty() && std::ranges::find(terms_.categories, name) == terms_.categories.end())
                continue;
            any = true;
            note(name);
        }
        return any;
    }

    const ModerationTerms& terms_;
    std::vector<std::string_view>& names_;
};

}  // namespace

Result<ExternalVerdict> ExternalReader::read_moderations(std::string_view document, size_t text_count,
                                                         const ModerationTerms& terms) {
    auto verdict = judge_moderations(document, text_count, terms);
    scratch_->give_back_large();
    return verdict;
}

Result<ExternalVerdict> ExternalReader::judge_moderations(std::string_view document, size_t text_count,
                                                          const ModerationTerms& terms) {
    dom::object answer;
    dom::element element;
    dom::array results;
    if (!scratch_->read(document, answer)) return no_json();
    if (find(answer, "results", element) != Found::one || element.get(results) != simdjson::SUCCESS)
        return no_answer("has no list of 'results'");
    ExternalVerdict verdict;
    std::vector<std::string_view> names;
    Moderation moderation(terms, names);
    size_t count = 0;
    for (const dom::element one : results) {
        dom::object result;
        if (one.get(result) != simdjson::SUCCESS) return no_answer("has a result that is no object");
        const auto counts = moderation.read(result);
        if (!counts) return std::unexpected(counts.error());
        if (*counts) verdict.result = GuardResult::block;
        count += 1;
    }
    if (count != text_count) return no_answer("has not one result for each text");
    for (const std::string_view name : names) {
        if (verdict.reason.size() + name.size() + 2 > reason_bytes_max) continue;
        if (!verdict.reason.empty()) verdict.reason += ", ";
        verdict.reason += name;
    }
    return verdict;
}

}  // namespace loom::guard

#include "loom/llm/usage.h"

#include "structure.h"
#include "usage_object.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace loom::llm {

namespace {

constexpr std::string_view usage_key = R"("usage")";

/// Offset of the last `"usage"` before `end`, or npos. Sixteen bytes a step: an answer without usage costs a pass.
size_t find_last_usage(std::string_view text, size_t end) {
    constexpr auto npos = std::string_view::npos;
    if (end < usage_key.size()) return npos;
    size_t at = end - usage_key.size() + 1;  // one past the last place to try
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), letter = _mm_set1_epi8('u');
    while (at >= 16) {
        const auto* block = text.data() + at - 16;
        const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block));
        const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 1));
        auto hits = static_cast<uint32_t>(
            _mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(first, quote), _mm_cmpeq_epi8(second, letter))));
        while (hits != 0) {
            const auto bit = 31u - static_cast<uint32_t>(__builtin_clz(hits));
            if (text.substr(at - 16 + bit, usage_key.size()) == usage_key) return at - 16 + bit;
            hits ^= 1u << bit;
        }
        at -= 16;
    }
#endif
    while (at-- > 0) {
        if (text.substr(at, usage_key.size()) == usage_key) return at;
    }
    return npos;
}

bool read_member(Cursor& cursor, Range key, Usage& usage, bool& found) {
    if (inside(cursor.text(), key) != "usage") return cursor.skip_value();
    found = false;  // of two, the last counts, as with most parsers
    if (cursor.peek() != '{') return cursor.skip_value();
    return read_usage_object(cursor, usage, found);
}

/// Reads what stands from `"usage"` on as the end of an object that ends the document. False when it is not that.
bool read_tail(Structure& structure, std::string_view tail, Usage& usage, bool& found) {
    Tokens tokens;
    Fault fault;
    if (!structure.index(tail, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(tail, tokens);
    return cursor.members_until_end([&](Range key) { return read_member(cursor, key, usage, found); }) &&
           cursor.at_end();
}

bool read_document(Structure& structure, std::string_view text, Usage& usage, bool& found) {
    Tokens tokens;
    Fault fault;
    if (!structure.index(text, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(text, tokens);
    return cursor.each_member([&](Range key) { return read_member(cursor, key, usage, found); }) && cursor.at_end();
}

/// Counts of one details object: cached_tokens, reasoning_tokens and audio_tokens.
bool read_details(Cursor& cursor, Usage& usage, bool is_input) {
    if (cursor.peek() != '{') return cursor.skip_value();
    return cursor.each_member([&](Range key) {
        const std::string_view name = inside(cursor.text(), key);
        uint64_t count = 0;
        if (!cursor.take_count(count)) return cursor.skip_value();
        if (name == "cached_tokens") usage.cached_input = count;
        if (name == "reasoning_tokens") usage.reasoning = count;
        if (name == "cache_write_tokens" && is_input) usage.cache_write = count;
        if (name == "audio_tokens") (is_input ? usage.audio_input : usage.audio_output) = count;
        return true;
    });
}

/// Anthropic counts cached tokens beside input_tokens, not among them.
struct Beside {
    uint64_t read = 0, created = 0, created_1h = 0;
};

bool read_cache_creation(Cursor& cursor, Beside& beside) {
    if (cursor.peek() != '{') return cursor.skip_value();
    return cursor.each_member([&](Range key) {
        const bool is_hour = inside(cursor.text(), key) == "ephemeral_1h_input_tokens";
        return (is_hour && cursor.take_count(beside.created_1h)) || cursor.skip_value();
    });
}

bool set_count(std::string_view name, uint64_t count, Usage& usage, Beside& beside) {
    if (name == "prompt_tokens" || name == "input_tokens") {
        usage.input = count;
    } else if (name == "completion_tokens" || name == "output_tokens") {
        usage.output = count;
    } else if (name == "total_tokens") {
        usage.total = count;
    } else if (name == "cache_read_input_tokens") {
        beside.read = count;
    } else if (name == "cache_creation_input_tokens") {
        beside.created = count;
    } else {
        if (name == "prompt_cache_hit_tokens") usage.cached_input = count;  // DeepSeek, among prompt_tokens
        return false;
    }
    return true;
}

}  // namespace

bool read_usage_object(Cursor& cursor, Usage& usage, bool& found) {
    Usage read;
    Beside beside;
    bool any = false;
    const bool good = cursor.each_member([&](Range key) {
        const std::string_view name = inside(cursor.text(), key);
        if (name.ends_with("_details")) {
            return read_details(cursor, read, name.starts_with("prompt") || name.starts_with("input"));
        }
        if (name == "cache_creation") return read_cache_creation(cursor, beside);
        uint64_t count = 0;
        if (!cursor.take_count(count)) return cursor.skip_value();
        any |= set_count(name, count, read, beside);
        return true;
    });
    if (!good) return false;
    found = any;
    if (!any) return true;
    if (beside.read + beside.created > 0) {
        read.input += beside.read + beside.created;
        read.cached_input = beside.read;
        read.cache_write = beside.created;
        read.cache_write_1h = beside.created_1h;
    }
    // xAI, and Google where it speaks OpenAI, count reasoning beside the completion; the total tells.
    if (read.reasoning > 0 && read.total == read.input + read.output + read.reasoning) read.output += read.reasoning;
    if (read.total == 0) read.total = read.input + read.output;
    read.provenance = Usage::Provenance::reported;
    usage = read;
    return true;
}

std::string_view provenance_name(Usage::Provenance provenance) noexcept {
    switch (provenance) {
        case Usage::Provenance::none: return "none";
        case Usage::Provenance::reported: return "reported";
        case Usage::Provenance::counted: return "counted";
        case Usage::Provenance::estimated: return "estimated";
    }
    return "none";
}

UsageReader::UsageReader() : structure_(std::make_unique<Structure>()) {}
UsageReader::~UsageReader() = default;
UsageReader::UsageReader(UsageReader&&) noexcept = default;
UsageReader& UsageReader::operator=(UsageReader&&) noexcept = default;

Result<bool> UsageReader::read(std::string_view answer_json, Usage& usage) {
    Usage read;
    bool found = false;
    const size_t last = find_last_usage(answer_json, answer_json.size());
    if (last == answer_json.npos) return false;
    // Behind a backslash its first quote is a letter of a key that ends so: only the whole document tells.
    const bool is_escaped = last > 0 && answer_json[last - 1] == '\\';
    bool good = !is_escaped && read_tail(*structure_, answer_json.substr(last), read, found);
    if (!good) {
        read = {};
        found = false;
        good = read_document(*structure_, answer_json, read, found);
        structure_->trim();
    }
    if (!good) return fail(Errc::bad_message, Side::upstream, "the answer is not a JSON object");
    if (found) usage = read;
    return found;
}

}  // namespace loom::llm

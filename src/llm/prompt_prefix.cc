#include "loom/llm/prompt_prefix.h"

#include <algorithm>

#include "loom/base/assert.h"
#include "loom/base/stream_hash.h"

namespace loom::llm {

namespace {

constexpr std::string_view cache_mark = R"("cache_control")";  // inside a string its quotes would be escaped

/// Hashes so many bytes of what it is given.
class Prefix {
  public:
    explicit Prefix(size_t bytes_max) noexcept : left_bytes_(bytes_max) {}

    void add(std::string_view text) noexcept {
        while (!text.empty() && left_bytes_ > 0) {
            const size_t mark = text.substr(0, left_bytes_ + cache_mark.size()).find(cache_mark);
            if (mark == text.npos) return take(text);
            take(without_comma(text.substr(0, mark)));
            text.remove_prefix(std::min(text.size(), end_of_mark(text, mark)));
        }
    }
    [[nodiscard]] uint64_t value() const noexcept { return std::max<uint64_t>(hash_.value(), 1); }

  private:
    void take(std::string_view text) noexcept {
        const std::string_view part = text.substr(0, left_bytes_);
        left_bytes_ -= part.size();
        hash_.add(part);
    }
    /// Of the member in front; one that stands first has its comma behind it.
    static std::string_view without_comma(std::string_view text) noexcept {
        const size_t last = text.find_last_not_of(" \t\r\n");
        return last != text.npos && text[last] == ',' ? text.substr(0, last) : text;
    }
    /// Behind the mark's value: an object of strings, or null.
    static size_t end_of_mark(std::string_view text, size_t mark) noexcept {
        size_t at = text.find_first_of("{n}", mark + cache_mark.size());
        if (at == text.npos) return text.npos;
        if (text[at] == '{') at = text.find('}', at);
        if (at == text.npos) return text.npos;
        if (text[at] == 'n') return at + std::string_view("null").size();
        at += 1;
        const size_t before = text.substr(0, mark).find_last_not_of(" \t\r\n");
        const bool was_first = before != text.npos && text[before] == '{';
        const size_t next = text.find_first_not_of(" \t\r\n", at);
        return was_first && next != text.npos && text[next] == ',' ? next + 1 : at;
    }

    StreamHash hash_;
    size_t left_bytes_;
};

/// Does any string spell a letter, or '_', as no writer of JSON has to (\u005f, \u0061 .. \u007a)?
bool escapes_a_letter(std::string_view body) noexcept {
    constexpr std::string_view escape = R"(\u00)";
    for (size_t at = body.find(escape); at != body.npos; at = body.find(escape, at + 1)) {
        const std::string_view digits = body.substr(at + escape.size(), 2);
        if (digits.starts_with('6') || digits.starts_with('7') || digits == "5f" || digits == "5F") return true;
    }
    return false;
}

}  // namespace

uint64_t hash_prompt_prefix(const Request& request, std::string_view body, size_t bytes_max) noexcept {
    Prefix prefix(bytes_max);
    prefix.add(text_of(body, request.tools_range));
    prefix.add(text_of(body, request.system_range));
    prefix.add(text_of(body, request.opening_range.absent() ? request.messages_range : request.opening_range));
    return prefix.value();
}

bool put_prompt_cache_key(Edits& edits, const Request& request, std::string_view body, std::string_view key) noexcept {
    LOOM_ASSERT(!request.object_empty);  // it names a model
    if (!request.cache_key_range.absent() || body.contains("prompt_cache") || escapes_a_letter(body)) return false;
    const uint32_t at = request.object_insert_offset;
    const bool placed =
        edits.insert(at, R"("prompt_cache_key":")") && edits.insert(at, key) && edits.insert(at, R"(",)");
    LOOM_ASSERT(placed);
    return true;
}

}  // namespace loom::llm

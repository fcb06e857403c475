#include "anthropic_usage.h"

#include <algorithm>

#include "anthropic.h"

namespace loom::llm::anthropic {

namespace {

uint64_t sum(uint64_t a, uint64_t b) noexcept {
    uint64_t total = 0;
    return __builtin_add_overflow(a, b, &total) ? UINT64_MAX : total;
}

/// Takes a count, or skips what is none (null).
bool raise(Cursor& cursor, uint64_t& count) {
    uint64_t value = 0;
    if (!cursor.take_count(value)) return cursor.skip_value();
    count = std::max(count, value);
    return true;
}

}  // namespace

bool Counts::read(Cursor& cursor) {
    if (cursor.peek() != '{') return cursor.skip_value();
    return cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "input_tokens" || name == "output_tokens") {
            told_ |= cursor.is_number();
            return raise(cursor, name == "input_tokens" ? input_ : output_);
        }
        if (name == "cache_read_input_tokens") return raise(cursor, cache_read_);
        if (name == "cache_creation_input_tokens") return raise(cursor, cache_creation_);
        if (name == "cache_creation") return read_creation(cursor);
        if (name == "output_tokens_details") return read_output_details(cursor);
        if (name == "service_tier") return take_text(cursor, service_tier_);
        return cursor.skip_value();
    });
}

bool Counts::read_creation(Cursor& cursor) {
    if (cursor.peek() != '{') return cursor.skip_value();
    return cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "ephemeral_5m_input_tokens") return raise(cursor, cache_5m_);
        if (name == "ephemeral_1h_input_tokens") return raise(cursor, cache_1h_);
        return cursor.skip_value();
    });
}

bool Counts::read_output_details(Cursor& cursor) {
    if (cursor.peek() != '{') return cursor.skip_value();
    return cursor.each_member([&](Range key) {
        return name_of(cursor, key) == "thinking_tokens" ? raise(cursor, thinking_) : cursor.skip_value();
    });
}

Usage Counts::usage() const noexcept {
    Usage usage{.output = output_,
                .cached_input = cache_read_,
                .cache_write = std::max(cache_creation_, sum(cache_5m_, cache_1h_)),
                .cache_write_1h = cache_1h_,
                .reasoning = std::min(thinking_, output_),
                .provenance = told_ ? Usage::Provenance::reported : Usage::Provenance::none};
    usage.input = sum(input_, sum(usage.cached_input, usage.cache_write));
    usage.total = sum(usage.input, usage.output);
    return usage;
}

void write_usage(const Usage& usage, Text service_tier, JsonOut& json) {
    const uint64_t cached = std::min(usage.cached_input, usage.input);
    const uint64_t written = std::min(usage.cache_write, usage.input - cached);
    const uint64_t written_1h = std::min(usage.cache_write_1h, written);
    json.open_object();
    json.member_number("input_tokens", usage.input - cached - written);
    json.member_number("cache_creation_input_tokens", written);
    json.member_number("cache_read_input_tokens", cached);
    if (written > 0) {
        json.key("cache_creation");
        json.open_object();
        json.member_number("ephemeral_5m_input_tokens", written - written_1h);
        json.member_number("ephemeral_1h_input_tokens", written_1h);
        json.close_object();
    }
    json.member_number("output_tokens", usage.output);
    if (usage.reasoning > 0) {
        json.key("output_tokens_details");
        json.open_object();
        json.member_number("thinking_tokens", usage.reasoning);
        json.close_object();
    }
    json.member("service_tier", write_tier(service_tier));
    json.close_object();
}

}  // namespace loom::llm::anthropic

#include "context.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "loom/llm/json_text.h"
#include "reasoning.h"

namespace loom::llm {

namespace {

bool is_object(std::string_view document, Structure& structure) {
    if (find_bad_escape(document) != document.npos) return false;
    Tokens tokens;
    Fault fault;
    if (!structure.index(document, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(document, tokens);
    return cursor.peek() == '{' && cursor.skip_value() && cursor.at_end();
}

}  // namespace

double value_of(Json number) noexcept {
    char text[64];
    if (number.empty() || number.size() >= sizeof text) return 0;
    text[number.copy(text, sizeof text - 1)] = '\0';
    char* end = nullptr;
    const double value = std::strtod(text, &end);
    return end != text && std::isfinite(value) ? value : 0;
}

std::string_view plain(Text text, Arena& arena) {
    if (text.find('\\') == text.npos) return text;
    char* const room = arena.take(text.size());
    const size_t bytes = unescape(text, room);
    return bytes == bad_text ? text : std::string_view(room, bytes);
}

Text escaped(std::string_view plain, Arena& arena) {
    size_t clean = 0;
    while (clean < plain.size() && plain[clean] != '"' && plain[clean] != '\\' &&
           static_cast<uint8_t>(plain[clean]) >= 0x20)
        ++clean;
    if (clean == plain.size()) return plain;
    const size_t bytes_max = 6 * plain.size();
    char* const room = arena.take(bytes_max);
    return {room, escape(plain, std::span<char>(room, bytes_max))};
}

bool is_blank(Text text) noexcept {
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == ' ') continue;
        const bool escape = text[i] == '\\' && i + 1 < text.size();
        if (!escape || (text[i + 1] != 'n' && text[i + 1] != 't' && text[i + 1] != 'r')) return false;
        ++i;
    }
    return true;
}

Json one_line(Json json, Arena& arena) {
    const auto is_break = [](char c) { return c == '\n' || c == '\r'; };
    if (std::ranges::none_of(json, is_break)) return json;
    char* const room = arena.take(json.size());
    std::ranges::replace_copy_if(json, room, is_break, ' ');
    return {room, json.size()};
}

Json arguments_object(const Part& call, Context& context) {
    if (has(call.arguments) && call.arguments.starts_with('{')) return one_line(call.arguments, context.arena);
    Text inside = call.arguments_text;
    if (has(call.arguments)) {
        inside = escaped(call.arguments, context.arena);
    } else {
        if (is_blank(inside)) return "{}";
        const std::string_view document = plain(inside, context.arena);
        if (is_object(document, context.nested)) return one_line(document, context.arena);
    }
    constexpr std::string_view front = R"({"_unparsed":")", back = R"("})";
    char* const room = context.arena.take(front.size() + inside.size() + back.size());
    char* end = std::copy(front.begin(), front.end(), room);
    end = std::copy(inside.begin(), inside.end(), end);
    end = std::copy(back.begin(), back.end(), end);
    return {room, static_cast<size_t>(end - room)};
}

bool split_data_url(Text url, Media& media) noexcept {
    constexpr std::string_view scheme = "data:", base64 = ";base64,";
    if (!url.starts_with(scheme)) return false;
    const size_t mark = url.find(base64);
    if (mark == url.npos) return false;
    Text type = url.substr(scheme.size(), mark - scheme.size());
    type = type.substr(0, type.find(';'));  // without parameters
    if (!type.empty()) media.media_type = type;
    media.data = url.substr(mark + base64.size());
    media.source = Media::Source::base64;
    return true;
}

Text joined_text(const ArenaList<Part>& parts, Text between, Arena& arena) {
    size_t bytes = 0;
    uint32_t count = 0;
    Text only;
    for (const Part& part : parts) {
        if (part.kind != Part::Kind::text) continue;
        bytes += part.text.size() + between.size();
        only = part.text;
        count += 1;
    }
    if (count <= 1) return only;
    char* const room = arena.take(bytes);
    char* end = room;
    uint32_t joined = 0;
    for (const Part& part : parts) {
        if (part.kind != Part::Kind::text) continue;
        if (joined++ > 0) end = std::copy(between.begin(), between.end(), end);
        end = std::copy(part.text.begin(), part.text.end(), end);
    }
    return {room, static_cast<size_t>(end - room)};
}

Reasoning::Effort openai_effort(const Reasoning& reasoning, Context& context) {
    const Reasoning::Effort effort = effort_of(reasoning);
    const Protocol client = context.terms.client;
    const bool knows_the_model = client == Protocol::openai_chat || client == Protocol::openai_responses;
    if (effort != Reasoning::Effort::max || knows_the_model) return effort;
    context.losses.add("reasoning_effort");
    return Reasoning::Effort::xhigh;
}

Json clamped(Json number, double low, double high, std::string_view name, Context& context) {
    const double value = value_of(number);
    if (value >= low && value <= high) return number;
    context.losses.add(name);
    const double bound = value < low ? low : high;
    char* const room = context.arena.take(32);
    const auto end = std::to_chars(room, room + 32, bound).ptr;
    return {room, static_cast<size_t>(end - room)};
}

}  // namespace loom::llm

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "embed_hub.h"

namespace loom::llm {

namespace {

static_assert(std::endian::native == std::endian::little, "the base64 form is little-endian");

constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t no_letter = 64;

constexpr std::array<uint8_t, 256> make_values() {
    std::array<uint8_t, 256> values{};
    values.fill(no_letter);
    for (uint8_t i = 0; i < 64; ++i) values[static_cast<uint8_t>(letters[i])] = i;
    return values;
}
constexpr std::array<uint8_t, 256> values = make_values();

bool ends_number(char c) noexcept { return c == ',' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/// The bytes of `[0.1, -2e-3]`, a JSON array that is well formed. False where an element is no number.
bool bytes_of(Json floats, ArenaText& bytes) {
    const char* at = floats.data() + 1;
    const char* const end = floats.data() + floats.size();
    for (;;) {
        while (at < end && ends_number(*at)) ++at;
        if (at == end) return true;
        double number = 0;
        const auto [next, error] = std::from_chars(at, end, number);
        const auto value = static_cast<float>(number);
        if (error != std::errc{} || next == end || !ends_number(*next) || !std::isfinite(value)) return false;
        bytes.append({reinterpret_cast<const char*>(&value), sizeof value});
        at = next;
    }
}

bool decode(Text base64, ArenaText& bytes) {
    while (base64.ends_with('=')) base64.remove_suffix(1);
    if (base64.size() % 4 == 1) return false;
    uint32_t group = 0, count = 0;
    for (const char letter : base64) {
        const uint8_t value = values[static_cast<uint8_t>(letter)];
        if (value == no_letter) return false;
        group = group << 6 | value;
        if (++count % 4 != 0) continue;
        const char three[] = {static_cast<char>(group >> 16), static_cast<char>(group >> 8), static_cast<char>(group)};
        bytes.append({three, 3});
        group = 0;
    }
    const uint32_t left = count % 4;
    group <<= 6 * (4 - left);
    const char rest[] = {static_cast<char>(group >> 16), static_cast<char>(group >> 8)};
    if (left > 1) bytes.append({rest, left - 1});
    return true;
}

void encode(std::string_view bytes, JsonOut& json) {
    std::array<char, 256> room;
    size_t used = 0;
    json.open_text();
    for (size_t at = 0; at < bytes.size(); at += 3) {
        const size_t left = bytes.size() - at;
        uint32_t group = 0;
        for (size_t i = 0; i < 3; ++i) group = group << 8 | (i < left ? static_cast<uint8_t>(bytes[at + i]) : 0u);
        for (uint32_t i = 0; i < 4; ++i) room[used++] = i <= left ? letters[group >> (18 - 6 * i) & 63] : '=';
        if (used < room.size()) continue;
        json.piece({room.data(), used});
        used = 0;
    }
    json.piece({room.data(), used});
    json.close_text();
}

}  // namespace

bool write_floats(const Embedding& vector, Context& context, JsonOut& json) {
    if (has(vector.floats)) {
        json.json(vector.floats);
        return true;
    }
    ArenaText bytes(context.arena, vector.base64.size());
    if (!decode(plain(vector.base64, context.arena), bytes) || bytes.size() % sizeof(float) != 0) return false;
    ArenaText numbers(context.arena, bytes.size() * 4);
    numbers.append("[");
    for (size_t at = 0; at < bytes.size(); at += sizeof(float)) {
        float value = 0;
        std::memcpy(&value, bytes.view().data() + at, sizeof value);
        if (!std::isfinite(value)) return false;
        std::array<char, 32> digits;
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
        numbers.append(at > 0 ? "," : "").append({digits.data(), static_cast<size_t>(end - digits.data())});
    }
    json.json(numbers.append("]").view());
    return true;
}

bool write_base64(const Embedding& vector, Context& context, JsonOut& json) {
    if (has(vector.base64)) {
        json.text(vector.base64);
        return true;
    }
    ArenaText bytes(context.arena, vector.floats.size() / 2);
    if (!bytes_of(vector.floats, bytes)) return false;
    encode(bytes.view(), json);
    return true;
}

bool read_numbers(const Embedding& vector, Context& context, std::vector<float>& into) {
    ArenaText bytes(context.arena, has(vector.base64) ? vector.base64.size() : vector.floats.size() / 2);
    const bool good =
        has(vector.base64) ? decode(plain(vector.base64, context.arena), bytes) : bytes_of(vector.floats, bytes);
    if (!good || bytes.size() % sizeof(float) != 0) return false;
    into.resize(bytes.size() / sizeof(float));
    if (!into.empty()) std::memcpy(into.data(), bytes.view().data(), bytes.size());
    return std::ranges::all_of(into, [](float one) { return std::isfinite(one); });
}

}  // namespace loom::llm

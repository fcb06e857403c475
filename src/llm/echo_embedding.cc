#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "echo_state.h"

namespace loom::llm {

namespace {

/// FNV-1a: any hash would do, this one is eight words long and the same on every machine.
uint64_t hash(std::string_view text) {
    uint64_t value = 0xcbf29ce484222325;
    for (const char c : text) value = (value ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    return value;
}

/// splitmix64, as a number in (-1, 1).
float next(uint64_t& state) {
    state += 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return static_cast<float>(static_cast<double>(static_cast<int64_t>(z)) / 9223372036854775808.0);
}

std::vector<float> unit_vector(std::string_view text, uint64_t dimensions) {
    std::vector<float> vector(dimensions);
    uint64_t state = hash(text);
    double squares = 0;
    for (float& x : vector) {
        x = next(state);
        squares += static_cast<double>(x) * x;
    }
    const double length = std::sqrt(squares);
    for (float& x : vector) x = static_cast<float>(x / length);
    return vector;
}

void write_base64(std::string_view bytes, std::string& out) {
    constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < bytes.size(); at += 3) {
        const size_t left = bytes.size() - at;
        uint32_t group = 0;
        for (size_t i = 0; i < 3; ++i) group = group << 8 | (i < left ? static_cast<uint8_t>(bytes[at + i]) : 0u);
        for (uint32_t i = 0; i < 4; ++i) out += i <= left ? letters[group >> (18 - 6 * i) & 63] : '=';
    }
}

}  // namespace

void write_echo_embedding(std::string_view text, uint64_t dimensions, bool base64, std::string& out) {
    static_assert(std::endian::native == std::endian::little, "the base64 form is little-endian");
    const std::vector<float> vector = unit_vector(text, dimensions);
    if (base64) {
        out += '"';
        write_base64({reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)}, out);
        out += '"';
        return;
    }
    char digits[32];
    out += '[';
    for (const float& x : vector) {
        if (&x != vector.data()) out += ',';
        out.append(digits, std::to_chars(digits, digits + sizeof digits, x).ptr);
    }
    out += ']';
}

void append_number(std::string& out, uint64_t number) {
    char digits[24];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

}  // namespace loom::llm

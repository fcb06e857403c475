// Random JSON documents, from a seed that the test prints.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace loom::llm {

class RandomJson {
  public:
    explicit RandomJson(uint64_t seed) : random_(seed) {}

    uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }
    bool chance(uint32_t percent) { return below(100) < percent; }

    std::string space() {
        std::string out;
        while (chance(15)) out += " \n\t\r"[below(4)];
        return out;
    }

    std::string string() {
        static constexpr const char* pieces[] = {
            "a",       "model",          "usage", " ", "\\\"", "\\\\", "\\n",    "é",  "漢",
            "\\u00e9", "\\ud83d\\ude00", "{",     "}", ":",    ",",    "[DONE]", "😀", "\\/"};
        std::string out = "\"";
        while (chance(70)) out += pieces[below(std::size(pieces))];
        return out + '"';
    }

    std::string value(uint32_t depth = 0) {
        const uint32_t kind = below(depth > 4 ? 6 : 10);
        if (kind < 2) return string();
        if (kind == 2) return "null";
        if (kind == 3) return chance(50) ? "true" : "false";
        if (kind < 6) return number();
        return kind < 8 ? array(depth) : object(depth);
    }

    std::string object(uint32_t depth = 0) {
        std::string out = "{" + space();
        for (uint32_t i = 0, count = below(5); i < count; ++i) {
            if (i > 0) out += "," + space();
            out += string() + space() + ":" + space() + value(depth + 1) + space();
        }
        return out + "}";
    }

  private:
    std::string number() {
        static constexpr const char* numbers[] = {"0", "-1", "17", "3.25", "1e3", "-2.5E-2", "123456789"};
        return numbers[below(std::size(numbers))];
    }
    std::string array(uint32_t depth) {
        std::string out = "[" + space();
        for (uint32_t i = 0, count = below(5); i < count; ++i) {
            if (i > 0) out += "," + space();
            out += value(depth + 1) + space();
        }
        return out + "]";
    }

    std::mt19937_64 random_;
};

}  // namespace loom::llm

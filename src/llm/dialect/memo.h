// What a client's dialect notes of the request, for the answer that comes back to it.
#pragma once

#include <unordered_set>

#include "chat.h"
#include "loom/base/hash.h"

namespace loom::llm {

/// Lives as long as the exchange. What is noted is copied: the request's body may be gone when its answer comes.
class Memo {
  public:
    explicit Memo(Arena& arena) noexcept : arena_(arena) {}

    /// One field of the request that the answer repeats. False, and nothing is noted, when all of them would take more
    /// than repeated_bytes_max: an answer must not grow with its request.
    bool repeat(std::string_view name, Json value) {
        if (repeated_bytes_ + value.size() > repeated_bytes_max) return false;
        repeated_bytes_ += static_cast<uint32_t>(value.size());
        repeated_.add(arena_, {arena_.keep(name), arena_.keep(value)});
        return true;
    }
    /// Absent where it was not noted.
    [[nodiscard]] Json repeated(std::string_view name) const noexcept {
        for (const Field& field : repeated_)
            if (field.name == name) return field.value;
        return {};
    }

    /// A tool whose input is free text: the provider is told of a function with one string instead.
    void note_free_text_tool(Text name) {
        if (!is_free_text_tool(name)) free_text_tools_.insert(arena_.keep(name));
    }
    [[nodiscard]] bool is_free_text_tool(Text name) const noexcept { return free_text_tools_.contains(name); }

    static constexpr uint32_t repeated_bytes_max = 32 << 10;

  private:
    struct Field {
        std::string_view name;
        Json value;
    };
    Arena& arena_;
    ArenaList<Field> repeated_;
    std::unordered_set<Text, StringHash> free_text_tools_;  // of a request there may be as many as it has bytes for
    uint32_t repeated_bytes_ = 0;
};

}  // namespace loom::llm

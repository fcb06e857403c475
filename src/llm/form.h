// The last event as a form with holes: another event that fits it has the same facts and needs no parse.
//
// Why that is exact: the literal bytes between the holes are equal, and each hole holds a whole JSON string body (ended
// by the quote that begins the next literal) or a whole number. Exchanging the body of one string token for another
// changes no other token, so both documents have the same tree but for these values, of which no fact depends on more
// than whether a text is empty.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "loom/llm/range.h"

namespace loom::llm {

class EventForm {
  public:
    enum class Hole : uint8_t { string, number };

    static constexpr uint32_t bytes_max = 1024;  // of literals; a longer event is always parsed
    static constexpr uint32_t holes_max = 8;

    /// Begins a form of `event`; add_hole() in rising order; then end().
    void begin(std::string_view event) noexcept;
    /// value  a string with its quotes, or a number. False when there is no room, and the form stays empty.
    bool add_hole(Hole kind, Range value) noexcept;
    void end() noexcept;
    void clear() noexcept { hole_count_ = 0; }

    /// Does `event` fit? Then values[i] is what stands in hole i, quotes included.
    [[nodiscard]] bool fits(std::string_view event, std::array<Range, holes_max>& values) const noexcept;
    [[nodiscard]] uint32_t hole_count() const noexcept { return hole_count_; }

  private:
    bool add_literal(uint32_t end) noexcept;

    struct Part {
        uint16_t begin = 0, length = 0;  // of the literal before the hole, in bytes_
        Hole kind = Hole::string;
    };
    std::array<Part, holes_max> parts_;
    Part tail_;
    uint32_t hole_count_ = 0;
    uint32_t used_ = 0;
    std::string_view event_;  // between begin() and end()
    uint32_t taken_ = 0;
    bool open_ = false;
    std::array<char, bytes_max> bytes_;
};

}  // namespace loom::llm

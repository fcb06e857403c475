#include "losses.h"

#include <algorithm>
#include <array>

namespace loom::llm {

namespace {

constexpr size_t name_bytes_max = 64;

}  // namespace

void Losses::add(std::string_view name) {
    if (names_.count() >= names_max) return;
    name = name.substr(0, name_bytes_max);
    std::array<char, name_bytes_max> room;
    std::ranges::transform(name, room.begin(), [](char c) { return c > ' ' && c <= '~' && c != ',' ? c : '?'; });
    const std::string_view clean(room.data(), name.size());
    for (const std::string_view one : names_)
        if (one == clean) return;
    // Only what is new is kept: a document may lose the same thing a million times.
    names_.add(arena_, names_.count() + 1 == names_max ? std::string_view("...") : arena_.keep(clean));
}

}  // namespace loom::llm

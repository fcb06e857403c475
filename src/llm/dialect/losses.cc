#include "losses.h"

namespace loom::llm {

namespace {

constexpr size_t name_bytes_max = 64;

}  // namespace

void Losses::add(std::string_view name) {
    name = name.substr(0, name_bytes_max);
    char* const clean = arena_.take(name.size());
    for (size_t i = 0; i < name.size(); ++i) clean[i] = name[i] > ' ' && name[i] <= '~' && name[i] != ',' ? name[i] : '?';
    const std::string_view kept(clean, name.size());
    for (const std::string_view one : names_)
        if (one == kept) return;
    if (names_.count() >= names_max) return;
    names_.add(arena_, names_.count() + 1 == names_max ? std::string_view("...") : kept);
}

}  // namespace loom::llm

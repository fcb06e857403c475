#include "unicode_classes.h"

#include <algorithm>
#include <iterator>
#include <memory>

namespace loom::llm {
namespace {

using enum CharClass;

struct ClassStart {
    uint32_t point;
    CharClass of;
};
// clang-format off
constexpr ClassStart starts[] = {
#include "unicode_classes.inc"
};
// clang-format on

std::unique_ptr<CharClass[]> make_table() {
    auto table = std::make_unique<CharClass[]>(code_point_count);
    for (size_t i = 0; i < std::size(starts); ++i) {
        const uint32_t end = i + 1 < std::size(starts) ? starts[i + 1].point : code_point_count;
        std::fill(&table[starts[i].point], &table[0] + end, starts[i].of);
    }
    return table;
}

}  // namespace

const CharClass* char_classes() noexcept {
    static const std::unique_ptr<CharClass[]> table = make_table();
    return table.get();
}

}  // namespace loom::llm

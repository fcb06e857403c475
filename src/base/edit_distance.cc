#include "loom/base/edit_distance.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace loom {
namespace {

constexpr size_t name_bytes_max = 128;
using Row = std::array<uint16_t, name_bytes_max + 1>;

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

}  // namespace

size_t edit_distance(std::string_view a, std::string_view b, size_t limit) noexcept {
    if (a.size() > name_bytes_max || b.size() > name_bytes_max) return limit + 1;
    Row before{}, last{}, row{};  // three rows of the table: a swap looks two back
    for (size_t j = 0; j <= b.size(); ++j) last[j] = static_cast<uint16_t>(j);
    for (size_t i = 1; i <= a.size(); ++i) {
        row[0] = static_cast<uint16_t>(i);
        uint16_t least = row[0];
        for (size_t j = 1; j <= b.size(); ++j) {
            const char x = lower(a[i - 1]), y = lower(b[j - 1]);
            const int replaced = last[j - 1] + (x != y);
            int best = std::min({replaced, last[j] + 1, row[j - 1] + 1});
            const bool swapped = i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a[i - 2]) == y;
            if (swapped) best = std::min(best, before[j - 2] + 1);
            row[j] = static_cast<uint16_t>(best);
            least = std::min(least, row[j]);
        }
        if (least > limit) return limit + 1;
        before = last;
        last = row;
    }
    return std::min<size_t>(last[b.size()], limit + 1);
}

}  // namespace loom

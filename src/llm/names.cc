#include "loom/llm/names.h"

#include <algorithm>
#include <array>

namespace loom::llm {

namespace {

constexpr size_t compared_max = 64;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool begins_with(std::string_view name, std::string_view begin) {
    if (begin.empty() || name.size() < begin.size()) return false;
    for (size_t i = 0; i < begin.size(); ++i) {
        if (lower(name[i]) != lower(begin[i])) return false;
    }
    return true;
}

}  // namespace

uint32_t edit_distance(std::string_view a, std::string_view b, uint32_t limit) noexcept {
    a = a.substr(0, compared_max);
    b = b.substr(0, compared_max);
    if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) > limit) return limit + 1;
    // Three rows of the optimal string alignment table: the one before last is for swaps.
    std::array<uint32_t, compared_max + 1> before{}, last{}, row{};
    for (uint32_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (uint32_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (uint32_t j = 1; j <= b.size(); ++j) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + !same});
            const bool swapped =
                i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
            if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before = last;
        last = row;
    }
    return std::min(last[b.size()], limit + 1);
}

std::string_view nearest_name(std::string_view wanted, std::span<const std::string_view> known) noexcept {
    uint32_t best = std::max<uint32_t>(2, static_cast<uint32_t>(std::min(wanted.size(), compared_max) / 3)) + 1;
    std::string_view nearest, longer;
    for (const std::string_view name : known) {
        const uint32_t distance = edit_distance(wanted, name, best - 1);
        if (distance < best) {
            best = distance;
            nearest = name;
            if (best == 0) break;
        }
        if (longer.empty() && begins_with(name, wanted)) longer = name;
    }
    return nearest.empty() ? longer : nearest;
}

}  // namespace loom::llm

// Answers with links, labelled harmless or harmful.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace loom::guard::test {

struct LabelledLinks {
    bool harmful = false;
    std::string text;
};

/// A line each: "harmful" or "harmless", a tab, the text with \n for a break and \t for a tab. Lines of '#' are
/// comments.
/// path  absent: GUARD_LINKS, or tests/guard/links/answers.tsv of the sources.
[[nodiscard]] std::vector<LabelledLinks> read_links(const char* path = nullptr);

struct LinkAccuracy {
    size_t harmful = 0, found = 0, harmless = 0, taken = 0;
    [[nodiscard]] double recall() const { return static_cast<double>(found) / static_cast<double>(harmful); }
    [[nodiscard]] double precision() const { return static_cast<double>(found) / static_cast<double>(found + taken); }
};

/// With docs.example.com and *.good.example allowed. wrong  called with each text that was judged otherwise; or null.
[[nodiscard]] LinkAccuracy measure_links(const std::vector<LabelledLinks>& links,
                                         void (*wrong)(const LabelledLinks& one));

}  // namespace loom::guard::test

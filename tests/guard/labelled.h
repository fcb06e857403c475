// Texts in which what is to be found is marked: "write to {{email|a@b.example}} please". One text a line, "\n" for a
// line break, "{+}" for nothing, so that no other scanner takes a made-up key for one; '#' begins a comment.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "loom/guard/pii.h"

namespace loom::guard::test {

struct LabelledText {
    std::string text;
    std::vector<PiiSpan> spans;
    std::string file;
    int line = 0;
};

/// A broken mark or an unknown type ends the program, saying where.
[[nodiscard]] LabelledText parse_labelled(std::string_view line, const std::string& file, int number);
/// All *.txt of a folder, by name.
[[nodiscard]] std::vector<LabelledText> read_labelled(const std::string& folder);

}  // namespace loom::guard::test

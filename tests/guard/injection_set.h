// Prompts that are attacks and prompts that are none, and the tricks by which attacks are hidden.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loom::guard::test {

struct LabelledPrompt {
    std::string kind;    // attack, benign, tricky
    std::string family;  // what it is of its kind
    std::string text;
};
/// Lines of `kind TAB family TAB text`; '#' begins a comment.
[[nodiscard]] std::vector<LabelledPrompt> read_prompts(const std::string& file);

struct Trick {
    const char* name;
    std::string (*hide)(std::string_view text);
};
[[nodiscard]] const std::vector<Trick>& tricks();

}  // namespace loom::guard::test

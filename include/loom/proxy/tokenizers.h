// The tokenizers of a configuration, by the models whose tokens they count.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "loom/llm/tokenizer.h"

namespace loom::proxy {

struct TokenizerPlan {
    struct Family {
        std::string name;
        llm::Tokenizer tokenizer;
        std::vector<std::string>
            models;  // names, or beginnings of names with a `*` behind; besides those known by name
    };
    std::deque<Family> families;

    /// Null where its tokens are not known. The conf's own lists go first.
    [[nodiscard]] const llm::Tokenizer* of_model(std::string_view model) const noexcept {
        for (const Family& family : families)
            for (const std::string& one : family.models) {
                const std::string_view pattern = one;
                const bool fits = pattern.ends_with('*') ? model.starts_with(pattern.substr(0, pattern.size() - 1))
                                                         : model == pattern;
                if (fits) return &family.tokenizer;
            }
        const std::string_view known = llm::tokenizer_family(model);
        for (const Family& family : families)
            if (!known.empty() && family.name == known) return &family.tokenizer;
        return nullptr;
    }
};

}  // namespace loom::proxy

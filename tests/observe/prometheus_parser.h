// A strict reader of the text format 0.0.4, for tests: it refuses what promtool would, and more.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace loom::observe {

struct Exposed {
    std::map<std::string, std::string> types;  // family → type
    std::map<std::string, double> samples;     // `name{a="b",…}` as written → value
    std::vector<std::string> mistakes;         // empty for a text without fault

    [[nodiscard]] double at(const std::string& sample) const;  // NaN when it is not there
    [[nodiscard]] bool has(const std::string& sample) const { return samples.contains(sample); }
};

[[nodiscard]] Exposed parse_exposition(std::string_view text);

}  // namespace loom::observe

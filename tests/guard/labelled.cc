#include "labelled.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace loom::guard::test {

LabelledText parse_labelled(std::string_view line, const std::string& file, int number) {
    LabelledText result{.file = file, .line = number};
    const auto give_up = [&](const char* what) {
        std::fprintf(stderr, "%s:%d: %s\n", file.c_str(), number, what);
        std::exit(1);
    };
    const auto append = [&](std::string_view part) {
        for (size_t i = 0; i < part.size(); ++i) {
            if (part.substr(i, 2) == "\\n") {
                result.text += '\n';
                i += 1;
            } else if (part.substr(i, 3) == "{+}") {
                i += 2;
            } else {
                result.text += part[i];
            }
        }
    };
    while (!line.empty()) {
        const size_t open = std::min(line.find("{{"), line.size());
        append(line.substr(0, open));
        line.remove_prefix(open);
        if (line.empty()) break;
        const size_t bar = line.find('|'), close = line.find("}}");
        if (bar == line.npos || close == line.npos || bar > close) give_up("a mark that does not end");
        const auto type = pii_type(line.substr(2, bar - 2));
        if (!type) give_up("a type that is not known");
        const uint64_t begin = result.text.size();
        append(line.substr(bar + 1, close - bar - 1));
        result.spans.push_back({begin, result.text.size(), *type});
        line.remove_prefix(close + 2);
    }
    return result;
}

std::vector<LabelledText> read_labelled(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".txt") names.push_back(entry.path().string());
    std::ranges::sort(names);
    std::vector<LabelledText> texts;
    for (const std::string& name : names) {
        std::ifstream in(name);
        std::string line;
        for (int number = 1; std::getline(in, line); ++number)
            if (!line.empty() && line[0] != '#')
                texts.push_back(parse_labelled(line, std::filesystem::path(name).filename().string(), number));
    }
    return texts;
}

}  // namespace loom::guard::test

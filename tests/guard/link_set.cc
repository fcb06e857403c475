#include "link_set.h"

#include <cstdlib>
#include <fstream>

#include "leaks_fixture.h"

namespace loom::guard::test {

std::vector<LabelledLinks> read_links(const char* path) {
    if (path == nullptr) path = std::getenv("GUARD_LINKS");
    std::ifstream file(path != nullptr ? path : "tests/guard/links/answers.tsv");
    std::vector<LabelledLinks> all;
    for (std::string line; std::getline(file, line);) {
        const size_t tab = line.find('\t');
        if (line.starts_with('#') || tab == std::string::npos) continue;
        LabelledLinks one{.harmful = line.substr(0, tab) == "harmful", .text = {}};
        for (size_t at = tab + 1; at < line.size(); ++at) {
            const bool escape =
                line[at] == '\\' && at + 1 < line.size() && (line[at + 1] == 'n' || line[at + 1] == 't');
            one.text += escape ? (line[at + 1] == 'n' ? '\n' : '\t') : line[at];
            at += escape;
        }
        all.push_back(one);
    }
    return all;
}

LinkAccuracy measure_links(const std::vector<LabelledLinks>& links, void (*wrong)(const LabelledLinks& one)) {
    const LeakRules rules = rules_of({"docs.example.com", "*.good.example"});
    LinkAccuracy accuracy;
    for (const LabelledLinks& one : links) {
        LeakStream stream(rules);
        stream.feed(one.text, true);
        const bool found = stream.count > 0;
        (one.harmful ? accuracy.harmful : accuracy.harmless) += 1;
        accuracy.found += one.harmful && found;
        accuracy.taken += !one.harmful && found;
        if (found != one.harmful && wrong != nullptr) wrong(one);
    }
    return accuracy;
}

}  // namespace loom::guard::test

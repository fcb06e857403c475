// How much of the attacks is found, and how much of what is harmless is taken for one.
//   guard_injection [--show] FILE.tsv ...
#include <cstdio>
#include <cstring>
#include <map>
#include <string>

#include "injection_set.h"
#include "loom/guard/injection.h"

using namespace loom::guard;
using namespace loom::guard::test;

namespace {

constexpr const char* names[] = {"low", "medium", "high"};

void measure(const char* file, bool show) {
    const auto prompts = read_prompts(file);
    std::map<std::string, std::array<int, 4>> counts;  // by kind and family: all, and those blocked at each sensitivity
    for (const LabelledPrompt& prompt : prompts) {
        const InjectionScore score = score_injection(prompt.text);
        for (const std::string& row : {prompt.kind, prompt.kind + "/" + prompt.family}) {
            counts[row][0] += 1;
            for (int i = 0; i < 3; ++i) counts[row][1 + i] += score.blocks(static_cast<InjectionSensitivity>(i));
        }
        const bool wrong = score.blocks(InjectionSensitivity::medium) != (prompt.kind == "attack");
        if (show && wrong) {
            std::printf("%s/%s %u points: %s\n", prompt.kind.c_str(), prompt.family.c_str(), score.points,
                        prompt.text.c_str());
            for (uint32_t i = 0; i < score.reason_count; ++i) std::printf("    %s\n", score.reasons[i].rule);
        }
    }
    std::printf("%s\n%-24s %6s %8s %8s %8s\n", file, "blocked", "of", names[0], names[1], names[2]);
    for (const auto& [row, count] : counts)
        std::printf("%-24s %6d %7.0f%% %7.0f%% %7.0f%%\n", row.c_str(), count[0], 100.0 * count[1] / count[0],
                    100.0 * count[2] / count[0], 100.0 * count[3] / count[0]);
    std::printf("\nhidden by a trick, of the English attacks that are found in plain at medium:\n");
    for (const Trick& trick : tricks()) {
        int all = 0, found = 0;
        for (const LabelledPrompt& prompt : prompts) {
            const bool english = prompt.kind == "attack" && prompt.family != "language" &&
                                 prompt.family != "delimiter" && prompt.family != "template" &&
                                 prompt.text.find_first_of("\x80\xc3\xd0\xe5") == prompt.text.npos;
            if (!english || !score_injection(prompt.text).blocks(InjectionSensitivity::medium)) continue;
            all += 1;
            const bool is_found = score_injection(trick.hide(prompt.text)).blocks(InjectionSensitivity::medium);
            found += is_found;
            if (show && !is_found) std::printf("    %s misses: %s\n", trick.name, prompt.text.c_str());
        }
        std::printf("%-24s %6d %16.0f%%\n", trick.name, all, all == 0 ? 0.0 : 100.0 * found / all);
    }
    std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
    int at = 1;
    const bool show = at < argc && std::strcmp(argv[at], "--show") == 0;
    if (show) at += 1;
    if (at >= argc) {
        std::fprintf(stderr, "usage: guard_injection [--show] FILE.tsv ...\n");
        return 64;
    }
    for (; at < argc; ++at) measure(argv[at], show);
    return 0;
}

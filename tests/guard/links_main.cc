// How many of the harmful links are found, and how much of what is harmless is taken for one.
//   guard_links [--show] FILE.tsv ...
#include <cstdio>
#include <cstring>

#include "link_set.h"

using namespace loom::guard::test;

int main(int count, char** arguments) {
    bool show = false;
    for (int i = 1; i < count; ++i) {
        if (std::strcmp(arguments[i], "--show") == 0) {
            show = true;
            continue;
        }
        const auto print = [](const LabelledLinks& one) {
            std::printf("%s: %s\n", one.harmful ? "missed" : "taken", one.text.c_str());
        };
        const LinkAccuracy accuracy = measure_links(read_links(arguments[i]), show ? +print : nullptr);
        std::printf("%s: %zu of %zu harmful found (recall %.3f), %zu of %zu harmless taken (precision %.3f)\n",
                    arguments[i], accuracy.found, accuracy.harmful, accuracy.recall(), accuracy.taken,
                    accuracy.harmless, accuracy.precision());
    }
    return 0;
}

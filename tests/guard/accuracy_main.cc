// What the finders find of what is marked, and what they take for something in ordinary text.
//   guard_accuracy LABELLED_DIR [PLAIN_FILE_OR_DIR ...]      precision and recall by type; finds in a MB of plain text
//   guard_accuracy --show ...                                and each wrong, missed and plain find
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "labelled.h"
#include "loom/guard/pii_scanner.h"

using namespace loom::guard;
using namespace loom::guard::test;

namespace {

bool show = false;

struct Count {
    int right = 0, wrong = 0, missed = 0;
};

std::vector<PiiSpan> scan(std::string_view text) {
    static const PiiScanner scanner(PiiTypes::all());
    std::vector<PiiSpan> spans;
    scanner.scan(text, [&](const PiiSpan& span) { spans.push_back(span); });
    return spans;
}

void tell(const char* what, const std::string& where, int line, std::string_view text, const PiiSpan& span) {
    if (!show) return;
    const std::string value(text.substr(span.begin, std::min<uint64_t>(span.end - span.begin, 60)));
    std::printf("%s %s:%d %s '%s'\n", what, where.c_str(), line, std::string(pii_info(span.type).name).c_str(),
                value.c_str());
}

void measure_labelled(const char* folder) {
    std::map<PiiType, Count> counts;
    for (const LabelledText& labelled : read_labelled(folder)) {
        const auto found = scan(labelled.text);
        for (const PiiSpan& span : found) {
            const bool right = std::ranges::find(labelled.spans, span) != labelled.spans.end();
            (right ? counts[span.type].right : counts[span.type].wrong) += 1;
            if (!right) tell("wrong", labelled.file, labelled.line, labelled.text, span);
        }
        for (const PiiSpan& span : labelled.spans) {
            if (std::ranges::find(found, span) != found.end()) continue;
            counts[span.type].missed += 1;
            tell("missed", labelled.file, labelled.line, labelled.text, span);
        }
    }
    std::printf("%-20s %7s %7s %7s %10s %8s\n", "type", "right", "wrong", "missed", "precision", "recall");
    for (const auto& [type, count] : counts) {
        std::printf("%-20s %7d %7d %7d %10.3f %8.3f\n", std::string(pii_info(type).name).c_str(), count.right,
                    count.wrong, count.missed, count.right / std::max(1.0, double(count.right + count.wrong)),
                    count.right / std::max(1.0, double(count.right + count.missed)));
    }
}

struct Plain {
    size_t bytes = 0;
    std::map<PiiType, int> found;
};

void measure_plain(const std::filesystem::path& path, Plain& plain) {
    if (std::filesystem::is_directory(path)) {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
            if (entry.is_regular_file()) measure_plain(entry.path(), plain);
        return;
    }
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    plain.bytes += text.size();
    for (const PiiSpan& span : scan(text)) {
        plain.found[span.type] += 1;
        const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(span.begin), '\n');
        tell("plain", path.string(), static_cast<int>(line), text, span);
    }
}

}  // namespace

int main(int argc, char** argv) {
    int at = 1;
    if (at < argc && std::strcmp(argv[at], "--show") == 0) show = ++at > 0;
    if (at >= argc) {
        std::fprintf(stderr, "usage: guard_accuracy [--show] LABELLED_DIR [PLAIN_FILE_OR_DIR ...]\n");
        return 64;
    }
    measure_labelled(argv[at++]);
    Plain plain;
    for (; at < argc; ++at) measure_plain(argv[at], plain);
    if (plain.bytes == 0) return 0;
    std::printf("\nplain text: %.2f MB\n", static_cast<double>(plain.bytes) / 1e6);
    for (const auto& [type, count] : plain.found)
        std::printf("%-20s %7d finds\n", std::string(pii_info(type).name).c_str(), count);
    return 0;
}

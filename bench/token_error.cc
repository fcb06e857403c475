// How far the token estimate is off, by kind of text, beside o200k_base's exact count and a quarter of the bytes.
//
//   loom-token-error RANK_FILE DIRECTORY     scripts/fetch-tokenizer's o200k_base.tiktoken; a directory of kinds, each
//   a
//                                            directory of texts (scripts/fit-token-estimate leaves WORK/held-out)
//
// Prints, for each kind, the mean and the 95th percentile of |estimated / counted - 1| over its texts, and how far all
// of them together are off.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "loom/llm/token_estimate.h"
#include "loom/llm/tokenizer.h"

namespace {

using namespace loom::llm;
namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

template <class Path>
std::vector<fs::path> entries(const Path& directory) {
    std::vector<fs::path> found;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory)) found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
}

class Deviation {
  public:
    void add(uint64_t guessed, uint64_t counted) {
        each_.push_back(std::abs(static_cast<double>(guessed) / static_cast<double>(counted) - 1));
        guessed_ += guessed;
        counted_ += counted;
    }
    [[nodiscard]] double mean() const {
        double sum = 0;
        for (const double one : each_) sum += one;
        return 100 * sum / static_cast<double>(each_.size());
    }
    [[nodiscard]] double percentile_95() {
        std::ranges::sort(each_);
        return 100 * each_[std::min(each_.size() - 1, each_.size() * 95 / 100)];
    }
    [[nodiscard]] double bias() const {
        return 100 * (static_cast<double>(guessed_) / static_cast<double>(counted_) - 1);
    }

  private:
    std::vector<double> each_;
    uint64_t guessed_ = 0, counted_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: loom-token-error RANK_FILE DIRECTORY\n", stderr);
        return 64;
    }
    const auto family = Tokenizer::parse(SplitPattern::o200k_base, read_file(argv[1]));
    if (!family) {
        std::fprintf(stderr, "%s: %s\n", argv[1], family.error().what);
        return 65;
    }
    if (!fs::is_directory(argv[2])) {
        std::fprintf(stderr, "%s: no directory of kinds\n", argv[2]);
        return 66;
    }
    TokenCounter counter;
    std::puts("| text | texts | estimate: mean, 95th, all | quarter of the bytes: mean, 95th, all |");
    std::puts("| --- | --- | --- | --- |");
    for (const fs::path& kind : entries(argv[2])) {
        Deviation estimate, quarter;
        size_t count = 0;
        for (const fs::path& path : entries(kind)) {
            const std::string text = read_file(path);
            const uint64_t counted = counter.count(*family, text);
            if (counted == 0) continue;
            estimate.add(estimated_tokens(std::string_view(text)), counted);
            quarter.add(estimated_tokens(text.size()), counted);
            count += 1;
        }
        if (count == 0) continue;
        std::printf("| %s | %zu | %.0f %%, %.0f %%, %+.0f %% | %.0f %%, %.0f %%, %+.0f %% |\n", kind.filename().c_str(),
                    count, estimate.mean(), estimate.percentile_95(), estimate.bias(), quarter.mean(),
                    quarter.percentile_95(), quarter.bias());
    }
    return 0;
}

// Any bytes as a rank file (f), or as text by a small family (anything else): what is taken encodes every text into
// tokens that are its bytes, and as many as are counted.
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/base64.h"
#include "loom/llm/json_text.h"
#include "loom/llm/token_estimate.h"
#include "loom/llm/tokenizer.h"

using namespace loom;
using namespace loom::llm;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

constexpr const char* more[] = {"ab",    "aba",  "  ",       "the",          " t", "th",
                                "e\xcc", "\r\n", "\xe6\x97", "\xe6\x97\xa5", "''", "'s"};

const std::string& small_file() {
    static const std::string file = [] {
        std::string out;
        auto add = [&out, rank = 0](std::string_view token) mutable {
            base64_encode({reinterpret_cast<const uint8_t*>(token.data()), token.size()}, out);
            out += " " + std::to_string(rank++) + "\n";
        };
        for (int i = 0; i < 256; ++i) add(std::string(1, static_cast<char>(i)));
        for (const char* const token : more) add(token);
        return out;
    }();
    return file;
}

void check_text(std::string_view text, SplitPattern pattern) {
    static const std::array<Tokenizer, 2> families{*Tokenizer::parse(SplitPattern::cl100k_base, small_file()),
                                                   *Tokenizer::parse(SplitPattern::o200k_base, small_file())};
    static TokenCounter counter;
    const Tokenizer& family = families[pattern == SplitPattern::cl100k_base ? 0 : 1];
    std::vector<uint32_t> ranks;
    counter.encode(family, text, ranks);
    std::string again;
    for (const uint32_t rank : ranks) again += rank < 256 ? std::string(1, static_cast<char>(rank)) : more[rank - 256];
    require(again == text);
    require(counter.count(family, text) == ranks.size());
    std::string raw;
    escape(text, raw);
    require(counter.count_json(family, raw) == ranks.size());
    require(counter.count_json(family, text) <= text.size());
    TokenEstimate told, any;
    told.add_json(raw);
    require(told.tokens() == estimated_tokens(text));
    any.add_json(text);
    require(any.tokens() <= text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);  // its end is guarded
    if (data[0] != 'f') {
        check_text(text, (data[0] & 1) != 0 ? SplitPattern::cl100k_base : SplitPattern::o200k_base);
        return 0;
    }
    const auto bare = Tokenizer::parse(SplitPattern::o200k_base, text);
    if (!bare) require(bare.error().what[0] != '\0');
    const auto behind = Tokenizer::parse(SplitPattern::o200k_base, small_file() + text);
    if (!behind) return 0;
    static TokenCounter counter;
    require(counter.count(*behind, text) <= text.size());
    require(counter.count(*behind, text) > 0 || text.empty());
    return 0;
}

#include "rank_table.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <utility>

#include "loom/base/base64.h"

namespace loom::llm {
namespace {

struct Line {
    std::string token;
    uint32_t rank = 0;
};

/// What is wrong with it, or null.
const char* read_line(std::string_view text, Line& line) {
    if (text.ends_with('\r')) text.remove_suffix(1);
    const size_t space = text.find(' ');
    if (space == text.npos) return "is no token in base64, a space, and a rank";
    std::string_view digits = text.substr(0, space);
    const std::string_view rank = text.substr(space + 1);
    line.token.clear();
    if (digits.size() > Tokenizer::token_bytes_max * 2) return "has a token that is too long (512 bytes at most)";
    if (digits.empty() || !base64_decode(digits, line.token)) return "has a token that is no base64";
    if (line.token.size() > Tokenizer::token_bytes_max) return "has a token that is too long (512 bytes at most)";
    const auto [end, fault] = std::from_chars(rank.data(), rank.data() + rank.size(), line.rank);
    if (fault != std::errc() || end != rank.data() + rank.size() || line.rank > Tokenizer::rank_max)
        return "has a rank that is no number from 0 to 16777215";
    return nullptr;
}

}  // namespace

std::expected<std::unique_ptr<const RankTable>, Tokenizer::Fault> RankTable::parse(std::string_view file) {
    const auto refuse = [](uint64_t line, const char* what) {
        return std::unexpected(Tokenizer::Fault{.line = line, .what = what});
    };
    if (file.size() > Tokenizer::file_bytes_max) return refuse(0, "is larger than any rank file (32 MiB)");
    const auto lines = static_cast<size_t>(std::ranges::count(file, '\n')) + 1;
    if (lines > Tokenizer::token_count_max) return refuse(0, "has more tokens than any family (1048576)");
    auto table = std::make_unique<RankTable>();
    table->singles_.fill(no_rank);
    table->pairs_.assign(65'536, no_rank);
    table->slots_.resize(std::bit_ceil(std::max<size_t>(lines * 2, 16)));
    table->mask_ = table->slots_.size() - 1;
    std::vector<bool> ranks;
    Line line;
    for (uint64_t number = 1; !file.empty(); ++number) {
        const size_t end = std::min(file.find('\n'), file.size());
        const std::string_view text = file.substr(0, end);
        file.remove_prefix(std::min(end + 1, file.size()));
        if (text.empty() && file.empty()) break;
        if (const char* const what = read_line(text, line)) return refuse(number, what);
        if (line.rank >= ranks.size()) ranks.resize(line.rank + size_t{1});
        if (ranks[line.rank]) return refuse(number, "has a rank that stands before it already");
        ranks[line.rank] = true;
        if (const char* const what = table->add(line.token, line.rank)) return refuse(number, what);
    }
    if (std::ranges::find(table->singles_, no_rank) != table->singles_.end())
        return refuse(0, "lacks the token of a single byte: without all 256 not every text has tokens");
    table->bytes_.shrink_to_fit();
    return table;
}

bool RankTable::put(uint32_t& place, uint32_t rank) noexcept {
    if (place != no_rank) return false;
    place = rank;
    return true;
}

const char* RankTable::add(std::string_view token, uint32_t rank) {
    constexpr const char* twice = "has a token that stands before it already";
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(token[i]); };
    count_ += 1;
    if (token.size() == 1) return put(singles_[byte(0)], rank) ? nullptr : twice;
    if (token.size() == 2) return put(pairs_[byte(0) << 8 | byte(1)], rank) ? nullptr : twice;
    if (find_long(token) != no_rank) return twice;
    const uint64_t hash = hash64(token);
    size_t i = hash & mask_;
    while (slots_[i].rank != no_rank) i = (i + 1) & mask_;
    slots_[i] = {.tag = static_cast<uint32_t>(hash >> 32),
                 .offset = static_cast<uint32_t>(bytes_.size()),
                 .rank = rank,
                 .length = static_cast<uint32_t>(token.size())};
    bytes_.append(token);
    longest_ = std::max(longest_, token.size());
    return nullptr;
}

size_t RankTable::memory_bytes() const noexcept {
    return sizeof *this + pairs_.size() * sizeof(uint32_t) + slots_.size() * sizeof(Slot) + bytes_.capacity();
}

}  // namespace loom::llm

#include "loom/llm/tokenizer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "loom/llm/json_text.h"
#include "merge.h"
#include "rank_table.h"
#include "split.h"

namespace loom::llm {
namespace {

struct ModelFamily {
    std::string_view prefix;
    std::string_view family;
};
// The longest first, of those that begin alike.
constexpr ModelFamily model_families[] = {
    {"gpt-4o", "o200k_base"},
    {"gpt-4.1", "o200k_base"},
    {"gpt-4.5", "o200k_base"},
    {"gpt-5", "o200k_base"},
    {"chatgpt-4o", "o200k_base"},
    {"o1", "o200k_base"},
    {"o3", "o200k_base"},
    {"o4-mini", "o200k_base"},
    {"gpt-oss", "o200k_base"},
    {"gpt-4", "cl100k_base"},
    {"gpt-3.5-turbo", "cl100k_base"},
    {"gpt-35-turbo", "cl100k_base"},
    {"text-embedding-3", "cl100k_base"},
    {"text-embedding-ada-002", "cl100k_base"},
    {"davinci-002", "cl100k_base"},
    {"babbage-002", "cl100k_base"},
};

/// A prefix is a model's name, or what stands before a dash, a dot or a colon of it.
bool is_of(std::string_view model, std::string_view prefix) noexcept {
    if (!model.starts_with(prefix)) return false;
    return model.size() == prefix.size() ||
           std::string_view("-.:").find(model[prefix.size()]) != std::string_view::npos;
}

}  // namespace

std::optional<SplitPattern> split_pattern(std::string_view name) noexcept {
    if (name == "cl100k_base") return SplitPattern::cl100k_base;
    if (name == "o200k_base") return SplitPattern::o200k_base;
    return std::nullopt;
}

std::string_view tokenizer_family(std::string_view model) noexcept {
    // A fine-tuned model is told by the one that it was made of: "ft:gpt-4o-mini-2024-07-18:…".
    if (model.starts_with("ft:")) model.remove_prefix(3);
    for (const ModelFamily& one : model_families)
        if (is_of(model, one.prefix)) return one.family;
    return {};
}

Tokenizer::Tokenizer(SplitPattern pattern, std::unique_ptr<const RankTable> ranks) noexcept
    : pattern_(pattern), ranks_(std::move(ranks)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::expected<Tokenizer, Tokenizer::Fault> Tokenizer::parse(SplitPattern pattern, std::string_view rank_file) {
    auto ranks = RankTable::parse(rank_file);
    if (!ranks) return std::unexpected(ranks.error());
    (void)char_classes();  // made now, and not by the first who counts
    return Tokenizer(pattern, std::move(*ranks));
}

size_t Tokenizer::token_count() const noexcept { return ranks_->size(); }
size_t Tokenizer::memory_bytes() const noexcept { return ranks_->memory_bytes(); }

struct TokenCounter::Scratch {
    std::array<char, piece_bytes_max> window;
    MergeScratch merge;
};

/// One text through the window.
class TokenCounter::Run {
  public:
    Run(const Tokenizer& tokenizer, Scratch& scratch, std::string_view text, bool is_json) noexcept
        : tokenizer_(tokenizer), scratch_(scratch), left_(text), is_json_(is_json) {}

    /// sink(ranks) is told the tokens of each piece.
    template <class Sink>
    void each_piece(Sink sink) {
        while (!left_.empty()) {
            fill();
            TextWindow window{.text = {scratch_.window.data(), used_}, .is_last = left_.empty()};
            uint32_t at = 0;
            while (at < used_) {
                window.starved = false;
                const uint32_t end = piece_end(tokenizer_.pattern(), window, at);
                if (window.starved && (at > 0 || !is_full())) break;
                const uint32_t count =
                    merge_piece(*tokenizer_.ranks_, window.text.substr(at, end - at), scratch_.merge);
                sink(std::span<const uint32_t>(scratch_.merge.parts, count));
                at = end;
            }
            used_ -= at;
            std::memmove(scratch_.window.data(), scratch_.window.data() + at, used_);
        }
    }

  private:
    [[nodiscard]] bool is_full() const noexcept { return scratch_.window.size() - used_ < escape_bytes_max; }

    void fill() noexcept {
        while (!left_.empty() && !is_full()) {
            if (is_json_ && left_[0] == '\\') {
                take_escape();
                continue;
            }
            const size_t room = std::min(left_.size(), scratch_.window.size() - used_);
            const void* const escape = is_json_ ? std::memchr(left_.data(), '\\', room) : nullptr;
            take(escape == nullptr ? room : static_cast<size_t>(static_cast<const char*>(escape) - left_.data()));
        }
    }
    void take(size_t bytes) noexcept {
        std::memcpy(scratch_.window.data() + used_, left_.data(), bytes);
        used_ += static_cast<uint32_t>(bytes);
        left_.remove_prefix(bytes);
    }
    void take_escape() noexcept {
        const size_t raw_bytes = escape_bytes(left_);
        const size_t bytes = unescape(left_.substr(0, raw_bytes), scratch_.window.data() + used_);
        if (bytes == bad_text) return take(1);
        used_ += static_cast<uint32_t>(bytes);
        left_.remove_prefix(raw_bytes);
    }

    const Tokenizer& tokenizer_;
    Scratch& scratch_;
    std::string_view left_;
    const bool is_json_;
    uint32_t used_ = 0;
};

TokenCounter::TokenCounter() : scratch_(std::make_unique_for_overwrite<Scratch>()) {}
TokenCounter::~TokenCounter() = default;
TokenCounter::TokenCounter(TokenCounter&&) noexcept = default;
TokenCounter& TokenCounter::operator=(TokenCounter&&) noexcept = default;

size_t TokenCounter::memory_bytes() noexcept { return sizeof(Scratch); }

uint64_t TokenCounter::count(const Tokenizer& tokenizer, std::string_view text) noexcept {
    uint64_t count = 0;
    Run(tokenizer, *scratch_, text, false).each_piece([&](std::span<const uint32_t> ranks) { count += ranks.size(); });
    return count;
}

uint64_t TokenCounter::count_json(const Tokenizer& tokenizer, std::string_view raw) noexcept {
    uint64_t count = 0;
    Run(tokenizer, *scratch_, raw, true).each_piece([&](std::span<const uint32_t> ranks) { count += ranks.size(); });
    return count;
}

void TokenCounter::encode(const Tokenizer& tokenizer, std::string_view text, std::vector<uint32_t>& ranks) {
    Run(tokenizer, *scratch_, text, false).each_piece([&](std::span<const uint32_t> piece) {
        ranks.insert(ranks.end(), piece.begin(), piece.end());
    });
}

}  // namespace loom::llm

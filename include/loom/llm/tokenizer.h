// How many tokens a text is, exactly: byte-pair encoding by a model family's rank file.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace loom::llm {

/// How a text is split into the pieces that are merged each for itself.
/// Source  tiktoken's pat_str of these names (tiktoken_ext/openai_public.py, 0.14).
enum class SplitPattern : uint8_t { cl100k_base, o200k_base };
[[nodiscard]] std::optional<SplitPattern> split_pattern(std::string_view name) noexcept;

/// The family whose tokens this model of OpenAI's counts in ("o200k_base"); "" where that is not known.
/// Source  tiktoken's model.py, by prefixes.
[[nodiscard]] std::string_view tokenizer_family(std::string_view model) noexcept;

/// What OpenAI's chat format adds to its text: for each message its frame and role, and once the answer's beginning.
/// Source  OpenAI's cookbook, "How to count tokens with tiktoken". Tools and images are told differently and are not
/// exact.
[[nodiscard]] constexpr uint64_t chat_frame_tokens(uint32_t message_count) noexcept {
    return uint64_t{message_count} * 4 + 3;
}

/// A family's tokens. Never changes: all shards share one.
class Tokenizer {
  public:
    struct Fault {
        uint64_t line = 0;      // 0: of the file as a whole
        const char* what = "";  // a literal
    };
    /// rank_file  tiktoken's format: a line for each token, its bytes in base64, a space, and its rank.
    /// Errors     a line that is none, a token or a rank that stands twice, a byte that has no token, bounds below.
    [[nodiscard]] static std::expected<Tokenizer, Fault> parse(SplitPattern pattern, std::string_view rank_file);
    Tokenizer(Tokenizer&&) noexcept;
    Tokenizer& operator=(Tokenizer&&) noexcept;
    ~Tokenizer();

    [[nodiscard]] SplitPattern pattern() const noexcept { return pattern_; }
    [[nodiscard]] size_t token_count() const noexcept;
    [[nodiscard]] size_t memory_bytes() const noexcept;

    static constexpr size_t file_bytes_max = size_t{32} << 20;
    static constexpr size_t token_count_max = size_t{1} << 20;
    static constexpr size_t token_bytes_max = 512;
    static constexpr uint32_t rank_max = (uint32_t{1} << 24) - 1;

  private:
    friend class TokenCounter;
    Tokenizer(SplitPattern pattern, std::unique_ptr<const class RankTable> ranks) noexcept;

    SplitPattern pattern_;
    std::unique_ptr<const class RankTable> ranks_;
};

/// Counts. One lives per shard: its scratch has a fixed size, and counting takes nothing from the heap.
/// Method  A text goes through a window; each piece that the pattern finds in it is looked up whole, else merged by a
///         heap of its pairs' ranks. n bytes cost O(n log n) at worst, whatever they are.
/// Exact   as tiktoken's encode_ordinary, but for a piece that is longer than the window (a word, or a run of
///         punctuation or white space, of more than piece_bytes_max): it is cut there.
class TokenCounter {
  public:
    TokenCounter();
    ~TokenCounter();
    TokenCounter(TokenCounter&&) noexcept;
    TokenCounter& operator=(TokenCounter&&) noexcept;

    /// text  UTF-8. Bytes that are none count as what they are.
    [[nodiscard]] uint64_t count(const Tokenizer& tokenizer, std::string_view text) noexcept;
    /// raw  the inside of a JSON string, decoded as it is counted. A broken escape counts as its letters.
    [[nodiscard]] uint64_t count_json(const Tokenizer& tokenizer, std::string_view raw) noexcept;
    /// The tokens themselves, appended.
    void encode(const Tokenizer& tokenizer, std::string_view text, std::vector<uint32_t>& ranks);

    static constexpr uint32_t piece_bytes_max = 8192;
    [[nodiscard]] static size_t memory_bytes() noexcept;

  private:
    class Run;
    struct Scratch;
    std::unique_ptr<Scratch> scratch_;
};

}  // namespace loom::llm

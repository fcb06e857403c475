// Does an answer repeat the instructions that its request was given? Texts are compared as words: letters and digits,
// whatever the case of ASCII; blanks, marks and Markdown between them say nothing. Chinese, Japanese and Thai, which
// set no blanks between words, have one from a mark to the next: twelve of them are a long text. What is longer than a
// word may be (WordReader::word_bytes_max) is none, and nothing goes on over it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "loom/base/block_pool.h"

namespace loom::guard {

/// Tells words apart, byte by byte.
class WordReader {
  public:
    static constexpr size_t word_bytes_max = 256;
    enum class Step : uint8_t { none, begins, ends, drops };
    /// begins  with this byte, or with those before it that have waited for it.      ends  somewhere in front of it.
    /// drops   it is too long: it was no word, and neither is the rest of it.
    [[nodiscard]] Step put(unsigned char c) noexcept;
    /// No more comes behind it. True: a word has ended.
    [[nodiscard]] bool finish() noexcept;
    /// Of the word that has ended.
    [[nodiscard]] uint64_t hash() const noexcept { return ended_; }
    [[nodiscard]] bool in_word() const noexcept { return in_word_; }
    /// So many bytes may be of a word or of none.
    [[nodiscard]] size_t waiting() const noexcept { return waiting_; }

  private:
    void take(unsigned char c) noexcept;
    [[nodiscard]] Step taken(bool begins) noexcept;
    [[nodiscard]] bool end() noexcept;

    uint64_t hash_ = 0, ended_ = 0;
    size_t size_ = 0;  // of the word, with what has no width in it
    bool in_word_ = false;
    bool skips_ = false;   // the rest of what is too long
    uint8_t waiting_ = 0;  // bytes of what may be a mark of punctuation so far
    unsigned char first_ = 0, second_ = 0;
};

/// The words of a request's instructions, so that of every run of words it is known whether they hold it: a suffix
/// automaton (Blumer and others, 1985), linear in the words, in a shard's memory.
class SystemText {
  public:
    /// So many words that follow each other are a leak.
    static constexpr size_t run_words = 12;
    /// Of all instructions; what is behind them is not known.
    static constexpr size_t words_max = 4096;

    explicit SystemText(BlockPool& blocks)
        : words_(blocks), states_(blocks), edges_(blocks), table_(blocks), known_(blocks) {}

    /// More of a text of the instructions; at its end.
    void add(std::string_view text);
    void end_text();
    /// No more of them is read.
    [[nodiscard]] bool full() const noexcept { return word_count_ == words_max; }
    /// All is there.
    void make();
    /// Of a text of the user's own: runs that stand in both are no leak. Behind make().
    void exempt(std::string_view text);
    void end_exempt();

    /// The user has said a run of them.
    [[nodiscard]] bool exempts() const noexcept { return known_count_ > 0; }
    /// It holds no run.
    [[nodiscard]] bool empty() const noexcept { return state_count_ == 0; }
    [[nodiscard]] size_t memory_bytes() const noexcept {
        return words_.capacity() + states_.capacity() + edges_.capacity() + table_.capacity() + known_.capacity();
    }

    /// How often a slot of a table was looked at, for the law that words cannot be chosen so that it is often.
    [[nodiscard]] uint64_t probes() const noexcept { return probes_; }

    /// The longest run at the end of what was read that stands in the instructions.
    struct Place {
        uint32_t state = 0;
        uint32_t words = 0;
        std::array<uint64_t, run_words> last{};  // words of the text, in a ring
        uint32_t next = 0;
    };
    void step(Place& place, uint64_t word) const noexcept;
    /// Are the last run_words a leak?
    [[nodiscard]] bool leaks(const Place& place) const noexcept;

  private:
    static constexpr uint32_t none = UINT32_MAX;
    struct State {
        uint32_t length = 0, link = none, edges = none;
    };
    struct Edge {
        uint64_t word = 0;
        uint32_t from = 0, to = 0;
        uint32_t next = none;  // of the same state
    };
    void add_word(uint64_t word);
    void add_border();
    void extend(uint64_t word, uint32_t& last);
    [[nodiscard]] uint32_t find_edge(uint32_t from, uint64_t word) const noexcept;
    void add_edge(uint32_t from, uint64_t word, uint32_t to) noexcept;
    [[nodiscard]] uint32_t add_state(uint32_t length) noexcept;
    [[nodiscard]] State& state(uint32_t i) const noexcept;
    [[nodiscard]] Edge& edge(uint32_t i) const noexcept;
    [[nodiscard]] static uint64_t run_hash(const Place& place) noexcept;
    [[nodiscard]] size_t known_slot(uint64_t run) const noexcept;

    ByteBuffer words_, states_, edges_, table_, known_;
    WordReader reader_;
    uint32_t word_count_ = 0, text_count_ = 0;
    uint32_t state_count_ = 0, edge_count_ = 0;
    size_t table_mask_ = 0, known_mask_ = 0;
    uint32_t known_count_ = 0;
    mutable uint64_t probes_ = 0;
    Place place_;  // of the user's text
};

/// An answer's texts, with 0x1e between one and the next.
class SystemTextScan {
  public:
    /// Blanks and marks between two words of a run are at most so many bytes: they are held back too.
    static constexpr size_t gap_bytes_max = 256;

    explicit SystemTextScan(const SystemText& text) noexcept : text_(&text) {}

    /// found(begin, end, goes_on): places are of the window. See LeakScan::advance.
    template <class Found>
    void advance(std::string_view window, bool final, Found&& found) {
        for (; at_ < window.size(); ++at_) {
            const auto c = static_cast<unsigned char>(window[at_]);
            const size_t waiting = reader_.waiting();
            const WordReader::Step step = reader_.put(c);
            if (step == WordReader::Step::ends) take_word(found);
            if (step == WordReader::Step::begins) begin_ = at_ - waiting;
            if (reader_.in_word() && reader_.waiting() == 0) end_ = at_ + 1;
            const bool is_far = place_.words > 0 && !reader_.in_word() && at_ - end_ > gap_bytes_max;
            if (c != 0x1e && step != WordReader::Step::drops && !is_far) continue;
            place_ = {};
            in_run_ = false;
        }
        if (final && reader_.finish()) take_word(found);
    }
    [[nodiscard]] size_t decided() const noexcept {
        const size_t open = reader_.in_word() ? begin_ : at_ - reader_.waiting();
        const size_t held = place_.words < SystemText::run_words ? place_.words : SystemText::run_words - 1;
        return held == 0 ? open : begin_of(held);
    }
    void forget(size_t count) noexcept {
        at_ -= count;
        begin_ -= count;
        end_ -= count;
        run_end_ -= count;
        for (size_t& begin : begins_) begin -= count;
    }

  private:
    /// Of the word that is so far back; 1: the last.
    [[nodiscard]] size_t begin_of(size_t back) const noexcept {
        return begins_[(place_.next + SystemText::run_words - back) % SystemText::run_words];
    }
    template <class Found>
    void take_word(Found&& found) {
        begins_[place_.next] = begin_;
        text_->step(place_, reader_.hash());
        const bool leaks = text_->leaks(place_);
        if (leaks) found(in_run_ ? run_end_ : begin_of(SystemText::run_words), end_, in_run_);
        in_run_ = leaks;
        run_end_ = end_;
    }

    const SystemText* text_;
    WordReader reader_;
    SystemText::Place place_;
    size_t at_ = 0;
    size_t begin_ = 0, end_ = 0;  // of the word at hand
    size_t run_end_ = 0;
    bool in_run_ = false;
    std::array<size_t, SystemText::run_words> begins_{};
};

}  // namespace loom::guard

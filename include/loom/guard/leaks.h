// What an answer may carry out: addresses that take data with them, words that an operator has planted, and the words
// of the request's own instructions. Pure; a text comes in pieces, cut anywhere, and what is found is what the whole
// has.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "loom/base/leak_kind.h"
#include "loom/guard/link_scan.h"
#include "loom/guard/system_text.h"

namespace loom::guard {

/// Of a text. One that goes on is the rest of the one before it.
struct LeakFind {
    size_t begin = 0, end = 0;
    LeakKind kind = LeakKind::link;
    bool goes_on = false;
};

/// Words that are looked for as they stand, whatever the case of ASCII, also inside of others: one pass over the text,
/// whatever their number (Aho and Corasick, 1975).
class CanaryWords {
  public:
    static constexpr size_t word_bytes_min = 4, word_bytes_max = 128;
    static constexpr size_t all_bytes_max = 4096;

    /// False: it is too short, too long, or too much with the others. Before make().
    [[nodiscard]] bool add(std::string_view word);
    void make();
    [[nodiscard]] bool empty() const noexcept { return words_.empty(); }

  private:
    friend class CanaryScan;
    struct Node {
        uint16_t depth = 0;    // of the text behind us, so much may be the beginning of one
        uint16_t longest = 0;  // of the words that end here; 0: none does
    };
    std::vector<std::string> words_;
    size_t all_bytes_ = 0;
    std::array<uint8_t, 256> class_of_{};  // 0: of no word
    size_t class_count_ = 1;
    std::vector<Node> nodes_;
    std::vector<uint16_t> next_;  // by node and class
};

/// The state of a text in the middle of words.
class CanaryScan {
  public:
    explicit CanaryScan(const CanaryWords& words) noexcept : words_(&words) {}
    template <class Found>
    void advance(std::string_view window, Found&& found) {
        for (; at_ < window.size(); ++at_) {
            state_ =
                words_
                    ->next_[state_ * words_->class_count_ + words_->class_of_[static_cast<unsigned char>(window[at_])]];
            const size_t longest = words_->nodes_[state_].longest;
            if (longest > 0) found(LeakFind{at_ + 1 - longest, at_ + 1, LeakKind::canary, false});
        }
    }
    [[nodiscard]] size_t decided() const noexcept { return at_ - words_->nodes_[state_].depth; }
    void forget(size_t count) noexcept { at_ -= count; }

  private:
    const CanaryWords* words_;
    size_t at_ = 0;
    size_t state_ = 0;
};

/// What is looked for, the same for all answers.
struct LeakRules {
    bool links = false;
    HostList hosts;  // to which any link may lead
    CanaryWords canary;
    bool system_prompt = false;  // words of the request's instructions
};

/// One scan of texts, one behind another with 0x1e between, of which only a window is there at a time.
class LeakScan {
  public:
    /// rules   as system, they outlive this.
    /// system  the request's instructions; null: none are known.
    explicit LeakScan(const LeakRules& rules, const SystemText* system = nullptr) noexcept {
        if (rules.links) links_.emplace(rules.hosts);
        if (!rules.canary.empty()) canary_.emplace(rules.canary);
        if (rules.system_prompt && system != nullptr && !system->empty()) system_.emplace(*system);
    }

    /// See LinkScan.
    void expect_placeholders() noexcept {
        if (links_) links_->expect_placeholders();
    }

    /// Goes on to the end of what is there, and calls found(const LeakFind&) with what is decided, in the order of each
    /// kind; places are of the window.
    /// window  the same bytes as before, less those that were forgotten, and more behind them.
    template <class Found>
    void advance(std::string_view window, bool final, Found&& found) {
        using Sink = std::remove_reference_t<Found>;
        if (links_)
            links_->advance(
                window, final,
                [](void* context, const LinkFind& link) {
                    (*static_cast<Sink*>(context))(LeakFind{link.begin, link.end, LeakKind::link, link.goes_on});
                },
                &found);
        if (canary_) canary_->advance(window, found);
        if (system_)
            system_->advance(window, final, [&](size_t begin, size_t end, bool goes_on) {
                found(LeakFind{begin, end, LeakKind::system_prompt, goes_on});
            });
        at_ = window.size();
    }
    /// No find begins before this that has not been told.
    [[nodiscard]] size_t decided() const noexcept {
        size_t decided = at_;
        if (links_) decided = std::min(decided, links_->decided());
        if (canary_) decided = std::min(decided, canary_->decided());
        if (system_) decided = std::min(decided, system_->decided());
        return decided;
    }
    /// The window's first `count` bytes, at most decided(), go.
    void forget(size_t count) noexcept {
        at_ -= count;
        if (links_) links_->forget(count);
        if (canary_) canary_->forget(count);
        if (system_) system_->forget(count);
    }

  private:
    std::optional<LinkScan> links_;
    std::optional<CanaryScan> canary_;
    std::optional<SystemTextScan> system_;
    size_t at_ = 0;
};

}  // namespace loom::guard

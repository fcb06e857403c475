// Finds personal data and secrets in a text: whole, or as it comes.
//
// Of finds that overlap one is told: the one whose anchor (its '@', its first digit) comes first is held against each
// that follows; the stricter type wins, then the longer find, then the type of higher priority. Where both are as
// strict, what is told reaches from the first byte of either to the last. So what is told never overlaps, comes in
// order, and depends on the text alone. Of custom types the anchor is their first byte.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "loom/guard/custom_types.h"
#include "loom/guard/pii.h"

namespace loom::guard {

struct Detector;
class Probe;
class Window;

/// By type: what is stricter has more.
using PiiStrictness = std::array<uint8_t, pii_type_count>;

/// What one is asked for. Built when the conf is read; scanning takes nothing from the heap, and time that is linear in
/// the text, whatever the text is: no finder reads bytes again that another place of its kind has read far
/// (tests/guard/linear_test.cc).
class PiiScanner {
  public:
    /// types   of Loom's own.     custom  all of these; null: none.
    explicit PiiScanner(PiiTypes types, const PiiStrictness& strictness = {},
                        std::shared_ptr<const CustomTypes> custom = nullptr) noexcept;

    [[nodiscard]] PiiTypes types() const noexcept { return types_; }
    [[nodiscard]] const std::shared_ptr<const CustomTypes>& custom() const noexcept { return custom_; }
    /// What a find is at most long, from what finders may look at before it to what they must see behind it.
    [[nodiscard]] size_t bytes_max() const noexcept;

    /// Calls found(const PiiSpan&) for each find, in order.
    template <class Found>
    void scan(std::string_view text, Found&& found) const {
        scan_into(
            text,
            [](void* context, const PiiSpan& span) { (*static_cast<std::remove_reference_t<Found>*>(context))(span); },
            &found);
    }

  private:
    friend class PiiScan;
    friend class PiiStream;
    using Sink = void (*)(void* context, const PiiSpan& span);

    /// The find that later ones are held against.
    struct Held {
        PiiSpan span;
        bool is_any = false;
        uint64_t told_end = 0;
    };
    template <size_t count_max>
    struct Finders {
        std::array<uint8_t, count_max> row;  // of detectors()
        uint8_t count = 0;
    };

    void scan_into(std::string_view text, Sink sink, void* context) const;
    /// Goes on at `from`; returns the first anchor that bytes yet to come decide, or the text's size.
    ptrdiff_t walk(Window& window, ptrdiff_t from, Held& held, Sink sink, void* context) const;
    template <size_t count_max>
    bool ask(const Finders<count_max>& finders, Probe& probe, Held& held, Sink sink, void* context) const;
    bool ask_number(Window& window, ptrdiff_t anchor, Held& held, Sink sink, void* context) const;
    void hold(PiiSpan span, Held& held, Sink sink, void* context) const;
    [[nodiscard]] ptrdiff_t decidable_end(const Window& window, ptrdiff_t from) const noexcept;
    [[nodiscard]] size_t lookbehind() const noexcept;

    PiiTypes types_;
    PiiStrictness strictness_;
    /// By how many digits a number begins with, and whether letters stand before and behind them.
    static constexpr uint32_t number_kinds = 33 * 4;
    std::array<Finders<32>, number_kinds> numbers_;
    bool asks_numbers_ = false;
    Finders<16> literals_;
    Finders<4> at_signs_, colons_, equals_;
    std::shared_ptr<const CustomTypes> custom_;
};

/// One scan of a text of which only a window is there at a time: what was asked of it and is decided may be let go of.
/// Finds are those of the whole text.
class PiiScan {
  public:
    /// scanner  outlives this.
    explicit PiiScan(const PiiScanner& scanner) noexcept : scanner_(&scanner) {}

    /// Goes on to the end of what is there, and calls found(const PiiSpan&) with what is decided, in order; places are
    /// of the window.
    /// window  the same bytes as before, less those that were forgotten, and more behind them.
    /// final   no more will come.
    template <class Found>
    void advance(std::string_view window, bool final, Found&& found) {
        advance_into(
            window, final,
            [](void* context, const PiiSpan& span) { (*static_cast<std::remove_reference_t<Found>*>(context))(span); },
            &found);
    }
    /// No find begins before this that has not been told.
    [[nodiscard]] size_t decided() const noexcept { return decided_; }
    /// So many bytes at the window's beginning are needed no more, and those that advance() has now may go.
    [[nodiscard]] size_t unneeded() const noexcept;
    void forget(size_t count) noexcept;
    /// Is it too early to look again? What is open is read anew each time, from where it began: of what is long and
    /// comes in small pieces, an eighth more must be there before it is, unless finders have looked little so far. So
    /// the looks stay linear in the text, however it is cut, and no more is held back than an eighth of what is open.
    [[nodiscard]] bool waits(size_t window_bytes) const noexcept {
        constexpr uint64_t looks_a_byte = 32, looks_free = 4096;
        const bool costs = looks_ > looks_free + looks_a_byte * fed_;
        return costs && window_bytes - seen_ < (seen_ - resume_) / 8;
    }
    /// How often a finder has looked at a byte.
    [[nodiscard]] uint64_t looks() const noexcept { return looks_; }

  private:
    void advance_into(std::string_view window, bool final, PiiScanner::Sink sink, void* context);

    const PiiScanner* scanner_;
    PiiScanner::Held held_;
    size_t resume_ = 0;   // the first anchor that is not decided
    size_t decided_ = 0;  // up to here all finds are told
    size_t seen_ = 0;     // the window's size, when it was last looked at
    uint64_t fed_ = 0;    // of the text, so far
    uint64_t looks_ = 0;
};

/// Who is told what a stream is made of, in order and without a gap: text that is decided, and finds.
class PiiStreamSink {
  public:
    virtual void text(std::string_view text) = 0;
    /// span  in bytes of the whole stream.
    virtual void found(const PiiSpan& span, std::string_view value) = 0;

  protected:
    ~PiiStreamSink() = default;
};

/// A text that comes in pieces, cut anywhere. Told is exactly what PiiScanner::scan() finds in the whole of it. Held
/// back is only what may still become a find: the last word, or what a finder has begun to read, at most
/// held_bytes_max(). What text() gets ends between characters, where the stream is UTF-8.
class PiiStream {
  public:
    /// scanner  outlives this.
    explicit PiiStream(const PiiScanner& scanner);

    void feed(std::string_view piece, PiiStreamSink& sink);
    /// Decides the rest. The stream is as new afterwards.
    void finish(PiiStreamSink& sink);

    [[nodiscard]] size_t held_bytes() const noexcept { return buffer_.size() - cursor_; }
    [[nodiscard]] size_t held_bytes_max() const noexcept;

  private:
    struct Telling;
    void run(bool final, PiiStreamSink& sink);
    void forget();

    const PiiScanner& scanner_;
    PiiScan scan_;
    std::string buffer_;  // what finders may look back at, then what is not decided
    uint64_t base_ = 0;   // where the buffer begins in the stream
    size_t cursor_ = 0;   // up to here all was told
};

}  // namespace loom::guard

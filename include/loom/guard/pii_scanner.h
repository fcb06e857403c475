// Finds personal data and secrets in a text: whole, or as it comes.
//
// Of finds that overlap one is told: the one whose anchor (its '@', its first digit) comes first is held against each
// that follows; the longer wins, then the type of higher priority. So what is told never overlaps, comes in order, and
// depends on the text alone.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "loom/guard/pii.h"

namespace loom::guard {

struct Detector;
class Probe;
class Window;

/// What one is asked for. Built when the conf is read; scanning takes nothing from the heap, and of ordinary text time
/// that is linear in it; text that is made for it can have 8 KiB read again for every few bytes.
class PiiScanner {
  public:
    explicit PiiScanner(PiiTypes types) noexcept;

    [[nodiscard]] PiiTypes types() const noexcept { return types_; }

    /// Calls found(const PiiSpan&) for each find, in order.
    template <class Found>
    void scan(std::string_view text, Found&& found) const {
        scan_into(
            text,
            [](void* context, const PiiSpan& span) { (*static_cast<std::remove_reference_t<Found>*>(context))(span); },
            &found);
    }

  private:
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
        std::array<const Detector*, count_max> row;
        uint32_t count = 0;
    };

    void scan_into(std::string_view text, Sink sink, void* context) const;
    /// Goes on at `from`; returns the first anchor that bytes yet to come decide, or the text's size.
    ptrdiff_t walk(Window& window, ptrdiff_t from, Held& held, Sink sink, void* context) const;
    template <size_t count_max>
    bool ask(const Finders<count_max>& finders, Probe& probe, Held& held, Sink sink, void* context) const;
    bool ask_number(Window& window, ptrdiff_t anchor, Held& held, Sink sink, void* context) const;
    static void hold(const PiiSpan& span, Held& held, Sink sink, void* context);

    PiiTypes types_;
    Finders<32> numbers_;
    Finders<16> literals_;
    Finders<4> at_signs_, colons_, equals_;
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
    std::string buffer_;     // what finders may look back at, then what is not decided
    uint64_t base_ = 0;      // where the buffer begins in the stream
    size_t cursor_ = 0;      // up to here all was told
    size_t resume_ = 0;      // the first anchor that is not decided
    PiiScanner::Held held_;  // in places of the buffer
};

}  // namespace loom::guard

// Decodes bodies in zstd (RFC 8878). The only user of libzstd.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "loom/base/result.h"
#include "loom/http/content_coding.h"

struct ZSTD_DCtx_s;  // libzstd's, kept out of sight

namespace loom::http {

/// A streaming decoder of zstd's frames in a row, skippable ones among them. What a frame costs stands in its head, so
/// it is known before it is taken: memory_bytes().
class ZstdDecoder {
  public:
    static constexpr uint64_t window_bytes_max = 8 << 20;  // RFC 9659: what a sender may ask of whoever decodes
    static constexpr uint64_t memory_bytes_max = window_bytes_max + 768 * 1024;

    ZstdDecoder() noexcept;
    ~ZstdDecoder();
    ZstdDecoder(ZstdDecoder&&) noexcept;
    ZstdDecoder& operator=(ZstdDecoder&&) noexcept;

    /// Forgets what was before. side  who sent the body, for errors.
    void start(DecodeLimits limits, Side side) noexcept;
    /// What it holds once next() has been called again. It stops behind the head of each frame that needs more.
    [[nodiscard]] uint64_t memory_bytes() const noexcept { return memory_bytes_; }
    /// As Inflater::next; behind a frame's head it may stop with neither the input used up nor the output full.
    /// Errors  bad_message (no zstd frame, a broken one, a window over window_bytes_max, a dictionary), too_large (over
    ///         a limit), exhausted (internal: no memory).
    [[nodiscard]] Result<DecodeStep> next(std::string_view in, std::span<char> out) noexcept;
    /// The body has ended. Errors  bad_message when its last frame has not, or there was none.
    [[nodiscard]] Result<void> on_end() const noexcept;
    /// Coded bytes taken so far; after an error, those in front of the place where it was found.
    [[nodiscard]] uint64_t consumed_bytes() const noexcept { return in_bytes_; }
    /// As libzstd counts what it holds now.
    [[nodiscard]] size_t held_bytes() const noexcept;

  private:
    struct Free {
        void operator()(ZSTD_DCtx_s* context) const noexcept;
    };
    [[nodiscard]] std::string_view head() const noexcept { return {head_.data(), head_count_}; }
    [[nodiscard]] Result<size_t> head_bytes() const noexcept;
    [[nodiscard]] Result<bool> take_head(std::string_view& in) noexcept;
    [[nodiscard]] Result<void> open() noexcept;
    [[nodiscard]] Result<void> decode(std::string_view in, std::span<char> out, DecodeStep& step) noexcept;
    [[nodiscard]] std::unexpected<Error> bad(const char* what) const noexcept;

    std::unique_ptr<ZSTD_DCtx_s, Free> context_;
    DecodeLimits limits_;
    uint64_t in_bytes_ = 0;
    uint64_t out_bytes_ = 0;
    uint64_t memory_bytes_ = 0;
    std::array<char, 18> head_;  // of the frame at hand, until it is whole
    uint8_t head_count_ = 0;
    Side side_ = Side::downstream;
    bool head_whole_ = false;
    bool opened_ = false;     // libzstd has been given the head
    bool any_frame_ = false;  // one has ended
};

}  // namespace loom::http

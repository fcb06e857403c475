// Decodes bodies that are sent compressed: by clients, and by upstreams that were asked for "identity". zstd is in
// zstd.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "loom/base/result.h"

namespace loom::http {

enum class ContentCoding : uint8_t { identity, gzip, deflate, zstd, unknown };

/// Of a Content-Encoding value ("gzip", "x-gzip", "deflate", "zstd", "identity", ""); several codings, br: unknown.
[[nodiscard]] ContentCoding content_coding(std::string_view value) noexcept;

struct DecodeLimits {
    uint64_t output_bytes_max = UINT64_MAX;
    /// Output over `ratio_max` times the input, beyond the first `ratio_free_bytes`, is a bomb. Deflate's best is 1032.
    uint32_t ratio_max = 200;
    uint32_t ratio_free_bytes = 1 << 20;
    /// Errors  too_large (`side`) when so much output of so much input is over them.
    [[nodiscard]] Result<void> check(uint64_t in_bytes, uint64_t out_bytes, Side side) const noexcept;
};

struct DecodeStep {
    size_t consumed = 0;  // of the input
    size_t produced = 0;  // into the output
    bool done = false;    // the coded stream has ended, as far as the bytes given tell
};

/// A streaming decoder of gzip (RFC 1952, members in a row too) and of deflate (RFC 1950, and the raw RFC 1951 that
/// some servers send under that name). Output per call is bounded by the caller's buffer; output in all by `limits`.
/// Allocates 48 KiB in the first start() and nothing afterwards.
class Inflater {
  public:
    using Limits = DecodeLimits;
    using Step = DecodeStep;
    static constexpr size_t memory_bytes = 48 * 1024;  // what the first start() allocates

    Inflater() noexcept;
    ~Inflater();
    Inflater(Inflater&&) noexcept;
    Inflater& operator=(Inflater&&) noexcept;

    /// side    who sent the body, for errors.
    /// Errors  unsupported (a coding other than gzip and deflate), exhausted (internal: no memory).
    [[nodiscard]] Result<void> start(ContentCoding coding, Limits limits, Side side = Side::upstream) noexcept;
    [[nodiscard]] Result<void> start(ContentCoding coding) noexcept { return start(coding, Limits{}); }
    /// Decodes until the input is used up or the output is full: call again with the rest and a fresh output while
    /// `consumed < in.size()` or `produced == out.size()`. `out` must not be empty.
    /// Errors  bad_message (broken stream), too_large (over a limit).
    [[nodiscard]] Result<Step> next(std::string_view in, std::span<char> out) noexcept;
    /// The body has ended. Errors  bad_message when the coded stream has not.
    [[nodiscard]] Result<void> on_end() const noexcept;
    /// Coded bytes taken so far; after an error, those in front of the place where it was found.
    [[nodiscard]] uint64_t consumed_bytes() const noexcept;

  private:
    struct State;  // zlib's, kept out of sight
    std::unique_ptr<State> state_;
};

}  // namespace loom::http

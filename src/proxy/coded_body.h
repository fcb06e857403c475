// A request's body that its client compressed: what came of it and is not decoded yet, and its decoder.
#pragma once

#include <variant>

#include "loom/base/block_pool.h"
#include "loom/http/content_coding.h"
#include "loom/http/zstd.h"
#include "loom/io/shard.h"

namespace loom::proxy {

class Exchange;

/// As a Runnable it is its exchange's next turn of decoding: a body that expands a lot keeps nobody else waiting.
class CodedBody final : public io::Runnable {
  public:
    static constexpr size_t turn_bytes = 256 * 1024;  // of plain bytes: about a millisecond
    static constexpr uint64_t memory_bytes_max = http::ZstdDecoder::memory_bytes_max;  // the dearer of the two

    /// coding      gzip, deflate or zstd.
    /// bytes_max   of the plain body; the coded one may have no more.
    CodedBody(Run next_turn, Exchange& exchange, BlockPool& blocks, http::ContentCoding coding, uint64_t bytes_max);
    ~CodedBody() { unlink(); }

    /// Bytes that are to be decoded. Not while busy().
    /// Errors  too_large (downstream): a body that even coded is larger than it may be.
    [[nodiscard]] Result<void> add(std::string_view coded);
    /// Some bytes wait to be decoded, or what they became waits for room.
    [[nodiscard]] bool busy() const noexcept { return !coded_.empty() || output_full_; }
    /// Of what is kept here once decode() has been called again.
    [[nodiscard]] uint64_t memory_bytes() const noexcept;

    /// Goes on, into what capacity `out` has and at most `bytes` of it; some progress, not all there is.
    /// Errors  bad_message, too_large (downstream); exhausted (internal).
    [[nodiscard]] Result<void> decode(ByteBuffer& out, size_t bytes);
    /// The client has sent all. Errors  bad_message: the coded bytes are not whole.
    [[nodiscard]] Result<void> on_end() const noexcept;
    /// Coded bytes in front of the place where an error was found.
    [[nodiscard]] uint64_t offset() const noexcept;

    Exchange& exchange;
    bool paused = false;  // the client is not read until what it sent is decoded

  private:
    std::variant<http::Inflater, http::ZstdDecoder> decoder_;
    ByteBuffer coded_;
    size_t decoded_count_ = 0;  // of the bytes there
    uint64_t coded_bytes_ = 0;  // in all
    const uint64_t bytes_max_;
    const http::ContentCoding coding_;
    bool started_ = false;
    bool output_full_ = false;
};

}  // namespace loom::proxy

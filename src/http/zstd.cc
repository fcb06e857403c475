#include "loom/http/zstd.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>

#include "loom/base/assert.h"

namespace loom::http {

namespace {

constexpr size_t magic_bytes = 4;                     // of a frame, or of one to skip, which has sixteen of them
constexpr size_t head_front_bytes = magic_bytes + 1;  // up to the descriptor that tells how long the head is
constexpr int window_log_max = 23;
static_assert(ZstdDecoder::window_bytes_max == uint64_t{1} << window_log_max);

// What libzstd takes beside the window: its tables, and a block of 128 KiB on either side of it.
constexpr uint64_t fixed_bytes = 512 * 1024;

uint64_t read_little_endian(std::string_view bytes) noexcept {
    uint64_t value = 0;
    for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
    return value;
}

/// May a frame begin so? Not one of the versions before the format was fixed, though libzstd would take it.
bool begins_frame(std::string_view head) noexcept {
    constexpr std::string_view frame = "\x28\xB5\x2F\xFD", skippable = "\x50\x2A\x4D\x18";
    const std::string_view magic = head.substr(0, magic_bytes);
    if (frame.starts_with(magic)) return true;
    return (magic[0] & ~15) == skippable[0] && skippable.substr(1).starts_with(magic.substr(1));
}

/// RFC 8878, 3.1.1.1.1: the byte that says how long a frame's head is, and what stands in it.
struct Descriptor {
    explicit Descriptor(char byte) noexcept
        : single_segment((byte & 0x20) != 0),
          reserved((byte & 0x08) != 0),
          dictionary_bytes(std::array<uint8_t, 4>{0, 1, 2, 4}[byte & 3]) {
        const auto flag = static_cast<uint8_t>(byte) >> 6;
        content_size_bytes = flag == 0 ? (single_segment ? 1 : 0) : static_cast<uint8_t>(1 << flag);
    }
    [[nodiscard]] size_t head_bytes() const noexcept {
        return head_front_bytes + (single_segment ? 0 : 1) + dictionary_bytes + content_size_bytes;
    }
    bool single_segment;
    bool reserved;
    uint8_t dictionary_bytes;
    uint8_t content_size_bytes;
};

/// Of a whole head: what of the output a decoder has to keep.
uint64_t window_bytes(std::string_view head) noexcept {
    const Descriptor descriptor(head[magic_bytes]);
    if (descriptor.single_segment) {
        const std::string_view size = head.substr(head_front_bytes + descriptor.dictionary_bytes);
        return read_little_endian(size) + (descriptor.content_size_bytes == 2 ? 256 : 0);
    }
    const auto byte = static_cast<uint8_t>(head[head_front_bytes]);
    const uint64_t base = uint64_t{1} << (10 + (byte >> 3));
    return base + base / 8 * (byte & 7);
}

}  // namespace

void ZstdDecoder::Free::operator()(ZSTD_DCtx_s* context) const noexcept { ZSTD_freeDCtx(context); }

ZstdDecoder::ZstdDecoder() noexcept = default;
ZstdDecoder::~ZstdDecoder() = default;
ZstdDecoder::ZstdDecoder(ZstdDecoder&&) noexcept = default;
ZstdDecoder& ZstdDecoder::operator=(ZstdDecoder&&) noexcept = default;

void ZstdDecoder::start(DecodeLimits limits, Side side) noexcept {
    *this = ZstdDecoder();
    limits_ = limits;
    side_ = side;
}

std::unexpected<Error> ZstdDecoder::bad(const char* what) const noexcept {
    return fail(Errc::bad_message, side_, what);
}

size_t ZstdDecoder::held_bytes() const noexcept { return ZSTD_sizeof_DCtx(context_.get()); }

/// Of the frame at hand, as far as those tell that are there.
Result<size_t> ZstdDecoder::head_bytes() const noexcept {
    if (head_count_ < magic_bytes || (head_[0] & ~15) == 0x50) return magic_bytes;
    if (head_count_ < head_front_bytes) return head_front_bytes;
    const Descriptor descriptor(head_[magic_bytes]);
    if (descriptor.reserved) return bad("a broken zstd frame");
    return descriptor.head_bytes();
}

/// False while some of the head's bytes are missing.
Result<bool> ZstdDecoder::take_head(std::string_view& in) noexcept {
    for (;;) {
        const size_t wanted = LOOM_TRY(head_bytes());
        if (head_count_ == wanted) break;
        if (in.empty()) return false;
        const size_t count = std::min(wanted - head_count_, in.size());
        in.copy(head_.data() + head_count_, count);
        head_count_ = static_cast<uint8_t>(head_count_ + count);
        in.remove_prefix(count);
        if (!begins_frame(head())) return bad("no zstd frame where one should begin");
        in_bytes_ += count;
    }
    const uint64_t window = head_count_ == magic_bytes ? 0 : window_bytes(head());
    if (window > window_bytes_max) return bad("a zstd frame whose window is over 8 MiB (RFC 9659)");
    memory_bytes_ = std::max(memory_bytes_, fixed_bytes + window);
    return true;
}

/// Gives libzstd the head of the frame; nothing comes out.
Result<void> ZstdDecoder::open() noexcept {
    if (context_ == nullptr) {
        context_.reset(ZSTD_createDCtx());
        if (context_ == nullptr ||
            ZSTD_isError(ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, window_log_max)))
            return fail(Errc::exhausted, Side::internal, "no memory to decode a compressed body");
    }
    const std::string_view bytes = head();
    ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
    char unused = 0;
    ZSTD_outBuffer output{&unused, 1, 0};
    while (input.pos < input.size)
        if (ZSTD_isError(ZSTD_decompressStream(context_.get(), &output, &input))) return bad("a broken zstd frame");
    opened_ = true;
    return {};
}

Result<void> ZstdDecoder::decode(std::string_view in, std::span<char> out, DecodeStep& step) noexcept {
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    const size_t hint = ZSTD_decompressStream(context_.get(), &output, &input);
    step = {.consumed = input.pos, .produced = output.pos, .done = hint == 0};
    if (ZSTD_getErrorCode(hint) == ZSTD_error_memory_allocation)
        return fail(Errc::exhausted, Side::internal, "no memory to decode a compressed body");
    if (ZSTD_isError(hint)) return bad("a broken zstd frame");
    if (!step.done) return {};
    any_frame_ = true;
    head_count_ = 0;
    head_whole_ = opened_ = false;
    return {};
}

Result<DecodeStep> ZstdDecoder::next(std::string_view in, std::span<char> out) noexcept {
    LOOM_ASSERT(!out.empty());
    const size_t given = in.size();
    if (!head_whole_) {
        const uint64_t before = memory_bytes_;
        head_whole_ = LOOM_TRY(take_head(in));
        if (!head_whole_ || memory_bytes_ > before)
            return DecodeStep{.consumed = given - in.size(), .done = any_frame_ && head_count_ == 0};
    }
    if (!opened_) LOOM_TRY(open());
    DecodeStep step;
    const Result<void> decoded = decode(in, out, step);
    in_bytes_ += step.consumed;
    out_bytes_ += step.produced;
    step.consumed += given - in.size();
    if (!decoded) return std::unexpected(decoded.error());
    LOOM_TRY(limits_.check(in_bytes_, out_bytes_, side_));
    return step;
}

Result<void> ZstdDecoder::on_end() const noexcept {
    if (!any_frame_ || head_count_ != 0) return bad("a compressed body that ends too early");
    return {};
}

}  // namespace loom::http

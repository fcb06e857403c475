#include "loom/http/content_coding.h"

#include <zlib.h>

#include <cstddef>
#include <new>

#include "loom/base/assert.h"
#include "loom/http/message.h"

namespace loom::http {

/// Room for zlib's state (7 KB) and its window, so that decoding never asks the heap.
struct Arena {
    static constexpr size_t bytes_max = 48 * 1024;
    alignas(std::max_align_t) char bytes[bytes_max];
    size_t used = 0;

    static voidpf take(voidpf arena, uInt count, uInt each) noexcept {
        auto& self = *static_cast<Arena*>(arena);
        const size_t wanted = (size_t{count} * each + alignof(std::max_align_t) - 1) & ~(alignof(std::max_align_t) - 1);
        if (bytes_max - self.used < wanted) return nullptr;
        self.used += wanted;
        return self.bytes + self.used - wanted;
    }
    static void give_back(voidpf, voidpf) noexcept {}  // all at once, by the next start()
};

struct Inflater::State {
    z_stream zlib{};
    Limits limits;
    uint64_t in_bytes = 0;
    uint64_t out_bytes = 0;
    ContentCoding coding = ContentCoding::identity;
    Side side = Side::upstream;
    bool opened = false;       // zlib has been told which header comes
    bool stream_done = false;  // of one gzip member, or of deflate
    bool has_first = false;    // of a deflate body, whose second byte is awaited
    unsigned char first = 0;
    Arena arena;

    [[nodiscard]] bool open(int window_bits) noexcept;
    void feed(std::string_view in, std::span<char> out) noexcept;
    [[nodiscard]] Result<bool> open_deflate(std::string_view& in) noexcept;
    [[nodiscard]] Result<void> inflate_once() noexcept;
    [[nodiscard]] Result<bool> go_on_behind_end() noexcept;
    [[nodiscard]] Result<void> decode(std::string_view in, std::span<char> out) noexcept;
    [[nodiscard]] std::unexpected<Error> bad(const char* what) const noexcept {
        return fail(Errc::bad_message, side, what);
    }
};

namespace {

constexpr int gzip_window = 16 + MAX_WBITS;
constexpr int zlib_window = MAX_WBITS;
constexpr int raw_window = -MAX_WBITS;

/// RFC 1950, 2.2: method 8, a window of at most 32 KiB, no dictionary, and a check value.
bool is_zlib_header(unsigned char first, unsigned char second) noexcept {
    return (first & 0x0f) == Z_DEFLATED && first >> 4 <= 7 && (first << 8 | second) % 31 == 0 && (second & 0x20) == 0;
}

}  // namespace

ContentCoding content_coding(std::string_view value) noexcept {
    if (value.empty() || equal_ignoring_case(value, "identity")) return ContentCoding::identity;
    if (equal_ignoring_case(value, "gzip") || equal_ignoring_case(value, "x-gzip")) return ContentCoding::gzip;
    if (equal_ignoring_case(value, "deflate")) return ContentCoding::deflate;
    if (equal_ignoring_case(value, "zstd")) return ContentCoding::zstd;
    return ContentCoding::unknown;
}

Result<void> DecodeLimits::check(uint64_t in_bytes, uint64_t out_bytes, Side side) const noexcept {
    if (out_bytes > output_bytes_max)
        return fail(Errc::too_large, side, "a compressed body that is too large when decoded");
    if (out_bytes > ratio_free_bytes && out_bytes / ratio_max > in_bytes)
        return fail(Errc::too_large, side, "a compressed body that expands beyond reason");
    return {};
}

Inflater::Inflater() noexcept = default;
Inflater::~Inflater() = default;
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater& Inflater::operator=(Inflater&&) noexcept = default;

bool Inflater::State::open(int window_bits) noexcept {
    zlib.zalloc = &Arena::take;
    zlib.zfree = &Arena::give_back;
    zlib.opaque = &arena;
    opened = inflateInit2(&zlib, window_bits) == Z_OK;
    return opened;
}

void Inflater::State::feed(std::string_view in, std::span<char> out) noexcept {
    zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));  // zlib reads it only
    zlib.avail_in = static_cast<uInt>(in.size());
    zlib.next_out = reinterpret_cast<Bytef*>(out.data());
    zlib.avail_out = static_cast<uInt>(out.size());
}

Result<void> Inflater::start(ContentCoding coding, Limits limits, Side side) noexcept {
    if (coding != ContentCoding::gzip && coding != ContentCoding::deflate)
        return fail(Errc::unsupported, side, "a Content-Encoding other than gzip and deflate");
    if (state_ == nullptr) state_.reset(new (std::nothrow) State);
    if (state_ == nullptr) return fail(Errc::exhausted, Side::internal, "no memory to decode a compressed body");
    State& s = *state_;
    s.zlib = {};
    s.limits = limits;
    s.side = side;
    s.in_bytes = s.out_bytes = 0;
    s.coding = coding;
    s.opened = s.stream_done = s.has_first = false;
    s.arena.used = 0;
    if (coding == ContentCoding::gzip && !s.open(gzip_window))
        return fail(Errc::exhausted, Side::internal, "zlib does not start");
    return {};
}

/// "deflate" should be RFC 1950; some servers send RFC 1951 bare. Two bytes tell. False while there is only one.
Result<bool> Inflater::State::open_deflate(std::string_view& in) noexcept {
    if (in.empty()) return false;
    if (!has_first) {
        has_first = true;
        first = static_cast<unsigned char>(in[0]);
        in.remove_prefix(1);
        if (in.empty()) return false;
    }
    const bool wrapped = is_zlib_header(first, static_cast<unsigned char>(in[0]));
    if (!open(wrapped ? zlib_window : raw_window)) return fail(Errc::exhausted, Side::internal, "zlib does not start");
    char unused = 0;
    feed({reinterpret_cast<const char*>(&first), 1}, {&unused, 1});  // eight bits hold no symbol: nothing comes out
    LOOM_TRY(inflate_once());
    return true;
}

Result<void> Inflater::State::inflate_once() noexcept {
    switch (inflate(&zlib, Z_NO_FLUSH)) {
        case Z_OK:
        case Z_BUF_ERROR: return {};  // more input or more room is needed
        case Z_STREAM_END: stream_done = true; return {};
        case Z_MEM_ERROR: return fail(Errc::exhausted, Side::internal, "no memory to decode a compressed body");
        default: return bad("a broken gzip or deflate body");
    }
}

/// Another gzip member may follow (RFC 1952, 2.2), or zeros as padding; nothing else. True when a member starts.
Result<bool> Inflater::State::go_on_behind_end() noexcept {
    while (zlib.avail_in > 0 && *zlib.next_in == 0 && coding == ContentCoding::gzip) {
        zlib.next_in += 1;
        zlib.avail_in -= 1;
    }
    if (zlib.avail_in == 0) return false;
    if (coding != ContentCoding::gzip || *zlib.next_in != 0x1f) return bad("bytes behind the end of a compressed body");
    inflateReset(&zlib);
    stream_done = false;
    return true;
}

/// Until the input is used up or the output is full; `zlib` tells how far it came, also where it failed.
Result<void> Inflater::State::decode(std::string_view in, std::span<char> out) noexcept {
    feed(in, out);
    bool more = true;
    while (more) {
        if (stream_done) more = LOOM_TRY(go_on_behind_end());
        if (more) LOOM_TRY(inflate_once());
        more = more && stream_done;
    }
    return {};
}

Result<Inflater::Step> Inflater::next(std::string_view in, std::span<char> out) noexcept {
    LOOM_ASSERT(state_ != nullptr && !out.empty());
    LOOM_ASSERT(in.size() <= UINT32_MAX && out.size() <= UINT32_MAX);
    State& s = *state_;
    const size_t given = in.size();
    if (!s.opened && !LOOM_TRY(s.open_deflate(in))) {
        s.in_bytes += given;
        return Step{given, 0, false};
    }
    const Result<void> decoded = s.decode(in, out);
    const Step step{given - s.zlib.avail_in, out.size() - s.zlib.avail_out, s.stream_done};
    s.in_bytes += step.consumed;
    s.out_bytes += step.produced;
    if (!decoded) return std::unexpected(decoded.error());
    LOOM_TRY(s.limits.check(s.in_bytes, s.out_bytes, s.side));
    return step;
}

uint64_t Inflater::consumed_bytes() const noexcept { return state_ == nullptr ? 0 : state_->in_bytes; }

Result<void> Inflater::on_end() const noexcept {
    LOOM_ASSERT(state_ != nullptr);
    if (!state_->stream_done) return state_->bad("a compressed body that ends too early");
    return {};
}

}  // namespace loom::http

#include "loom/http/websocket.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "loom/base/assert.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace loom::http {
namespace {

constexpr uint8_t fin_bit = 0x80;
constexpr uint8_t reserved_bits = 0x70;
constexpr uint8_t opcode_bits = 0x0f;
constexpr uint8_t mask_bit = 0x80;
constexpr uint8_t length_bits = 0x7f;
constexpr uint8_t length_of_2_bytes = 126;
constexpr uint8_t length_of_8_bytes = 127;

/// The first byte that is not ASCII.
size_t ascii_bytes(std::string_view bytes) noexcept {
    size_t at = 0;
#if defined(__SSE2__)
    for (; bytes.size() - at >= 16; at += 16) {
        const auto high = static_cast<uint32_t>(
            _mm_movemask_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + at))));
        if (high != 0) return at + static_cast<size_t>(std::countr_zero(high));
    }
#endif
    while (at < bytes.size() && (static_cast<uint8_t>(bytes[at]) & 0x80) == 0) ++at;
    return at;
}

/// States between the bytes of a character: how many are to come, and what the next may be (RFC 3629, 4).
enum State : uint8_t { border, one, two, three, two_after_e0, two_after_ed, three_after_f0, three_after_f4, bad };

State first_of(uint8_t byte) noexcept {
    if (byte < 0x80) return border;
    if (byte < 0xc2) return bad;
    if (byte < 0xe0) return one;
    if (byte == 0xe0) return two_after_e0;
    if (byte == 0xed) return two_after_ed;
    if (byte < 0xf0) return two;
    if (byte == 0xf0) return three_after_f0;
    if (byte < 0xf4) return three;
    return byte == 0xf4 ? three_after_f4 : bad;
}

State next_of(uint8_t state, uint8_t byte) noexcept {
    const auto within = [byte](uint8_t first, uint8_t last, State next) {
        return byte >= first && byte <= last ? next : bad;
    };
    switch (state) {
        case border: return first_of(byte);
        case one: return within(0x80, 0xbf, border);
        case two: return within(0x80, 0xbf, one);
        case three: return within(0x80, 0xbf, two);
        case two_after_e0: return within(0xa0, 0xbf, one);    // else it were shorter
        case two_after_ed: return within(0x80, 0x9f, one);    // else a surrogate
        case three_after_f0: return within(0x90, 0xbf, two);  // else it were shorter
        case three_after_f4: return within(0x80, 0x8f, two);  // else beyond U+10FFFF
        default: return bad;
    }
}

uint64_t big_endian(const char* at, size_t count) noexcept {
    uint64_t out = 0;
    for (size_t i = 0; i < count; ++i) out = out << 8 | static_cast<uint8_t>(at[i]);
    return out;
}

void put_big_endian(char* at, uint64_t value, size_t count) noexcept {
    for (size_t i = count; i-- > 0; value >>= 8) at[i] = static_cast<char>(value);
}

}  // namespace

bool Utf8Check::add(std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        if (state_ == border) {
            bytes.remove_prefix(ascii_bytes(bytes));
            if (bytes.empty()) break;
        }
        state_ = next_of(state_, static_cast<uint8_t>(bytes.front()));
        if (state_ == bad) return false;
        bytes.remove_prefix(1);
    }
    return true;
}

/// Sixteen bytes a step where they are many: the key, turned to where it stands, repeats every four.
void apply_mask(std::span<char> bytes, MaskKey key, uint64_t offset) noexcept {
    std::array<uint8_t, 16> pattern;
    for (size_t i = 0; i < pattern.size(); ++i) pattern[i] = key[(offset + i) & 3];
    char* at = bytes.data();
    char* const end = at + bytes.size();
#if defined(__SSE2__)
    const __m128i wide = _mm_loadu_si128(reinterpret_cast<const __m128i*>(pattern.data()));
    for (; end - at >= 16; at += 16) {
        auto* const block = reinterpret_cast<__m128i*>(at);
        _mm_storeu_si128(block, _mm_xor_si128(_mm_loadu_si128(block), wide));
    }
#endif
    for (size_t i = 0; at != end; ++at, ++i) *at = static_cast<char>(*at ^ static_cast<char>(pattern[i & 3]));
}

size_t write_frame_head(std::span<char, frame_head_bytes_max> out, bool fin, Opcode opcode, uint64_t payload_bytes,
                        const MaskKey* key) noexcept {
    char* at = out.data();
    *at++ = static_cast<char>((fin ? fin_bit : 0) | static_cast<uint8_t>(opcode));
    const uint8_t mask = key != nullptr ? mask_bit : 0;
    if (payload_bytes < length_of_2_bytes) {
        *at++ = static_cast<char>(mask | payload_bytes);
    } else if (payload_bytes <= UINT16_MAX) {
        *at++ = static_cast<char>(mask | length_of_2_bytes);
        put_big_endian(at, payload_bytes, 2);
        at += 2;
    } else {
        *at++ = static_cast<char>(mask | length_of_8_bytes);
        put_big_endian(at, payload_bytes, 8);
        at += 8;
    }
    if (key != nullptr) at = std::copy(key->begin(), key->end(), at);
    return static_cast<size_t>(at - out.data());
}

size_t write_control_frame(std::span<char, control_frame_bytes_max> out, Opcode opcode, std::string_view payload,
                           const MaskKey* key) noexcept {
    LOOM_ASSERT(is_control(opcode) && payload.size() <= control_payload_bytes_max);
    const size_t head = write_frame_head(out.first<frame_head_bytes_max>(), true, opcode, payload.size(), key);
    std::ranges::copy(payload, out.data() + head);
    if (key != nullptr) apply_mask(out.subspan(head, payload.size()), *key, 0);
    return head + payload.size();
}

size_t write_close_payload(std::span<char, control_payload_bytes_max> out, uint16_t code,
                           std::string_view reason) noexcept {
    put_big_endian(out.data(), code, 2);
    reason = reason.substr(0, control_payload_bytes_max - 2);
    std::ranges::copy(reason, out.data() + 2);
    return 2 + reason.size();
}

FrameStep FrameReader::next(std::span<char> bytes) noexcept {
    LOOM_ASSERT(!broken_);
    FrameStep step;
    if (!in_payload_) {
        if (!take_head(bytes, step)) return step;
        if (!begin_frame(step)) return step;
        bytes = bytes.subspan(step.consumed);
    }
    step.opcode = opcode_;
    step.message = message_;
    step.fin = fin_;
    step.key = key_;
    step.frame_bytes = length_;
    if (is_control(opcode_))
        take_control(bytes, step);
    else
        take_data(bytes, step);
    return step;
}

/// How long the head is, as far as its bytes tell by now.
size_t FrameReader::head_bytes() const noexcept {
    if (head_size_ < 2) return 2;
    const uint8_t second = static_cast<uint8_t>(head_[1]);
    const uint8_t length = second & length_bits;
    const size_t extended = length == length_of_2_bytes ? 2 : length == length_of_8_bytes ? 8 : 0;
    return 2 + extended + ((second & mask_bit) != 0 ? sizeof(MaskKey) : 0);
}

/// False: the head is not whole, or not believed. Faults show as soon as the byte is there that holds them.
bool FrameReader::take_head(std::span<char> bytes, FrameStep& step) noexcept {
    const bool fresh = head_size_ == 0;
    while (head_size_ < head_bytes()) {
        if (step.consumed == bytes.size()) return false;
        head_[head_size_++] = bytes[step.consumed++];
        if (head_size_ == 1 && !check_first_byte(step)) return false;
        if (head_size_ == 2 && !check_length(step)) return false;
    }
    step.in_place = fresh;
    step.head = fresh ? bytes.first(step.consumed) : std::span(head_.data(), head_size_);
    return true;
}

bool FrameReader::check_first_byte(FrameStep& step) noexcept {
    const auto first = static_cast<uint8_t>(head_[0]);
    if ((first & reserved_bits) != 0)
        return fail(step, close_code::protocol_error, "a reserved bit is set, and no extension was agreed on");
    fin_ = (first & fin_bit) != 0;
    opcode_ = static_cast<Opcode>(first & opcode_bits);
    switch (opcode_) {
        case Opcode::continuation:
            if (!message_open_) return fail(step, close_code::protocol_error, "a continuation of nothing");
            return true;
        case Opcode::text:
        case Opcode::binary:
            if (message_open_) return fail(step, close_code::protocol_error, "a message inside another one");
            return true;
        case Opcode::close:
        case Opcode::ping:
        case Opcode::pong:
            if (!fin_) return fail(step, close_code::protocol_error, "a control frame in fragments");
            return true;
    }
    return fail(step, close_code::protocol_error, "a reserved opcode");
}

bool FrameReader::check_length(FrameStep& step) noexcept {
    const auto second = static_cast<uint8_t>(head_[1]);
    if (((second & mask_bit) != 0) != masked_)
        return fail(step, close_code::protocol_error,
                    masked_ ? "a client's frame is not masked" : "a server's frame is masked");
    if (is_control(opcode_) && (second & length_bits) > control_payload_bytes_max)
        return fail(step, close_code::protocol_error, "a control frame of more than 125 bytes");
    return true;
}

/// The head is whole.
bool FrameReader::begin_frame(FrameStep& step) noexcept {
    const uint8_t short_length = static_cast<uint8_t>(head_[1]) & length_bits;
    length_ = short_length;
    if (short_length == length_of_2_bytes) length_ = big_endian(head_.data() + 2, 2);
    if (short_length == length_of_8_bytes) length_ = big_endian(head_.data() + 2, 8);
    if (length_ >> 63 != 0) return fail(step, close_code::protocol_error, "a length of 64 bits begins with a one");
    const bool shortest = short_length < length_of_2_bytes ||
                          (short_length == length_of_2_bytes ? length_ >= length_of_2_bytes : length_ > UINT16_MAX);
    if (!shortest) return fail(step, close_code::protocol_error, "a length that is not in its shortest encoding");
    if (masked_) std::copy_n(head_.data() + head_size_ - key_.size(), key_.size(), key_.begin());
    if (!is_control(opcode_)) {
        if (opcode_ != Opcode::continuation) {
            message_ = opcode_;
            message_bytes_ = 0;
            utf8_.reset();
        }
        if (length_ > message_bytes_max_ - message_bytes_)
            return fail(step, close_code::too_large, "a message larger than it may be");
        message_bytes_ += length_;
        message_open_ = !fin_;
    }
    step.frame_begins = true;
    in_payload_ = true;
    taken_ = 0;
    control_size_ = 0;
    return true;
}

void FrameReader::take_data(std::span<char> bytes, FrameStep& step) noexcept {
    const size_t count = static_cast<size_t>(std::min<uint64_t>(bytes.size(), length_ - taken_));
    step.kind = FrameStep::Kind::data;
    step.payload = bytes.first(count);
    step.payload_offset = taken_;
    step.consumed += count;
    if (masked_) apply_mask(step.payload, key_, taken_);
    taken_ += count;
    step.frame_ends = taken_ == length_;
    const bool last = step.frame_ends && fin_;
    if (message_ == Opcode::text && (!utf8_.add(step.payload_view()) || (last && !utf8_.whole()))) {
        fail(step, close_code::bad_data, "a text message that is not UTF-8");
        return;
    }
    if (!step.frame_ends) return;
    in_payload_ = false;
    head_size_ = 0;
}

void FrameReader::take_control(std::span<char> bytes, FrameStep& step) noexcept {
    const size_t count = static_cast<size_t>(std::min<uint64_t>(bytes.size(), length_ - taken_));
    step.consumed += count;
    taken_ += count;
    if (step.in_place && taken_ == length_) {
        step.payload = bytes.first(count);
    } else {
        std::copy_n(bytes.data(), count, control_.data() + control_size_);
        control_size_ += static_cast<uint8_t>(count);
        step.in_place = false;
        step.payload = std::span(control_.data(), control_size_);
        step.head = std::span(head_.data(), head_size_);
    }
    if (taken_ < length_) return;
    if (masked_) apply_mask(step.payload, key_, 0);
    step.kind = FrameStep::Kind::control;
    step.frame_begins = step.frame_ends = true;
    in_payload_ = false;
    head_size_ = 0;
    if (opcode_ == Opcode::close) check_close(step);
}

bool FrameReader::check_close(FrameStep& step) noexcept {
    step.close_code = close_code::none;
    if (step.payload.empty()) return true;
    if (step.payload.size() == 1) return fail(step, close_code::protocol_error, "a Close with half a code");
    step.close_code = static_cast<uint16_t>(big_endian(step.payload.data(), 2));
    if (!is_close_code(step.close_code))
        return fail(step, close_code::protocol_error, "a Close with a code that may not be sent");
    Utf8Check reason;
    if (!reason.add(step.payload_view().substr(2)) || !reason.whole())
        return fail(step, close_code::bad_data, "a Close with a reason that is not UTF-8");
    return true;
}

bool FrameReader::fail(FrameStep& step, uint16_t code, const char* what) noexcept {
    broken_ = true;
    step.kind = FrameStep::Kind::fault;
    step.close_code = code;
    step.what = what;
    return false;
}

}  // namespace loom::http

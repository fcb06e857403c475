// WebSocket frames (RFC 6455, 5): read in place however they are cut, checked before they are believed, written with
// masks of one's own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace loom::http {

enum class Opcode : uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };
[[nodiscard]] constexpr bool is_control(Opcode opcode) noexcept { return (static_cast<uint8_t>(opcode) & 8) != 0; }

/// Why a session ends, as its peer is told (RFC 6455, 7.4.1, and IANA's registry).
namespace close_code {
inline constexpr uint16_t normal = 1000;
inline constexpr uint16_t going_away = 1001;
inline constexpr uint16_t protocol_error = 1002;
inline constexpr uint16_t none = 1005;  // a Close without a code; never sent
inline constexpr uint16_t bad_data = 1007;
inline constexpr uint16_t policy = 1008;
inline constexpr uint16_t too_large = 1009;
inline constexpr uint16_t internal_error = 1011;
inline constexpr uint16_t bad_gateway = 1014;
}  // namespace close_code
/// May a Close frame carry it? 1000-1003, 1007-1014 and 3000-4999; what is reserved or only for APIs may not.
[[nodiscard]] constexpr bool is_close_code(uint16_t code) noexcept {
    return (code >= 1000 && code <= 1014 && !(code >= 1004 && code <= 1006)) || (code >= 3000 && code <= 4999);
}

inline constexpr size_t frame_head_bytes_max = 14;
inline constexpr size_t control_payload_bytes_max = 125;
inline constexpr size_t control_frame_bytes_max = 2 + 4 + control_payload_bytes_max;

/// The four bytes of a mask in the order they stand in a frame.
using MaskKey = std::array<uint8_t, 4>;

/// XORs bytes with a key; `offset` is how many bytes of the frame's payload lie before them.
void apply_mask(std::span<char> bytes, MaskKey key, uint64_t offset) noexcept;

/// A frame's head in its shortest encoding. Returns how many bytes of `out` it took.
[[nodiscard]] size_t write_frame_head(std::span<char, frame_head_bytes_max> out, bool fin, Opcode opcode,
                                      uint64_t payload_bytes, const MaskKey* key = nullptr) noexcept;
/// A whole control frame, masked where there is a key. payload  at most control_payload_bytes_max.
[[nodiscard]] size_t write_control_frame(std::span<char, control_frame_bytes_max> out, Opcode opcode,
                                         std::string_view payload, const MaskKey* key = nullptr) noexcept;
/// The payload of a Close: code and reason, which is cut to what fits. Returns how many bytes of `out` it took.
[[nodiscard]] size_t write_close_payload(std::span<char, control_payload_bytes_max> out, uint16_t code,
                                         std::string_view reason) noexcept;

/// UTF-8 (RFC 3629) that comes in pieces, which may be cut inside a character.
class Utf8Check {
  public:
    /// False from the first byte on that no continuation could make good.
    [[nodiscard]] bool add(std::string_view bytes) noexcept;
    /// At the border of a character.
    [[nodiscard]] bool whole() const noexcept { return state_ == 0; }
    void reset() noexcept { state_ = 0; }

  private:
    uint8_t state_ = 0;
};

/// What a call of FrameReader::next found.
struct FrameStep {
    enum class Kind : uint8_t {
        starved,  // every byte was taken, and a frame is not whole
        data,     // a piece of a data frame, the head's end included when it begins one
        control,  // a whole control frame
        fault,    // the peer broke a rule: `close_code` is what it is to be told. Nothing can be read any more
    };
    Kind kind = Kind::starved;
    Opcode opcode = Opcode::continuation;   // of the frame
    Opcode message = Opcode::continuation;  // text or binary: what a data frame belongs to
    bool fin = false;                       // of the frame
    bool frame_begins = false;
    bool frame_ends = false;  // with this step
    bool in_place =
        false;      // head and payload lie in the bytes given, one behind the other; else the head in the reader
    MaskKey key{};  // of a masked frame
    uint16_t close_code = 0;      // of a Close (none where it has no code), or of a fault
    const char* what = "";        // of a fault: a literal
    size_t consumed = 0;          // of the bytes given
    uint64_t frame_bytes = 0;     // the frame's whole payload
    std::span<char> head;         // of the frame that begins, or of a control frame: as it came, mask included
    std::span<char> payload;      // unmasked
    uint64_t payload_offset = 0;  // in the frame

    [[nodiscard]] std::string_view payload_view() const noexcept { return {payload.data(), payload.size()}; }
    /// The last piece of a message.
    [[nodiscard]] bool message_ends() const noexcept { return kind == Kind::data && frame_ends && fin; }
};

/// Reads one direction of a session. Payloads are unmasked in place; nothing is copied but heads and control frames
/// that come in pieces, so that a control frame is always seen whole.
/// Checked     reserved bits (no extension is ever agreed on) and opcodes, the mask, which a client's frames have and a
///             server's have not, control frames (at most 125 bytes, never in fragments), the order of continuations,
///             the shortest encoding of a length, codes and reasons of Close, text that is not UTF-8, across fragments.
/// Errors      1002, 1007, and 1009 for a message beyond message_bytes_max.
class FrameReader {
  public:
    enum class From : uint8_t { client, server };

    FrameReader(From from, uint64_t message_bytes_max) noexcept
        : message_bytes_max_(message_bytes_max), masked_(from == From::client) {}

    /// To be called again with what is behind `consumed`, until that is empty. The step is valid until the next call.
    [[nodiscard]] FrameStep next(std::span<char> bytes) noexcept;

    /// Everything that came belongs to frames that are whole.
    [[nodiscard]] bool at_border() const noexcept { return head_size_ == 0 && !in_payload_; }
    /// What was given out of a data frame is not all of it.
    [[nodiscard]] bool inside_data_frame() const noexcept { return in_payload_ && !is_control(opcode_); }

  private:
    [[nodiscard]] size_t head_bytes() const noexcept;
    bool take_head(std::span<char> bytes, FrameStep& step) noexcept;
    bool check_first_byte(FrameStep& step) noexcept;
    bool check_length(FrameStep& step) noexcept;
    bool begin_frame(FrameStep& step) noexcept;
    void take_data(std::span<char> bytes, FrameStep& step) noexcept;
    void take_control(std::span<char> bytes, FrameStep& step) noexcept;
    bool check_close(FrameStep& step) noexcept;
    bool fail(FrameStep& step, uint16_t code, const char* what) noexcept;

    std::array<char, frame_head_bytes_max> head_{};
    std::array<char, control_payload_bytes_max> control_{};
    uint8_t head_size_ = 0;  // of the frame at hand
    uint8_t control_size_ = 0;
    bool in_payload_ = false;
    bool message_open_ = false;
    bool broken_ = false;
    Opcode opcode_ = Opcode::continuation;
    Opcode message_ = Opcode::continuation;
    bool fin_ = false;
    MaskKey key_{};
    Utf8Check utf8_;
    uint64_t length_ = 0;  // of the frame's payload
    uint64_t taken_ = 0;   // of it
    uint64_t message_bytes_ = 0;
    uint64_t message_bytes_max_;
    bool masked_;
};

}  // namespace loom::http

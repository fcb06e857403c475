// WebSocket's framing read the slow and plain way, from the whole input at once: what FrameReader is held against, by
// its test and by its fuzzer. RFC 6455, 5.2, sentence by sentence.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loom/http/websocket.h"

namespace loom::http::test {

struct SeenFrame {
    uint8_t opcode = 0;
    bool fin = false;
    std::string payload;
    uint16_t close_code = 0;
    friend bool operator==(const SeenFrame&, const SeenFrame&) = default;
};
/// The frames that are whole, and the code that a fault behind them is told with; 0 for none.
struct Seen {
    std::vector<SeenFrame> frames;
    uint16_t fault = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
};

/// Could these bytes be the front of UTF-8? `whole`: all of it. By decoding each character.
inline bool reference_utf8(std::string_view text, bool whole) {
    for (size_t at = 0; at < text.size();) {
        const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(text[at + i])); };
        const uint32_t first = byte(0);
        const size_t length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
        if (length == 0) return false;
        const size_t here = std::min(length, text.size() - at);
        uint32_t least = length == 1 ? first : first & (0x7fU >> length);
        for (size_t i = 1; i < here; ++i) {
            if (byte(i) >> 6 != 2) return false;
            least = least << 6 | (byte(i) & 0x3f);
        }
        // What is missing could be anything between all zeros and all ones.
        uint32_t most = least;
        for (size_t i = here; i < length; ++i) {
            least <<= 6;
            most = most << 6 | 0x3f;
        }
        const uint32_t shortest = length == 1 ? 0 : length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
        if (most < shortest || least > 0x10ffff || (least >= 0xd800 && most <= 0xdfff)) return false;
        if (here < length) return !whole;
        at += length;
    }
    return true;
}

inline bool reference_close_code(uint32_t code) {
    if (code >= 3000 && code <= 4999) return true;
    for (const uint32_t good : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
        if (code == good) return true;
    return false;
}

inline Seen reference_read(std::string_view bytes, bool from_client, uint64_t message_bytes_max) {
    Seen seen;
    const auto fault = [&seen](uint16_t code) {
        seen.fault = code;
        return seen;
    };
    std::optional<uint8_t> message;  // its opcode, while it is open
    std::string text;                // of it so far
    uint64_t message_bytes = 0;
    for (size_t at = 0;;) {
        const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[at + i]); };
        const size_t here = bytes.size() - at;
        if (here < 1) return seen;
        const bool fin = byte(0) >= 0x80;
        const uint8_t opcode = byte(0) & 15;
        const bool control = opcode >= 8;
        if ((byte(0) & 0x70) != 0) return fault(1002);
        if (opcode != 0 && opcode != 1 && opcode != 2 && opcode != 8 && opcode != 9 && opcode != 10) return fault(1002);
        if (control && !fin) return fault(1002);
        if (opcode == 0 && !message) return fault(1002);
        if ((opcode == 1 || opcode == 2) && message) return fault(1002);
        if (here < 2) return seen;
        if ((byte(1) >= 0x80) != from_client) return fault(1002);
        const uint8_t told = byte(1) & 0x7f;
        if (control && told > 125) return fault(1002);
        const size_t length_bytes = told == 126 ? 2 : told == 127 ? 8 : 0;
        const size_t head_bytes = 2 + length_bytes + (from_client ? 4 : 0);
        if (here < head_bytes) return seen;
        uint64_t length = told;
        if (length_bytes > 0) length = 0;
        for (size_t i = 0; i < length_bytes; ++i) length = length * 256 + byte(2 + i);
        if (length >= uint64_t{1} << 63) return fault(1002);
        if (told == 126 && length < 126) return fault(1002);
        if (told == 127 && length < 65536) return fault(1002);
        if (!control) {
            if (opcode != 0) {
                message = opcode;
                message_bytes = 0;
                text.clear();
            }
            message_bytes += length;
            if (message_bytes > message_bytes_max) return fault(1009);
        }
        std::string payload(bytes.substr(at + head_bytes, length));
        for (size_t i = 0; from_client && i < payload.size(); ++i)
            payload[i] = static_cast<char>(payload[i] ^ bytes[at + head_bytes - 4 + i % 4]);
        const bool whole = payload.size() == length;
        if (!control && *message == 1) {
            text += payload;
            if (!reference_utf8(text, whole && fin)) return fault(1007);
        }
        if (!whole) return seen;
        uint16_t close_code = 0;
        if (opcode == 8) {
            if (length == 1) return fault(1002);
            close_code = 1005;
            if (length >= 2) {
                close_code =
                    static_cast<uint16_t>(static_cast<uint8_t>(payload[0]) * 256 + static_cast<uint8_t>(payload[1]));
                if (!reference_close_code(close_code)) return fault(1002);
                if (!reference_utf8(std::string_view(payload).substr(2), true)) return fault(1007);
            }
        }
        seen.frames.push_back({opcode, fin, payload, close_code});
        if (!control && fin) message.reset();
        at += head_bytes + length;
    }
}

/// The same by FrameReader, given the bytes in pieces: `next_piece(rest)` says how many of them come next.
template <class NextPiece>
Seen read_in_pieces(std::string_view bytes, bool from_client, uint64_t message_bytes_max, NextPiece&& next_piece) {
    FrameReader reader(from_client ? FrameReader::From::client : FrameReader::From::server, message_bytes_max);
    Seen seen;
    std::string payload;  // of the frame at hand
    uint64_t offset = 0;
    while (!bytes.empty()) {
        std::string piece(bytes.substr(0, next_piece(bytes.size())));  // unmasked in place: a copy
        bytes.remove_prefix(piece.size());
        std::span<char> rest(piece);
        while (!rest.empty()) {
            const FrameStep step = reader.next(rest);
            if (step.kind == FrameStep::Kind::fault) {
                seen.fault = step.close_code;
                return seen;
            }
            rest = rest.subspan(step.consumed);
            if (step.kind == FrameStep::Kind::starved) {
                if (!rest.empty()) __builtin_trap();
                continue;
            }
            const bool control = step.kind == FrameStep::Kind::control;
            if (control != is_control(step.opcode)) __builtin_trap();
            if (step.in_place && step.head.data() + step.head.size() != step.payload.data()) __builtin_trap();
            if (!control && step.frame_begins) {
                payload.clear();
                offset = 0;
            }
            if (!control && step.payload_offset != offset) __builtin_trap();
            std::string whole = control ? std::string(step.payload_view()) : (payload += step.payload_view());
            if (!control) offset += step.payload.size();
            if (!step.frame_ends) continue;
            if (whole.size() != step.frame_bytes) __builtin_trap();
            seen.frames.push_back({static_cast<uint8_t>(step.opcode), step.fin, whole,
                                   step.opcode == Opcode::close ? step.close_code : uint16_t{0}});
        }
    }
    return seen;
}

}  // namespace loom::http::test

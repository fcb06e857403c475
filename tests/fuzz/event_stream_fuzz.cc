// An AWS event stream says the same however it is cut, every frame found is as long as it says, and its headers lie in
// it. A fuzzer does not find checksums, so the first byte may ask that they be made right.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loom/http/event_stream.h"

using namespace loom::http;

namespace {

void require(bool holds) {
    if (!holds) __builtin_trap();
}

std::string said(std::string_view whole) {
    EventFrame frame;
    if (const auto parsed = parse_frame(whole, frame); !parsed) return parsed.error().what;
    std::string all = std::string(frame.name) + '\n' + std::string(frame.data) + '\n';
    std::string_view rest = frame.headers;
    require(rest.empty() || (rest.data() >= whole.data() && rest.end() <= whole.end()));
    for (FrameHeader header; next_header(rest, header);) all += std::string(header.name) + std::string(header.value);
    require(rest.empty());
    return all;
}

std::vector<std::string> read(std::string_view bytes, size_t piece_bytes) {
    std::vector<std::string> frames;
    FrameSplitter splitter(1 << 16);
    std::string held;
    while (!bytes.empty()) {
        std::string_view rest = bytes.substr(0, piece_bytes);
        bytes.remove_prefix(rest.size());
        while (const size_t end = splitter.next_event_end(rest)) {
            require(end <= rest.size() && splitter.at_event_boundary() && splitter.fault() == nullptr);
            held += rest.substr(0, end);
            rest.remove_prefix(end);
            frames.push_back(said(held));
            held.clear();
        }
        held += rest;
    }
    frames.emplace_back(splitter.fault() == nullptr ? "" : splitter.fault());
    return frames;
}

uint32_t get(const std::string& bytes, size_t at) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
    return value;
}
/// CRC-32 bit by bit: slow, and nobody else's.
void set_checksum(std::string& bytes, size_t from, size_t at) {
    uint32_t sum = ~0u;
    for (size_t i = from; i < at; ++i) {
        sum ^= static_cast<uint8_t>(bytes[i]);
        for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ ((sum & 1) != 0 ? 0xEDB88320u : 0);
    }
    for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(~sum >> (24 - 8 * i));
}

/// Makes the checksums of what looks like frames right, as far as their lengths lead.
void repair(std::string& bytes) {
    for (size_t at = 0; bytes.size() - at >= 16;) {
        set_checksum(bytes, at, at + 8);
        const uint32_t length = get(bytes, at);
        if (length < 16 || length > bytes.size() - at) return;
        set_checksum(bytes, at, at + length - 4);
        at += length;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    if ((data[0] & 1) != 0) repair(bytes);
    const auto whole = read(bytes, bytes.size() + 1);
    require(read(bytes, 1) == whole);
    require(read(bytes, 1 + data[0] % 64) == whole);
    return 0;
}

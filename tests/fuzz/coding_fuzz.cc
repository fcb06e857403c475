// A compressed body decodes to the same bytes however it is cut and whatever room there is, or to none.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loom/http/content_coding.h"
#include "loom/http/zstd.h"

using namespace loom;
using namespace loom::http;

namespace {

constexpr uint64_t output_bytes_max = 1 << 20;

void require(bool holds) {
    if (!holds) __builtin_trap();
}

template <class Decoder>
std::optional<std::string> decode(Decoder& decoder, std::string_view bytes, size_t piece_bytes, size_t room_bytes) {
    std::vector<char> room(room_bytes);
    std::string out;
    uint64_t consumed = 0;
    for (size_t at = 0; at < bytes.size(); at += piece_bytes) {
        std::string_view rest = bytes.substr(at, piece_bytes);
        for (size_t idle = 0;;) {
            const auto step = decoder.next(rest, room);
            if (!step) return std::nullopt;
            require(step->consumed <= rest.size() && step->produced <= room.size());
            out.append(room.data(), step->produced);
            require(out.size() <= output_bytes_max);
            consumed += step->consumed;
            require(decoder.consumed_bytes() == consumed);
            rest.remove_prefix(step->consumed);
            if (rest.empty() && step->produced < room.size()) break;
            idle = step->consumed + step->produced > 0 ? 0 : idle + 1;
            require(idle < 32);  // it goes on, or says what is wrong
        }
    }
    if (!decoder.on_end()) return std::nullopt;
    return out;
}

std::optional<std::string> decode(uint8_t kind, std::string_view bytes, size_t piece_bytes, size_t room_bytes) {
    const DecodeLimits limits{.output_bytes_max = output_bytes_max, .ratio_free_bytes = UINT32_MAX};
    if (kind == 2) {
        ZstdDecoder decoder;
        decoder.start(limits, Side::downstream);
        auto out = decode(decoder, bytes, piece_bytes, room_bytes);
        require(decoder.held_bytes() <= decoder.memory_bytes());
        require(decoder.memory_bytes() <= ZstdDecoder::memory_bytes_max);
        return out;
    }
    Inflater decoder;
    require(decoder.start(kind == 0 ? ContentCoding::gzip : ContentCoding::deflate, limits).has_value());
    return decode(decoder, bytes, piece_bytes, room_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const auto kind = static_cast<uint8_t>(data[0] % 3);
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    const auto whole = decode(kind, bytes, bytes.size() + 1, 64 * 1024);
    require(decode(kind, bytes, 1, 64 * 1024) == whole);
    require(decode(kind, bytes, size_t{1} + data[1] % 64, 100) == whole);
    return 0;
}

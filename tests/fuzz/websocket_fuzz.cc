// A direction of a WebSocket says the same however it is cut, and what the plain reader of the tests says.
#include <cstdint>
#include <string_view>

#include "../http/websocket_reference.h"

using namespace loom::http::test;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    constexpr uint64_t message_bytes_max = 512;
    const bool from_client = (data[0] & 1) != 0;
    const size_t piece = 1 + (data[0] >> 1) % 32;
    const auto require = [](bool holds) {
        if (!holds) __builtin_trap();
    };
    const Seen wanted = reference_read(bytes, from_client, message_bytes_max);
    require(read_in_pieces(bytes, from_client, message_bytes_max, [](size_t rest) { return rest; }) == wanted);
    require(read_in_pieces(bytes, from_client, message_bytes_max, [](size_t) { return size_t{1}; }) == wanted);
    require(read_in_pieces(bytes, from_client, message_bytes_max, [&](size_t) { return piece; }) == wanted);
    return 0;
}

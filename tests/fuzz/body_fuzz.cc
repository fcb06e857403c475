// A chunked body gives the same payload, end and fault however it is cut; the cuts come from the input too.
#include <cstdint>
#include <string>
#include <string_view>

#include "loom/http/body.h"

using namespace loom;
using namespace loom::http;

namespace {

void require(bool holds) {
    if (!holds) __builtin_trap();
}

struct Outcome {
    std::string payload;
    size_t consumed = 0;
    Errc code = Errc::ok;
    bool done = false;
};

Outcome read(std::string_view bytes, size_t piece_bytes) {
    BodyReader reader;
    reader.start(BodyFraming::chunked, 0);
    Outcome out;
    while (out.consumed < bytes.size() && !reader.done()) {
        const std::string_view piece = bytes.substr(out.consumed, piece_bytes);
        const auto step = reader.next(piece);
        if (!step) {
            out.code = step.error().code;
            return out;
        }
        require(step->consumed > 0 && step->consumed <= piece.size());
        require(step->payload.empty() || (step->payload.data() >= piece.data() &&
                                          step->payload.data() + step->payload.size() <= piece.data() + piece.size()));
        out.payload += step->payload;
        out.consumed += step->consumed;
    }
    out.done = reader.done();
    require(reader.payload_bytes() == out.payload.size());
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Outcome whole = read(bytes, bytes.size() + 1);
    for (const size_t piece : {size_t{1}, size_t{1} + data[0] % 64}) {
        const Outcome cut = read(bytes, piece);
        require(cut.payload == whole.payload && cut.code == whole.code && cut.done == whole.done);
        if (whole.done) require(cut.consumed == whole.consumed);
    }
    return 0;
}

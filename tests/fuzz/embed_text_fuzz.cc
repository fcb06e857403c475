// Whatever the bytes: an embedder's answer is one unit vector of a length that is allowed, or an error and nothing. And
// whatever the text, its document is JSON. The first byte says which comes (w: a text to write), the second whose it is
// (a digit, of enum EmbedProtocol), the third how long the vector is to be (in eights, a digit; 0: any).
#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/json.h"
#include "loom/llm/embed_text.h"

using namespace loom;
using namespace loom::llm;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

bool is_json(std::string_view text) {
    static simdjson::dom::parser parser;
    return parser.parse(simdjson::padded_string(text)).error() == simdjson::SUCCESS;
}

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

struct Scratch {
    TranslateScratch translate;
    BlockPool pool;
};
Scratch& scratch() {
    static Scratch scratch;
    return scratch;
}

void read(EmbedProtocol protocol, size_t dimensions, std::string_view body) {
    EmbedText words(scratch().translate, scratch().pool);
    std::vector<float> vector = {1, 2, 3};
    Usage usage;
    if (!words.read(protocol, body, dimensions, vector, usage)) return require(vector.empty());
    require(vector.size() >= vector_dimensions_min && vector.size() <= vector_dimensions_max);
    require(dimensions == 0 || vector.size() == dimensions);
    double sum = 0;
    for (const float one : vector) sum += double{one} * double{one};
    require(std::abs(sum - 1) < 1e-3);
}

void write(EmbedProtocol protocol, size_t dimensions, std::string_view text) {
    EmbedText words(scratch().translate, scratch().pool);
    ByteBuffer out(scratch().pool);
    if (!words.write({.protocol = protocol, .model = "m", .dimensions = dimensions}, text, out)) return;
    if (is_utf8(text)) require(is_json(out.view()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 4) return 0;
    const std::string body(reinterpret_cast<const char*>(data) + 3, size - 3);  // its end is guarded
    const auto protocol = static_cast<EmbedProtocol>(static_cast<uint8_t>(data[1] - '0') % embed_protocol_count);
    const size_t dimensions = 8 * (static_cast<uint8_t>(data[2] - '0') % 10);
    data[0] == 'w' ? write(protocol, dimensions, body) : read(protocol, dimensions, body);
    return 0;
}

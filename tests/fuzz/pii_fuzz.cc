// Any bytes as a text: every kernel sees the same places, and a stream that is cut as the first bytes say tells what
// the whole text has.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "anchors.h"
#include "loom/guard/pii_scanner.h"

using namespace loom::guard;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

struct Told final : PiiStreamSink {
    std::string stream;
    std::vector<PiiSpan> spans;
    void text(std::string_view part) override { stream += part; }
    void found(const PiiSpan& span, std::string_view value) override {
        require(span.begin == stream.size());
        stream += value;
        spans.push_back(span);
    }
};

void check_kernels(std::string_view text) {
    constexpr size_t room = anchor_before + anchor_block + anchor_behind;
    const auto kernels = anchor_kernels();
    for (size_t at = 0; at + room <= text.size(); at += 61) {
        const auto* const block = reinterpret_cast<const unsigned char*>(text.data()) + at + anchor_before;
        const Anchors expected = anchors_at(&anchors_scalar, block);
        for (AnchorKernel kernel : kernels) require(kernel == nullptr || anchors_at(kernel, block) == expected);
    }
    // They go on from a block in which there is nothing.
    const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
    const Pos end = static_cast<Pos>(text.size()) - anchor_block - anchor_behind;
    for (AnchorKernel kernel : kernels)
        for (Pos at = anchor_before; kernel != nullptr && at < end;) {
            Anchors found, expected;
            const Pos got = kernel(bytes, at, end, found);
            require(got == anchors_scalar(bytes, at, end, expected) && found == expected);
            at = got + anchor_block;
        }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const size_t first = data[0], step = 1 + data[1] % 64;
    const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
    check_kernels(text);
    static const PiiScanner scanner(PiiTypes::all());
    std::vector<PiiSpan> expected;
    scanner.scan(text, [&](const PiiSpan& span) {
        require(span.begin < span.end && span.end <= text.size());
        require(expected.empty() || expected.back().end <= span.begin);
        expected.push_back(span);
    });
    Told told;
    PiiStream stream(scanner);
    for (size_t at = 0, length = first; at < text.size(); at += length, length = step) {
        length = std::min(length, text.size() - at);
        if (length == 0) length = 1;
        stream.feed(text.substr(at, length), told);
        require(stream.held_bytes() <= stream.held_bytes_max());
    }
    stream.finish(told);
    require(told.stream == text && told.spans == expected);
    return 0;
}

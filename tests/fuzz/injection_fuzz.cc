// Any bytes as a prompt: no crash, no hang, reasons that point into it, and the same score twice.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "loom/guard/injection.h"

using namespace loom::guard;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const InjectionScore score = score_injection(text);
    const auto require = [](bool good) {
        if (!good) std::abort();
    };
    require(score.points == score_injection(text).points && score.points <= score.points_undoubted);
    require(score.reason_count <= InjectionScore::reasons_max);
    for (uint32_t i = 0; i < score.reason_count; ++i) require(score.reasons[i].begin <= size);
    require(!score.blocks(InjectionSensitivity::low) || score.blocks(InjectionSensitivity::medium));
    require(!score.blocks(InjectionSensitivity::medium) || score.blocks(InjectionSensitivity::high));
    return 0;
}

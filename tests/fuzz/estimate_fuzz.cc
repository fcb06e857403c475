// Any bytes as a prompt: no crash, no read beyond its end, and an estimate that is one.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/route/estimate.h"

using namespace loom::route;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    // A copy of the exact size, whose end AddressSanitizer guards.
    const std::string copy(reinterpret_cast<const char*>(data), size);
    const PromptFacts facts{.text = copy, .prompt_bytes = size * 1000, .message_count = 3};
    const Estimate one = estimate(facts), again = estimate(facts);
    const bool good = one.complexity >= 0 && one.complexity <= 1 && static_cast<uint32_t>(one.task) < task_count &&
                      one.task == again.task && one.complexity == again.complexity;
    if (!good) std::abort();
    return 0;
}

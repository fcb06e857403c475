#include "loom/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace loom {

void assert_failed(const char* condition, const char* file, int line) noexcept {
    std::fprintf(stderr, "%s:%d: broken promise: %s\n", file, line, condition);
    std::abort();
}

}  // namespace loom

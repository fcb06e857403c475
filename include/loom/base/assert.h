// Promises of our own. A peer that misbehaves is an Error; a promise of ours that breaks stops the process, in release
// builds too: going on with a broken invariant is how bytes of one client reach another.
#pragma once

namespace loom {
/// Prints `file:line: broken promise: condition` to standard error and aborts. Allocates nothing.
[[noreturn]] void assert_failed(const char* condition, const char* file, int line) noexcept;
}  // namespace loom

#define LOOM_ASSERT(condition)                                     \
    do {                                                           \
        if (!(condition)) [[unlikely]]                             \
            ::loom::assert_failed(#condition, __FILE__, __LINE__); \
    } while (false)

// Only in the build that counts: the program's malloc stands before glibc's. LOOM_ALLOC_TRACE=1 in the environment prints
// where each counted call comes from (addresses for addr2line), to find the one that should not be.
#include "loom/base/alloc_counter.h"

#include <errno.h>
#include <execinfo.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>

extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
}

namespace loom {
namespace {

std::atomic<uint64_t> allocations{0};
constinit thread_local bool is_counted = false;

void trace() noexcept {
    static const bool wanted = ::getenv("LOOM_ALLOC_TRACE") != nullptr;
    if (!wanted) return;
    is_counted = false;  // backtrace() itself may allocate
    void* frames[24];
    const int count = ::backtrace(frames, 24);
    ::backtrace_symbols_fd(frames, count, STDERR_FILENO);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, "--\n", 3);
    is_counted = true;
}

void note() noexcept {
    if (!is_counted) return;
    allocations.fetch_add(1, std::memory_order_relaxed);
    trace();
}

}  // namespace

void count_allocations_of_this_thread(bool counted) noexcept { is_counted = counted; }
uint64_t counted_allocations() noexcept { return allocations.load(std::memory_order_relaxed); }

}  // namespace loom

extern "C" {

void* malloc(size_t bytes) noexcept {
    loom::note();
    return __libc_malloc(bytes);
}

void* calloc(size_t count, size_t bytes) noexcept {
    loom::note();
    return __libc_calloc(count, bytes);
}

void* realloc(void* memory, size_t bytes) noexcept {
    loom::note();
    return __libc_realloc(memory, bytes);
}

void* memalign(size_t alignment, size_t bytes) noexcept {
    loom::note();
    return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) noexcept {
    loom::note();
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void** memory, size_t alignment, size_t bytes) noexcept {
    loom::note();
    *memory = __libc_memalign(alignment, bytes);
    return *memory == nullptr ? ENOMEM : 0;
}

}

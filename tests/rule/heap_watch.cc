#include "heap_watch.h"

#include <cstdlib>
#include <new>

namespace {
thread_local uint64_t allocation_count = 0;
}  // namespace

void* operator new(std::size_t bytes) {
    allocation_count += 1;
    if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace loom::test {

HeapWatch::HeapWatch() noexcept : before_(allocation_count) {}
uint64_t HeapWatch::allocations() const noexcept { return allocation_count - before_; }

}  // namespace loom::test

// How often the shards asked the heap, in the build that counts (-Dalloc_counter=true); elsewhere all of this is empty.
// It proves that a warm request takes nothing from the heap: tests/wire/alloc_test.cc.
#pragma once

#include <cstdint>

namespace loom {

#ifdef LOOM_ALLOC_COUNTER
inline constexpr bool counts_allocations = true;
/// malloc, calloc, realloc and their kin, and so operator new, on this thread from now on.
void count_allocations_of_this_thread(bool counted) noexcept;
/// By all threads that count.
[[nodiscard]] uint64_t counted_allocations() noexcept;
#else
inline constexpr bool counts_allocations = false;
inline void count_allocations_of_this_thread(bool) noexcept {}
[[nodiscard]] inline uint64_t counted_allocations() noexcept { return 0; }
#endif

}  // namespace loom

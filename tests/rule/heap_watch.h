// How often this thread asks the heap.
#pragma once

#include <cstdint>

namespace loom::test {

class HeapWatch {
  public:
    HeapWatch() noexcept;
    /// By operator new, since this watch was made.
    [[nodiscard]] uint64_t allocations() const noexcept;

  private:
    uint64_t before_;
};

}  // namespace loom::test

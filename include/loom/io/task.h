// The coroutine type of one exchange: flat, started at once, its frame from the shard's blocks.
//
// Rules (GCC 12 miscompiles more than these): a co_await expression holds one call with named arguments; byte layers
// never resume inline but schedule; a frame is never destroyed from outside: cancellation is a resume with a flag, so
// that what settles always runs.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <utility>

#include "loom/base/block_pool.h"
#include "loom/io/shard.h"

namespace loom::io {

/// `Task run(Exchange& x) { … }` — runs until its first wait when called, and frees itself at its end.
struct Task {
    static constexpr size_t frame_bytes_max = 1024;  // a frame of the exchange has 200 to 400

    struct promise_type {
        Task get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }

        static void* operator new(size_t bytes) {
            LOOM_ASSERT(bytes <= frame_bytes_max);
            Block block = Shard::current().blocks().take(bytes + header_bytes);
            char* const memory = block.data();
            ::new (memory) Block(std::move(block));
            return memory + header_bytes;
        }
        static void operator delete(void* frame, size_t bytes) noexcept {
            std::memset(frame, 0xDB, bytes);  // a late touch of a dead frame shows itself
            auto* const block = std::launder(reinterpret_cast<Block*>(static_cast<char*>(frame) - header_bytes));
            Block home = std::move(*block);
            block->~Block();
        }

      private:
        static constexpr size_t header_bytes =
            32;  // the frame's own block lies before it; frames want 16-byte alignment
        static_assert(sizeof(Block) <= header_bytes);
    };
};

/// The one leaf wait of an exchange. `wake` may come before or after the await, from any handler of the shard; the
/// coroutine goes on when the loop drains its ready list.
class Wait : Runnable {
  public:
    Wait() noexcept : Runnable(&Wait::resume) {}

    [[nodiscard]] bool await_ready() noexcept { return std::exchange(woken_, false); }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
    void await_resume() const noexcept {}

    void wake(Shard& shard) noexcept {
        if (!waiter_) {
            woken_ = true;
            return;
        }
        shard.schedule(*this);
    }

  private:
    static void resume(Runnable& self) noexcept {
        auto& wait = static_cast<Wait&>(self);
        std::exchange(wait.waiter_, nullptr).resume();
    }

    std::coroutine_handle<> waiter_;
    bool woken_ = false;
};

}  // namespace loom::io

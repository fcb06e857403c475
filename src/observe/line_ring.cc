#include "line_ring.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "loom/base/assert.h"

namespace loom::observe {

ShardLines::Ring::Ring(size_t bytes) : bytes_(bytes) {
    LOOM_ASSERT(std::has_single_bit(bytes) && bytes >= 4 * line_bytes_max);
    // Mapped, not allocated: pages become resident as lines first reach them.
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    LOOM_ASSERT(memory != MAP_FAILED);
    ::madvise(memory, bytes, MADV_NOHUGEPAGE);
    memory_ = static_cast<char*>(memory);
}

ShardLines::Ring::~Ring() { ::munmap(memory_, bytes_); }

char* ShardLines::Ring::reserve() noexcept {
    uint64_t at = written_.load(std::memory_order_relaxed);
    const size_t offset = at & (bytes_ - 1);
    const size_t to_end = bytes_ - offset;
    const bool wraps = to_end < line_bytes_max;
    if (wraps) at += to_end;
    const auto fits = [&] { return at + line_bytes_max - read_seen_ <= bytes_; };
    if (!fits()) {
        read_seen_ = read_.load(std::memory_order_acquire);
        if (!fits()) return nullptr;
    }
    if (wraps) memory_[offset] = '\0';  // published with the line that follows
    write_at_ = at;
    return memory_ + (at & (bytes_ - 1));
}

void ShardLines::Ring::commit(const char* end) noexcept {
    const char* begin = memory_ + (write_at_ & (bytes_ - 1));
    LOOM_ASSERT(end > begin && end <= begin + line_bytes_max);
    write_at_ += static_cast<uint64_t>(end - begin);
    written_.store(write_at_, std::memory_order_release);
}

std::string_view ShardLines::Ring::readable() noexcept {
    const uint64_t written = written_.load(std::memory_order_acquire);
    uint64_t at = read_.load(std::memory_order_relaxed);
    while (at != written) {
        const size_t offset = at & (bytes_ - 1);
        const size_t to_end = bytes_ - offset;
        if (written - at < to_end) return {memory_ + offset, static_cast<size_t>(written - at)};
        // The run reaches the end of the ring: a NUL may cut it short, and only within the last line's length.
        const size_t search = std::min(to_end, line_bytes_max);
        const char* from = memory_ + bytes_ - search;
        const void* padding = std::memchr(from, '\0', search);
        const size_t length =
            padding ? static_cast<size_t>(static_cast<const char*>(padding) - memory_) - offset : to_end;
        if (length > 0) return {memory_ + offset, length};
        at += to_end;
        read_.store(at, std::memory_order_release);
    }
    return {};
}

void ShardLines::Ring::consume(size_t bytes) noexcept {
    read_.store(read_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
}

ShardLines::ShardLines(size_t ring_bytes, std::atomic<uint32_t>& wake)
    : ring_(std::make_unique<Ring>(ring_bytes)), wake_(wake) {}

ShardLines::~ShardLines() = default;

char* ShardLines::reserve() noexcept {
    char* const out = ring_->reserve();
    if (out == nullptr) [[unlikely]]
        ring_->dropped.add();
    return out;
}

void ShardLines::commit(const char* end) noexcept {
    ring_->commit(end);
    if (ring_->half_full() && wake_.load(std::memory_order_relaxed) == 0) ring_the_writer();
}

void ShardLines::ring_the_writer() noexcept {
    if (wake_.exchange(1, std::memory_order_release) != 0) return;
    ::syscall(SYS_futex, &wake_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace loom::observe

// A log of whole lines, and never a wait for a disk. A shard writes its line straight into a ring of its own (one
// producer, one consumer, no lock, no system call, no allocation); one writer thread gathers the rings every
// `flush_interval_ms` and writes. A full ring drops the line and counts it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "loom/base/result.h"

namespace loom::observe {

/// No line is longer, newline included.
inline constexpr size_t line_bytes_max = 13 * 1024;

/// The part of the log that one shard owns. Only that shard calls it.
class ShardLines {
  public:
    ~ShardLines();
    /// Room for line_bytes_max bytes, or null: there is none, and the line is counted as dropped.
    [[nodiscard]] char* reserve() noexcept;
    /// Publishes what was written from where reserve() gave room up to `end`: a line with its newline, without a NUL.
    void commit(const char* end) noexcept;

  private:
    friend class LineLog;
    struct Ring;
    ShardLines(size_t ring_bytes, std::atomic<uint32_t>& wake);
    void ring_the_writer() noexcept;

    std::unique_ptr<Ring> ring_;
    std::atomic<uint32_t>& wake_;  // the writer's futex, rung when the ring is half full
};

class LineLog {
  public:
    struct Options {
        std::string path = "stdout";  // stdout | stderr | off | a file, appended to, its owner's and group's alone
        uint32_t shard_count = 1;
        size_t ring_bytes = 1024 * 1024;  // per shard, a power of two, at least 64 KiB; memory is taken as it fills
        uint32_t flush_interval_ms = 100;
        const char* thread_name = "loom-lines";  // 15 bytes at most
    };
    /// Opens the file and starts the writer thread.
    /// Errors  io with sys_errno when the path cannot be opened; bad_conf when an option is out of its range.
    [[nodiscard]] static Result<std::unique_ptr<LineLog>> open(Options options);
    /// Writes what is left, within a second, and joins the thread.
    ~LineLog();
    LineLog(const LineLog&) = delete;

    /// The shard's own; good for the life of this object. Null when the path is `off`.
    [[nodiscard]] ShardLines* shard(uint32_t index) noexcept;
    /// Opens the path anew before the next write: after logrotate has moved the file. Async-signal-safe.
    void reopen() noexcept;
    /// Returns once all committed before the call has been written or given up, for tests and shutdown.
    void flush() noexcept;

    [[nodiscard]] uint64_t written() const noexcept;       // lines
    [[nodiscard]] uint64_t dropped() const noexcept;       // lines that met a full ring, or were cut by a rotation
    [[nodiscard]] uint64_t write_errors() const noexcept;  // ENOSPC, EPIPE, … each one a pause, then a retry

  private:
    class Writer;
    explicit LineLog(std::unique_ptr<Writer> writer);
    std::unique_ptr<Writer> writer_;
};

/// "2023-11-14T22:13:20" of the second that a line was written in last, so that it is made once a second.
class SecondText {
  public:
    /// 19 characters.
    [[nodiscard]] const char* at(uint64_t second) noexcept {
        if (second != second_) refresh(second);
        return text_;
    }

  private:
    void refresh(uint64_t second) noexcept;
    uint64_t second_ = UINT64_MAX;
    char text_[20] = {};
};

}  // namespace loom::observe

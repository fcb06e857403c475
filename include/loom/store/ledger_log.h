// A shard's part of the ledger: records of a tick are gathered, and one write for all of them is on its way in the same
// io_uring_enter as what the tick sends, or where several are under way as soon as one of them has ended.
//
// The kernel starts a write of a file behind everything else: file systems do not promise not to wait, so a worker of
// the kernel does it, microseconds later, those of a file in any order. A process that is killed in between has not
// written it. So whoever must not send before his intent is in the file waits for it (`wait`); who settles does not:
// what is lost in this time is found as an intent without a settlement, and booked by its estimate.
//
// Nothing here allocates, opens or closes files, or blocks: segments are opened ahead, synced, folded and closed by the
// service thread (usage_store.h). What the disk does not take stays in memory, as far as there is room, and is tried
// again; a segment that fails for another reason than a full disk, or whose sync has failed, is followed by a new one.
// A disk that does not say anything for a second counts as one that fails, until it does.
//
// What no provider is asked for must not be able to fill the disk, nor take the room of what one was asked for. An
// answer from the cache has a record of its own as long as a shard has no more than LedgerChannel::hits_alone_max of
// them in a second, and a quarter of the room is free. Others, and all who are refused, are summed by kind (whose,
// route, model, how it ended, status): a record each, written a second after the first of them, the next 2, 4, 8 and
// then 16 seconds after theirs, until there were none for 16 seconds. A shard tells local_kinds_max kinds apart between
// two writes; what has no room there is summed as src/store/local_tally.h says. So whatever is asked for, a shard
// writes local_records_max such records at a time, five times in 31 seconds and then once in 16; in the long run,
// whoever pauses in between, not more than once in 7. A killed process loses what it has summed since.
//
// Where the directory is encrypted, records are sealed in place when their place in the file is known, just before they
// are written (src/store/segment_cipher.h).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "loom/base/list.h"
#include "loom/io/completion.h"
#include "loom/io/shard.h"
#include "loom/io/timer_wheel.h"
#include "loom/tenant/ledger_record.h"

namespace loom::store {

class LocalTally;
class SegmentCipher;

/// A file of the ledger. Made, synced, folded and closed by the service; written by one shard.
struct LedgerSegment {
    int fd = -1;
    uint32_t epoch = 0;
    uint32_t shard = 0;
    uint32_t number = 0;
    const SegmentCipher* cipher = nullptr;  // null: it is plain; of all of a channel's segments, or of none
    std::atomic<uint64_t> written{0};       // from the front, without a gap; by the shard
    std::atomic<bool> closed{false};        // the shard writes no more of it
    std::atomic<bool> broken{false};        // it is not to be trusted with more
};

/// What a shard and the service say to each other.
struct LedgerChannel {
    uint32_t epoch = 0;
    uint32_t shard = 0;
    uint64_t segment_bytes = 0;                  // another is begun beyond them
    uint32_t hits_alone_max = 64;                // a second; see above
    LedgerSegment* first = nullptr;              // set before the shard starts
    std::atomic<LedgerSegment*> spare{nullptr};  // the next one, put here by the service and taken by the shard
    std::atomic<int> fault{0};                   // why it does not write, an errno; 0: it does
    std::atomic<uint64_t> unwritten{0};          // bytes that wait while it does not
};

class LedgerLog final : io::Runnable {
  public:
    struct WaiterTag;
    /// Who waits until what he has appended is written. Leaves by unlink().
    struct Waiter : ListLink<WaiterTag> {
        using Written = void (*)(Waiter&) noexcept;
        explicit Waiter(Written function) noexcept : on_written(function) {}
        Written on_written;
        uint64_t mark = 0;
    };

    static constexpr size_t batch_count = 8;
    static constexpr size_t batch_bytes = 64 * 1024;
    static constexpr size_t writes_max = 4;  // at once; what comes then is gathered in the batches that are left
    static constexpr size_t batches_of_attempts = 2;  // that nothing else takes
    static constexpr uint64_t retry_ms = 1'000;
    static constexpr uint64_t write_ms_max = 1'000;  // a write that takes longer has failed, as far as waiters see it
    static constexpr size_t local_kinds_max = 32;
    static constexpr size_t local_coarse_max = 16;  // without route and model, and by tenant
    static constexpr size_t local_records_max =
        local_kinds_max + 2 * local_coarse_max + 2 * tenant::ledger_local_exit_count;
    static constexpr uint64_t local_first_ms = 1'000;
    static constexpr uint64_t local_last_ms = 16'000;
    static constexpr uint64_t local_bytes = 80 * 1024;
    static constexpr uint64_t memory_bytes = batch_count * batch_bytes + local_bytes;

    /// On the shard's thread. The channel outlives it.
    LedgerLog(io::Shard& shard, LedgerChannel& channel);
    /// idle().
    ~LedgerLog();
    LedgerLog(const LedgerLog&) = delete;

    /// Gives it its id, which is its request's too where that is 0. Returns the id, or 0 where there is no room, since
    /// the disk has not taken what was written before: where it is not failing() that passes, see wait.
    [[nodiscard]] uint64_t append(tenant::LedgerIntent intent) noexcept;
    /// False where there is no room.
    [[nodiscard]] bool append(const tenant::LedgerSettlement& settlement) noexcept;
    /// An answer from the cache, or a refusal: its record comes with the tick, or later with others of its kind (see
    /// above), at the latest in finish().
    void book(const tenant::LedgerLocal& local) noexcept;

    /// Calls `waiter` once all that was appended so far is in the file, or will not get there soon: then it is
    /// failing(). False: no need to wait.
    [[nodiscard]] bool wait(Waiter& waiter) noexcept;

    /// The disk has not taken the last write, or not in time.
    [[nodiscard]] bool failing() const noexcept { return failing_; }
    /// The kernel holds nothing of it, and nothing waits that could be written.
    [[nodiscard]] bool idle() const noexcept { return in_flight_ == 0 && (used_ == 0 || failing_); }
    /// Nothing will be appended any more: what a failing disk has not taken is tried once again. True when nothing is
    /// left to do; what is not written then is lost, and stands in the channel's `unwritten`.
    [[nodiscard]] bool finish() noexcept;

  private:
    struct Batch final : io::Completion {
        Batch() noexcept : Completion(&LedgerLog::on_written) {}
        LedgerLog* log = nullptr;
        std::unique_ptr<char[]> memory;
        LedgerSegment* segment = nullptr;  // null: it is being filled, or waits
        uint64_t offset = 0;
        size_t size = 0;
        size_t done = 0;
        uint64_t since_ms = 0;  // it is to be written
        uint8_t interruptions = 0;
    };
    struct Retry final : io::Timer {
        explicit Retry(LedgerLog& l) noexcept : Timer(&LedgerLog::on_retry), log(l) {}
        LedgerLog& log;
    };

    struct Late final : io::Timer {
        explicit Late(LedgerLog& l) noexcept : Timer(&LedgerLog::on_late), log(l) {}
        LedgerLog& log;
    };

    struct Summed final : io::Timer {
        explicit Summed(LedgerLog& l) noexcept : Timer(&LedgerLog::on_summed_due), log(l) {}
        LedgerLog& log;
    };

    static void on_last(io::Runnable& work) noexcept;
    static void on_summed_due(io::Timer& timer) noexcept;
    void write_summed() noexcept;
    static void on_written(io::Completion& completion, io::Cqe cqe) noexcept;
    static void on_retry(io::Timer& timer) noexcept;
    static void on_late(io::Timer& timer) noexcept;
    [[nodiscard]] Batch& batch(size_t index) noexcept { return batches_[(first_ + index) % batch_count]; }
    [[nodiscard]] Batch* room() noexcept;
    [[nodiscard]] bool may_stand_alone() noexcept;
    [[nodiscard]] bool append(tenant::LedgerLocal local) noexcept;
    template <class Record>
    void put(Batch& batch, const Record& record) noexcept;
    void unseal_waiting() noexcept;
    void lose_summed() noexcept;
    void note_appended(Batch& batch, size_t bytes) noexcept;
    void write_waiting() noexcept;
    void write_rest(Batch& batch) noexcept;
    void rotate() noexcept;
    void close_former() noexcept;
    void take_written() noexcept;
    [[nodiscard]] bool stands_still() noexcept;
    void fail(int error, LedgerSegment& segment) noexcept;
    void begin_failing(int error) noexcept;
    void look_for_late() noexcept;
    void retry() noexcept;
    void write_again() noexcept;
    [[nodiscard]] bool move_to_spare() noexcept;
    void tell(bool all) noexcept;

    io::Shard& shard_;
    LedgerChannel& channel_;
    LedgerSegment* segment_;
    LedgerSegment* former_ = nullptr;  // writes of it are under way still
    const size_t frame_bytes_;         // in front of each record, where they are sealed
    uint64_t next_offset_;
    uint64_t sequence_ = 0;
    uint64_t appended_ = 0;  // bytes, of all segments
    uint64_t written_ = 0;   // of these
    std::array<Batch, batch_count> batches_;
    size_t first_ = 0;
    size_t used_ = 0;
    uint32_t in_flight_ = 0;
    bool failing_ = false;
    bool finishing_ = false;
    Retry retry_{*this};
    Late late_{*this};
    Summed summed_{*this};
    uint64_t summed_wait_ms_ = local_first_ms;
    uint64_t summed_written_ms_ = 0;
    std::unique_ptr<LocalTally> tally_;
    uint64_t hits_second_ = 0;  // of the shard's clock
    uint32_t hits_alone_ = 0;   // in that second
    List<Waiter, WaiterTag> waiters_;
};

}  // namespace loom::store

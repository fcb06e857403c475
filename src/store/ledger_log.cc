#include "loom/store/ledger_log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "local_tally.h"
#include "loom/base/assert.h"
#include "segment_cipher.h"

namespace loom::store {
namespace {

using tenant::ledger_record_bytes_max;

constexpr uint8_t interruptions_max = 8;  // in a row, before a write waits for a while

/// The disk may take it again as it is; anything else is the file's fault.
bool is_full_disk(int error) noexcept { return error == ENOSPC || error == EDQUOT; }

}  // namespace

LedgerLog::LedgerLog(io::Shard& shard, LedgerChannel& channel)
    : Runnable(&LedgerLog::on_last),
      shard_(shard),
      channel_(channel),
      segment_(channel.first),
      frame_bytes_(channel.first->cipher == nullptr ? 0 : SegmentCipher::frame_bytes),
      next_offset_(channel.first->written.load(std::memory_order_relaxed)),
      tally_(std::make_unique<LocalTally>()) {
    for (Batch& batch : batches_) {
        batch.log = this;
        batch.memory = std::make_unique<char[]>(batch_bytes);
    }
}

LedgerLog::~LedgerLog() {
    LOOM_ASSERT(in_flight_ == 0 && waiters_.empty());
    unlink();
    retry_.disarm();
    static_cast<io::Timer&>(retry_).unlink();
    late_.disarm();
    static_cast<io::Timer&>(late_).unlink();
    summed_.disarm();
    static_cast<io::Timer&>(summed_).unlink();
    if (former_ != nullptr) former_->closed.store(true, std::memory_order_release);
    segment_->closed.store(true, std::memory_order_release);
}

LedgerLog::Batch* LedgerLog::room() noexcept {
    if (used_ > 0) {
        Batch& last = batch(used_ - 1);
        if (last.segment == nullptr && batch_bytes - last.size >= frame_bytes_ + ledger_record_bytes_max) return &last;
    }
    if (used_ == batch_count) return nullptr;
    Batch& fresh = batch(used_);
    used_ += 1;
    fresh.segment = nullptr;
    fresh.size = fresh.done = 0;
    return &fresh;
}

void LedgerLog::note_appended(Batch& batch, size_t bytes) noexcept {
    batch.size += bytes;
    appended_ += bytes;
    if (failing_)
        channel_.unwritten.store(appended_ - written_, std::memory_order_relaxed);
    else
        shard_.schedule_last(*this);
}

template <class Record>
void LedgerLog::put(Batch& batch, const Record& record) noexcept {
    const std::span<char> free(batch.memory.get() + batch.size, batch_bytes - batch.size);
    const size_t bytes = write_ledger_record(record, free.subspan(frame_bytes_));
    note_appended(batch, frame_bytes_ == 0 ? bytes : SegmentCipher::lay_out(free, bytes));
}

uint64_t LedgerLog::append(tenant::LedgerIntent intent) noexcept {
    Batch* const batch = room();
    if (batch == nullptr) return 0;
    sequence_ += 1;
    intent.id = tenant::make_ledger_id(channel_.epoch, channel_.shard, sequence_);
    if (intent.request == 0) intent.request = intent.id;
    put(*batch, intent);
    return intent.id;
}

bool LedgerLog::append(const tenant::LedgerSettlement& settlement) noexcept {
    Batch* const batch = room();
    if (batch == nullptr) return false;
    put(*batch, settlement);
    return true;
}

/// The rest of the room is for what was asked of providers.
bool LedgerLog::append(tenant::LedgerLocal local) noexcept {
    if (used_ > batch_count - batches_of_attempts) return false;
    Batch* const batch = room();
    if (batch == nullptr) return false;
    sequence_ += 1;
    local.id = tenant::make_ledger_id(channel_.epoch, channel_.shard, sequence_);
    if (local.request == 0) local.request = local.id;
    put(*batch, local);
    return true;
}

bool LedgerLog::may_stand_alone() noexcept {
    const uint64_t second = shard_.timers().now_ms() / 1'000;
    if (std::exchange(hits_second_, second) != second) hits_alone_ = 0;
    if (hits_alone_ >= channel_.hits_alone_max) return false;
    hits_alone_ += 1;
    return true;
}

void LedgerLog::book(const tenant::LedgerLocal& local) noexcept {
    if (!is_refusal(local.exit) && may_stand_alone() && append(local)) return;
    tally_->add(local);
    if (summed_.armed()) return;
    const uint64_t now_ms = shard_.timers().now_ms();
    const bool goes_on = summed_written_ms_ != 0 && now_ms - summed_written_ms_ < local_last_ms;
    summed_wait_ms_ = goes_on ? std::min(2 * summed_wait_ms_, local_last_ms) : local_first_ms;
    shard_.timers().arm(summed_, summed_wait_ms_);
}

void LedgerLog::on_summed_due(io::Timer& timer) noexcept { static_cast<Summed&>(timer).log.write_summed(); }

/// What has no room waits, and so does all of it while the disk takes nothing: it is bounded where it is.
void LedgerLog::write_summed() noexcept {
    if (!failing_) tally_->take_out([this](const tenant::LedgerLocal& one) { return append(one); });
    summed_written_ms_ = shard_.timers().now_ms();
    if (!tally_->empty() && !finishing_) shard_.timers().arm(summed_, summed_wait_ms_);
}

bool LedgerLog::wait(Waiter& waiter) noexcept {
    if (failing_ || written_ == appended_) return false;
    waiter.mark = appended_;
    waiters_.push_back(waiter);
    return true;
}

void LedgerLog::on_last(io::Runnable& work) noexcept { static_cast<LedgerLog&>(work).write_waiting(); }

/// All that was gathered: usually one batch, one write. A disk that is slow gets few of them, so that the room is used
/// by bytes and not by ticks.
void LedgerLog::write_waiting() noexcept {
    if (failing_) return;
    rotate();
    for (size_t i = 0; i < used_; ++i) {
        Batch& one = batch(i);
        if (one.segment != nullptr) continue;
        if (in_flight_ >= writes_max) break;  // it goes on when one has ended
        one.segment = segment_;
        one.offset = next_offset_;
        next_offset_ += one.size;
        one.since_ms = shard_.timers().now_ms();
        if (frame_bytes_ != 0) segment_->cipher->seal({one.memory.get(), one.size}, one.offset);
        write_rest(one);
    }
    look_for_late();
}

void LedgerLog::write_rest(Batch& batch) noexcept {
    in_flight_ += 1;
    shard_.ring().write(batch.segment->fd, {batch.memory.get() + batch.done, batch.size - batch.done},
                        batch.offset + batch.done, batch);
}

/// Goes on in the next segment where this one is full, or must not be trusted, as soon as there is a next.
void LedgerLog::rotate() noexcept {
    const bool due = next_offset_ >= channel_.segment_bytes || segment_->broken.load(std::memory_order_relaxed);
    if (!due || former_ != nullptr) return;
    LedgerSegment* const spare = channel_.spare.exchange(nullptr, std::memory_order_acquire);
    if (spare == nullptr) return;
    former_ = segment_;
    segment_ = spare;
    next_offset_ = spare->written.load(std::memory_order_relaxed);
    close_former();
}

void LedgerLog::close_former() noexcept {
    if (former_ == nullptr || (used_ > 0 && batch(0).segment == former_)) return;
    former_->closed.store(true, std::memory_order_release);
    former_ = nullptr;
}

void LedgerLog::on_written(io::Completion& completion, io::Cqe cqe) noexcept {
    auto& batch = static_cast<Batch&>(completion);
    LedgerLog& log = *batch.log;
    log.in_flight_ -= 1;
    const bool interrupted = cqe.res == -EINTR || cqe.res == -EAGAIN;
    if (interrupted && ++batch.interruptions < interruptions_max) return log.write_rest(batch);
    if (cqe.res <= 0) return log.fail(cqe.res == 0 ? EIO : -cqe.res, *batch.segment);
    batch.interruptions = 0;
    batch.done += static_cast<size_t>(cqe.res);
    if (batch.done < batch.size) return log.write_rest(batch);
    log.take_written();
    if (log.used_ > 0 && log.batch(log.used_ - 1).segment == nullptr) log.shard_.schedule_last(log);
}

/// Writes may end in any order; what counts as written has no gap.
void LedgerLog::take_written() noexcept {
    bool any = false;
    while (used_ > 0) {
        Batch& front = batch(0);
        if (front.segment == nullptr || front.done < front.size) break;
        front.segment->written.store(front.offset + front.size, std::memory_order_release);
        written_ += front.size;
        first_ = (first_ + 1) % batch_count;
        used_ -= 1;
        any = true;
    }
    if (!any) return;
    close_former();
    if (failing_ && !stands_still()) {
        failing_ = false;
        for (size_t i = 0; i < used_; ++i) batch(i).since_ms = shard_.timers().now_ms();
        look_for_late();
        channel_.fault.store(0, std::memory_order_relaxed);
        channel_.unwritten.store(0, std::memory_order_relaxed);
        shard_.schedule_last(*this);
    }
    tell(false);
}

/// Has a write failed that was not begun again?
bool LedgerLog::stands_still() noexcept {
    for (size_t i = 0; i < used_; ++i)
        if (Batch& one = batch(i); one.segment != nullptr && one.done < one.size && !one.in_flight) return true;
    return false;
}

void LedgerLog::fail(int error, LedgerSegment& segment) noexcept {
    if (!is_full_disk(error)) segment.broken.store(true, std::memory_order_relaxed);
    begin_failing(error);
}

void LedgerLog::begin_failing(int error) noexcept {
    failing_ = true;
    channel_.fault.store(error, std::memory_order_relaxed);
    channel_.unwritten.store(appended_ - written_, std::memory_order_relaxed);
    shard_.timers().arm(retry_, retry_ms);
    tell(true);
}

/// A write can be waited for as long as a disk stands still, which no request can. Its bytes stay the kernel's: what
/// was given to it is not written elsewhere before it has answered.
void LedgerLog::on_late(io::Timer& timer) noexcept { static_cast<Late&>(timer).log.look_for_late(); }

void LedgerLog::look_for_late() noexcept {
    if (failing_ || in_flight_ == 0 || late_.armed()) return;
    const uint64_t late_at_ms = batch(0).since_ms + write_ms_max;
    if (shard_.timers().now_ms() >= late_at_ms) return begin_failing(ETIMEDOUT);
    shard_.timers().arm_at(late_, late_at_ms);
}

void LedgerLog::on_retry(io::Timer& timer) noexcept { static_cast<Retry&>(timer).log.retry(); }

void LedgerLog::retry() noexcept {
    if (!failing_ || finishing_) return;
    shard_.timers().arm(retry_, retry_ms);
    write_again();
}

void LedgerLog::write_again() noexcept {
    if (in_flight_ > 0) return;
    LOOM_ASSERT(used_ > 0);
    const LedgerSegment* const of = batch(0).segment;
    if (of != nullptr && of->broken.load(std::memory_order_relaxed) && !move_to_spare()) return;
    for (size_t i = 0; i < used_; ++i)
        if (Batch& one = batch(i); one.segment != nullptr && one.done < one.size) write_rest(one);
    if (in_flight_ > 0) return;
    failing_ = false;  // all of it was moved
    write_waiting();
    failing_ = true;
}

bool LedgerLog::finish() noexcept {
    if (!finishing_) summed_.disarm();
    if (!finishing_ || !failing_) tally_->take_out([this](const tenant::LedgerLocal& one) { return append(one); });
    if (!idle()) return false;
    if (used_ == 0 && tally_->empty()) return true;
    if (!failing_) return false;  // what was written has made room for more of it
    if (std::exchange(finishing_, true)) {
        lose_summed();
        return true;
    }
    write_again();
    return false;
}

/// There is no room for it, and none will come.
void LedgerLog::lose_summed() noexcept {
    std::array<char, ledger_record_bytes_max> room;
    tally_->take_out([&](const tenant::LedgerLocal& one) {
        appended_ += write_ledger_record(one, room);
        return true;
    });
    channel_.unwritten.store(appended_ - written_, std::memory_order_relaxed);
}

/// What was sealed for its place in one file: it gets another in the next.
void LedgerLog::unseal_waiting() noexcept {
    for (size_t i = 0; i < used_; ++i)
        if (Batch& one = batch(i); one.segment != nullptr)
            one.segment->cipher->unseal({one.memory.get(), one.size}, one.offset);
}

/// What is not in the broken segment goes to a new one. There it ends behind its last whole record: the service cuts
/// the rest off. False where there is no new one yet.
bool LedgerLog::move_to_spare() noexcept {
    LedgerSegment* const spare = channel_.spare.exchange(nullptr, std::memory_order_acquire);
    if (spare == nullptr) return false;
    Batch& front = batch(0);
    size_t whole = 0;
    while (whole < front.done) {
        const size_t bytes = tenant::ledger_record_bytes({front.memory.get() + whole, front.size - whole});
        if (whole + bytes > front.done) break;
        whole += bytes;
    }
    front.segment->written.store(front.offset + whole, std::memory_order_release);
    written_ += whole;
    front.size -= whole;
    front.offset += whole;
    std::memmove(front.memory.get(), front.memory.get() + whole, front.size);
    if (frame_bytes_ != 0) unseal_waiting();
    for (size_t i = 0; i < used_; ++i) {
        batch(i).segment = nullptr;
        batch(i).done = 0;
    }
    if (former_ != nullptr) former_->closed.store(true, std::memory_order_release);
    former_ = nullptr;
    segment_->closed.store(true, std::memory_order_release);
    segment_ = spare;
    next_offset_ = spare->written.load(std::memory_order_relaxed);
    return true;
}

/// Those whose records are written; or all, since theirs may never be.
void LedgerLog::tell(bool all) noexcept {
    while (!waiters_.empty() && (all || waiters_.front().mark <= written_)) {
        Waiter* const waiter = waiters_.pop_front();
        waiter->on_written(*waiter);
    }
}

}  // namespace loom::store

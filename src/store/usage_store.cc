#include "loom/store/usage_store.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "ledger_database.h"
#include "ledger_directory.h"
#include "ledger_stand_in.h"
#include "loom/base/clock.h"
#include "loom/base/result.h"
#include "loom/store/usage_period.h"
#include "usage_table.h"

namespace loom::store {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t records_together_max = 20'000;  // of one transaction
constexpr uint64_t memory_segment_bytes = uint64_t{4} << 20;
constexpr milliseconds others_turn{1};  // between two files, for those who ask

uint64_t now_ms() noexcept { return monotonic_ns() / 1'000'000; }

}  // namespace

class UsageStore::Impl {
  public:
    Impl(LedgerDirectory directory, UsageTable table, Options options)
        : directory_(std::move(directory)), table_(std::move(table)), options_(std::move(options)) {}
    ~Impl() { stop(); }

    void bound_models() noexcept { table_.bound_models(options_.models_per_day_max); }
    /// Question  of the table, on the service's thread.
    template <class T, class Question>
    void later(Answer<T> answer, Question question);
    [[nodiscard]] const std::string& loom_id() const noexcept { return table_.loom_id(); }
    /// has_room  false: nothing can be written now, and all that would be waits until it can.
    std::expected<void, std::string> begin(bool has_room);
    [[nodiscard]] uint32_t failing_count() const noexcept;
    void start();
    void stop() noexcept;
    LedgerChannel& channel(uint32_t shard) noexcept { return *channels_[shard]; }

    template <class Ask>
    auto ask(Ask&& question)
        -> std::expected<typename std::invoke_result_t<Ask, UsageTable&>::value_type, std::string> {
        asking_.fetch_add(1, std::memory_order_relaxed);
        const std::lock_guard lock(work_);
        asking_.fetch_sub(1, std::memory_order_relaxed);
        if (auto folded = fold_live(); !folded) return std::unexpected(folded.error());
        auto answer = question(table_);
        if (!answer) return std::unexpected(fmt::format("usage.db: {}", answer.error().text));
        return std::move(*answer);
    }

  private:
    struct Live {
        LedgerSegment segment;
        std::unique_ptr<SegmentCipher> cipher;  // of the segment
        SegmentRow row;
        bool stale = false;   // the row has to be read anew
        uint64_t synced = 0;  // bytes that outlive a power cut
        bool sync_failed = false;
    };
    using Folded = std::expected<void, std::string>;

    // recovery
    Folded begin_files(const std::vector<SegmentName>& names);
    Folded stand_in(LedgerChannel& channel);
    void find_room();
    void make_good();
    Folded take_database();
    Folded recover(const std::vector<SegmentName>& names);
    Folded fold_file(const SegmentName& name);
    void put_aside(const SegmentName& name, const char* why);
    static bool is_of(int fd, const SegmentCipher* cipher, uint64_t begin_bytes, const SegmentName& name);
    /// The row first: a file without one is folded at the next start.
    void forget(const SegmentName& name) noexcept {
        if (table_.forget(name)) directory_.remove(name);
    }
    void finish_file(int fd, const SegmentRow& row, uint64_t size);
    Folded settle_lost();

    // at work
    Folded make_live(LedgerChannel& channel, std::atomic<LedgerSegment*>* place);
    Folded fold(int fd, const SegmentCipher* cipher, SegmentRow& row, uint64_t until, bool last);
    Folded fold_live();
    Folded fold_one(Live& live);
    void close_ended(Live& live);
    bool supply();
    void sync();
    void tell_faults();
    void tell_unwritten();
    void retain();
    void do_jobs();
    void run();
    void notice(std::string text) {
        if (options_.on_notice) options_.on_notice(std::move(text));
    }

    LedgerDirectory directory_;
    UsageTable table_;
    Options options_;
    uint32_t epoch_ = 1;
    int unreadable_ = 0;  // why the last fold could not read its file
    std::mutex work_;     // the table, live_
    std::vector<std::unique_ptr<LedgerChannel>> channels_;
    std::vector<uint32_t> numbers_;  // the next segment's, by shard
    std::vector<int> told_faults_;   // by shard
    std::vector<std::unique_ptr<Live>> live_;
    std::vector<std::unique_ptr<LedgerStandIn>> stand_ins_;
    std::atomic<bool> waits_for_room_{false};  // since the start: shards have their stand-ins
    std::atomic<bool> recovered_{true};        // what former starts have left; until then nothing is folded
    std::atomic<int> asking_{0};               // who waits for work_
    uint64_t recover_at_ms_ = 0;
    uint32_t recovery_number_ = 1;  // of the next segment that settles what is lost
    std::string told_fold_fault_;
    std::vector<std::string> told_supply_faults_;  // by shard
    std::mutex stop_mutex_;
    std::condition_variable stop_asked_;
    bool stopping_ = false;
    std::vector<std::function<void()>> jobs_;  // under stop_mutex_
    uint64_t sync_at_ms_ = 0;
    uint64_t retain_at_ms_ = 0;
    RetentionWork sums_;
    std::thread thread_;
};

std::expected<void, std::string> UsageStore::Impl::begin(bool has_room) {
    const auto names = LOOM_TRY(directory_.segments());
    for (const SegmentName& name : names) epoch_ = std::max(epoch_, name.epoch + 1);
    const auto rows = table_.segments();
    if (!rows) return std::unexpected(fmt::format("usage.db: {}", rows.error().text));
    for (const SegmentRow& row : *rows) epoch_ = std::max(epoch_, row.name.epoch + 1);
    if (directory_.in_memory()) options_.segment_bytes = std::min(options_.segment_bytes, memory_segment_bytes);
    numbers_.assign(options_.shard_count, 1);
    told_faults_.assign(options_.shard_count, 0);
    told_supply_faults_.assign(options_.shard_count, "");
    for (uint32_t shard = 0; shard < options_.shard_count; ++shard) {
        channels_.push_back(std::make_unique<LedgerChannel>());
        LedgerChannel& channel = *channels_.back();
        channel.epoch = epoch_;
        channel.shard = shard;
        channel.segment_bytes = options_.segment_bytes;
        channel.hits_alone_max = options_.hits_alone_max;
    }
    if (has_room) {
        auto begun = begin_files(names);
        if (begun || !directory_.is_full()) return begun;
        if (options_.shared) return std::unexpected(shared_needs_room(begun.error()));
    }
    for (auto& channel : channels_)
        if (channel->first == nullptr) LOOM_TRY(stand_in(*channel));
    waits_for_room_.store(true, std::memory_order_relaxed);
    recovered_.store(false, std::memory_order_relaxed);
    notice(
        "the disk of state.directory is full: the ledger begins in memory, and goes on as "
        "token_accounting.on_disk_full "
        "says; what a former start has left open is made good once there is room");
    return {};
}

UsageStore::Impl::Folded UsageStore::Impl::begin_files(const std::vector<SegmentName>& names) {
    LOOM_TRY(recover(names));
    for (auto& channel : channels_) {
        LOOM_TRY(make_live(*channel, nullptr));
        LOOM_TRY(make_live(*channel, &channel->spare));
    }
    return {};
}

UsageStore::Impl::Folded UsageStore::Impl::stand_in(LedgerChannel& channel) {
    auto made = LedgerStandIn::make(directory_.vault().get(), epoch_, channel.shard);
    if (!made) return std::unexpected(fmt::format("/dev/full: {}", std::strerror(made.error())));
    channel.first = &stand_ins_.emplace_back(std::move(*made))->segment;
    return {};
}

/// What the start could not do, as soon as it can be done: segments first, since shards wait for them.
void UsageStore::Impl::find_room() {
    if (directory_.is_full()) return;
    if (!supply()) return;
    waits_for_room_.store(false, std::memory_order_relaxed);
    notice("there is room on the disk of state.directory again: the ledger is written");
}

/// Lets others in between files, since there may be many; shards write meanwhile.
void UsageStore::Impl::make_good() {
    if (now_ms() < recover_at_ms_) return;
    Folded done = take_database();
    if (done) {
        auto names = directory_.segments();
        if (names) std::erase_if(*names, [this](const SegmentName& name) { return name.epoch >= epoch_; });
        done = names ? recover(*names) : Folded(std::unexpected(names.error()));
    }
    recover_at_ms_ = now_ms() + options_.recovery_interval_ms;
    if (!done)
        return notice(
            fmt::format("what a former start has left cannot be made good: {}; it is tried again", done.error()));
    recovered_.store(true, std::memory_order_relaxed);
    notice("what a former start has left is made good");
}

UsageStore::Impl::Folded UsageStore::Impl::take_database() {
    const std::lock_guard lock(work_);
    const std::string path = LOOM_TRY(directory_.database());
    // Nobody else may have the database open while it is read alone, this process neither.
    table_ = LOOM_TRY(UsageTable::open(":memory:"));
    auto opened = UsageTable::open(path, directory_.vault());
    if (!opened) {
        if (auto alone = UsageTable::open(path, directory_.vault(), UsageTable::Use::alone)) table_ = std::move(*alone);
        return std::unexpected(opened.error());
    }
    table_ = std::move(*opened);
    bound_models();
    sums_.begin(table_);
    for (auto& live : live_) live->stale = true;
    return {};
}

/// Of the shards whose log is not written.
uint32_t UsageStore::Impl::failing_count() const noexcept {
    if (waits_for_room_.load(std::memory_order_relaxed)) return static_cast<uint32_t>(channels_.size());
    return static_cast<uint32_t>(std::ranges::count_if(
        channels_, [](const auto& channel) { return channel->fault.load(std::memory_order_relaxed) != 0; }));
}

UsageStore::Impl::Folded UsageStore::Impl::recover(const std::vector<SegmentName>& names) {
    for (const SegmentName& name : names) {
        if (asking_.load(std::memory_order_relaxed) > 0) std::this_thread::sleep_for(others_turn);
        const std::lock_guard lock(work_);
        LOOM_TRY(fold_file(name));
    }
    const std::lock_guard lock(work_);
    return settle_lost();
}

/// One that cannot be read is no reason not to serve: what could be read of it counts, and it is tried again at each
/// start.
void UsageStore::Impl::put_aside(const SegmentName& name, const char* why) {
    notice(fmt::format("{}: {}; what it holds and is not folded is not counted, and it is kept as {}.corrupt",
                       directory_.path_of(name), why, segment_file_name(name)));
    directory_.set_aside(name);
}

/// A file under another one's name: its records are told by that one.
bool UsageStore::Impl::is_of(int fd, const SegmentCipher* cipher, uint64_t begin_bytes, const SegmentName& name) {
    SegmentReader reader(fd, 0, begin_bytes, cipher);
    const tenant::LedgerRead* const read = reader.next();
    const auto* const begin = read == nullptr ? nullptr : std::get_if<tenant::LedgerBegin>(&read->record);
    return begin == nullptr || SegmentName{begin->epoch, begin->shard, begin->number} == name;
}

/// Of a former start: to its end, whatever that is.
UsageStore::Impl::Folded UsageStore::Impl::fold_file(const SegmentName& name) {
    auto row = table_.segment(name);
    if (!row) return std::unexpected(fmt::format("usage.db: {}", row.error().text));
    if (row->whole && directory_.is_aside(name)) return {};
    const auto fd = directory_.open_segment(name);
    struct stat found{};
    if (!fd || ::fstat(*fd, &found) != 0 || !S_ISREG(found.st_mode)) {
        put_aside(name, fd ? "is no file" : std::strerror(fd.error()));
        if (fd) ::close(*fd);
        return {};
    }
    const auto size = static_cast<uint64_t>(found.st_size);
    const SegmentForm form = form_of_segment(*fd, name, directory_.vault());
    if (!form.readable) {
        ::close(*fd);
        if (size <= SegmentCipher::header_bytes && row->folded == 0 && !directory_.is_aside(name))
            forget(name);  // it was being made when its process ended
        else
            put_aside(name, "is not encrypted with this key under this name, or its header is damaged");
        return {};
    }
    if (!is_of(*fd, form.cipher.get(), directory_.begin_bytes(), name)) {
        ::close(*fd);
        put_aside(name, "its first record is another file's");
        return {};
    }
    if (size < row->folded && !row->whole)
        notice(fmt::format("{} is {} bytes shorter than it was when it was folded; its sums stay",
                           directory_.path_of(name), row->folded - size));
    Folded folded;
    if (!row->whole) folded = fold(*fd, form.cipher.get(), *row, std::max(size, row->folded), true);
    if (folded) finish_file(*fd, *row, size);
    ::close(*fd);
    if (folded || unreadable_ == 0) return folded;
    put_aside(name, std::strerror(unreadable_));
    return {};
}

/// Folded whole: what stands behind its last record goes, and what is damaged is set aside.
void UsageStore::Impl::finish_file(int fd, const SegmentRow& row, uint64_t size) {
    if (row.damaged > 0) {
        notice(
            fmt::format("{}: {} bytes in it are no records; those before and behind them were taken, and it is kept "
                        "as {}.corrupt",
                        directory_.path_of(row.name), row.damaged, segment_file_name(row.name)));
        return directory_.set_aside(row.name);
    }
    if (row.records <= 1) return forget(row.name);  // nobody has written to it
    if (size <= row.folded) return;
    if (::ftruncate(fd, static_cast<off_t>(row.folded)) == 0) (void)::fdatasync(fd);
    notice(fmt::format("{}: its last record was not whole: {} bytes were cut off", directory_.path_of(row.name),
                       size - row.folded));
}

/// What was in flight when a former start ended: settled in a segment of its own, which is folded as any other, so that
/// the log alone tells it all.
UsageStore::Impl::Folded UsageStore::Impl::settle_lost() {
    const std::vector<OpenIntent> lost = table_.open_before(epoch_);
    if (lost.empty()) return {};
    const SegmentName name{.epoch = epoch_, .shard = ledger_recovery_shard, .number = recovery_number_++};
    const auto made = directory_.make_segment(name, wall_us());
    if (!made) return std::unexpected(fmt::format("{}: {}", directory_.path_of(name), std::strerror(made.error())));
    const SegmentCipher* const cipher = made->cipher.get();
    const uint64_t begin = directory_.begin_bytes();
    std::string bytes;
    std::array<char, tenant::ledger_record_bytes_max> room;
    for (const OpenIntent& intent : lost) {
        const tenant::LedgerSettlement settlement{.id = intent.id,
                                                  .exit = tenant::LedgerExit::lost,
                                                  .provenance = tenant::LedgerProvenance::estimated,
                                                  .tokens = {.input = intent.input, .output = intent.output},
                                                  .cost = intent.cost};
        const std::string_view record(room.data(), write_ledger_record(settlement, room));
        bytes += cipher == nullptr ? std::string(record) : sealed_record(*cipher, record, begin + bytes.size());
    }
    auto written = write_all(made->fd, bytes, begin);
    if (written && ::fdatasync(made->fd) != 0) written = std::unexpected(errno);
    SegmentRow row{.name = name, .sums = {}};
    Folded folded;
    if (written)
        folded = fold(made->fd, cipher, row, begin + bytes.size(), true);
    else
        folded = std::unexpected(fmt::format("{}: {}", directory_.path_of(name), std::strerror(written.error())));
    ::close(made->fd);
    if (folded)
        notice(fmt::format("attempts under way when Loom ended last: {}, booked by their estimates", lost.size()));
    return folded;
}

/// place  where it is put for the shard; null: it is the channel's first.
UsageStore::Impl::Folded UsageStore::Impl::make_live(LedgerChannel& channel, std::atomic<LedgerSegment*>* place) {
    const SegmentName name{.epoch = epoch_, .shard = channel.shard, .number = numbers_[channel.shard]};
    auto made = directory_.make_segment(name, wall_us());
    if (!made)
        return std::unexpected(fmt::format("the ledger's next segment {} cannot be made: {}",
                                           directory_.in_memory() ? "(in memory)" : directory_.path_of(name),
                                           std::strerror(made.error())));
    numbers_[channel.shard] += 1;
    auto live = std::make_unique<Live>();
    live->segment.fd = made->fd;
    live->cipher = std::move(made->cipher);
    live->segment.cipher = live->cipher.get();
    live->segment.epoch = name.epoch;
    live->segment.shard = name.shard;
    live->segment.number = name.number;
    live->segment.written.store(directory_.begin_bytes(), std::memory_order_relaxed);
    live->row.name = name;
    live->stale = true;
    live_.push_back(std::move(live));
    LedgerSegment* const segment = &live_.back()->segment;
    if (place == nullptr)
        channel.first = segment;
    else
        place->store(segment, std::memory_order_release);
    return {};
}

/// last  nothing will come behind `until`.
UsageStore::Impl::Folded UsageStore::Impl::fold(int fd, const SegmentCipher* cipher, SegmentRow& row, uint64_t until,
                                                bool last) {
    unreadable_ = 0;
    SegmentReader reader(fd, row.folded, until, cipher);
    const uint64_t damaged_before = row.damaged;
    const auto commit = [&](bool whole) -> Folded {
        row.folded = std::max(row.folded, reader.good_end());
        row.damaged = damaged_before + reader.damaged_bytes();
        row.whole = whole;
        if (auto done = table_.commit(row); !done)
            return std::unexpected(fmt::format("usage.db: {}", done.error().text));
        return {};
    };
    uint64_t taken = 0;
    while (const tenant::LedgerRead* const read = reader.next()) {
        table_.take(row, *read);
        if (++taken % records_together_max == 0) LOOM_TRY(commit(false));
    }
    if (reader.error() != 0) {
        LOOM_TRY(commit(false));
        unreadable_ = reader.error();
        return std::unexpected(fmt::format("{}: {}", segment_file_name(row.name), std::strerror(reader.error())));
    }
    return commit(last);
}

UsageStore::Impl::Folded UsageStore::Impl::fold_one(Live& live) {
    const bool closed = live.segment.closed.load(std::memory_order_acquire);
    const uint64_t written = live.segment.written.load(std::memory_order_acquire);
    if (live.stale) {
        auto row = table_.segment(live.row.name);
        if (!row) return std::unexpected(fmt::format("usage.db: {}", row.error().text));
        live.row = std::move(*row);
        live.stale = false;
    }
    if (written <= live.row.folded && !closed) return {};
    live.stale = true;  // until it is known to be good
    LOOM_TRY(fold(live.segment.fd, live.cipher.get(), live.row, written, closed));
    live.stale = false;
    return {};
}

/// A shard's segments one after the other: a settlement may be in the next one's beginning while its intent's write in
/// this one's end is under way still.
UsageStore::Impl::Folded UsageStore::Impl::fold_live() {
    if (!recovered_.load(std::memory_order_relaxed)) return {};
    Folded result;
    std::vector<bool> goes_on(channels_.size(), true);  // by shard
    for (auto& live : live_) {
        const uint32_t shard = live->segment.shard;
        if (live->row.whole || !goes_on[shard]) continue;
        if (auto folded = fold_one(*live); !folded && result) result = std::move(folded);
        goes_on[shard] = live->row.whole && !live->stale;
    }
    return result;
}

/// Behind the last record that counts there may be some that were written anew elsewhere.
void UsageStore::Impl::close_ended(Live& live) {
    const uint64_t written = live.segment.written.load(std::memory_order_acquire);
    struct stat found{};
    if (::fstat(live.segment.fd, &found) == 0 && static_cast<uint64_t>(found.st_size) > written)
        (void)!::ftruncate(live.segment.fd, static_cast<off_t>(written));
    if (!directory_.in_memory()) (void)::fdatasync(live.segment.fd);
    ::close(live.segment.fd);
    live.segment.fd = -1;
}

/// Each shard has its next segment.
bool UsageStore::Impl::supply() {
    bool all = true;
    for (auto& channel : channels_) {
        if (channel->spare.load(std::memory_order_relaxed) != nullptr) continue;
        auto made = make_live(*channel, &channel->spare);
        const std::string fault = made ? "" : made.error();
        std::string& told = told_supply_faults_[channel->shard];
        if (fault != told && !fault.empty()) notice(fault);
        told = fault;
        all = all && made;
    }
    return all;
}

/// A sync that fails has lost what it was for, and the next would say that all is well: the segment is not written to
/// any more.
void UsageStore::Impl::sync() {
    std::vector<Live*> due;
    {
        const std::lock_guard lock(work_);
        for (auto& live : live_)
            if (live->segment.fd >= 0 && !live->sync_failed &&
                live->segment.written.load(std::memory_order_acquire) > live->synced)
                due.push_back(live.get());
    }
    for (Live* const live : due) {  // this thread alone ends them
        const uint64_t written = live->segment.written.load(std::memory_order_acquire);
        if (::fdatasync(live->segment.fd) == 0) {
            live->synced = written;
            continue;
        }
        live->sync_failed = true;
        live->segment.broken.store(true, std::memory_order_relaxed);
        notice(fmt::format("{}: its last {} bytes may be lost if the machine loses its power: {}; another is begun",
                           directory_.path_of(live->row.name), written - live->synced, std::strerror(errno)));
    }
}

/// The shards have ended, and with them what no disk took.
void UsageStore::Impl::tell_unwritten() {
    for (size_t i = 0; i < channels_.size(); ++i)
        if (const uint64_t bytes = channels_[i]->unwritten.load(std::memory_order_relaxed); bytes > 0)
            notice(fmt::format("the ledger of shard {} ends with {} bytes that no disk has taken: they are lost", i,
                               bytes));
}

void UsageStore::Impl::tell_faults() {
    for (size_t i = 0; i < channels_.size(); ++i) {
        const int fault = channels_[i]->fault.load(std::memory_order_relaxed);
        if (fault == told_faults_[i]) continue;
        if (fault != 0)
            notice(
                fmt::format("the ledger of shard {} cannot be written: {}; what it has to say waits in memory, and "
                            "what has no room there is lost (loom_ai_ledger_lost_total)",
                            i, fault == ETIMEDOUT ? "the disk does not answer" : std::strerror(fault)));
        else
            notice(fmt::format("the ledger of shard {} is written again", i));
        told_faults_[i] = fault;
    }
}

/// Only what is folded whole, which no shard writes any more.
void UsageStore::Impl::retain() {
    if (options_.keep_s == 0 || directory_.in_memory()) return;
    const auto names = directory_.segments();
    if (!names) return;
    const auto oldest_s = static_cast<int64_t>(wall_us() / 1'000'000) - static_cast<int64_t>(options_.keep_s);
    const std::lock_guard lock(work_);
    for (const SegmentName& name : *names) {
        const bool is_live = std::ranges::any_of(live_, [&](const auto& live) { return live->row.name == name; });
        if (is_live) continue;
        const auto written_s = directory_.last_write_s(name);
        if (!written_s || *written_s > oldest_s) continue;
        const auto row = table_.segment(name);
        if (row && row->whole) directory_.remove(name);
    }
}

/// Behind a fold: what was settled before a job was given is in the sums.
void UsageStore::Impl::do_jobs() {
    std::vector<std::function<void()>> jobs;
    {
        const std::lock_guard lock(stop_mutex_);
        jobs.swap(jobs_);
    }
    if (jobs.empty()) return;
    const std::lock_guard lock(work_);
    (void)fold_live();  // what fails is told by the next
    for (const auto& job : jobs) job();
}

template <class T, class Question>
void UsageStore::Impl::later(Answer<T> answer, Question question) {
    {
        const std::lock_guard lock(stop_mutex_);
        jobs_.push_back([this, answer = std::move(answer), question = std::move(question)]() mutable {
            auto found = question(table_);
            if (found) return answer(std::move(*found));
            answer(std::unexpected(fmt::format("usage.db: {}", found.error().text)));
        });
    }
    stop_asked_.notify_one();
}

void UsageStore::Impl::run() {
    pthread_setname_np(pthread_self(), "loom-ledger");
    for (bool last = false;;) {
        const bool waits = waits_for_room_.load(std::memory_order_relaxed);
        if (!waits && !recovered_.load(std::memory_order_relaxed)) make_good();
        {
            const std::lock_guard lock(work_);
            if (!last && waits)
                find_room();
            else if (!last)
                (void)supply();
            const auto folded = fold_live();
            const std::string fault = folded ? "" : folded.error();
            if (fault != told_fold_fault_ && !fault.empty())
                notice(fmt::format("the ledger cannot be folded: {}; it is tried again", fault));
            told_fold_fault_ = fault;
            for (auto& live : live_)
                if (live->row.whole && live->segment.closed.load(std::memory_order_acquire)) close_ended(*live);
            std::erase_if(live_, [](const auto& live) { return live->segment.fd < 0; });
        }
        if (!last) do_jobs();
        tell_faults();
        if (last || now_ms() >= sync_at_ms_) {
            sync_at_ms_ = now_ms() + options_.sync_interval_ms;
            if (!directory_.in_memory() && options_.sync_interval_ms > 0) sync();
        }
        if (now_ms() >= retain_at_ms_) {
            retain_at_ms_ = now_ms() + options_.retention_interval_ms;
            retain();
        }
        if (last) return tell_unwritten();
        sums_.go_on(table_, work_, {options_.keep_days, options_.keep_months}, options_.shared, options_.on_notice);
        std::unique_lock lock(stop_mutex_);
        (void)stop_asked_.wait_for(lock, milliseconds(options_.fold_interval_ms),
                                   [this] { return stopping_ || !jobs_.empty(); });
        last = stopping_;
    }
}

void UsageStore::Impl::start() {
    sums_.begin(table_);
    // Signals are the main thread's.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void UsageStore::Impl::stop() noexcept {
    {
        const std::lock_guard lock(stop_mutex_);
        stopping_ = true;
    }
    stop_asked_.notify_one();
    if (thread_.joinable()) thread_.join();
    for (auto& live : live_) {
        if (live->segment.fd >= 0) ::close(live->segment.fd);
        if (live->segment.written.load() <= directory_.begin_bytes()) forget(live->row.name);
    }
    live_.clear();
}

std::expected<std::unique_ptr<UsageStore>, std::string> UsageStore::open(Options options) {
    auto directory = LOOM_TRY(LedgerDirectory::open(options.directory, options.vault));
    const std::string path = LOOM_TRY(directory.database());
    auto table = UsageTable::open(path, directory.vault());
    const bool has_room = table.has_value() || !directory.is_full();
    if (!has_room) table = open_ledger_without_room(path, directory.vault(), table.error());
    if (!table) return std::unexpected(table.error());
    if (options.shared && !has_room) return std::unexpected(shared_needs_room(path));
    if (options.shared)
        if (auto shared = share_ledger(*table, directory, path, options.directory); !shared)
            return std::unexpected(directory.is_full() ? shared_needs_room(shared.error()) : shared.error());
    auto impl = std::make_unique<Impl>(std::move(directory), std::move(*table), std::move(options));
    impl->bound_models();
    LOOM_TRY(impl->begin(has_room));
    impl->start();
    return std::unique_ptr<UsageStore>(new UsageStore(std::move(impl)));
}

UsageStore::UsageStore(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

UsageStore::~UsageStore() { stop(); }

LedgerChannel& UsageStore::channel(uint32_t shard) noexcept { return impl_->channel(shard); }

std::expected<UsageStore::Groups, std::string> UsageStore::usage(const std::vector<UsageQuery>& queries) {
    return impl_->ask([&queries](UsageTable& table) -> DatabaseResult<Groups> {
        Groups all;
        for (const UsageQuery& query : queries) all.push_back(LOOM_TRY(table.usage(query)));
        return all;
    });
}

std::expected<bool, std::string> UsageStore::knows(const std::string& consumer) {
    return impl_->ask([&consumer](UsageTable& table) { return table.knows(consumer); });
}

std::expected<UsageKept, std::string> UsageStore::kept() { return impl_->ask(std::mem_fn(&UsageTable::kept)); }

void UsageStore::stop() noexcept { impl_->stop(); }

uint32_t UsageStore::failing_count() const noexcept { return impl_->failing_count(); }

const std::string& UsageStore::loom_id() const noexcept { return impl_->loom_id(); }

static UsageDay shared_since() { return usage_shared_since(static_cast<UsageDay>(wall_us() / us_per_usage_day)); }

void UsageStore::counts_until(uint64_t revision, Answer<std::vector<CountOfMonth>> answer) {
    impl_->later<std::vector<CountOfMonth>>(
        std::move(answer), [=, since = shared_since()](UsageTable& table) { return table.counts(revision, since); });
}

void UsageStore::changes_after(uint64_t revision, Answer<UsageChanges> answer) {
    const UsageDay since = shared_since();
    impl_->later<UsageChanges>(std::move(answer), [=](UsageTable& table) { return table.changes(revision, since); });
}

void UsageStore::begin_shipping(std::optional<ShippedUsage> shipped, Answer<ShippingStart> answer) {
    impl_->later<ShippingStart>(
        std::move(answer), [shipped = std::move(shipped)](UsageTable& table) { return table.begin_shipping(shipped); });
}

void UsageStore::take_others(MonthOfLoom of, std::vector<UsageChange> rows, Answer<uint64_t> answer) {
    impl_->later<uint64_t>(std::move(answer), [of = std::move(of), rows = std::move(rows)](UsageTable& table) {
        return table.take_others(of, rows);
    });
}

void UsageStore::forget_others(UsageDay since, Answer<bool> answer) {
    impl_->later<bool>(std::move(answer), [=](UsageTable& table) -> DatabaseResult<bool> {
        LOOM_TRY(table.forget_others(since));
        return true;
    });
}

void UsageStore::known_of_others(Answer<std::vector<MonthOfLoom>> answer) {
    impl_->later<std::vector<MonthOfLoom>>(std::move(answer),
                                           [](UsageTable& table) { return table.known_of_others(); });
}

}  // namespace loom::store

#include "loom/proxy/cache_snapshots.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <future>

#include "loom/base/clock.h"
#include "loom/base/crypto.h"
#include "loom/observe/log.h"
#include "loom/proxy/semantic_cache.h"

namespace loom::proxy {
namespace {

using observe::log_error;
using observe::log_info;
using observe::log_warn;
using Cause = store::SnapshotFault::Cause;

constexpr const char* folder_name = "/cache";
constexpr const char* exact_file = "exact.snapshot";
constexpr const char* semantic_file = "semantic.snapshot";
constexpr uint64_t since_the_start = 0;              // purges of this process: those of before are in no file
constexpr std::chrono::milliseconds look_again{20};  // whether it is to stop, while somebody is waited for

uint64_t now_ms() noexcept { return monotonic_ns() / 1'000'000; }
uint64_t wall_ms() noexcept { return wall_us() / 1'000; }

}  // namespace

CacheSnapshots::CacheSnapshots(Options options)
    : options_(std::move(options)),
      folder_(options_.directory + folder_name),
      seed_(random_u64()),
      layers_{Layer{.kind = Kind::exact,
                    .name = "exact",
                    .place = {.directory = folder_, .name = exact_file, .vault = options_.vault}},
              Layer{.kind = Kind::semantic,
                    .name = "semantic",
                    .place = {.directory = folder_, .name = semantic_file, .vault = options_.vault}}} {
    if (!take_directory()) return;
    bool has_seed = false;
    for (Layer& layer : layers_) {
        open_layer(layer);
        if (!layer.reader) continue;
        if (has_seed && layer.head.seed != seed_)
            refuse(layer, "has other keys than the file beside it");
        else
            seed_ = layer.head.seed;
        has_seed = true;
    }
}

CacheSnapshots::~CacheSnapshots() {
    stop();
    if (lock_fd_ >= 0) ::close(lock_fd_);
}

/// False: it is another's, or no place to keep anything.
bool CacheSnapshots::take_directory() {
    (void)::mkdir(options_.directory.c_str(), 0700);
    (void)::mkdir(folder_.c_str(), 0700);
    const std::string path = folder_ + "/lock";
    lock_fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock_fd_ < 0) {
        log_error("cache.snapshot: {} cannot be made: {}; nothing of the cache outlives this process", path,
                  std::strerror(errno));
        return false;
    }
    if (::flock(lock_fd_, LOCK_EX | LOCK_NB) == 0) return true;
    log_warn(
        "cache.snapshot: another Loom keeps its cache in {}: this one begins without, and keeps nothing over its "
        "end",
        folder_);
    ::close(std::exchange(lock_fd_, -1));
    return false;
}

void CacheSnapshots::open_layer(Layer& layer) {
    store::tidy_snapshot(layer.place);
    auto reader = store::SnapshotReader::open(layer.place);
    if (!reader) {
        if (reader.error().cause != Cause::absent) refuse(layer, reader.error());
        return;
    }
    layer.reader.emplace(std::move(*reader));
    const auto head = cache::SnapshotHead::read(layer.reader->head());
    if (!head || head->kind != layer.kind) return refuse(layer, "has a head that is none");
    if (head->version != options_.version)
        return refuse(layer, fmt::format("was written by Loom {}, and this is {}", head->version, options_.version));
    layer.head = *head;
}

/// keeps  false: it is removed.
void CacheSnapshots::refuse(Layer& layer, const std::string& why, bool keeps) {
    layer.reader.reset();
    layer.refused.fetch_add(1, std::memory_order_relaxed);
    const std::string path = layer.place.path();
    log_warn("cache.snapshot: {} {}: it is {}, and the cache begins without", path, why,
             keeps ? "set aside as " + layer.place.name + ".refused" : "removed");
    if (keeps) return store::set_snapshot_aside(layer.place);
    (void)store::remove_snapshot(layer.place);
}

/// One that should be encrypted and is not does not stay; one that this process may not read is not its own to move.
void CacheSnapshots::refuse(Layer& layer, const store::SnapshotFault& fault) {
    if (fault.cause != Cause::unreadable) return refuse(layer, fault.text(), fault.cause != Cause::plain);
    layer.reader.reset();
    layer.refused.fetch_add(1, std::memory_order_relaxed);
    log_warn("cache.snapshot: {} {}: the cache begins without", layer.place.path(), fault.text());
}

void CacheSnapshots::attach(CacheShards& shards, SemanticCache& semantic) {
    shards_ = &shards;
    semantic_ = &semantic;
    if (lock_fd_ < 0) return;
    shards.tell_purges_to([this] { return on_purge(); });
    shards.keep_what_is_left();
    semantic.keep_what_is_left();
}

void CacheSnapshots::begin(std::shared_ptr<const CachePlan> terms) {
    if (lock_fd_ < 0) return;
    terms_ = std::move(terms);
    // Signals are the main thread's.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void CacheSnapshots::stop() noexcept {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    something_.notify_one();
    if (thread_.joinable()) thread_.join();
}

bool CacheSnapshots::stops() {
    const std::lock_guard lock(mutex_);
    return stopping_;
}

void CacheSnapshots::run() {
    pthread_setname_np(pthread_self(), "loom-snapshot");
    for (Layer& layer : layers_) load(layer);
    uint64_t next_ms = now_ms() + options_.interval_ms;
    for (;;) {
        {
            std::unique_lock lock(mutex_);
            const uint64_t now = now_ms();
            const std::chrono::milliseconds wait(next_ms - std::min(next_ms, now));
            something_.wait_for(lock, wait, [this] { return stopping_ || was_purged_; });
            if (stopping_) return;
            if (std::exchange(was_purged_, false)) next_ms = std::min(next_ms, now_ms() + after_purge_ms);
        }
        if (now_ms() < next_ms) continue;
        write_all();
        next_ms = now_ms() + options_.interval_ms;
    }
}

/// What comes of a question by message. Nothing: nobody is there to answer, or this is to stop.
template <class Value, class Ask>
std::optional<Value> CacheSnapshots::answer_of(Ask ask) {
    std::promise<Value> promise;
    std::future<Value> answer = promise.get_future();
    ask([promise = std::move(promise)](Value value) mutable { promise.set_value(std::move(value)); });
    while (answer.wait_for(look_again) != std::future_status::ready)
        if (stops()) return std::nullopt;
    try {
        return answer.get();
    } catch (const std::future_error&) {  // the question was dropped
        return std::nullopt;
    }
}

// Loading

void CacheSnapshots::load(Layer& layer) {
    if (!layer.reader) return;
    const bool is_wanted = terms_ != nullptr && (layer.kind == Kind::exact || terms_->semantic != nullptr);
    if (!is_wanted) return layer.reader.reset();
    const uint64_t wall = wall_ms();
    cache::SnapshotMoment moment{.now_ms = now_ms(), .elapsed_ms = wall - std::min(wall, layer.head.wall_ms)};
    if (layer.kind == Kind::exact) {
        moment.ttl_ms = terms_->ttl_ms;
        moment.stale_ms = terms_->stale_ms;
    }
    note_loading(layer, true);
    if (is_good(layer, moment)) {
        if (layer.kind == Kind::exact)
            load_exact(layer, moment);
        else
            load_semantic(layer, moment);
    }
    if (stops()) return;
    note_loading(layer, false);
    if (layer.reader) tell_loaded(layer);
    layer.reader.reset();
}

void CacheSnapshots::note_loading(Layer& layer, bool is_loading) {
    const std::lock_guard lock(mutex_);
    layer.is_loading = is_loading;
}

/// All of it is as it was written, and can be read. Else it is refused.
bool CacheSnapshots::is_good(Layer& layer, const cache::SnapshotMoment& moment) {
    layer.reader->rewind();
    std::string record;
    for (;;) {
        const auto more = layer.reader->next(record);
        if (!more) {
            refuse(layer, more.error());
            return false;
        }
        if (!*more) break;
        const bool good = layer.kind == Kind::exact ? cache::read_answer_record(record, moment).has_value()
                                                    : cache::read_entry_record(record, moment).has_value();
        if (!good) {
            refuse(layer, "has a record that is none");
            return false;
        }
        if (stops()) return false;
    }
    layer.reader->rewind();
    return true;
}

void CacheSnapshots::load_exact(Layer& layer, const cache::SnapshotMoment& moment) {
    std::vector<std::vector<cache::KeptAnswer>> letters(shards_->count());
    constexpr size_t bytes_max = 512 * 1024;
    std::vector<size_t> letter_bytes(letters.size());
    std::string record;
    for (;;) {
        const auto more = layer.reader->next(record);
        if (!more) return refuse(layer, more.error());  // it was good a moment ago: the disk fails
        if (!*more) break;
        auto kept = cache::read_answer_record(record, moment);
        if (!kept || kept->answer->kept_until_ms <= moment.now_ms) {
            layer.expired.fetch_add(1, std::memory_order_relaxed);
            continue;
        }
        const uint32_t owner = shards_->owner_of(kept->key);
        letter_bytes[owner] += record.size();
        letters[owner].push_back(std::move(*kept));
        if (letters[owner].size() < answers_of_letter && letter_bytes[owner] < bytes_max) continue;
        letter_bytes[owner] = 0;
        if (!give_back(layer, owner, std::exchange(letters[owner], {}))) return;
    }
    for (uint32_t owner = 0; owner < letters.size(); ++owner)
        if (!letters[owner].empty() && !give_back(layer, owner, std::move(letters[owner]))) return;
}

/// False: there is no use in going on.
bool CacheSnapshots::give_back(Layer& layer, uint32_t shard, std::vector<cache::KeptAnswer> answers) {
    const size_t count = answers.size();
    const auto done = answer_of<CacheShards::Restored>([&](CacheShards::OnRestored then) {
        shards_->restore(shard, std::move(answers), since_the_start, std::move(then));
    });
    if (!done || !done->is_there) return false;
    layer.loaded.fetch_add(done->kept, std::memory_order_relaxed);
    layer.purged.fetch_add(done->purged, std::memory_order_relaxed);
    layer.not_kept.fetch_add(count - done->kept - done->purged, std::memory_order_relaxed);
    return true;
}

void CacheSnapshots::load_semantic(Layer& layer, const cache::SnapshotMoment& moment) {
    std::vector<cache::KeptEntry> letter;
    std::string record;
    for (;;) {
        const auto more = layer.reader->next(record);
        if (!more) return refuse(layer, more.error());
        if (!*more) break;
        auto kept = cache::read_entry_record(record, moment);
        if (!kept || kept->entry.fresh_until_ms <= moment.now_ms) {
            layer.expired.fetch_add(1, std::memory_order_relaxed);
            continue;
        }
        letter.push_back(std::move(*kept));
        if (letter.size() == entries_of_letter && !give_back(layer, std::exchange(letter, {}))) return;
    }
    if (!letter.empty()) (void)give_back(layer, std::move(letter));
}

bool CacheSnapshots::give_back(Layer& layer, std::vector<cache::KeptEntry> entries) {
    const size_t count = entries.size();
    const auto done = answer_of<SemanticCache::Restored>([&](SemanticCache::OnRestored then) {
        semantic_->restore(layer.head.embedder, std::move(entries), since_the_start, std::move(then));
    });
    if (!done || !done->is_there) return false;
    if (done->is_other_embedder) {
        refuse(layer, "holds vectors of another embedder than the one in force (semantic_cache.embedding.*)");
        return false;
    }
    layer.loaded.fetch_add(done->kept, std::memory_order_relaxed);
    layer.purged.fetch_add(done->purged, std::memory_order_relaxed);
    layer.expired.fetch_add(done->over, std::memory_order_relaxed);
    layer.not_kept.fetch_add(count - done->kept - done->purged - done->over, std::memory_order_relaxed);
    return true;
}

void CacheSnapshots::tell_loaded(const Layer& layer) const {
    const uint64_t wall = wall_ms();
    log_info(
        "cache.snapshot: {}: {} entries loaded, written {} s ago; left out: {} expired, {} purged, {} for which "
        "there was no room or that had come anew",
        layer.place.path(), layer.loaded.load(), (wall - std::min(wall, layer.head.wall_ms)) / 1000,
        layer.expired.load(), layer.purged.load(), layer.not_kept.load());
}

// Writing

uint64_t CacheSnapshots::stored_now(const Layer& layer) const {
    return layer.kind == Kind::exact ? shards_->totals().stored : semantic_->totals().stored;
}

bool CacheSnapshots::is_unchanged(const Layer& layer) {
    const std::lock_guard lock(mutex_);
    return layer.is_loading || (layer.is_written && layer.written_stored == stored_now(layer));
}

CacheSnapshots::Draft CacheSnapshots::draft_of(Layer& layer) const {
    return {.layer = layer,
            .purges_seen = shards_->last_purge(),
            .stored = stored_now(layer),
            .moment = {.now_ms = now_ms()},
            .wall_ms = wall_ms()};
}

void CacheSnapshots::write_all() {
    for (Layer& layer : layers_) {
        if (is_unchanged(layer)) continue;
        Draft draft = draft_of(layer);
        finish(draft, layer.kind == Kind::exact ? write_exact(draft) : write_semantic(draft));
    }
}

CacheSnapshots::Outcome CacheSnapshots::write_exact(Draft& draft) {
    for (uint32_t shard = 0; shard < shards_->count(); ++shard) {
        size_t at = 0;
        do {
            const auto piece = answer_of<CacheShards::Piece>(
                [&](CacheShards::OnPiece then) { shards_->ask_piece(shard, at, std::move(then)); });
            if (!piece) return Outcome::stopped;
            if (!piece->is_there) break;
            if (!draft.writer && !begin_file(draft, {})) return Outcome::failed;
            for (const cache::KeptAnswer& one : piece->answers)
                if (!add(draft, one)) return Outcome::failed;
            at = piece->next;
        } while (at != 0);
    }
    return Outcome::done;
}

CacheSnapshots::Outcome CacheSnapshots::write_semantic(Draft& draft) {
    cache::SemanticIndex::Cursor at;
    for (bool more = true; more;) {
        const auto piece = answer_of<SemanticCache::Piece>(
            [&](SemanticCache::OnPiece then) { semantic_->ask_piece(at, std::move(then)); });
        if (!piece) return stops() || draft.writer ? Outcome::stopped : Outcome::done;  // it has never begun
        if (!piece->is_there) break;
        if (!draft.writer && !begin_file(draft, piece->embedder)) return Outcome::failed;
        if (!add_entries(draft, piece->entries)) return Outcome::failed;
        at = piece->next;
        more = piece->has_more;
    }
    return Outcome::done;
}

void CacheSnapshots::write_last() {
    if (lock_fd_ < 0) return;
    Layer& exact = layers_[0];
    if (!is_unchanged(exact)) {
        Draft draft = draft_of(exact);
        const bool keeps = terms_ != nullptr || exact.entries.load() > 0 || draft.stored > 0;
        bool good = !keeps || begin_file(draft, {});
        if (keeps) shards_->tell_left([&](const cache::KeptAnswer& one) { good = good && add(draft, one); });
        finish(draft, good ? Outcome::done : Outcome::failed);
    }
    Layer& semantic = layers_[1];
    if (is_unchanged(semantic)) return;
    Draft draft = draft_of(semantic);
    Outcome outcome = Outcome::done;
    SemanticCache::Piece piece;
    do {
        piece = semantic_->piece_at(piece.next);
        if (!piece.is_there) break;
        if ((!draft.writer && !begin_file(draft, piece.embedder)) || !add_entries(draft, piece.entries))
            outcome = Outcome::failed;
    } while (piece.has_more && outcome == Outcome::done);
    finish(draft, outcome);
}

bool CacheSnapshots::begin_file(Draft& draft, const cache::EmbedderMark& embedder) {
    const cache::SnapshotHead head{.kind = draft.layer.kind,
                                   .version = options_.version,
                                   .seed = shards_->seed(),
                                   .wall_ms = draft.wall_ms,
                                   .embedder = embedder};
    auto writer = store::SnapshotWriter::begin(draft.layer.place, head.write());
    if (!writer) return fail(draft, writer.error());
    draft.writer.emplace(std::move(*writer));
    return true;
}

template <class Kept>
bool CacheSnapshots::add(Draft& draft, const Kept& kept) {
    draft.record.clear();
    cache::write_record(draft.record, kept, draft.moment);
    const auto added = draft.writer->add(draft.record);
    return added || fail(draft, added.error());
}

bool CacheSnapshots::add_entries(Draft& draft, const std::vector<cache::KeptEntry>& entries) {
    return std::ranges::all_of(entries, [&](const cache::KeptEntry& one) { return add(draft, one); });
}

bool CacheSnapshots::fail(Draft& draft, int error) {
    draft.layer.failures.fetch_add(1, std::memory_order_relaxed);
    log_error("cache.snapshot: {} cannot be written: {}; what was written before stays", draft.layer.place.path(),
              std::strerror(error));
    return false;
}

/// It takes its name, unless there was a purge since it was begun: then the next is written soon.
void CacheSnapshots::finish(Draft& draft, Outcome outcome) {
    Layer& layer = draft.layer;
    if (outcome != Outcome::done) return;
    if (!draft.writer) return remove_file(layer);  // nothing is kept any more
    if (const auto whole = draft.writer->finish(); !whole) return (void)fail(draft, whole.error());
    const std::lock_guard lock(mutex_);
    if (shards_->last_purge() != draft.purges_seen) {
        was_purged_ = true;
        return;
    }
    const auto named = draft.writer->publish();
    if (!named && named.error() == ENOENT) {  // a purge that is counted already has just now removed it
        was_purged_ = true;
        return;
    }
    if (!named) return (void)fail(draft, named.error());
    layer.is_written = true;
    layer.written_stored = draft.stored;
    layer.entries.store(draft.writer->records(), std::memory_order_relaxed);
    layer.bytes.store(draft.writer->bytes(), std::memory_order_relaxed);
    layer.written_ms.store(draft.moment.now_ms, std::memory_order_relaxed);
}

void CacheSnapshots::remove_file(Layer& layer) {
    const std::lock_guard lock(mutex_);
    layer.is_written = false;
    layer.entries.store(0, std::memory_order_relaxed);
    layer.bytes.store(0, std::memory_order_relaxed);
    layer.written_ms.store(0, std::memory_order_relaxed);
    if (const auto gone = store::remove_snapshot(layer.place); !gone)
        log_error("cache.snapshot: {} cannot be removed: {}", layer.place.path(), std::strerror(gone.error()));
}

/// On the thread that asks for the purge, which nobody finds any more: nor does the next process.
std::string CacheSnapshots::on_purge() {
    std::string fault;
    {
        const std::lock_guard lock(mutex_);
        was_purged_ = true;
        for (Layer& layer : layers_) {
            layer.is_written = layer.is_loading = false;
            layer.entries.store(0, std::memory_order_relaxed);
            layer.bytes.store(0, std::memory_order_relaxed);
            layer.written_ms.store(0, std::memory_order_relaxed);
            if (const auto gone = store::remove_snapshot(layer.place); !gone)
                fault = fmt::format(
                    "{} cannot be removed: {}; what is purged would come back if Loom were killed now: "
                    "remove the file",
                    layer.place.path(), std::strerror(gone.error()));
        }
    }
    something_.notify_one();
    if (!fault.empty()) log_error("cache.snapshot: {}", fault);
    return fault;
}

void CacheSnapshots::remove_all(const std::string& directory) {
    for (const char* const name : {exact_file, semantic_file}) {
        const store::SnapshotPlace place{.directory = directory + folder_name, .name = name, .vault = {}};
        if (const auto gone = store::remove_snapshot(place); !gone)
            log_warn("{} cannot be removed: {}; switch cache.snapshot on, or remove it", place.path(),
                     std::strerror(gone.error()));
    }
}

observe::CacheSnapshotFacts CacheSnapshots::facts() const {
    observe::CacheSnapshotFacts facts;
    const auto value = [](const std::atomic<uint64_t>& of) { return of.load(std::memory_order_relaxed); };
    for (size_t i = 0; i < layers_.size(); ++i) {
        const Layer& layer = layers_[i];
        const uint64_t written_ms = value(layer.written_ms);
        facts.layers[i] = {.layer = layer.name,
                           .entries = value(layer.entries),
                           .bytes = value(layer.bytes),
                           .loaded = value(layer.loaded),
                           .expired = value(layer.expired),
                           .purged = value(layer.purged),
                           .not_kept = value(layer.not_kept),
                           .refused = value(layer.refused),
                           .failures = value(layer.failures)};
        if (written_ms > 0) facts.layers[i].age_s = static_cast<double>(now_ms() - written_ms) / 1000;
    }
    return facts;
}

}  // namespace loom::proxy

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

std::expected<int, CacheSnapshots::ClaimFault> CacheSnapshots::claim(const std::string& folder) {
    const std::string path = folder + "/lock";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return std::unexpected(ClaimFault{.text = fmt::format("{} cannot be made: {}", path, std::strerror(errno))});
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    const int error = errno;
    ::close(fd);
    if (error == EWOULDBLOCK)
        return std::unexpected(
            ClaimFault{.is_anothers = true, .text = fmt::format("another Loom keeps its cache in {}", folder)});
    return std::unexpected(ClaimFault{.text = fmt::format("{} cannot be locked: {}", path, std::strerror(error))});
}

/// False: it is another's, or no place to keep anything.
bool CacheSnapshots::take_directory() {
    (void)::mkdir(options_.directory.c_str(), 0700);
    (void)::mkdir(folder_.c_str(), 0700);
    const auto fd = claim(folder_);
    if (fd) lock_fd_ = *fd;
    if (fd) return true;
    constexpr const char* follows = "this one begins without, and keeps nothing over its end until that has changed";
    if (fd.error().is_anothers)
        log_warn("cache.snapshot: {}: {}", fd.error().text, follows);
    else
        log_error("cache.snapshot: {}: {}", fd.error().text, follows);
    return false;
}

/// The directory is this process's, maybe from now on. What another has left there is not read any more: keys have
/// another seed here.
bool CacheSnapshots::claim_again() {
    const std::lock_guard lock(mutex_);
    if (lock_fd_ >= 0) return true;
    const auto fd = claim(folder_);
    if (!fd) return false;
    lock_fd_ = *fd;
    log_info("cache.snapshot: {} is this one's from now on", folder_);
    if (std::exchange(purged_apart_, false))
        if (const std::string fault = remove_files(); !fault.empty()) log_error("cache.snapshot: {}", fault);
    return true;
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
    shards.tell_purges_to([this] { return on_purge(); });
    shards.keep_what_is_left();
    semantic.keep_what_is_left();
}

void CacheSnapshots::begin(std::shared_ptr<const CachePlan> terms) {
    terms_ = std::move(terms);
    {
        const std::lock_guard lock(mutex_);
        const bool is_whole = shards_->last_purge() == since_the_start;  // else the files are gone
        for (Layer& layer : layers_) layer.is_loading = is_whole && layer.reader && is_wanted(layer);
    }
    // Signals are the main thread's.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void CacheSnapshots::note_terms() noexcept {
    const std::lock_guard lock(mutex_);
    for (Layer& layer : layers_) layer.is_written = false;
}

void CacheSnapshots::ask_to_stop() noexcept {
    {
        const std::lock_guard lock(turn_mutex_);
        stopping_ = true;
    }
    something_.notify_one();
}

void CacheSnapshots::stop() noexcept {
    ask_to_stop();
    if (thread_.joinable()) thread_.join();
}

void CacheSnapshots::run() {
    pthread_setname_np(pthread_self(), "loom-snapshot");
    for (Layer& layer : layers_) load(layer);
    uint64_t next_ms = now_ms() + options_.interval_ms;
    for (;;) {
        const bool is_ours = claim_again();
        {
            std::unique_lock lock(turn_mutex_);
            const uint64_t now = now_ms();
            const std::chrono::milliseconds wait(is_ours ? next_ms - std::min(next_ms, now) : claim_again_ms);
            something_.wait_for(lock, wait, [this] { return stopping_ || was_purged_; });
            if (stopping_) return;
            if (std::exchange(was_purged_, false)) next_ms = std::min(next_ms, now_ms() + after_purge_ms);
        }
        if (!is_ours || now_ms() < next_ms) continue;
        write_all();
        next_ms = now_ms() + options_.interval_ms;
    }
}

/// What comes of a question by message. Nothing: nobody is there to answer, or this is to stop.
template <class Value, class Ask>
std::optional<Value> CacheSnapshots::answer_of(Ask ask) {
    if (stops()) return std::nullopt;
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

bool CacheSnapshots::is_wanted(const Layer& layer) const noexcept {
    return terms_ != nullptr && (layer.kind == Kind::exact || terms_->semantic != nullptr);
}

void CacheSnapshots::load(Layer& layer) {
    if (!layer.reader) return;
    if (!is_wanted(layer)) return layer.reader.reset();
    layer.reader->set_record_bytes_max(terms_->entry_bytes_max + record_bytes_more);
    const uint64_t wall = wall_ms();
    cache::SnapshotMoment moment{.now_ms = now_ms(), .elapsed_ms = wall - std::min(wall, layer.head.wall_ms)};
    if (layer.kind == Kind::exact) {
        moment.ttl_ms = terms_->ttl_ms;
        moment.stale_ms = terms_->stale_ms;
    }
    bool is_over = false;
    if (!is_good(layer, moment))
        is_over = !layer.reader;  // it was refused
    else
        is_over = layer.kind == Kind::exact ? load_exact(layer, moment) : load_semantic(layer, moment);
    if (!is_over) return;
    note_loaded(layer);
    if (layer.reader) {
        layer.not_kept.fetch_add(layer.reader->passed_over(), std::memory_order_relaxed);
        tell_loaded(layer);
    }
    layer.reader.reset();
}

void CacheSnapshots::note_loaded(Layer& layer) {
    const std::lock_guard lock(mutex_);
    layer.is_loading = false;
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

/// Whether there is nothing left to do; false: it was to stop.
bool CacheSnapshots::load_exact(Layer& layer, const cache::SnapshotMoment& moment) {
    std::vector<std::vector<cache::KeptAnswer>> letters(shards_->count());
    std::vector<size_t> letter_bytes(letters.size());
    size_t all_bytes = 0;
    std::string record;
    for (;;) {
        if (stops()) return false;
        const auto more = layer.reader->next(record);
        if (!more) {  // it was good a moment ago: the disk fails
            refuse(layer, more.error());
            return true;
        }
        if (!*more) break;
        auto kept = cache::read_answer_record(record, moment);
        if (!kept || kept->answer->kept_until_ms <= moment.now_ms) {
            layer.expired.fetch_add(1, std::memory_order_relaxed);
            continue;
        }
        if (kept->answer->body.size() > terms_->entry_bytes_max) {
            layer.not_kept.fetch_add(1, std::memory_order_relaxed);
            continue;
        }
        uint32_t owner = shards_->owner_of(kept->key);
        letter_bytes[owner] += record.size();
        all_bytes += record.size();
        letters[owner].push_back(std::move(*kept));
        const bool is_full = letters[owner].size() == answers_of_letter || letter_bytes[owner] >= letter_bytes_max;
        if (!is_full && all_bytes < letters_bytes_max) continue;
        if (!is_full) owner = static_cast<uint32_t>(std::ranges::max_element(letter_bytes) - letter_bytes.begin());
        all_bytes -= std::exchange(letter_bytes[owner], 0);
        if (!give_back(layer, owner, std::exchange(letters[owner], {}))) return !stops();
    }
    for (uint32_t owner = 0; owner < letters.size(); ++owner)
        if (!letters[owner].empty() && !give_back(layer, owner, std::move(letters[owner]))) return !stops();
    return true;
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

bool CacheSnapshots::load_semantic(Layer& layer, const cache::SnapshotMoment& moment) {
    std::vector<cache::KeptEntry> letter;
    size_t letter_bytes = 0;
    std::string record;
    for (;;) {
        if (stops()) return false;
        const auto more = layer.reader->next(record);
        if (!more) {
            refuse(layer, more.error());
            return true;
        }
        if (!*more) break;
        auto kept = cache::read_entry_record(record, moment);
        if (!kept || kept->entry.fresh_until_ms <= moment.now_ms) {
            layer.expired.fetch_add(1, std::memory_order_relaxed);
            continue;
        }
        if (kept->entry.answer->body.size() > terms_->entry_bytes_max) {
            layer.not_kept.fetch_add(1, std::memory_order_relaxed);
            continue;
        }
        letter_bytes += record.size();
        letter.push_back(std::move(*kept));
        if (letter.size() < entries_of_letter && letter_bytes < letter_bytes_max) continue;
        letter_bytes = 0;
        if (!give_back(layer, std::exchange(letter, {}))) return !stops();
    }
    return letter.empty() || give_back(layer, std::move(letter)) || !stops();
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

CacheSnapshots::Draft CacheSnapshots::draft_of(Layer& layer, std::function<bool()> gives_up) const {
    return {.layer = layer,
            .purges_seen = shards_->last_purge(),
            .stored = stored_now(layer),
            .moment = {.now_ms = now_ms()},
            .wall_ms = wall_ms(),
            .gives_up = std::move(gives_up)};
}

void CacheSnapshots::write_all() {
    for (Layer& layer : layers_) {
        if (is_unchanged(layer)) continue;
        Draft draft = draft_of(layer, [this] { return stops(); });
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
                if (const Outcome added = add(draft, one); added != Outcome::done) return added;
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
        // Another embedder has come in between, and its vectors are not to stand under this head.
        const bool is_same =
            draft.embedder.dimensions == piece->embedder.dimensions && draft.embedder.is_like(piece->embedder);
        if (!is_same) return Outcome::stopped;
        if (const Outcome added = add_entries(draft, piece->entries); added != Outcome::done) return added;
        at = piece->next;
        more = piece->has_more;
    }
    return Outcome::done;
}

void CacheSnapshots::write_last(std::function<bool()> gives_up) {
    if (!claim_again()) return;
    for (Layer& layer : layers_) {
        if (is_unchanged(layer)) continue;
        Draft draft = draft_of(
            layer, [&gives_up, until_ms = now_ms() + last_ms_max] { return gives_up() || now_ms() > until_ms; });
        const bool keeps = terms_ != nullptr || layer.entries.load() > 0 || draft.stored > 0;
        const Outcome outcome = layer.kind == Kind::exact ? write_left_exact(draft, keeps) : write_left_semantic(draft);
        if (outcome == Outcome::stopped)
            log_warn("cache.snapshot: {} is broken off: what was written before stays", layer.place.path());
        finish(draft, outcome);
    }
}

CacheSnapshots::Outcome CacheSnapshots::write_left_exact(Draft& draft, bool keeps) {
    if (!keeps) return Outcome::done;
    if (!begin_file(draft, {})) return Outcome::failed;
    Outcome outcome = Outcome::done;
    shards_->tell_left([&](const cache::KeptAnswer& one) {
        if (outcome == Outcome::done) outcome = add(draft, one);
    });
    return outcome;
}

CacheSnapshots::Outcome CacheSnapshots::write_left_semantic(Draft& draft) {
    SemanticCache::Piece piece;
    do {
        piece = semantic_->piece_at(piece.next);
        if (!piece.is_there) break;
        if (!draft.writer && !begin_file(draft, piece.embedder)) return Outcome::failed;
        if (const Outcome added = add_entries(draft, piece.entries); added != Outcome::done) return added;
    } while (piece.has_more);
    return Outcome::done;
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
    draft.embedder = embedder;
    return true;
}

template <class Kept>
CacheSnapshots::Outcome CacheSnapshots::add(Draft& draft, const Kept& kept) {
    if (draft.gives_up()) return Outcome::stopped;
    draft.record.clear();
    cache::write_record(draft.record, kept, draft.moment);
    const auto added = draft.writer->add(draft.record);
    if (!added) (void)fail(draft, added.error());
    return added ? Outcome::done : Outcome::failed;
}

CacheSnapshots::Outcome CacheSnapshots::add_entries(Draft& draft, const std::vector<cache::KeptEntry>& entries) {
    for (const cache::KeptEntry& one : entries)
        if (const Outcome added = add(draft, one); added != Outcome::done) return added;
    return Outcome::done;
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
    if (outcome != Outcome::done || draft.gives_up()) return;
    if (!draft.writer) return remove_file(layer);  // nothing is kept any more
    if (const auto whole = draft.writer->finish(); !whole) return (void)fail(draft, whole.error());
    {
        const std::lock_guard lock(mutex_);
        const auto named = shards_->last_purge() == draft.purges_seen ? draft.writer->take_name()
                                                                      : std::expected<void, int>(std::unexpect, ENOENT);
        if (!named && named.error() == ENOENT) {  // or a purge that is counted already has just now removed it
            const std::lock_guard turn(turn_mutex_);
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
    if (const auto stays = draft.writer->keep_name(); !stays) (void)fail(draft, stays.error());
}

void CacheSnapshots::forget(Layer& layer) noexcept {
    layer.is_written = false;
    layer.entries.store(0, std::memory_order_relaxed);
    layer.bytes.store(0, std::memory_order_relaxed);
    layer.written_ms.store(0, std::memory_order_relaxed);
}

void CacheSnapshots::remove_file(Layer& layer) {
    const std::lock_guard lock(mutex_);
    forget(layer);
    if (const auto gone = store::remove_snapshot(layer.place); !gone)
        log_error("cache.snapshot: {} cannot be removed: {}", layer.place.path(), std::strerror(gone.error()));
}

/// Under mutex_. Returns what is to be said of one that may still be there.
std::string CacheSnapshots::remove_files() {
    std::string fault;
    for (Layer& layer : layers_) {
        forget(layer);
        layer.is_loading = false;
        if (const auto gone = store::remove_snapshot(layer.place); !gone)
            fault = fmt::format(
                "{} cannot be removed: {}; what is purged would come back if Loom were killed now: remove the file",
                layer.place.path(), std::strerror(gone.error()));
    }
    return fault;
}

/// On the thread that asks for the purge, which nobody finds any more: nor does the next process.
std::string CacheSnapshots::on_purge() {
    std::string fault;
    {
        const std::lock_guard lock(mutex_);
        if (lock_fd_ < 0) {  // the other one may have ended just now
            const auto fd = claim(folder_);
            if (fd) lock_fd_ = *fd;
            if (!fd && fd.error().is_anothers) {
                purged_apart_ = true;
                fault = fmt::format(
                    "{}: what is purged here may be in its files, and would come back with the next start: "
                    "purge it there, too, or again when that one has ended",
                    fd.error().text);
            }
        }
        // Where nobody can lock anything, nobody else is known to keep something there.
        if (fault.empty()) fault = remove_files();
    }
    {
        const std::lock_guard lock(turn_mutex_);
        was_purged_ = true;
    }
    something_.notify_one();
    if (!fault.empty()) log_error("cache.snapshot: {}", fault);
    return fault;
}

std::string CacheSnapshots::remove_all(const std::string& directory) {
    const std::string folder = directory + folder_name;
    if (::access(folder.c_str(), F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) return "";
    const auto fd = claim(folder);
    if (!fd && fd.error().is_anothers)
        return fmt::format(
            "{}: what is purged here may be in its files, and would come back with the next start that has "
            "cache.snapshot: purge it there, too, or again when that one has ended",
            fd.error().text);
    std::string fault;
    for (const char* const name : {exact_file, semantic_file}) {
        const store::SnapshotPlace place{.directory = folder, .name = name, .vault = {}};
        if (const auto gone = store::remove_snapshot(place); !gone)
            fault = fmt::format(
                "{} cannot be removed: {}; what is purged would come back with the next start that has "
                "cache.snapshot: remove the file",
                place.path(), std::strerror(gone.error()));
    }
    if (fd) ::close(*fd);
    return fault;
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

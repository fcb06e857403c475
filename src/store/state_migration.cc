#include "loom/store/state_migration.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "database.h"
#include "ledger_directory.h"
#include "loom/base/crypto.h"
#include "loom/base/result.h"
#include "segment_cipher.h"
#include "state_files.h"

namespace loom::store {
namespace {

namespace fs = std::filesystem;
using Form = StateFile::Form;
using Done = std::expected<void, std::string>;

constexpr std::string_view commit_head = "loom state migration 1";
constexpr const char* ledger_database = "usage.db";
constexpr size_t write_bytes = 1u << 20;

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }
std::unexpected<std::string> refused(const std::string& path, int error) {
    return wrong(fmt::format("{}: {}", path, std::strerror(error)));
}

class Descriptor {
  public:
    explicit Descriptor(int fd) noexcept : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }

  private:
    int fd_;
};

/// A segment as it is to be, from its front.
class SegmentWriter {
  public:
    SegmentWriter(int fd, const SegmentName& name, const VaultPtr& to) : fd_(fd) {
        if (to == nullptr) return;
        SegmentCipher::Made made = SegmentCipher::make(*to, name);
        cipher_ = std::move(made.cipher);
        waiting_ = std::move(made.header);
    }
    std::expected<void, int> add(std::string_view record) {
        waiting_ += cipher_ == nullptr ? std::string(record) : sealed_record(*cipher_, record, end());
        return waiting_.size() < write_bytes ? std::expected<void, int>() : flush();
    }
    std::expected<void, int> flush() {
        LOOM_TRY(write_all(fd_, waiting_, written_));
        written_ += waiting_.size();
        waiting_.clear();
        return {};
    }
    [[nodiscard]] uint64_t end() const noexcept { return written_ + waiting_.size(); }

  private:
    int fd_;
    std::unique_ptr<SegmentCipher> cipher_;
    std::string waiting_;
    uint64_t written_ = 0;
};

class Migration {
  public:
    explicit Migration(const StateMigration& asked)
        : asked_(asked), folder_(fmt::format("{}/{}", asked.directory, migration_folder)) {
        if (asked.from != nullptr) from_ = std::make_shared<const Vault>(*asked.from);
        if (asked.to != nullptr) to_ = std::make_shared<const Vault>(*asked.to);
    }

    /// What an interrupted one was asked for; false where there was none.
    std::expected<bool, std::string> finish_former() {
        const auto commit = LOOM_TRY(read_commit());
        if (!commit) return false;
        LOOM_TRY(roll_forward(*commit));
        return true;
    }

    std::expected<MigrationReport, std::string> run(bool former_finished) {
        report_.former_finished = former_finished;
        auto marker = read_small_file(in_place(encryption_marker));
        if (!marker) return refused(in_place(encryption_marker), marker.error());
        marker_ = std::move(*marker);
        const auto files = LOOM_TRY(state_files(asked_.directory));
        if (former_finished && is_done(files)) return report_;  // it was asked for the same: its old key is gone
        LOOM_TRY(check_keys());
        if (is_done(files)) return report_;
        for (const StateFile& file : files)
            if (file.form == Form::unreadable)
                return wrong(fmt::format("{}: cannot be read; run as a user who may read it, or move it away",
                                         in_place(file.name)));
        if (auto built = build(files); !built) {
            std::error_code ignored;  // a half one is of no use, and may be plain text
            fs::remove_all(folder_, ignored);
            return std::unexpected(std::move(built.error()));
        }
        const std::string plan = LOOM_TRY(commit());
        LOOM_TRY(roll_forward(plan));
        report_.done = MigrationReport::Done::migrated;
        return report_;
    }

  private:
    [[nodiscard]] std::string in_place(std::string_view name) const {
        return fmt::format("{}/{}", asked_.directory, name);
    }
    [[nodiscard]] std::string beside(std::string_view name) const { return fmt::format("{}/{}", folder_, name); }
    void step(const std::string& what) const {
        if (asked_.step) asked_.step(what);
    }

    Done check_keys() const {
        if (!marker_) return {};
        if (from_ == nullptr)
            return wrong(fmt::format("state.directory: {} is encrypted; give the key that it has", asked_.directory));
        if (!equal_constant_time(*marker_, from_->marker()))
            return wrong(fmt::format("state.directory: this is not the key that {} was encrypted with, as {} says",
                                     asked_.directory, in_place(encryption_marker)));
        return {};
    }

    /// With a key that it has already, everything; or nothing at all.
    [[nodiscard]] bool is_done(const std::vector<StateFile>& files) const {
        const auto is = [](Form form) { return [form](const StateFile& file) { return file.form == form; }; };
        const bool any_plain = std::ranges::any_of(files, is(Form::plain));
        const bool any_sealed = std::ranges::any_of(files, is(Form::sealed));
        if (to_ == nullptr) return !marker_ && !any_sealed;
        return marker_ && !any_plain && equal_constant_time(*marker_, to_->marker());
    }

    /// Of a file as it is now. Of a segment that does not tell: what the directory is.
    [[nodiscard]] VaultPtr vault_of(const StateFile& file) const {
        if (file.form == Form::plain) return {};
        if (file.form == Form::unknown && !marker_) return {};
        return from_;
    }

    Done build(const std::vector<StateFile>& files) {
        LOOM_TRY(make_folders());
        // What Loom can do without is not worth a second copy: the cache begins empty.
        for (const std::string& name : snapshot_files(asked_.directory)) plan_ += fmt::format("remove {}\n", name);
        for (const StateFile& file : files)
            if (!file.segment && file.form != Form::empty) LOOM_TRY(settle(file));
        for (const StateFile& file : files)
            if (file.segment && file.form != Form::empty) LOOM_TRY(convert_segment(file));
        for (const StateFile& file : files)
            if (!file.segment && file.form != Form::empty) LOOM_TRY(convert_database(file));
        if (to_ != nullptr) {
            step("the marker is written beside");
            const std::string path = beside(encryption_marker);
            if (const auto written = write_file_whole(path, to_->marker()); !written)
                return refused(path, written.error());
            const Descriptor marker(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
            LOOM_TRY(belongs_as(marker.get(), path, asked_.directory));
            plan_ += fmt::format("put {}\n", encryption_marker);
        } else {
            plan_ += fmt::format("remove {}\n", encryption_marker);
        }
        sync_folder(folder_ + "/ledger");
        sync_folder(folder_);
        sync_folder(asked_.directory);
        return {};
    }

    /// What one that was killed before it was whole has left goes.
    Done make_folders() const {
        step("what is left of a former one is removed");
        std::error_code fault;
        fs::remove_all(folder_, fault);
        if (fault) return wrong(fmt::format("{}: {}", folder_, fault.message()));
        for (const std::string& path : {folder_, folder_ + "/ledger"}) {
            step(path + " is made");
            if (::mkdir(path.c_str(), 0700) != 0) return refused(path, errno);
            const Descriptor made(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
            LOOM_TRY(belongs_as(made.get(), path, asked_.directory));
        }
        return {};
    }

    /// Root may run this, and who reads it then is Loom's user.
    static Done belongs_as(int fd, const std::string& path, const std::string& other) {
        struct stat like{}, own{};
        if (fd < 0 || ::fstat(fd, &own) != 0) return refused(path, errno);
        if (::lstat(other.c_str(), &like) != 0) return refused(other, errno);
        if (like.st_uid == own.st_uid && like.st_gid == own.st_gid) return {};
        if (::fchown(fd, like.st_uid, like.st_gid) == 0) return {};
        return wrong(fmt::format("{}: cannot be given to the owner of {}: {}; run as that user, or as root", path,
                                 other, std::strerror(errno)));
    }

    [[nodiscard]] std::expected<Database, std::string> open_source(const StateFile& file) const {
        const std::string path = in_place(file.name);
        const VaultPtr vault = vault_of(file);
        if (file.form == Form::sealed && vault == nullptr)
            return wrong(fmt::format("{}: is encrypted, or damaged; give the key that it has, or move it away", path));
        auto opened = Database::open(path, vault);
        if (!opened) return wrong(explain(path, opened.error()));
        return std::move(*opened);
    }

    static std::string explain(const std::string& path, const DatabaseFault& fault) {
        if (fault.code == SQLITE_BUSY || fault.code == SQLITE_LOCKED)
            return fmt::format("{}: somebody uses it ({}); stop the Loom of this directory first", path, fault.text);
        if (fault.damaged())
            return fmt::format("{}: is damaged, or has another key ({}); restore it, or move it away", path,
                               fault.text);
        return fmt::format("{}: {}", path, fault.text);
    }

    /// All that its write-ahead log holds is in it, and nobody else has it open: SQLite refuses this to two.
    Done settle(const StateFile& file) {
        step(file.name + " takes its write-ahead log");
        auto source = LOOM_TRY(open_source(file));
        const auto mode = source.text("PRAGMA journal_mode = DELETE");
        if (!mode) return wrong(explain(in_place(file.name), mode.error()));
        if (*mode != "delete")
            return wrong(explain(in_place(file.name), {SQLITE_BUSY, "it is still in mode " + *mode}));
        if (file.name == ledger_database) LOOM_TRY(read_folded(source));
        for (const char* const suffix : {"-wal", "-shm", "-journal"})
            plan_ += fmt::format("remove {}{}\n", file.name, suffix);
        return {};
    }

    Done read_folded(Database& source) {
        const auto run = [&]() -> DatabaseResult<void> {
            if (LOOM_TRY(source.number("SELECT count(*) FROM sqlite_schema WHERE name = 'segment'")) == 0) return {};
            auto rows = LOOM_TRY(source.prepare("SELECT epoch, shard, number, folded FROM segment"));
            while (LOOM_TRY(rows.step())) {
                const auto number = [&rows](int at) { return static_cast<uint32_t>(rows.number(at)); };
                folded_[{number(0), number(1), number(2)}] = static_cast<uint64_t>(rows.number(3));
            }
            return {};
        };
        const auto read = run();
        return read ? Done() : wrong(explain(in_place(ledger_database), read.error()));
    }

    Done convert_segment(const StateFile& file) {
        step(file.name + " is written beside");
        const std::string path = in_place(file.name), new_path = beside(file.name);
        const Descriptor source(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        struct stat found{};
        if (source.get() < 0 || ::fstat(source.get(), &found) != 0) return refused(path, errno);
        const auto size = static_cast<uint64_t>(found.st_size);
        const VaultPtr vault = vault_of(file);
        const SegmentForm form = form_of_segment(source.get(), *file.segment, vault);
        const bool readable = form.readable && (file.form != Form::sealed || vault != nullptr);
        if (!readable && is_rest(source.get(), size, file)) {
            plan_ += fmt::format("remove {}\n", file.name);
            return {};
        }
        if (!readable && file.aside) {
            report_.left.push_back(file.name);
            return {};
        }
        if (!readable)
            return wrong(
                fmt::format("{}: has another key, or its header is damaged; restore it, or move it away", path));
        const Descriptor target(::open(new_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (target.get() < 0) return refused(new_path, errno);
        LOOM_TRY(belongs_as(target.get(), new_path, path));
        SegmentReader reader(source.get(), 0, size, form.cipher.get());
        SegmentWriter writer(target.get(), *file.segment, to_);
        const auto row = folded_.find(*file.segment);
        const uint64_t folded = row == folded_.end() ? 0 : row->second;
        uint64_t folded_anew = 0;
        while (reader.next() != nullptr) {
            if (const auto added = writer.add(reader.record()); !added) return refused(new_path, added.error());
            report_.records += 1;
            if (reader.good_end() <= folded) folded_anew = writer.end();
        }
        if (reader.error() != 0) return refused(path, reader.error());
        report_.damaged_bytes += reader.damaged_bytes();
        const std::array<timespec, 2> times = {found.st_atim, found.st_mtim};  // its age is that of its last record
        auto flushed = writer.flush();
        if (flushed && (::futimens(target.get(), times.data()) != 0 || ::fsync(target.get()) != 0))
            flushed = std::unexpected(errno);
        if (!flushed) return refused(new_path, flushed.error());
        if (row != folded_.end()) folded_anew_.try_emplace(*file.segment, folded_anew);
        report_.segments += 1;
        plan_ += fmt::format("put {}\n", file.name);
        return {};
    }

    /// Of one that was being made when its process or machine ended: a part of its header, or zeros alone. No record is
    /// in it, and a start would not keep it.
    bool is_rest(int fd, uint64_t size, const StateFile& file) const {
        const auto row = folded_.find(*file.segment);
        if (file.aside || (row != folded_.end() && row->second > 0)) return false;
        if (size <= SegmentCipher::header_bytes) return true;
        std::string bytes(write_bytes, '\0');
        for (uint64_t at = 0; at < size;) {
            const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
            if (got <= 0 || std::string_view(bytes.data(), static_cast<size_t>(got)).find_first_not_of('\0') !=
                                std::string_view::npos)
                return false;
            at += static_cast<uint64_t>(got);
        }
        return true;
    }

    Done convert_database(const StateFile& file) {
        step(file.name + " is written beside");
        auto source = LOOM_TRY(open_source(file));
        const std::string new_path = beside(file.name);
        if (std::string fault = make_database_file(folder_, new_path); !fault.empty()) return wrong(std::move(fault));
        auto copy = [&]() -> DatabaseResult<void> {
            auto target = LOOM_TRY(Database::open(new_path, to_));
            LOOM_TRY(target.copy_of(source));
            if (file.name == ledger_database) LOOM_TRY(write_folded(target));
            const std::string checked = LOOM_TRY(target.text("PRAGMA integrity_check(1)"));
            if (checked != "ok") return std::unexpected(DatabaseFault{SQLITE_CORRUPT, checked});
            return {};
        };
        if (const auto copied = copy(); !copied) return wrong(explain(in_place(file.name), copied.error()));
        const Descriptor target(::open(new_path.c_str(), O_RDWR | O_CLOEXEC));
        if (target.get() < 0) return refused(new_path, errno);
        LOOM_TRY(belongs_as(target.get(), new_path, in_place(file.name)));
        if (::fsync(target.get()) != 0) return refused(new_path, errno);
        report_.databases += 1;
        plan_ += fmt::format("put {}\n", file.name);
        return {};
    }

    /// Segments are longer or shorter now.
    DatabaseResult<void> write_folded(Database& target) {
        if (folded_anew_.empty()) return {};
        LOOM_TRY(target.run("BEGIN IMMEDIATE"));
        auto put =
            LOOM_TRY(target.prepare("UPDATE segment SET folded = ? WHERE epoch = ? AND shard = ? AND number = ?"));
        for (const auto& [name, folded] : folded_anew_) {
            put.bind(1, static_cast<int64_t>(folded)).bind(2, name.epoch).bind(3, name.shard).bind(4, name.number);
            LOOM_TRY(put.run());
        }
        return target.run("COMMIT");
    }

    std::expected<std::string, std::string> commit() {
        step("it is whole");
        const std::string path = beside(migration_commit);
        std::string plan = fmt::format("{}\n{}", commit_head, plan_);
        if (const auto written = write_file_whole(path, plan); !written) return refused(path, written.error());
        return plan;
    }

    /// There may be thousands of segments. Nothing where it is not there; who cannot read it must not go on without it.
    [[nodiscard]] std::expected<std::optional<std::string>, std::string> read_commit() const {
        const std::string path = beside(migration_commit);
        const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        if (file.get() < 0 && errno == ENOENT) return std::nullopt;
        struct stat found{};
        if (file.get() < 0 || ::fstat(file.get(), &found) != 0) return refused(path, errno);
        std::string text(static_cast<size_t>(found.st_size), '\0');
        const ssize_t got = ::pread(file.get(), text.data(), text.size(), 0);
        if (got < 0 || static_cast<size_t>(got) != text.size()) return refused(path, got < 0 ? errno : EIO);
        return text;
    }

    /// What was done of it before is passed over.
    Done roll_forward(std::string_view plan) {
        if (!plan.starts_with(commit_head) || !plan.ends_with('\n'))
            return wrong(fmt::format("{}: is not what `loom state` writes; remove {} if nobody knows it",
                                     beside(migration_commit), folder_));
        plan.remove_prefix(commit_head.size() + 1);
        while (!plan.empty()) {
            const std::string_view line = plan.substr(0, plan.find('\n'));
            plan.remove_prefix(line.size() + 1);
            LOOM_TRY(do_line(line));
        }
        sync_folder(asked_.directory + "/ledger");
        sync_folder(asked_.directory);
        step("the commit goes");
        if (::unlink(beside(migration_commit).c_str()) != 0) return refused(beside(migration_commit), errno);
        step("the folder goes");
        std::error_code ignored;  // the next one removes it
        fs::remove_all(folder_, ignored);
        return {};
    }

    Done do_line(std::string_view line) const {
        const size_t space = line.find(' ');
        const std::string_view verb = line.substr(0, space);
        const std::string name(space == line.npos ? "" : line.substr(space + 1));
        if (name.empty() || name.starts_with('/') || name.contains(".."))
            return wrong(fmt::format("{}: has a line that `loom state` does not write", beside(migration_commit)));
        step(std::string(line));
        if (verb == "remove") {
            if (::unlink(in_place(name).c_str()) != 0 && errno != ENOENT) return refused(in_place(name), errno);
            return {};
        }
        if (::rename(beside(name).c_str(), in_place(name).c_str()) == 0) return {};
        if (errno == ENOENT && ::access(in_place(name).c_str(), F_OK) == 0) return {};  // it was done before
        return refused(in_place(name), errno);
    }

    const StateMigration& asked_;
    const std::string folder_;
    std::optional<std::string> marker_;
    VaultPtr from_;
    VaultPtr to_;
    std::map<SegmentName, uint64_t> folded_;
    std::map<SegmentName, uint64_t> folded_anew_;
    std::string plan_;
    MigrationReport report_;
};

}  // namespace

std::expected<MigrationReport, std::string> migrate_state(const StateMigration& asked) {
    const StateHold hold = LOOM_TRY(StateHold::alone(asked.directory));
    const bool former_finished = LOOM_TRY(Migration(asked).finish_former());
    auto report = Migration(asked).run(former_finished);
    if (!report && former_finished)
        return wrong(
            fmt::format("what an interrupted `loom state` was at is finished, and what this one was asked for is "
                        "not done: {}",
                        report.error()));
    return report;
}

}  // namespace loom::store

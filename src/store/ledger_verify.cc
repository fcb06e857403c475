// The log and the database beside each other: does each segment hold what was folded of it, is that what the database
// has of it, and are the sums those of all segments?
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "ledger_directory.h"
#include "loom/base/result.h"
#include "loom/store/usage_store.h"
#include "usage_table.h"

namespace loom::store {
namespace {

/// A segment's file, read anew up to where it was folded.
struct FileSums {
    SegmentRow row;
    uint64_t size = 0;
};

/// Of a name, or of what is set aside; -1: it is not there.
int open_file(const std::string& path) {
    constexpr int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    const int fd = ::open(path.c_str(), flags);
    return fd >= 0 ? fd : ::open((path + ".corrupt").c_str(), flags);
}

uint64_t size_of(int fd) {
    struct stat found{};
    return ::fstat(fd, &found) == 0 ? static_cast<uint64_t>(found.st_size) : 0;
}

class Verifier {
  public:
    Verifier(std::string directory, UsageTable table, UsageTable anew, VaultPtr vault)
        : directory_(std::move(directory)),
          table_(std::move(table)),
          anew_(std::move(anew)),
          vault_(std::move(vault)) {}

    DatabaseResult<LedgerVerdict> run() {
        LOOM_TRY(table_.hold_still());
        verdict_.total = LOOM_TRY(table_.total());
        verdict_.local = LOOM_TRY(table_.local_total());
        const auto rows = LOOM_TRY(table_.segments());
        const uint64_t open = LOOM_TRY(table_.open_rows());
        SegmentRow all{.name = {}, .sums = {}, .local = {}};
        for (const SegmentRow& row : rows) {
            LOOM_TRY(compare_file(row));
            all.opened += row.opened;
            all.booked += row.booked;
            all.sums += row.sums;
            all.local += row.local;
        }
        compare_sums(all);
        look_for_files(rows);
        if (all.opened - all.booked != open)
            differ("usage.db: {} intents were folded and {} settled, but {} are open", all.opened, all.booked, open);
        if (open > 0) note("{} attempts are not settled (under way, or booked at the next start)", open);
        return std::move(verdict_);
    }

  private:
    template <class... Args>
    void differ(fmt::format_string<Args...> text, Args&&... args) {
        verdict_.differences.push_back(fmt::format(text, std::forward<Args>(args)...));
    }
    template <class... Args>
    void note(fmt::format_string<Args...> text, Args&&... args) {
        verdict_.notes.push_back(fmt::format(text, std::forward<Args>(args)...));
    }

    std::string path_of(const SegmentName& name) const {
        return fmt::format("{}/{}", LedgerDirectory::segments_path(directory_), segment_file_name(name));
    }

    /// Into a database in memory, as it was folded.
    DatabaseResult<std::optional<FileSums>> fold_anew(const SegmentRow& row) {
        const int fd = open_file(path_of(row.name));
        if (fd < 0) return std::nullopt;
        FileSums sums{.row = LOOM_TRY(anew_.segment(row.name)), .size = size_of(fd)};
        const SegmentForm form = form_of_segment(fd, row.name, vault_);
        SegmentReader reader(fd, 0, form.readable ? std::min(row.folded, sums.size) : 0, form.cipher.get());
        while (const tenant::LedgerRead* const read = reader.next()) anew_.take(sums.row, *read);
        ::close(fd);
        LOOM_TRY(anew_.commit(sums.row));
        return sums;
    }

    DatabaseResult<void> compare_file(const SegmentRow& row) {
        const std::string name = segment_file_name(row.name);
        const auto folded = LOOM_TRY(fold_anew(row));
        if (!folded) {
            missing_.insert({row.name.epoch, row.name.shard});
            if (row.whole)
                note("{}: is not there any more; its sums are", name);
            else
                differ("{}: is not there, and was folded to byte {}", name, row.folded);
            return {};
        }
        compare(row, *folded, name);
        return {};
    }

    /// What is booked depends on the intents before it: without all files it cannot be told anew.
    bool is_complete(const SegmentName& name) const {
        return name.shard == ledger_recovery_shard ? missing_.empty() : !missing_.contains({name.epoch, name.shard});
    }

    void compare(const SegmentRow& row, const FileSums& folded, const std::string& name) {
        const FileSums* const file = &folded;
        verdict_.segments += 1;
        verdict_.records += file->row.records;
        if (row.damaged > 0) note("{}: {} bytes of it are damaged", name, row.damaged);
        if (file->size < row.folded)
            differ("{}: has {} bytes, and {} of it were folded", name, file->size, row.folded);
        else if (file->row.records != row.records || file->row.digest != row.digest)
            differ("{}: has {} records in its first {} bytes, and {} {} folded of it", name, file->row.records,
                   row.folded, row.records, file->row.records == row.records ? "others were" : "were");
        else if (is_complete(row.name) && !has_same_sums(file->row, row))
            differ("{}: {} attempts, {} input and {} output tokens are in it, and the database has {}, {} and {} of it",
                   name, file->row.booked, file->row.sums.input, file->row.sums.output, row.booked, row.sums.input,
                   row.sums.output);
        else if (is_complete(row.name) && file->row.local != row.local)
            differ(
                "{}: {} answers from the cache and {} refusals are in it, and the database has {} and {} of it, or "
                "other tokens",
                name, file->row.local.cached, file->row.local.refused, row.local.cached, row.local.refused);
        if (!row.whole && file->size > row.folded)
            note("{}: {} bytes are not folded yet", name, file->size - row.folded);
    }

    static bool has_same_sums(const SegmentRow& one, const SegmentRow& other) {
        return one.opened == other.opened && one.booked == other.booked && one.sums.input == other.sums.input &&
               one.sums.output == other.sums.output && one.sums.cost == other.sums.cost;
    }

    void look_for_files(const std::vector<SegmentRow>& rows) {
        const auto names = LedgerDirectory::segments_in(directory_);
        if (!names) return differ("{}", names.error());
        for (const SegmentName& name : *names) {
            if (std::ranges::find(rows, name, &SegmentRow::name) != rows.end()) continue;
            const int fd = open_file(path_of(name));
            const uint64_t size = fd < 0 ? 0 : size_of(fd);
            if (fd >= 0) ::close(fd);
            if (fd < 0 || size > LedgerDirectory::begin_bytes_of(vault_))
                note("{}: {} bytes, and nothing of it is folded", segment_file_name(name), size);
        }
    }

    void compare_sums(const SegmentRow& all) {
        const auto compare = [this](const char* what, uint64_t of_segments, uint64_t of_usage) {
            if (of_segments == of_usage) return;
            differ("usage.db: its segments sum up to {} {}, and its usage to {}", of_segments, what, of_usage);
        };
        compare("attempts", all.booked, verdict_.total.attempts);
        compare("input tokens", all.sums.input, verdict_.total.input);
        compare("output tokens", all.sums.output, verdict_.total.output);
        const LocalSums& local = verdict_.local;
        compare("answers from the cache", all.local.cached, local.cached());
        compare("refusals", all.local.refused, local.refused());
        compare("saved input tokens", all.local.input, local.input);
        compare("saved output tokens", all.local.output, local.output);
        if (all.local.saved != local.saved)
            differ("usage.db: its segments have saved {}, and its usage {}", MoneyText(all.local.saved).view(),
                   MoneyText(local.saved).view());
        if (all.sums.cost != verdict_.total.cost)
            differ("usage.db: its segments cost {}, and its usage {}", MoneyText(all.sums.cost).view(),
                   MoneyText(verdict_.total.cost).view());
    }

    std::string directory_;
    UsageTable table_;
    UsageTable anew_;
    VaultPtr vault_;
    std::set<std::pair<uint32_t, uint32_t>> missing_;  // of an epoch and a shard there are files no more
    LedgerVerdict verdict_;
};

}  // namespace

std::expected<LedgerVerdict, std::string> verify_ledger(const std::string& directory, const VaultPtr& vault) {
    const std::string path = LedgerDirectory::database_path(directory);
    if (::access(path.c_str(), R_OK) != 0)
        return std::unexpected(fmt::format(
            "{}: there is no ledger that can be read; name the state.directory of a Loom whose token_accounting is on",
            path));
    auto table = LOOM_TRY(UsageTable::open_to_read(path, vault));
    auto anew = LOOM_TRY(UsageTable::open(":memory:"));
    auto verdict = Verifier(directory, std::move(table), std::move(anew), vault).run();
    if (!verdict) return std::unexpected(fmt::format("{}: {}", path, verdict.error().text));
    return std::move(*verdict);
}

}  // namespace loom::store

// The log and the database beside each other: does each segment hold what was folded of it, and are the sums those of
// all segments?
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "ledger_directory.h"
#include "loom/base/result.h"
#include "loom/store/usage_store.h"
#include "usage_table.h"

namespace loom::store {
namespace {

/// What a segment's file has, of its first bytes.
struct FileSums {
    uint64_t records = 0;
    uint64_t digest = 0;
    uint64_t damaged = 0;
    uint64_t size = 0;
};

std::optional<FileSums> read_file(const std::string& path, uint64_t until) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return std::nullopt;
    FileSums sums;
    struct stat found{};
    if (::fstat(fd, &found) == 0) sums.size = static_cast<uint64_t>(found.st_size);
    SegmentReader reader(fd, 0, std::min(until, sums.size));
    while (const tenant::LedgerRead* const read = reader.next()) {
        sums.records += 1;
        sums.digest += read->checksum;
    }
    sums.damaged = reader.damaged_bytes();
    ::close(fd);
    return sums;
}

class Verifier {
  public:
    Verifier(std::string directory, UsageTable table) : directory_(std::move(directory)), table_(std::move(table)) {}

    DatabaseResult<LedgerVerdict> run() {
        LOOM_TRY(table_.hold_still());
        verdict_.total = LOOM_TRY(table_.total());
        const auto rows = LOOM_TRY(table_.segments());
        const uint64_t open = LOOM_TRY(table_.open_rows());
        SegmentRow all{.name = {}, .sums = {}};
        for (const SegmentRow& row : rows) {
            compare_file(row);
            all.opened += row.opened;
            all.booked += row.booked;
            all.sums += row.sums;
        }
        compare_sums(all);
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

    void compare_file(const SegmentRow& row) {
        const std::string name = segment_file_name(row.name);
        const std::string path = fmt::format("{}/{}", LedgerDirectory::segments_path(directory_), name);
        auto file = read_file(path, row.folded);
        if (!file) file = read_file(path + ".corrupt", row.folded);
        if (!file) {
            if (row.whole) return note("{}: is not there any more; its sums are", name);
            return differ("{}: is not there, and was folded to byte {}", name, row.folded);
        }
        verdict_.segments += 1;
        verdict_.records += file->records;
        if (row.damaged > 0) note("{}: {} bytes of it are damaged", name, row.damaged);
        if (file->size < row.folded)
            differ("{}: has {} bytes, and {} of it were folded", name, file->size, row.folded);
        else if (file->records != row.records || file->digest != row.digest)
            differ("{}: has {} records in its first {} bytes, and {} {} folded of it", name, file->records, row.folded,
                   row.records, file->records == row.records ? "others were" : "were");
        if (!row.whole && file->size > row.folded)
            note("{}: {} bytes are not folded yet", name, file->size - row.folded);
    }

    void compare_sums(const SegmentRow& all) {
        const auto compare = [this](const char* what, uint64_t of_segments, uint64_t of_usage) {
            if (of_segments == of_usage) return;
            differ("usage.db: its segments sum up to {} {}, and its usage to {}", of_segments, what, of_usage);
        };
        compare("attempts", all.booked, verdict_.total.attempts);
        compare("input tokens", all.sums.input, verdict_.total.input);
        compare("output tokens", all.sums.output, verdict_.total.output);
        if (all.sums.cost != verdict_.total.cost)
            differ("usage.db: its segments cost {}, and its usage {}", MoneyText(all.sums.cost).view(),
                   MoneyText(verdict_.total.cost).view());
    }

    std::string directory_;
    UsageTable table_;
    LedgerVerdict verdict_;
};

}  // namespace

std::expected<LedgerVerdict, std::string> verify_ledger(const std::string& directory) {
    const std::string path = LedgerDirectory::database_path(directory);
    if (::access(path.c_str(), R_OK | W_OK) != 0)
        return std::unexpected(fmt::format(
            "{}: there is no ledger that can be read; name the state.directory of a Loom whose token_accounting is on",
            path));
    auto table = LOOM_TRY(UsageTable::open(path));
    auto verdict = Verifier(directory, std::move(table)).run();
    if (!verdict) return std::unexpected(fmt::format("{}: {}", path, verdict.error().text));
    return std::move(*verdict);
}

}  // namespace loom::store

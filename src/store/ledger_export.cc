#include "loom/store/ledger_export.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "ledger_directory.h"
#include "loom/base/result.h"

namespace loom::store {
namespace {

using tenant::LedgerIntent;
using tenant::LedgerLocal;
using tenant::LedgerSettlement;

constexpr uint64_t records_in_a_row = 4'096;  // until it is asked whether to go on

/// With its texts.
class KeptIntent {
  public:
    explicit KeptIntent(const LedgerIntent& read) : intent_(read) {
        for (const auto text : texts) bytes_ += intent_.*text;
        std::string_view rest = bytes_;
        for (const auto text : texts) {
            const size_t size = (intent_.*text).size();
            intent_.*text = rest.substr(0, size);
            rest.remove_prefix(size);
        }
    }
    KeptIntent(const KeptIntent&) = delete;
    const LedgerIntent& intent() const { return intent_; }

  private:
    static constexpr std::string_view LedgerIntent::* texts[] = {
        &LedgerIntent::consumer, &LedgerIntent::team,  &LedgerIntent::project,  &LedgerIntent::tenant,
        &LedgerIntent::tier,     &LedgerIntent::route, &LedgerIntent::provider, &LedgerIntent::model};
    LedgerIntent intent_;
    std::string bytes_;
};

/// Which intents of a shard were read: all up to the highest, but for ranges that were passed over. Where a file
/// failed, its last records may be in the next one too.
class SeenIntents {
  public:
    /// Is it there for the first time?
    bool add(uint64_t id) {
        if (highest_ == 0) first_ = id;
        if (highest_ == 0 || id > highest_) {
            if (highest_ != 0 && id > highest_ + 1) gaps_.emplace(highest_ + 1, id - 1);
            highest_ = id;
            return true;
        }
        auto gap = gaps_.upper_bound(id);
        if (gap == gaps_.begin()) return false;
        gap = std::prev(gap);
        const auto [first, last] = *gap;
        if (id > last) return false;
        gaps_.erase(gap);
        if (first < id) gaps_.emplace(first, id - 1);
        if (id < last) gaps_.emplace(id + 1, last);
        return true;
    }

    /// Is it from before all that were read?
    [[nodiscard]] bool is_older(uint64_t id) const { return id < first_; }

  private:
    uint64_t first_ = 0;
    uint64_t highest_ = 0;
    std::map<uint64_t, uint64_t> gaps_;  // first, last
};

class Exporter {
  public:
    Exporter(std::string directory, const std::function<bool(const LedgerRow&)>& sink, const VaultPtr& vault,
             const LedgerFilter& filter, const std::function<bool()>& goes_on, const LedgerFilter* counted)
        : directory_(std::move(directory)),
          sink_(sink),
          vault_(vault),
          filter_(filter),
          goes_on_(goes_on),
          counted_(counted),
          from_us_(counted == nullptr ? filter.from_us : std::min(filter.from_us, counted->from_us)) {}

    std::expected<LedgerExport, std::string> run() {
        const auto names = LOOM_TRY(LedgerDirectory::segments_in(directory_));
        for (const SegmentName& name : names) {
            LOOM_TRY(read(name));
            if (is_over_) return result_;
        }
        for (const auto& [id, kept] : open_) {
            result_.unsettled += 1;
            tell(kept.intent(), nullptr);
            if (is_over_) break;
        }
        return result_;
    }

  private:
    /// All that is in it was begun before it was written.
    bool is_before_period(const struct stat& file) const {
        const auto written_s = static_cast<uint64_t>(std::max<int64_t>(file.st_mtim.tv_sec, 0));
        return (written_s + ledger_export_slack_s) * 1'000'000 < from_us_;
    }

    std::expected<void, std::string> read(const SegmentName& name) {
        const std::string path =
            fmt::format("{}/{}", LedgerDirectory::segments_path(directory_), segment_file_name(name));
        constexpr int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
        int fd = ::open(path.c_str(), flags);
        if (fd < 0) fd = ::open((path + ".corrupt").c_str(), flags);
        if (fd < 0) {  // its time is over: it was removed meanwhile
            result_.gone += 1;
            return {};
        }
        struct stat found{};
        const uint64_t size = ::fstat(fd, &found) == 0 ? static_cast<uint64_t>(found.st_size) : 0;
        if (is_before_period(found)) {
            ::close(fd);
            result_.passed_over += 1;
            return {};
        }
        const SegmentForm form = form_of_segment(fd, name, vault_);
        SegmentReader reader(fd, 0, size, form.cipher.get());
        result_.segments += 1;
        begun_us_ = 0;
        while (form.readable) {
            const tenant::LedgerRead* const one = is_over_ ? nullptr : reader.next();
            if (one == nullptr) break;
            take(one->record);
            if (++records_ % records_in_a_row == 0 && goes_on_ && !goes_on_()) is_over_ = true;
        }
        const uint64_t damaged = form.readable ? reader.damaged_bytes() : size;
        if (begun_us_ < filter_.to_us) result_.damaged_bytes += damaged;  // else nothing of the period began in it
        ::close(fd);
        if (reader.error() != 0)
            return std::unexpected(fmt::format("{}: cannot be read (errno {})", path, reader.error()));
        return {};
    }

    void take(const tenant::LedgerRecord& record) {
        if (const auto* const intent = std::get_if<LedgerIntent>(&record)) {
            open(*intent);
        } else if (const auto* const settlement = std::get_if<LedgerSettlement>(&record)) {
            settle(*settlement);
        } else if (const auto* const local = std::get_if<LedgerLocal>(&record)) {
            if (seen_[local->id >> tenant::ledger_sequence_bits].add(local->id)) tell_local(*local);
        } else if (const auto* const begin = std::get_if<tenant::LedgerBegin>(&record)) {
            begun_us_ = begin->time_us;
        }
    }
    void open(const LedgerIntent& intent) {
        if (!seen_[intent.id >> tenant::ledger_sequence_bits].add(intent.id)) return;
        if (filter_.takes(intent)) open_.try_emplace(intent.id, intent);
        if (open_.size() > ledger_export_open_max) give_up_oldest();
        if (counted_ == nullptr || !counted_->takes(intent)) return;
        to_count_.insert(intent.id);
        if (to_count_.size() > ledger_export_open_max) to_count_.erase(to_count_.begin());
    }
    void settle(const LedgerSettlement& settlement) {
        result_.counted += to_count_.erase(settlement.id);
        const auto found = open_.find(settlement.id);
        if (found != open_.end()) {
            tell(found->second.intent(), &settlement);
            open_.erase(found);
        } else {
            const auto shard = seen_.find(settlement.id >> tenant::ledger_sequence_bits);
            const bool is_older = shard == seen_.end() || shard->second.is_older(settlement.id);
            if (is_older && result_.passed_over == 0) result_.without_intent += 1;  // else it may be of another period
        }
    }
    void give_up_oldest() {
        result_.unsettled += 1;
        tell(open_.begin()->second.intent(), nullptr);
        open_.erase(open_.begin());
    }
    void tell(const LedgerIntent& intent, const LedgerSettlement* settlement, const LedgerLocal* local = nullptr) {
        result_.rows += 1;
        is_over_ = !sink_({.intent = intent, .settlement = settlement, .local = local});
    }
    void tell_local(const LedgerLocal& local) {
        const LedgerIntent intent{.id = local.id,
                                  .request = local.request,
                                  .time_us = local.time_us,
                                  .consumer = local.consumer,
                                  .team = local.team,
                                  .project = local.project,
                                  .tenant = local.tenant,
                                  .tier = local.tier,
                                  .route = local.route,
                                  .model = local.model,
                                  .cost = 0};
        if (filter_.takes(intent)) tell(intent, nullptr, &local);
    }

    std::string directory_;
    const std::function<bool(const LedgerRow&)>& sink_;
    const VaultPtr& vault_;
    const LedgerFilter& filter_;
    const std::function<bool()>& goes_on_;
    const LedgerFilter* counted_;
    uint64_t from_us_;  // of all that is read
    uint64_t records_ = 0;
    uint64_t begun_us_ = 0;                           // the file at hand was made
    std::map<uint64_t, KeptIntent> open_;             // by id, whose order is that of their making
    std::set<uint64_t> to_count_;                     // ids that are open
    std::unordered_map<uint64_t, SeenIntents> seen_;  // by an id's start and shard
    LedgerExport result_;
    bool is_over_ = false;
};

}  // namespace

std::expected<LedgerExport, std::string> export_ledger(const std::string& directory,
                                                       const std::function<bool(const LedgerRow& row)>& sink,
                                                       const VaultPtr& vault, const LedgerFilter& filter,
                                                       const std::function<bool()>& goes_on,
                                                       const LedgerFilter* counted) {
    return Exporter(directory, sink, vault, filter, goes_on, counted).run();
}

}  // namespace loom::store

#include "loom/observe/access_log.h"

#include <algorithm>
#include <utility>

namespace loom::observe {

ShardAccessLog::ShardAccessLog(ShardLines* lines, double sample)
    : lines_(lines), sample_step_(static_cast<uint64_t>(std::clamp(sample, 0.0, 1.0) * 0x1p32)) {}

bool ShardAccessLog::sampled(const AccessRecord& record) noexcept {
    if (record.status >= 400 || !record.error.empty()) return true;
    sample_sum_ += sample_step_;
    if (sample_sum_ < uint64_t{1} << 32) return false;
    sample_sum_ -= uint64_t{1} << 32;
    return true;
}

bool ShardAccessLog::record(const AccessRecord& record) noexcept {
    if (!sampled(record)) return true;
    char* const out = lines_->reserve();
    if (out == nullptr) [[unlikely]]
        return false;
    lines_->commit(format_access_line(record, second_text_.at(record.time_us / 1'000'000), out));
    return true;
}

Result<std::unique_ptr<AccessLog>> AccessLog::open(Options options) {
    if (!(options.sample >= 0 && options.sample <= 1))
        return fail(Errc::bad_conf, Side::internal, "log.access.sample must be between 0 and 1");
    const uint32_t shard_count = options.lines.shard_count;
    std::unique_ptr<AccessLog> log(new AccessLog());
    log->lines_ = LOOM_TRY(LineLog::open(std::move(options.lines)));
    for (uint32_t i = 0; i < shard_count && log->lines_->shard(i) != nullptr; ++i)
        log->shards_.push_back(std::make_unique<ShardAccessLog>(log->lines_->shard(i), options.sample));
    return log;
}

}  // namespace loom::observe

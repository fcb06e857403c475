#include "loom/observe/metrics.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "windows.h"

namespace loom::observe {
namespace {

static_assert(OwnerSlots::other == other_slot && OwnerSlots::none >= owner_slots_max);

constexpr size_t page_bytes = 4096;
constexpr size_t slab_bytes = (sizeof(ShardMetrics) + page_bytes - 1) / page_bytes * page_bytes;

/// The slot of `name`, made when new while slots are left.
uint16_t slot_of(std::vector<std::string>& names, std::string_view name, size_t slots_max) {
    const auto it = std::find(names.begin(), names.end(), name);
    if (it != names.end()) return static_cast<uint16_t>(it - names.begin());
    if (names.size() == slots_max) return other_slot;
    names.emplace_back(name);
    return static_cast<uint16_t>(names.size() - 1);
}

}  // namespace

std::string_view failover_reason_name(FailoverReason reason) noexcept {
    static constexpr std::array<std::string_view, failover_reason_count> names = {
        "rate_limit",  "status",         "connect",        "tls",
        "timeout",     "reset",          "bad_answer",     "error_event",
        "credentials", "untranslatable", "context_window", "content_policy"};
    return names[static_cast<size_t>(reason)];
}

std::string_view stickiness_name(Stickiness stickiness) noexcept {
    return stickiness == Stickiness::kept ? "kept" : "moved";
}

Metrics::Metrics(uint32_t shard_count) : Metrics(shard_count, LOOM_VERSION) {}

Metrics::Metrics(uint32_t shard_count, std::string_view version)
    : declared_(size_t{provider_slots_max} * model_slots_max), version_(version) {
    for (uint32_t i = 0; i < shard_count; ++i) shards_.push_back(make_slab());
    windows_.resize(provider_slots_max);
}

Metrics::~Metrics() = default;

Metrics::Slab Metrics::make_slab() {
    void* memory = ::mmap(nullptr, slab_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    LOOM_ASSERT(memory != MAP_FAILED);
    // A huge page would make the whole slab resident for a handful of counters in use.
    ::madvise(memory, slab_bytes, MADV_NOHUGEPAGE);
    // Default and not value initialisation: the kernel's zeros are the initial state, and touching them would take the
    // memory.
    static_assert(std::is_trivially_destructible_v<ShardMetrics>);
    return Slab(static_cast<ShardMetrics*>(memory));
}

void Metrics::SlabDeleter::operator()(ShardMetrics* slab) const noexcept { ::munmap(slab, slab_bytes); }

uint16_t Metrics::provider(std::string_view name) {
    const std::lock_guard lock(mutex_);
    return slot_of(providers_, name, provider_slots_max);
}

uint16_t Metrics::model(std::string_view name) {
    const std::lock_guard lock(mutex_);
    return slot_of(models_, name, model_slots_max);
}

uint16_t Metrics::team(std::string_view name) {
    if (name.size() > owner_name_bytes_max) return other_slot;
    const std::lock_guard lock(mutex_);
    return slot_of(teams_, name, owner_slots_max);
}

uint16_t Metrics::tenant(std::string_view name) {
    if (name.size() > owner_name_bytes_max) return other_slot;
    const std::lock_guard lock(mutex_);
    return slot_of(tenants_, name, owner_slots_max);
}

uint8_t Metrics::custom_type(std::string_view name) {
    const std::lock_guard lock(mutex_);
    return static_cast<uint8_t>(pii_named_count + slot_of(custom_types_, name, custom_series_max));
}

uint16_t Metrics::external_guard(std::string_view name) {
    const std::lock_guard lock(mutex_);
    return slot_of(external_guards_, name, guard_slots_max);
}

uint16_t Metrics::arm(std::string_view experiment, std::string_view name) {
    const std::lock_guard lock(mutex_);
    const std::pair<std::string, std::string> both(experiment, name);
    const auto it = std::ranges::find(arms_, both);
    if (it != arms_.end()) return static_cast<uint16_t>(it - arms_.begin());
    if (arms_.size() == arm_slots_max) return other_slot;
    arms_.push_back(both);
    return static_cast<uint16_t>(arms_.size() - 1);
}

void Metrics::declare(uint16_t provider, uint16_t model) {
    LOOM_ASSERT(provider < provider_slots_max && model < model_slots_max);
    const std::lock_guard lock(mutex_);
    declared_[size_t{provider} * model_slots_max + model] = true;
}

void Metrics::set_compat(bool on) {
    const std::lock_guard lock(mutex_);
    compat_ = on;
}

ProviderTotals Metrics::provider_totals(uint16_t provider) const {
    LOOM_ASSERT(provider < provider_slots_max);
    const std::lock_guard lock(mutex_);
    ProviderTotals totals;
    LatencyHistogram::Counts latencies;
    uint64_t latency_us = 0;
    for (const auto& shard : shards_) {
        const ProviderSeries& series = shard->provider_series(provider);
        for (uint16_t model = 0; model < models_.size(); ++model) {
            totals.successes += shard->model_series(provider, model).success.value();
            totals.errors += shard->model_series(provider, model).error.value();
        }
        totals.retries += series.retries.value();
        totals.tokens_input += series.tokens_input.value();
        totals.tokens_output += series.tokens_output.value();
        totals.tokens_cached += series.tokens_cached.value();
        for (size_t i = 0; i < stickiness_count; ++i) {
            totals.sticky[i].requests += series.sticky[i].requests.value();
            totals.sticky[i].tokens_input += series.sticky[i].tokens_input.value();
            totals.sticky[i].tokens_cached += series.sticky[i].tokens_cached.value();
        }
        latency_us += series.latency_sum_us.value();
        series.latency.add_to(latencies);
        for (uint16_t other = 0; other < providers_.size(); ++other)
            for (size_t reason = 0; reason < failover_reason_count; ++reason) {
                totals.failovers_from += shard->failover_count(provider, other, static_cast<FailoverReason>(reason));
                totals.failovers_to += shard->failover_count(other, provider, static_cast<FailoverReason>(reason));
            }
    }
    totals.answers = latencies.count();
    if (totals.answers == 0) return totals;
    totals.latency_mean_us = static_cast<double>(latency_us) / static_cast<double>(totals.answers);
    totals.latency_p50_us = latencies.quantile(0.5);
    totals.latency_p95_us = latencies.quantile(0.95);
    totals.latency_p99_us = latencies.quantile(0.99);
    return totals;
}

size_t Metrics::exposition_bytes_max(size_t provider_count, size_t model_count, size_t arm_count,
                                     size_t owner_count) noexcept {
    constexpr size_t line_bytes = 256;  // a name, its labels (names of at most 64 and 128 bytes) and a number
    constexpr size_t lines_of_pair = duration_bound_count + 9;  // in either spelling, see metrics.compat
    constexpr size_t lines_of_provider = duration_bound_count + connect_result_count + 31 + 3 * stickiness_count;
    constexpr size_t lines_of_shared_store = 22, lines_of_leases = 22;
    constexpr size_t lines_of_process =
        (stage_count + 1) * (overhead_bound_count + 3) + duration_bound_count + 3 + 181 + 2 * limit_scope_count + 2 +
        auth_failure_count + 2 + introspection_result_count + 2 + 3 * jwt_issuers_max + 2 * pii_series_count +
        2 * guard_reason_count + 5 + 4 + 28 + content_category_count + 1 + lines_of_shared_store + lines_of_leases +
        guard_slots_max * (guard_result_count + duration_bound_count + 5) + 4;
    constexpr size_t lines_of_arm = duration_bound_count + 7;
    const size_t arms = std::min<size_t>(arm_count + 1, arm_slots_max);
    const size_t providers = std::min<size_t>(provider_count + 1, provider_slots_max);
    const size_t models = std::min<size_t>(model_count + 1, model_slots_max);
    constexpr size_t lines_of_owner = 5;
    constexpr size_t owner_line_bytes = 384;  // every byte of a name may be escaped
    const size_t owners = std::min<size_t>(owner_count + 2, 2 * owner_slots_max);
    constexpr size_t certificate_bytes = 512;  // every byte of the file's name may be escaped
    return line_bytes * (providers * providers * failover_reason_count + providers * models * lines_of_pair * 2 +
                         providers * lines_of_provider * 2 + arms * lines_of_arm + lines_of_process) +
           owner_line_bytes * owners * lines_of_owner + certificate_bytes * certificates_max;
}

}  // namespace loom::observe

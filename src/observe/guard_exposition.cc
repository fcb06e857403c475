#include "guard_exposition.h"

#include <fmt/format.h>

namespace loom::observe {
namespace {

class GuardText {
  public:
    GuardText(TextFormat& out, const GuardNames& names, std::span<const ShardMetrics* const> shards)
        : out_(out), names_(names), shards_(shards) {}

    void write() {
        write_pii();
        write_texts();
        write_blocked();
        write_external();
    }

  private:
    template <class Read>
    uint64_t sum(Read read) const {
        uint64_t total = 0;
        for (const ShardMetrics* const shard : shards_) total += static_cast<uint64_t>(read(*shard));
        return total;
    }
    uint64_t asked(uint16_t slot) const {
        return sum([slot](const ShardMetrics& s) {
            uint64_t total = 0;
            for (const Counter& one : s.external_guard_series(slot).results) total += one.value();
            return total;
        });
    }
    /// Configured ones, and `other` once it was used.
    template <class Do>
    void each_external(Do what) const {
        for (uint16_t slot = 0; slot < names_.external.size(); ++slot)
            if (slot != other_slot || asked(slot) > 0) what(slot, names_.external[slot]);
    }

    void write_pii() {
        out_.family("loom_ai_pii_detected_total", "counter",
                    "Personal data and secrets found (security.pii_detection), by type: in requests, and in answers "
                    "(direction=\"response\").");
        for (size_t i = 0; i < pii_named_count + names_.custom_types.size(); ++i) {
            const std::string type(i < pii_named_count ? pii_type_names[i] : names_.custom_types[i - pii_named_count]);
            const uint64_t n = sum([=](const ShardMetrics& s) { return s.pii_detected_count(i); });
            if (n > 0) out_.sample({{"type", type}}, n);
            const uint64_t told = sum([=](const ShardMetrics& s) { return s.pii_told_count(i); });
            if (told > 0) out_.sample({{"type", type}, {"direction", "response"}}, told);
        }
    }

    void write_texts() {
        out_.family("loom_ai_prompt_injections_total", "counter",
                    "Requests whose texts look like an attack on the model's instructions, refused or not.");
        out_.sample({}, sum([](const ShardMetrics& s) { return s.injections_detected_count(); }));
        out_.family("loom_ai_content_detected_total", "counter",
                    "Requests with a text of a category (security.content_filtering), refused or not, and answers "
                    "(direction=\"response\").");
        for (size_t i = 0; i < content_category_count; ++i) {
            const auto category = static_cast<ContentCategory>(i);
            const uint64_t n = sum([=](const ShardMetrics& s) { return s.content_detected_count(category); });
            const std::string name(content_category_name(category));
            if (n > 0) out_.sample({{"category", name}}, n);
            const uint64_t told = sum([=](const ShardMetrics& s) { return s.content_told_count(category); });
            if (told > 0) out_.sample({{"category", name}, {"direction", "response"}}, told);
        }
        out_.family("loom_ai_leaks_detected_total", "counter",
                    "Leaks found in answers (security.exfiltration), by kind.");
        for (const LeakKind kind : {LeakKind::link, LeakKind::canary, LeakKind::system_prompt}) {
            const uint64_t n = sum([=](const ShardMetrics& s) { return s.leak_count(kind); });
            if (n > 0) out_.sample({{"kind", std::string(leak_kind_name(kind))}}, n);
        }
        out_.family("loom_ai_html_detected_total", "counter",
                    "Tags, comments and attributes found in answers (security.strip_html), taken out or not.");
        if (const uint64_t n = sum([](const ShardMetrics& s) { return s.html_count(); }); n > 0) out_.sample({}, n);
    }

    void write_blocked() {
        out_.family("loom_ai_security_blocked_total", "counter",
                    "Requests refused by a guard, by what it has found, or which external one it was.");
        for (size_t i = 0; i < guard_reason_count; ++i) {
            const auto reason = static_cast<GuardReason>(i);
            out_.sample({{"reason", std::string(guard_reason_name(reason))}},
                        sum([=](const ShardMetrics& s) { return s.guard_blocked_count(reason); }));
        }
        each_external([this](uint16_t slot, const std::string& name) {
            out_.sample({{"reason", "guard." + name}},
                        sum([=](const ShardMetrics& s) { return s.external_guard_series(slot).blocked.value(); }));
        });
        out_.family("loom_ai_security_would_block_total", "counter",
                    "Requests that a guard would have refused (security.dry_run, or an external guard that only logs), "
                    "by what it has found.");
        for (size_t i = 0; i < guard_reason_count; ++i) {
            const auto reason = static_cast<GuardReason>(i);
            out_.sample({{"reason", std::string(guard_reason_name(reason))}},
                        sum([=](const ShardMetrics& s) { return s.guard_would_block_count(reason); }));
        }
        each_external([this](uint16_t slot, const std::string& name) {
            out_.sample({{"reason", "guard." + name}},
                        sum([=](const ShardMetrics& s) { return s.external_guard_series(slot).would_block.value(); }));
        });
    }

    void write_external() {
        if (names_.external.size() < 2 && asked(other_slot) == 0) return;
        out_.family("loom_ai_security_guard_requests_total", "counter",
                    "Requests that an external guard was to be asked about, by what came of it.");
        each_external([this](uint16_t slot, const std::string& name) {
            for (size_t i = 0; i < guard_result_count; ++i)
                out_.sample(
                    {{"guard", name}, {"result", std::string(guard_result_names[i])}},
                    sum([=](const ShardMetrics& s) { return s.external_guard_series(slot).results[i].value(); }));
        });
        out_.family("loom_ai_security_guard_duration_seconds", "histogram",
                    "Time that an external guard took to answer, or to fail.");
        const auto bounds = bound_texts(duration_bounds_us, 1e6);
        each_external([&](uint16_t slot, const std::string& name) {
            HistogramSum<duration_bound_count> total;
            for (const ShardMetrics* const shard : shards_) total.add(shard->external_guard_series(slot).duration);
            out_.histogram({{"guard", name}}, bounds, total, 1e6);
        });
    }

    TextFormat& out_;
    const GuardNames& names_;
    std::span<const ShardMetrics* const> shards_;
};

}  // namespace

void write_guards(TextFormat& out, const GuardNames& names, std::span<const ShardMetrics* const> shards) {
    GuardText(out, names, shards).write();
}

}  // namespace loom::observe

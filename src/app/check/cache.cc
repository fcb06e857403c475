// Checks of what answers are kept, and for whom.
#include "check/report.h"
#include "sentence_model.h"

namespace loom::app {
namespace {

constexpr size_t semantic_parts = 8;  // an answer has room in one of them (cache::SemanticIndex)

/// What is said of something that is off is said in vain.
void warn_of_idle(Report& report, std::initializer_list<const char*> keys, const char* why) {
    for (const char* const key : keys)
        if (!report.config.settings(key).empty()) report.warning(key, why);
}

void check_semantic(Report& report) {
    const config::Config& config = report.config;
    constexpr const char* model_key = "semantic_cache.embedding.model_path";
    if (config.has(model_key))
        if (const std::string fault = fault_of_sentence_model(config.text(model_key)); !fault.empty())
            report.error(model_key, fault);
    if (!config.boolean("semantic_cache.enabled"))
        return warn_of_idle(report,
                            {"semantic_cache.similarity_threshold", "semantic_cache.ttl", "semantic_cache.max_size",
                             "semantic_cache.shadow", "semantic_cache.embedding.model_path"},
                            "nothing is looked for: semantic_cache.enabled is off");
    const bool exact = config.boolean("cache.exact.enabled");
    if (config.boolean("semantic_cache.shadow") && !exact)
        report.error("semantic_cache.shadow",
                     "it would give nobody anything, and yet switch cache.exact on, which is off: set "
                     "cache.exact.enabled = on, or semantic_cache.enabled = off");
    else if (!exact && !config.settings("cache.exact.enabled").empty())
        report.warning("cache.exact.enabled",
                       "off, and yet who asks the same gets the answer that is kept: semantic_cache.enabled = on works "
                       "with it");
    if (config.milliseconds("semantic_cache.ttl") > config.milliseconds("cache.exact.ttl"))
        report.warning("semantic_cache.ttl",
                       "longer than cache.exact.ttl: the same request, too, is given its answer for this long");
    if (config.bytes("cache.exact.max_entry") > config.bytes("semantic_cache.max_size") / semantic_parts)
        report.warning("semantic_cache.max_size",
                       "answers larger than an eighth of it are not kept, and cache.exact.max_entry allows such");
    constexpr double low = 0.5;
    if (config.decimal("semantic_cache.similarity_threshold") < low)
        report.warning("semantic_cache.similarity_threshold",
                       "so low that texts on different matters pass it: the comparison of their words alone is left");
}

}  // namespace

void check_cache(Report& report) {
    const config::Config& config = report.config;
    check_semantic(report);
    if (!config.boolean("cache.exact.enabled") && !config.boolean("semantic_cache.enabled"))
        return warn_of_idle(report,
                            {"cache.exact.max_size", "cache.exact.max_entry", "cache.exact.ttl", "cache.exact.stale",
                             "cache.exact.scope", "cache.exact.single_flight"},
                            "nothing is kept: cache.exact.enabled is off");
    if (config.bytes("cache.exact.max_entry") > config.bytes("cache.exact.max_size") / 2)
        report.warning("cache.exact.max_entry",
                       "an answer that large would take most of cache.exact.max_size: few others would stay");
    if (config.text("cache.exact.scope") == "shared")
        report.warning("cache.exact.scope",
                       "shared: whoever asks what another consumer has asked gets that one's answer, across tenants");
}

}  // namespace loom::app

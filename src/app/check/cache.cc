// Checks of what answers are kept, and for whom.
#include "check/report.h"
#include "loom/llm/embed_text.h"
#include "plan/embedding.h"
#include "sentence_model.h"

namespace loom::app {
namespace {

constexpr size_t semantic_parts = 8;  // an answer has room in one of them (cache::SemanticIndex)

/// The provider's own name of a model. What is asked for need not be a name that a key can hold.
const std::string& mapped_to(const config::Config& config, const std::string& asked, const std::string& provider) {
    for (const std::string& model : config.names("model_mapping"))
        if (model == asked)
            if (const auto key = fmt::format("model_mapping.{}.{}", model, provider); config.has(key))
                return config.text(key);
    return asked;
}

/// Of a provider whose type is known. asked  the model's name here: it may be mapped to the provider's own.
void check_embeddings_of(Report& report, const char* key, const std::string& name, const std::string& asked) {
    const llm::ProviderType* const row =
        llm::find_provider_type(report.config.text(fmt::format("provider.{}.type", name)));
    if (row == nullptr) return;  // which is told of the provider
    if (row->name == "echo")
        return report.error(key, fmt::format("'{}' is the embedded provider, which answers no other texts' vectors: "
                                             "local needs none, or name another",
                                             config::printable(name)));
    const std::string& model = mapped_to(report.config, asked, name);
    if (!llm::embed_protocol_of(llm::type_for_model(*row, model), model))
        report.error(key,
                     fmt::format("'{}' has type {}, in whose protocol {} makes no vectors", config::printable(name),
                                 row->name, model.empty() ? "no model" : config::printable(model)));
}

/// Who makes vectors, and by which model. Said also where nothing is looked for, except of what is idle then.
void check_embedding(Report& report) {
    const config::Config& config = report.config;
    constexpr const char* provider_key = "semantic_cache.embedding.provider";
    constexpr const char* model_key = "semantic_cache.embedding.model";
    const std::string& name = config.text(provider_key);
    if (name == local_embedder) {
        if (config.has(model_key))
            report.error(model_key,
                         "is a provider's, and semantic_cache.embedding.provider is local: name the provider, or a "
                         "folder in semantic_cache.embedding.model_path");
        for (const char* const key : {"semantic_cache.embedding.dimensions", "semantic_cache.embedding.timeout"})
            if (!config.settings(key).empty())
                report.warning(key, "nobody is asked: semantic_cache.embedding.provider is local");
        return;
    }
    if (config.has("semantic_cache.embedding.model_path"))
        report.error("semantic_cache.embedding.model_path",
                     "is for local, and semantic_cache.embedding.provider names a provider: leave one of them out");
    if (!config.has(model_key))
        report.missing(config.place(provider_key), model_key,
                       "is missing: which of the provider's models makes vectors, such as text-embedding-3-small");
    require_provider(report, provider_key, name);
    if (is_defined_provider(config, name)) check_embeddings_of(report, provider_key, name, config.text(model_key));
    const int64_t dimensions = config.integer("semantic_cache.embedding.dimensions");
    if (dimensions != 0 && dimensions < static_cast<int64_t>(llm::vector_dimensions_min))
        report.error("semantic_cache.embedding.dimensions", "fewer than 8 tell no texts apart; 0 is the model's own");
}

/// What is said of something that is off is said in vain.
void warn_of_idle(Report& report, std::initializer_list<const char*> keys, const char* why) {
    for (const char* const key : keys)
        if (!report.config.settings(key).empty()) report.warning(key, why);
}

void check_semantic(Report& report) {
    const config::Config& config = report.config;
    check_embedding(report);
    constexpr const char* model_key = "semantic_cache.embedding.model_path";
    if (config.has(model_key))
        if (const std::string fault = fault_of_sentence_model(config.text(model_key)); !fault.empty())
            report.error(model_key, fault);
    if (!config.boolean("semantic_cache.enabled"))
        return warn_of_idle(
            report,
            {"semantic_cache.similarity_threshold", "semantic_cache.ttl", "semantic_cache.max_size",
             "semantic_cache.shadow", "semantic_cache.embedding.model_path", "semantic_cache.embedding.model"},
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

void check_snapshot(Report& report) {
    const config::Config& config = report.config;
    constexpr const char* key = "cache.snapshot";
    if (!config.boolean(key))
        return warn_of_idle(report, {"cache.snapshot_interval"}, "nothing is written: cache.snapshot is off");
    if (!config.has("state.directory"))
        return report.error(key, "there is no place to keep it: set state.directory = /var/lib/loom");
    if (!config.boolean("cache.exact.enabled") && !config.boolean("semantic_cache.enabled"))
        return report.warning(key, "nothing is kept that could outlive a restart: cache.exact.enabled is off");
    if (!config.has("state.encryption_key"))
        report.warning(key,
                       "prompts and answers lie unencrypted in state.directory; set state.encryption_key where others "
                       "may read its disk, or a copy of it");
}

}  // namespace

void check_cache(Report& report) {
    const config::Config& config = report.config;
    check_semantic(report);
    check_snapshot(report);
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

#include "semantic_cache_text.h"

namespace loom::observe {

void write_semantic_cache(TextFormat& out, const SemanticCacheFacts& facts) {
    constexpr double thousandths = 1000;
    out.single("loom_ai_cache_semantic_entries", "gauge",
               "Answers that are kept for nearly the same requests (semantic_cache.enabled).", facts.entries);
    out.single("loom_ai_cache_semantic_bytes", "gauge", "What they take, with their vectors, texts and index.",
               facts.bytes);
    out.single("loom_ai_cache_semantic_lookups_total", "counter", "Requests for which the nearest was looked for.",
               facts.lookups);
    out.single("loom_ai_cache_semantic_late_total", "counter",
               "Requests that did not wait for it: it took too long, or too many waited.", facts.late);
    out.single("loom_ai_cache_semantic_would_hit_total", "counter",
               "Answers that were not given, since hits are only counted (semantic_cache.shadow).", facts.would_hit);
    out.single("loom_ai_cache_semantic_dropped_total", "counter",
               "Answers that were not kept, since too many waited to be.", facts.put_dropped);
    out.family("loom_ai_cache_similarity", "histogram", "How near the nearest was, where there was one to compare.");
    HistogramSum<similarity_bound_count> nearest;
    nearest.counts = facts.nearest;
    nearest.sum = facts.nearest_sum;
    out.histogram({}, bound_texts(similarity_bounds, thousandths), nearest, thousandths);
    out.family("loom_ai_cache_vetoes_total", "counter",
               "Answers that were near enough and not given, since what they answer differs in this.");
    for (const SemanticCacheFacts::Vetoes& one : facts.vetoes) out.sample({{"reason", one.reason}}, one.count);
    if (facts.embeddings.empty()) return;
    out.family("loom_ai_cache_embeddings_total", "counter",
               "Texts whose vectors are a provider's work (semantic_cache.embedding.provider), by what became of them. "
               "known: of an equal text before; joined: an equal one was on its way; resting: not asked, since it has "
               "failed of late; barred: the text must not go there.");
    for (const SemanticCacheFacts::Embeddings& one : facts.embeddings) out.sample({{"result", one.result}}, one.count);
}

void write_cache_snapshots(TextFormat& out, const CacheSnapshotFacts& facts) {
    using Layer = CacheSnapshotFacts::Layer;
    out.family("loom_ai_cache_snapshot_entries", "gauge",
               "Answers in the last snapshot of the cache on the disk (cache.snapshot).");
    for (const Layer& one : facts.layers) out.sample({{"layer", one.layer}}, one.entries);
    out.family("loom_ai_cache_snapshot_bytes", "gauge", "How large it is.");
    for (const Layer& one : facts.layers) out.sample({{"layer", one.layer}}, one.bytes);
    out.family("loom_ai_cache_snapshot_age_seconds", "gauge", "How long ago it was written; absent where none is.");
    for (const Layer& one : facts.layers)
        if (one.age_s >= 0) out.sample({{"layer", one.layer}}, one.age_s);
    out.family("loom_ai_cache_snapshot_loaded_total", "counter",
               "Answers of an earlier process's snapshot, by what became of them. not_kept: there was no room, or one "
               "had come anew.");
    for (const Layer& one : facts.layers) {
        out.sample({{"layer", one.layer}, {"result", "kept"}}, one.loaded);
        out.sample({{"layer", one.layer}, {"result", "expired"}}, one.expired);
        out.sample({{"layer", one.layer}, {"result", "purged"}}, one.purged);
        out.sample({{"layer", one.layer}, {"result", "not_kept"}}, one.not_kept);
    }
    out.family("loom_ai_cache_snapshot_refused_total", "counter",
               "Snapshots that were not loaded: damaged, another Loom's, another embedder's, or with another key.");
    for (const Layer& one : facts.layers) out.sample({{"layer", one.layer}}, one.refused);
    out.family("loom_ai_cache_snapshot_failures_total", "counter", "Snapshots that could not be written.");
    for (const Layer& one : facts.layers) out.sample({{"layer", one.layer}}, one.failures);
}

}  // namespace loom::observe

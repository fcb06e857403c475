#include "anomaly_text.h"

namespace loom::observe {

void write_anomalies(TextFormat& out, const AnomalyCounts& counts) {
    out.family("loom_anomaly_alerts_total", "counter", "Sudden changes that were told (alerts.anomaly.*).");
    for (size_t i = 0; i < counts.told.size(); ++i) out.sample({{"type", AnomalyCounts::types[i]}}, counts.told[i]);
    out.family("loom_anomaly_consumers", "gauge", "Consumers whose usual is known, or being learned.");
    out.sample({{"state", "learned"}}, counts.learned);
    out.sample({{"state", "learning"}}, counts.learning);
    out.single("loom_anomaly_unwatched_total", "counter",
               "Requests of consumers beyond alerts.anomaly.consumers, looked at only with all others.",
               counts.unwatched);
    out.single("loom_anomaly_lost_total", "counter", "Requests that were settled faster than they were looked at.",
               counts.lost);
    out.single("loom_anomaly_save_failures_total", "counter", "Attempts to keep what is learned that failed.",
               counts.save_failures);
}

}  // namespace loom::observe

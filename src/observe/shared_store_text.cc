#include "shared_store_text.h"

namespace loom::observe {

void write_leases(TextFormat& out, const LeaseFacts& facts, const LeaseRefusals& refused) {
    out.single("loom_ai_shared_limits", "gauge", "Limits and budgets that are shared with other Looms.", facts.limits);
    out.single("loom_ai_lease_draws_total", "counter", "Leases of shared limits that were drawn or renewed.",
               facts.draws);
    out.single("loom_ai_lease_draws_unmet_total", "counter", "Those that were given less than was asked for.",
               facts.unmet);
    out.single("loom_ai_lease_failures_total", "counter", "Draws, many leases each, without an answer.",
               facts.failures);
    out.single("loom_ai_limit_store_up", "gauge", "1: the store that shares limits answers.", facts.lost ? 0 : 1);
    out.single("loom_ai_limit_store_losses_total", "counter", "Times that it was lost.", facts.losses);
    out.family("loom_ai_lease_refused_total", "counter",
               "Requests refused by a shared limit that may have room: more was being drawn, or the store did "
               "not answer (on_store_lost = fail_closed).");
    out.sample({{"reason", "drawing"}}, refused.drawing);
    out.sample({{"reason", "lost"}}, refused.lost);
}

void write_shared_store(TextFormat& out, const SharedStoreFacts& facts) {
    out.single("loom_shared_store_up", "gauge", "1 while the store that Looms share answers.", facts.up ? 1 : 0);
    out.single("loom_shared_store_round_trips_total", "counter", "Commands that it has answered.", facts.answers);
    out.single("loom_shared_store_refusals_total", "counter", "Commands that it has answered with an error.",
               facts.refusals);
    out.single("loom_shared_store_failures_total", "counter",
               "Connections to it that could not be made, broke, or did not answer in time; a pause follows each.",
               facts.failures);
    out.single("loom_shared_store_connections_total", "counter", "Connections that it has greeted.", facts.connections);
    out.family("loom_shared_store_rows_total", "counter", "Rows of sums that were told to other Looms or by them.");
    out.sample({{"direction", "shipped"}}, facts.rows_shipped);
    out.sample({{"direction", "fetched"}}, facts.rows_fetched);
    out.single("loom_shared_store_looms", "gauge", "Looms whose sums are known, this one included.", facts.looms);
}

}  // namespace loom::observe

// Counters and levels of a shard that are each a family of their own, without a label.
#pragma once

#include "loom/observe/metrics.h"

namespace loom::observe {

struct ShardCounter {
    const char* name;
    const char* help;
    Counter ShardMetrics::* member;
};
inline constexpr ShardCounter shard_counters[] = {
    {"loom_connections_accepted_total", "Client connections accepted.", &ShardMetrics::connections_accepted},
    {"loom_connections_refused_total", "Client connections whose request head or TLS handshake could not be read.",
     &ShardMetrics::connections_refused},
    {"loom_connections_over_address_limit_total",
     "Client connections closed at once, over limit.connections_per_address.", &ShardMetrics::connections_over_address},
    {"loom_connections_gone_total", "Client connections that their clients had reset before they were accepted.",
     &ShardMetrics::connections_gone},
    {"loom_stream_events_total", "Server-sent events relayed to clients.", &ShardMetrics::stream_events},
    {"loom_client_cancels_total", "Clients that left before the end of their answer.", &ShardMetrics::client_cancels},
    {"loom_stream_stalls_total", "Times that a source was left unread for a while since its reader was slower.",
     &ShardMetrics::stream_stalls},
    {"loom_stream_breaks_total", "Streams that the upstream broke after the first byte.", &ShardMetrics::stream_breaks},
    {"loom_timeouts_total", "Deadlines that passed, of clients and of upstreams.", &ShardMetrics::timeouts},
    {"loom_ring_enters_total", "System calls into the ring.", &ShardMetrics::ring_enters},
    {"loom_ring_completions_total", "Completions taken from the ring.", &ShardMetrics::ring_completions},
    {"loom_ring_cq_overflows_total", "Completions that found the queue full and waited in the kernel.",
     &ShardMetrics::ring_cq_overflows},
    {"loom_ai_limited_total", "Requests refused because every provider of their model was at its rate_limit.",
     &ShardMetrics::limited},
    {"loom_ai_queue_full_total", "Requests that found no room in routing.queue.", &ShardMetrics::queue_full},
    {"loom_ai_queue_timeouts_total", "Requests that waited in routing.queue and could not be served in time.",
     &ShardMetrics::queue_timeouts},
    {"loom_shed_total", "Requests refused because their shard was overloaded.", &ShardMetrics::shed},
    {"loom_bodies_waited_total", "Request bodies that waited for room in limit.bodies_in_memory.",
     &ShardMetrics::bodies_waited},
    {"loom_ai_context_refused_total",
     "Requests refused because they do not fit their model's context (context_window.on_overflow).",
     &ShardMetrics::context_refused},
    {"loom_ai_context_flagged_total", "Requests that do not, and were sent all the same.",
     &ShardMetrics::context_flagged},
    {"loom_ai_context_trimmed_total", "Requests that were sent without their oldest turns.",
     &ShardMetrics::context_trimmed},
    {"loom_ai_context_messages_dropped_total", "The messages of those turns.", &ShardMetrics::context_messages_dropped},
    {"loom_ring_buffers_exhausted_total", "Receives that found no provided buffer.", &ShardMetrics::ring_no_buffers},
};

struct ShardGauge {
    const char* name;
    const char* help;
    Gauge ShardMetrics::* member;
};
inline constexpr ShardGauge shard_gauges[] = {
    {"loom_connections_open", "Client connections open.", &ShardMetrics::connections_open},
    {"loom_streams_open", "Streamed answers under way.", &ShardMetrics::streams_open},
    {"loom_exchanges_live", "Exchanges between their first byte and their settlement.", &ShardMetrics::exchanges_live},
    {"loom_buffers", "Receive buffers there are.", &ShardMetrics::buffers_total},
    {"loom_buffers_leased", "Receive buffers in use.", &ShardMetrics::buffers_leased},
    {"loom_body_memory_bytes", "Memory of request bodies held, of limit.bodies_in_memory.",
     &ShardMetrics::body_memory_bytes},
    {"loom_ai_queue_length", "Requests that wait for a provider at its rate_limit.", &ShardMetrics::queue_length},
    {"loom_overload_level",
     "How many quarters of a priority class are refused because a shard is overloaded; the sum of the shards.",
     &ShardMetrics::overload_level},
};

}  // namespace loom::observe

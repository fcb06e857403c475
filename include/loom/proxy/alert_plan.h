// Where events are told that somebody should hear of.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "loom/base/secret.h"
#include "loom/upstream/endpoint.h"

namespace loom::proxy {

/// Of a webhook. Its address may be a secret by itself: it is in no log.
struct AlertPlan {
    upstream::EndpointOptions endpoint;
    std::string authority;
    std::shared_ptr<const Secret> target;  // path and query
    std::shared_ptr<const Secret> key;     // what events are signed with; null: they are not
    std::shared_ptr<const Secret> lines;   // alerts.webhook.header.*: header lines, ready to send
    uint64_t timeout_ms = 10'000;          // of an attempt
    uint64_t retry_for_ms = 3'600'000;     // that one event is tried
    uint32_t queue_max = 1'000;            // events that wait
};

}  // namespace loom::proxy

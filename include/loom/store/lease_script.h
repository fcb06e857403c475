// Leases of limits in Redis: the script that draws them, what it is given and what it answers.
//
// A limit is a hash; its fields are the ids of the Looms that have a lease of it (of one start of them, where the next
// would not know what was used), each with the units it was given, when they are nobody's any more, by the server's
// clock, and the draw that it was. The script drops those that are, counts what the others have, and gives
// max(floor, min(want, limit - others)). It is one atomic step, so all leases that the server knows never exceed the
// limit together, or the floors where these alone do. What it has lost counts no more: one that restarts empty or goes
// over to a replica that has not all of it is not settled at first, see below; one that evicts keys (any
// maxmemory-policy but noeviction) may let in more than the limit, unseen. A draw that comes behind a later one of the
// same start changes nothing.
//
// A server that knows of no former draw, or of those to another run of it alone (a restart, a copy that was brought
// back, a replica that was promoted: what it has may be old), notes the moment: until lease_settle_ms later grants say
// that they are not settled (tenant/lease.h).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/result.h"
#include "loom/store/redis_protocol.h"
#include "loom/tenant/lease.h"

namespace loom::store {

/// A script, and the name that the server knows it by: SHA-1 of its text, in hex.
struct RedisScript {
    std::string_view text;
    std::string sha1;
};

[[nodiscard]] const RedisScript& lease_script();

/// One command for all of `draws`: EVALSHA, or EVAL with the script's text.
/// prefix  token_accounting.store.redis.key_prefix.      loom  this Loom's id.
[[nodiscard]] std::string lease_command(std::string_view prefix, std::string_view loom,
                                        std::span<const tenant::LeaseDraw> draws, bool with_script);

/// Errors  bad_message (upstream): no answer to so many draws.
[[nodiscard]] Result<std::vector<tenant::LeaseGrant>> read_lease_grants(const RedisReply& reply, size_t draw_count);

}  // namespace loom::store

// The logs that a shard writes lines to.
#pragma once

namespace loom::observe {

class ShardAccessLog;
class ShardAuditLog;

struct ShardLogs {
    ShardAccessLog* access = nullptr;  // null: nothing is logged
    ShardAuditLog* audit = nullptr;    // likewise
};

}  // namespace loom::observe

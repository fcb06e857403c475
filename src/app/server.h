// The server itself: from a configuration to the last byte of the last request.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "loom/config/config.h"
#include "loom/io/shard.h"

namespace loom::app {

/// What the command line asked for: enough to read the same configuration again on SIGHUP.
struct StartArguments {
    std::string conf_path;
    std::vector<config::Override> overrides;
};

/// Serves until SIGTERM or SIGINT, reloading on SIGHUP. Blocks. Returns the exit status: 0 after an orderly end, 70 for
/// a fault of ours, 78 where the machine refuses what the configuration asks (an address in use, io_uring switched
/// off).
[[nodiscard]] int run_server(std::shared_ptr<const config::Config> config, const StartArguments& arguments);

/// The admin's own shard: small, since few ask and nobody waits.
[[nodiscard]] io::ShardOptions admin_shard(io::RingFeatures features);

}  // namespace loom::app

#include "server.h"

#include <cstdio>

namespace loom::app {

// Weak: the program that has the shards linked in brings its own.
[[gnu::weak]] int run_server(std::shared_ptr<const config::Config> config, const StartArguments& arguments) {
    std::fprintf(stderr, "loom: %s is fine, and this build has no server in it\n", arguments.conf_path.c_str());
    return 70;
}

}  // namespace loom::app

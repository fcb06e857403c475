#include <cstdio>
#include <exception>

#include "cli.h"
#include "hardening.h"

// Nothing of ours throws; the standard library may, and a status that scripts know is better than an abort.
int main(int argc, char** argv) try {
    loom::app::keep_memory_private();
    return loom::app::run_command({argv + 1, argv + (argc > 0 ? argc : 1)});
} catch (const std::exception& error) {
    std::fprintf(stderr, "loom: %s\n", error.what());
    return loom::app::exit_internal;
}

#include "hardening.h"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace loom::app {

void keep_memory_private() noexcept {
    ::prctl(PR_SET_DUMPABLE, 0);
    // Beside it, and for whoever is started from here: the hard limit too, so that nothing raises it again.
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    ::setrlimit(RLIMIT_CORE, &none);
}

}  // namespace loom::app

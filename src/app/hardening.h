// What this process refuses to the world around it.
#pragma once

namespace loom::app {

/// Keys of providers will be in memory: no core dump, however the process ends, and no ptrace or /proc/PID/environ for
/// processes without CAP_SYS_PTRACE. First of all, before a key is read; nothing here can fail in a way that matters.
void keep_memory_private() noexcept;

}  // namespace loom::app

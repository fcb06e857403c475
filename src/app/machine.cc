#include "machine.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string_view>

namespace loom::app {
namespace {

constexpr uint64_t unknown = UINT64_MAX;

/// The number that `text` begins with; `unknown` for anything else, such as "max".
uint64_t number_in(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    uint64_t number = unknown;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    return read.ec == std::errc() ? number : unknown;
}

uint64_t total_bytes(const std::string& root) {
    constexpr std::string_view name = "MemTotal:";
    std::ifstream file(root + "/proc/meminfo");
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with(name)) continue;
        const uint64_t kib = number_in(std::string_view(line).substr(name.size()));
        return kib == unknown ? unknown : kib * 1024;
    }
    return unknown;
}

/// The least limit of the group at `path` and of all above it; a container sees its own group as the topmost.
uint64_t group_bytes(const std::string& hierarchy, std::string path, const char* file_name) {
    uint64_t least = unknown;
    for (;;) {
        std::ifstream file(hierarchy + path + "/" + file_name);
        std::string line;
        if (std::getline(file, line)) least = std::min(least, number_in(line));
        const size_t slash = path.rfind('/');
        if (slash == std::string::npos) return least;
        path.resize(slash);
    }
}

/// /proc/self/cgroup says `number:controllers:path` in each line; version 2 has no controllers there.
uint64_t limit_bytes(const std::string& root) {
    uint64_t least = unknown;
    std::ifstream file(root + "/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
        const size_t first = line.find(':');
        const size_t second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
        const std::string path = line.substr(second + 1);
        if (controllers == ",,")
            least = std::min(least, group_bytes(root + "/sys/fs/cgroup", path, "memory.max"));
        else if (controllers.find(",memory,") != std::string::npos)
            least = std::min(least, group_bytes(root + "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"));
    }
    return least;
}

}  // namespace

uint64_t machine_memory_bytes(const std::string& root) {
    const uint64_t bytes = std::min(total_bytes(root), limit_bytes(root));
    return bytes == unknown ? 0 : bytes;
}

}  // namespace loom::app

// How much memory there is, as different systems say it.
#include "machine.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace loom::app {
namespace {

namespace fs = std::filesystem;

/// A system's files under a directory of their own.
class Machine : public testing::Test {
  protected:
    Machine() {
        std::string pattern = (fs::temp_directory_path() / "loom-machine-XXXXXX").string();
        root_ = ::mkdtemp(pattern.data());
        file("/proc/meminfo", "MemTotal:        8000000 kB\nMemFree:  1 kB\n");
    }
    ~Machine() override { fs::remove_all(root_); }
    void file(const std::string& path, const std::string& text) {
        fs::create_directories(fs::path(root_ + path).parent_path());
        std::ofstream(root_ + path) << text;
    }
    uint64_t bytes() { return machine_memory_bytes(root_); }

    std::string root_;
    static constexpr uint64_t all_bytes = uint64_t{8000000} * 1024;
};

TEST_F(Machine, WithoutGroupsHasWhatItHas) { EXPECT_EQ(bytes(), all_bytes); }

TEST_F(Machine, TheLeastLimitOfTheGroupsAboveCounts) {
    file("/proc/self/cgroup", "0::/system.slice/loom.service\n");
    file("/sys/fs/cgroup/system.slice/loom.service/memory.max", "max\n");
    EXPECT_EQ(bytes(), all_bytes);
    file("/sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
    EXPECT_EQ(bytes(), 1u << 30);
    file("/sys/fs/cgroup/system.slice/loom.service/memory.max", "536870912\n");
    EXPECT_EQ(bytes(), 1u << 29);
}

TEST_F(Machine, AContainerSeesItsGroupAsTheTopmost) {
    file("/proc/self/cgroup", "0::/\n");
    file("/sys/fs/cgroup/memory.max", "268435456\n");
    EXPECT_EQ(bytes(), 1u << 28);
}

TEST_F(Machine, Version1HasAHierarchyForMemory) {
    file("/proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/docker/b\n");
    file("/sys/fs/cgroup/memory/docker/b/memory.limit_in_bytes", "134217728\n");
    file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    EXPECT_EQ(bytes(), 1u << 27);
}

TEST_F(Machine, WhatCannotBeReadIsUnknown) {
    fs::remove(root_ + "/proc/meminfo");
    EXPECT_EQ(bytes(), 0u);
    file("/proc/meminfo", "MemTotal:  lots\n");
    file("/proc/self/cgroup", "nonsense\n0:\n::\n");
    EXPECT_EQ(bytes(), 0u);
}

TEST(ThisMachine, HasMemory) { EXPECT_GT(machine_memory_bytes(), 1u << 20); }

}  // namespace
}  // namespace loom::app

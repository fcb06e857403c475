// A directory of a test's own, gone with it.
#pragma once

#include <filesystem>
#include <string>

#include <stdlib.h>
#include <unistd.h>

namespace loom::store {

class Directory {
  public:
    Directory() : Directory("/tmp") {}
    /// Where the machine keeps files in memory, if it does: for tests that sync thousands of times and cut no power.
    [[nodiscard]] static const char* quick() { return ::access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp"; }
    explicit Directory(const std::string& base) : path_(base + "/loom-store-XXXXXX") {
        if (::mkdtemp(path_.data()) == nullptr) path_.clear();
    }
    ~Directory() { std::filesystem::remove_all(path_); }
    Directory(const Directory&) = delete;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

}  // namespace loom::store

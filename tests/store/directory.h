// A directory of a test's own, gone with it.
#pragma once

#include <filesystem>
#include <string>

#include <stdlib.h>

namespace loom::store {

class Directory {
  public:
    Directory() {
        char name[] = "/tmp/loom-store-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    ~Directory() { std::filesystem::remove_all(path_); }
    Directory(const Directory&) = delete;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

}  // namespace loom::store

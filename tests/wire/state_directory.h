#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace loom::wire {

/// A state.directory that outlives a Loom.
class StateDirectory {
  public:
    StateDirectory() {
        char name[] = "/tmp/loom-ledger-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    ~StateDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    StateDirectory(const StateDirectory&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace loom::wire

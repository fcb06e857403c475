// Values in a row, so that no two rows of values read alike.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

namespace loom::app {

/// Each value stands behind its length, each list behind its count.
class Mark {
  public:
    void add(std::string_view text) {
        add_count(text.size());
        all_ += text;
    }
    void add_list(const std::vector<std::string>& list) {
        add_count(list.size());
        for (const std::string& one : list) add(one);
    }
    void add_count(size_t count) { all_ += fmt::format("{}:", count); }
    [[nodiscard]] const std::string& text() const noexcept { return all_; }

  private:
    std::string all_;
};

}  // namespace loom::app

// What an operator calls models, so that rules may speak of kinds of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loom::proxy {

/// The conf's. Never changes.
class ModelTags {
  public:
    /// model  a name, whoever knows the model by it; a star at its end stands for anything.
    void add(std::string model, std::vector<std::string> tags) { rows_.push_back({std::move(model), std::move(tags)}); }
    [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }

    /// take(tag) for each tag of the model by this name; the same one may come twice. Names are compared in any case of
    /// ASCII, since some providers take them so.
    template <class Take>
    void each_of(std::string_view model, Take&& take) const {
        for (const Row& row : rows_)
            if (is_meant(row.model, model))
                for (const std::string& tag : row.tags) take(std::string_view(tag));
    }

  private:
    struct Row {
        std::string model;
        std::vector<std::string> tags;
    };
    [[nodiscard]] static bool is_meant(std::string_view pattern, std::string_view model) noexcept;

    std::vector<Row> rows_;
};

}  // namespace loom::proxy

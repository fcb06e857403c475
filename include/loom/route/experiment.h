// Experiments: shares of a model's users are led to arms, to other models or providers, and stay there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace loom::route {

inline constexpr std::string_view control_arm = "control";  // who is led nowhere else

struct ArmOptions {
    std::string name;
    std::string model;       // asked for in place of the experiment's; may begin with a provider's name and '/'
    uint32_t share_ppm = 0;  // millionths of the users
    uint16_t label_ix = 0;   // its metrics slot, as given
};

/// Shares add up to arm_share_whole at most.
inline constexpr uint32_t arm_share_whole = 1'000'000;
struct ExperimentOptions {
    std::string name;
    std::string model;
    std::vector<ArmOptions> arms;
    uint16_t control_label_ix = 0;
};

struct Arm {
    std::string model;  // "": the request's own
    std::string label;  // "experiment=arm"
    uint16_t label_ix = 0;
};

/// Immutable: part of a configuration snapshot.
///
/// A user is a point of a circle, by a hash that each experiment has of its own, and an arm a part of it that grows
/// from a fixed place: of the first arm from 0, of the second from 1/2, then from 1/4, 3/4, 1/8 … So an arm's share can
/// be raised, and an arm be added behind the others, and no user moves but from the control into it; as long as each
/// arm fits between its place and the next. What does not fit stands in the free ends of the others' parts.
class Experiment {
  public:
    explicit Experiment(const ExperimentOptions& options);

    [[nodiscard]] const std::string& model() const noexcept { return model_; }
    [[nodiscard]] size_t arm_count() const noexcept { return arms_.size(); }  // the control too
    /// The same user always has the same arm, in every process.
    [[nodiscard]] const Arm& arm_of(std::string_view user) const noexcept;

  private:
    struct Part {
        uint32_t begin = 0, end = 0;  // of the circle, in millionths
        size_t arm_ix = 0;
    };
    std::string model_;
    uint64_t seed_;
    std::vector<Arm> arms_;  // the control first
    std::vector<Part> parts_;
};

/// The experiment that requests for a model are in; null: none.
[[nodiscard]] const Experiment* find_experiment(const std::vector<Experiment>& experiments,
                                                std::string_view model) noexcept;

}  // namespace loom::route

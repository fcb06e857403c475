#include "plan/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace loom::app {
namespace {

/// A provider alone is asked for the experiment's own model.
std::string model_of(const proxy::Plan& plan, const std::string& use, const std::string& asked) {
    const bool is_provider = std::ranges::find(plan.providers, use, &proxy::ProviderPlan::name) != plan.providers.end();
    return is_provider ? fmt::format("{}/{}", use, asked) : use;
}

}  // namespace

uint32_t share_ppm(double share) noexcept { return static_cast<uint32_t>(std::lround(share * route::arm_share_whole)); }

void fill_experiments(const config::Config& config, proxy::Plan& plan, observe::Metrics& metrics,
                      std::vector<std::string>& messages) {
    for (const std::string& name : config.names("routing.experiment")) {
        const auto prefix = fmt::format("routing.experiment.{}.", name);
        route::ExperimentOptions options{.name = name,
                                         .model = config.text(prefix + "model"),
                                         .control_label_ix = metrics.arm(name, route::control_arm)};
        for (const std::string& arm : config.names(prefix + "arm")) {
            const auto use = fmt::format("{}arm.{}.use", prefix, arm);
            options.arms.push_back({.name = arm,
                                    .model = model_of(plan, config.text(use), options.model),
                                    .share_ppm = share_ppm(config.decimal(fmt::format("{}arm.{}.share", prefix, arm))),
                                    .label_ix = metrics.arm(name, arm)});
            if (!plan.catalogue.match(options.arms.back().model).known)
                messages.push_back(fmt::format("{}: '{}' is neither a provider nor a model that one of them has", use,
                                               config::printable(config.text(use))));
        }
        plan.experiments.emplace_back(options);
    }
}

size_t arm_count(const proxy::Plan& plan) {
    size_t count = 0;
    for (const route::Experiment& one : plan.experiments) count += one.arm_count();
    return count;
}

}  // namespace loom::app

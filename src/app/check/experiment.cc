// Checks of experiments: whom they are about, and how much there is to share out.
#include <algorithm>
#include <map>

#include "check/report.h"
#include "loom/route/catalogue.h"
#include "loom/route/experiment.h"
#include "plan/experiment.h"

namespace loom::app {
namespace {

/// Its share in millionths.
uint32_t check_arm(Report& report, const std::string& arms, const std::string& arm) {
    const config::Config& config = report.config;
    const auto key = fmt::format("{}.{}", arms, arm);
    const auto place = config.place_of_name(arms, arm);
    if (arm == route::control_arm)
        report.add(place, true, key, "the control is whoever is in no arm; name this one otherwise");
    for (const char* const what : {"share", "use"}) {
        const auto one = fmt::format("{}.{}", key, what);
        if (!config.has(one)) report.missing(place, one, "is missing");
    }
    return share_ppm(config.decimal(key + ".share"));
}

}  // namespace

void check_experiments(Report& report) {
    const config::Config& config = report.config;
    std::map<std::string, std::string> of_models;
    for (const auto& name : config.names("routing.experiment")) {
        const auto experiment = fmt::format("routing.experiment.{}", name);
        const auto place = config.place_of_name("routing.experiment", name);
        const auto model = experiment + ".model";
        const std::string& asked = config.text(model);
        if (!config.has(model)) {
            report.missing(place, model, "is missing: whose requests take part?");
        } else if (!route::is_one_model(asked)) {
            report.error(model, "must be one model's name");
        } else if (const auto [first, is_new] = of_models.try_emplace(asked, name); !is_new) {
            report.error(
                model, fmt::format("'{}' is in the experiment '{}' already", config::printable(asked), first->second));
        }
        const auto arms = experiment + ".arm";
        if (config.names(arms).empty())
            report.missing(place, arms,
                           fmt::format("there is none; add {}.b.share = 10% and {}.b.use = another-model", arms, arms));
        uint64_t sum_ppm = 0;
        for (const auto& arm : config.names(arms)) sum_ppm += check_arm(report, arms, arm);
        if (sum_ppm > route::arm_share_whole)
            report.add(
                place, true, arms,
                fmt::format("the shares add up to {:g}%: 100% are the most", static_cast<double>(sum_ppm) / 1e4));
    }
}

}  // namespace loom::app

// Who is in which arm: shares over seeded runs, and the laws of what a change of them moves.
#include "loom/route/experiment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

namespace loom::route {
namespace {

constexpr int users = 20'000;
constexpr double sigmas = 4;

/// Arms a, b, c … with these percents.
Experiment experiment_of(const std::vector<double>& percents, const std::string& name = "x") {
    ExperimentOptions options{.name = name, .model = "gpt-4o"};
    for (const double percent : percents) {
        const std::string arm(1, static_cast<char>('a' + options.arms.size()));
        options.arms.push_back(
            {.name = arm, .model = "model-" + arm, .share_ppm = static_cast<uint32_t>(std::lround(percent * 10'000))});
    }
    return Experiment(options);
}
std::string user(int n) { return "user-" + std::to_string(n); }

TEST(Experiment, NamesItsArms) {
    const Experiment all = experiment_of({100}), none = experiment_of({0});
    EXPECT_EQ(all.model(), "gpt-4o");
    EXPECT_EQ(all.arm_of("anybody").label, "x=a");
    EXPECT_EQ(all.arm_of("anybody").model, "model-a");
    EXPECT_EQ(none.arm_of("anybody").label, "x=control");
    EXPECT_EQ(none.arm_of("anybody").model, "");
    const std::vector<Experiment> experiments = {all};
    EXPECT_EQ(find_experiment(experiments, "gpt-4o"), &experiments[0]);
    EXPECT_EQ(find_experiment(experiments, "gpt-4"), nullptr);
}

TEST(Experiment, EachArmHasItsShareOfTheUsers) {
    std::mt19937 random(5);
    for (int run = 0; run < 20; ++run) {
        std::vector<double> percents(1 + random() % 6);
        double left = 100;
        for (double& percent : percents) left -= percent = left * static_cast<double>(random() % 100) / 100;
        const Experiment one = experiment_of(percents, "run-" + std::to_string(run));
        std::map<std::string, int> counts;
        for (int n = 0; n < users; ++n) counts[one.arm_of(user(n)).model] += 1;
        percents.push_back(left);
        for (size_t i = 0; i < percents.size(); ++i) {
            const std::string model =
                i + 1 == percents.size() ? "" : "model-" + std::string(1, static_cast<char>('a' + i));
            const double p = percents[i] / 100;
            EXPECT_NEAR(counts[model], users * p, sigmas * std::sqrt(users * p * (1 - p)) + 1)
                << "run " << run << ", arm " << i;
        }
    }
}

/// Who is in another arm than before was in `from` and is in `to` now.
void expect_moves(const Experiment& before, const Experiment& after, const std::string& from, const std::string& to) {
    int moved = 0;
    for (int n = 0; n < users; ++n) {
        const std::string &was = before.arm_of(user(n)).label, &is = after.arm_of(user(n)).label;
        if (was == is) continue;
        moved += 1;
        EXPECT_EQ(was, from) << user(n);
        EXPECT_EQ(is, to) << user(n);
    }
    EXPECT_GT(moved, 0);
}

TEST(Experiment, ACanaryThatIsRaisedTakesUsersInAndGivesNoneAway) {
    double before = 0;
    for (const double percent : {1.0, 5.0, 5.5, 25.0, 60.0, 99.0, 100.0}) {
        expect_moves(experiment_of({before}), experiment_of({percent}), "x=control", "x=a");
        before = percent;
    }
    expect_moves(experiment_of({30}), experiment_of({10}), "x=a", "x=control");
}

TEST(Experiment, OneOfSeveralThatIsRaisedTakesOfTheControlAlone) {
    expect_moves(experiment_of({10, 20, 5}), experiment_of({25, 20, 5}), "x=control", "x=a");
    expect_moves(experiment_of({10, 20, 5}), experiment_of({10, 45, 5}), "x=control", "x=b");
    expect_moves(experiment_of({10, 20, 5}), experiment_of({10, 20, 24}), "x=control", "x=c");
}

TEST(Experiment, AnArmThatIsAddedTakesOfTheControlAlone) {
    expect_moves(experiment_of({20}), experiment_of({20, 30}), "x=control", "x=b");
    expect_moves(experiment_of({20, 30}), experiment_of({20, 30, 10}), "x=control", "x=c");
}

TEST(Experiment, OfTwoArmsWithoutAControlOneGivesWhatTheOtherTakes) {
    expect_moves(experiment_of({50, 50}), experiment_of({60, 40}), "x=b", "x=a");
    expect_moves(experiment_of({60, 40}), experiment_of({40, 60}), "x=a", "x=b");
}

TEST(Experiment, EachHasItsOwnOrderOfUsers) {
    const Experiment one = experiment_of({50}, "one"), other = experiment_of({50}, "other");
    int both = 0;
    for (int n = 0; n < users; ++n) both += !one.arm_of(user(n)).model.empty() && !other.arm_of(user(n)).model.empty();
    EXPECT_NEAR(both, users * 0.25, sigmas * std::sqrt(users * 0.25 * 0.75));
}

}  // namespace
}  // namespace loom::route

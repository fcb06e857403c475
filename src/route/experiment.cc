#include "loom/route/experiment.h"

#include <algorithm>

#include "loom/base/assert.h"
#include "loom/base/hash.h"

namespace loom::route {
namespace {

/// 0, 1/2, 1/4, 3/4, 1/8, 5/8 …: each new one stands in the middle between two before (van der Corput).
uint32_t place_of(size_t ix) noexcept {
    double place = 0, step = 0.5;
    for (; ix > 0; ix /= 2, step /= 2) place += ix % 2 == 1 ? step : 0;
    return static_cast<uint32_t>(place * arm_share_whole);
}

/// Where an arm may grow to, and what of that it needs.
struct Room {
    uint32_t begin = 0, end = 0;
    uint32_t taken = 0;  // from its beginning
    size_t arm_ix = 0;
};

std::vector<Room> rooms_of(size_t arm_count) {
    std::vector<Room> rooms;
    for (size_t i = 0; i < arm_count; ++i) rooms.push_back({.begin = place_of(i), .arm_ix = i});
    std::ranges::sort(rooms, {}, &Room::begin);
    for (size_t i = 0; i < rooms.size(); ++i)
        rooms[i].end = i + 1 < rooms.size() ? rooms[i + 1].begin : arm_share_whole;
    return rooms;
}

}  // namespace

Experiment::Experiment(const ExperimentOptions& options) : model_(options.model), seed_(hash64(options.name)) {
    arms_.push_back({.label = options.name + "=" + std::string(control_arm), .label_ix = options.control_label_ix});
    for (const ArmOptions& arm : options.arms)
        arms_.push_back({.model = arm.model, .label = options.name + "=" + arm.name, .label_ix = arm.label_ix});

    std::vector<Room> rooms = rooms_of(options.arms.size());
    std::vector<uint32_t> missing(options.arms.size());
    for (Room& room : rooms) {
        const uint32_t share = options.arms[room.arm_ix].share_ppm;
        room.taken = std::min(share, room.end - room.begin);
        missing[room.arm_ix] = share - room.taken;
        parts_.push_back({room.begin, room.begin + room.taken, room.arm_ix + 1});
    }
    // From the circle's end backwards: who grows at its own place meets it as late as can be.
    for (size_t arm_ix = 0; arm_ix < missing.size(); ++arm_ix)
        for (auto room = rooms.rbegin(); room != rooms.rend() && missing[arm_ix] > 0; ++room) {
            const uint32_t more = std::min(missing[arm_ix], room->end - room->begin - room->taken);
            if (more == 0) continue;
            parts_.push_back({room->end - more, room->end, arm_ix + 1});
            room->end -= more;
            missing[arm_ix] -= more;
        }
    LOOM_ASSERT(std::ranges::all_of(missing, [](uint32_t ppm) { return ppm == 0; }));  // arm_share_whole at most
}

const Arm& Experiment::arm_of(std::string_view user) const noexcept {
    const auto point = static_cast<uint32_t>((hash64(user, seed_) >> 32) * arm_share_whole >> 32);
    for (const Part& part : parts_)
        if (point >= part.begin && point < part.end) return arms_[part.arm_ix];
    return arms_.front();
}

const Experiment* find_experiment(const std::vector<Experiment>& experiments, std::string_view model) noexcept {
    const auto one = std::ranges::find(experiments, model, &Experiment::model);
    return one == experiments.end() ? nullptr : &*one;
}

}  // namespace loom::route

// Looms that share a Redis, each with a state.directory of its own.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fixture.h"
#include "redis_server.h"
#include "state_directory.h"

namespace loom::wire {

struct SharingLoom {
    SharingLoom(uint16_t upstream_port, const std::string& redis_address) {
        conf.use_upstream(upstream_port);
        conf.set("token_accounting.enabled", "on").set("state.directory", state.path());
        conf.set("token_accounting.store.type", "redis").set("token_accounting.store.redis.address", redis_address);
    }
    void start() { loom = std::make_unique<LoomProcess>(conf.text()); }
    void kill() {
        loom->signal(SIGKILL);
        (void)loom->wait_for_exit();
        loom.reset();
    }
    StateDirectory state;
    Conf conf;
    std::unique_ptr<LoomProcess> loom;
};

/// Sharer  a SharingLoom.
template <class Sharer>
class SharingTest : public testing::Test {
  protected:
    explicit SharingTest(const std::string& answer_body) : upstream(answer_always(answer(answer_body))) {}
    /// arguments  of a Sharer, behind the upstream's port.
    template <class... Arguments>
    Sharer& add_one(Arguments&&... arguments) {
        return *looms.emplace_back(std::make_unique<Sharer>(upstream.port(), std::forward<Arguments>(arguments)...));
    }
    void TearDown() override {
        for (auto& one : looms) {
            if (one->loom == nullptr) continue;
            EXPECT_EQ(LoomProcess::complaint_in(one->loom->log()), "");
            one->loom->stop_cleanly();
        }
    }
    ScriptedUpstream upstream;
    RedisServer redis;
    std::vector<std::unique_ptr<Sharer>> looms;
};

}  // namespace loom::wire

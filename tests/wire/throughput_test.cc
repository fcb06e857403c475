// The strategy throughput: streams go where tokens come fastest.
#include "fixture.h"

namespace loom::wire {
namespace {

class Throughput : public WireTest {};

const std::string question =
    R"({"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":)"
    R"("one two three four five six seven eight nine ten eleven twelve thirteen fourteen"}]})";

TEST_F(Throughput, TheFastestIsAskedOnceAllAreKnown) {
    conf.use_echo();
    conf.set("routing.strategy", "throughput");
    conf.set("provider.slow.type", "echo").set("provider.slow.token_interval", "40ms").set("provider.slow.models", "m");
    conf.set("provider.fast.type", "echo").set("provider.fast.token_interval", "1ms").set("provider.fast.models", "m");
    conf.set("provider.slow.priority", "1").set("provider.fast.priority", "2");
    start_without_upstream();
    const auto asked = [&] {
        const Message answered = ask(chat_request(question));
        EXPECT_TRUE(answered.is_whole());
        return std::pair(answered.head.value("x-loom-provider"), answered.head.value("x-loom-choice"));
    };
    EXPECT_EQ(asked(), std::pair(std::string("slow"), std::string("explored")));
    EXPECT_EQ(asked(), std::pair(std::string("fast"), std::string("explored")));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(asked(), std::pair(std::string("fast"), std::string("throughput")));
}

}  // namespace
}  // namespace loom::wire

// What `loom --check` says of memory: the sum of its terms, and that each key it names turns it.
#include "memory.h"

#include <gtest/gtest.h>

#include <set>

#include "check/check.h"
#include "fake_source.h"

namespace loom::app {
namespace {

const std::string base =
    "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.up.type = local\n"
    "provider.up.base_url = http://127.0.0.1:1/v1\nloop.shards = 2\n";

MemoryBound bound_of(const std::string& conf) {
    auto loaded = config::load_text(conf);
    add_checks(loaded);
    EXPECT_TRUE(loaded.config) << config::all_of(loaded.diagnostics);
    observe::Metrics metrics(1);
    TlsFiles files;
    route::TargetTable targets;
    tenant::LimitTable limits;
    return memory_bound(*build_server_options(*loaded.config),
                        **build_plan(*loaded.config, metrics, files, targets, limits, 1));
}

std::vector<const MemoryTerms*> parts_of(const MemoryBound& bound) {
    return {&bound.connection, &bound.exchange, &bound.upstream, &bound.shard, &bound.process};
}

TEST(MemoryBound, CopiesForAShadowAreBounded) {
    const std::string mirrored = base +
                                 "provider.shadow.type = echo\nprovider.shadow.weight = 0\n"
                                 "routing.mirror.provider = shadow\nrouting.mirror.max_in_flight = ";
    const uint64_t none = bound_of(mirrored + "1\n").process_bytes(),
                   many = bound_of(mirrored + "101\n").process_bytes();
    EXPECT_GE(many - none, 100u * 2 * (1u << 20)) << "each shard's hundred more, with their bodies";
}

TEST(MemoryBound, RequestsThatTwoProvidersAreAskedAreBounded) {
    const std::string hedged =
        base + "routing.failover.enabled = on\nrouting.hedge.after = p95\n" + "routing.hedge.max_in_flight = ";
    const uint64_t none = bound_of(hedged + "1\n").process_bytes(), many = bound_of(hedged + "101\n").process_bytes();
    EXPECT_GE(many - none, 100u * 2 * (4u << 10)) << "each shard's hundred more";
}

TEST(MemoryBound, IsTheSumOfItsTerms) {
    const auto bound = bound_of(base + "limit.connections = 100\n");
    uint64_t sum = 0;
    const uint64_t counts[] = {100, 100, 100, 2, 1};
    for (size_t part = 0; part < 5; ++part) {
        EXPECT_FALSE(parts_of(bound)[part]->empty());
        for (const auto& term : *parts_of(bound)[part]) {
            EXPECT_GT(term.bytes, 0u) << term.what;
            sum += counts[part] * term.bytes;
        }
    }
    EXPECT_EQ(bound.allocator_bytes(), sum / 8);
    EXPECT_EQ(bound.process_bytes(), sum + sum / 8);
}

/// What the key says is in the bound, once for each that may hold it.
TEST(MemoryBound, HoldsWhatItsKeysAllow) {
    const auto bound = bound_of(base +
                                "limit.connections = 100\nlimit.body_size = 1MiB\nstream.buffer_max = 4MiB\n"
                                "stream.event_max = 2MiB\nlimit.head_size = 512KiB\nbuffer.count = 64\n"
                                "limit.bodies_in_memory = 20MiB\n");
    EXPECT_GE(sum_of(bound.connection), 512u << 10);
    EXPECT_GE(sum_of(bound.exchange), (4u << 20) + (2u << 20));
    EXPECT_GE(sum_of(bound.shard), (10u << 20) + (1u << 20)) << "its part of the bodies, and one beyond it";
    EXPECT_GE(sum_of(bound.shard), 64u * 16 * 1024);
    EXPECT_GE(bound.process_bytes(), 100 * bound.client_bytes() + 2 * sum_of(bound.shard));
}

TEST(MemoryBound, EachKeyThatItNamesTurnsIt) {
    const std::map<std::string, std::string> less = {
        {"limit.connections", "limit.connections = 1000"},
        {"limit.connections_per_address", "limit.connections_per_address = 0"},
        {"limit.head_size", "limit.head_size = 1KiB"},
        {"limit.body_size", "limit.body_size = 1MiB"},
        {"limit.bodies_in_memory", "limit.bodies_in_memory = 8MiB"},
        {"tcp.backlog", "tcp.backlog = 16"},
        {"stream.event_max", "stream.event_max = 4KiB"},
        {"stream.buffer_max", "stream.buffer_max = 16KiB"},
        {"buffer.size", "buffer.size = 4KiB"},
        {"buffer.count, buffer.size", "buffer.count = 64"},
        {"loop.ring_entries", "loop.ring_entries = 64"},
        {"upstream.pool.max_idle", "upstream.pool.max_idle = 1"},
        {"log.access.path", "log.access.path = off"},
        {"auth.lockout.failures", "auth.lockout.failures = 0"},
        {"admin.listen", "admin.listen = off"}};
    // Small enough that no term hides in the rounding of another's block.
    const std::map<std::string, std::string> given = {
        {"stream.event_max", "64KiB"}, {"buffer.size", "8KiB"}, {"limit.connections_per_address", "100"}};
    const auto conf_with = [&](const std::string& line) {
        std::string conf = base;
        for (const auto& [key, value] : given) {
            if (!line.starts_with(key + " ")) conf += key + " = " + value + "\n";
        }
        return conf + line + "\n";
    };
    const auto bound = bound_of(conf_with(""));
    std::set<std::string> named;
    for (const auto* part : parts_of(bound)) {
        for (const auto& term : *part) named.insert(term.key);
    }
    named.erase("");
    for (const auto& key : named) {
        ASSERT_TRUE(less.contains(key)) << key;
        EXPECT_LT(bound_of(conf_with(less.at(key))).process_bytes(), bound.process_bytes()) << key;
    }
    EXPECT_EQ(named.size(), less.size());
}

TEST(MemoryBound, CountsWhatIsConfiguredAlone) {
    const auto plain = bound_of(
        "listener.http.address = 127.0.0.1:8080\nroute.r.path = /*\nroute.r.ai_gateway = off\n"
        "route.r.upstream = http://127.0.0.1:1\n");
    const auto ai = bound_of(base);
    EXPECT_LT(sum_of(plain.exchange), sum_of(ai.exchange)) << "no body is collected, no event held";
    const auto echo = bound_of(base + "provider.demo.type = echo\n");
    EXPECT_GT(sum_of(echo.exchange), sum_of(ai.exchange));
    const auto semantic = bound_of(base + "semantic_cache.enabled = on\n");
    EXPECT_GE(sum_of(semantic.exchange), sum_of(ai.exchange) + 8 * 1024) << "its text";
}

/// However many clients there may be and however large a body, bodies take their budget and no more.
TEST(MemoryBound, BodiesAreBoundedTogether) {
    const std::string small = base + "limit.bodies_in_memory = 1MiB\nlimit.body_size = 1MiB\n";
    const auto few = bound_of(small + "limit.connections = 20000\n");
    const auto many = bound_of(small + "limit.connections = 40000\n");
    EXPECT_EQ(few.client_bytes(), many.client_bytes());
    EXPECT_EQ(few.client_bytes(), bound_of(base + "limit.body_size = 1GiB\n").client_bytes());
    const auto bodies = [](const MemoryBound& bound) {
        uint64_t sum = 0;
        for (const auto& term : bound.shard) sum += term.key == "limit.bodies_in_memory" ? term.bytes : 0;
        return sum;
    };
    EXPECT_EQ(bodies(few), bodies(many)) << "so many could fill it with the smallest";
}

TEST(MemoryBound, SaysWhatWouldFitTheMachine) {
    auto bound = bound_of(base);
    EXPECT_EQ(advice(bound, 0), "") << "a machine that does not say";
    EXPECT_EQ(advice(bound, bound.process_bytes()), "");
    const uint64_t machine_bytes = uint64_t{8} << 30;
    const auto text = advice(bound, machine_bytes);
    const std::string_view lead = "  more than the 8.0 GiB that this machine has: limit.connections = ";
    ASSERT_TRUE(text.starts_with(lead)) << text;
    bound.connection_count = std::stoull(text.substr(lead.size()));
    EXPECT_LE(bound.process_bytes(), machine_bytes);
    bound.connection_count += 2;
    EXPECT_GT(bound.process_bytes(), machine_bytes) << "no fewer than need be";
    EXPECT_TRUE(text.ends_with(" fits; or lower stream.buffer_max\n")) << text;
    const auto small = advice(bound_of(base), 64u << 20);
    EXPECT_NE(small.find("its shards alone are too much; lower limit.bodies_in_memory"), std::string::npos) << small;
}

TEST(MemoryBound, IsReadByPeople) {
    EXPECT_EQ(byte_text(0), "0 B");
    EXPECT_EQ(byte_text(1023), "1023 B");
    EXPECT_EQ(byte_text(1024), "1.0 KiB");
    EXPECT_EQ(byte_text(1025), "1.1 KiB") << "a bound is rounded up";
    EXPECT_EQ(byte_text(uint64_t{3} << 40), "3.0 TiB");
    const auto text = to_string(bound_of(base));
    EXPECT_TRUE(text.starts_with("memory at worst: ")) << text;
    EXPECT_NE(text.find("  request bodies  (limit.bodies_in_memory)\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace loom::app

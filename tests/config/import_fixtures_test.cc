// Every YAML block of the Loom documents goes through import and --check. What this version does not have yet is
// refused by name: the list of each fixture says which keys these are. A key that becomes available fails its test
// until it is taken off the list; anything else that --check says is a defect.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "check/check.h"
#include "fake_source.h"
#include "loom/config/import.h"

namespace loom::config {
namespace {

/// What completes a block: each line is added unless the block has its key. Loopback and a consumer, so that no door
/// stands open; the providers that blocks speak of without defining them.
constexpr const char* skeleton[][2] = {
    {"listener.http.address", "127.0.0.1:8080"},
    {"route.ai.path", "/v1/*"},
    {"consumer.skeleton.api_key", "k"},
    {"provider.openai.type", "openai"},
    {"provider.openai.api_key", "k"},
    {"provider.anthropic.type", "local"},
    {"provider.anthropic.base_url", "http://127.0.0.1:1/v1"},
    {"provider.azure.type", "local"},
    {"provider.azure.base_url", "http://127.0.0.1:1/v1"},
    {"provider.local.type", "local"},
    {"provider.local.base_url", "http://127.0.0.1:1/v1"},
};

struct Fixture {
    const char* file;
    std::set<std::string> not_available;
};

void PrintTo(const Fixture& fixture, std::ostream* out) { *out << fixture.file; }

const Fixture fixtures[] = {
    {"000_01_multi_provider_routing.yaml", {}},
    {"000_02_automatic_failover.yaml", {}},
    {"000_03_token_accounting.yaml", {}},
    {"000_04_semantic_caching.yaml", {}},
    {"000_05_security_features.yaml", {}},
    {"000_06_rate_limiting_for_ai.yaml", {}},
    {"000_07_configuration.yaml", {}},
    {"000_08_getting_started.yaml", {}},
    {"001_01_quick_start.yaml", {}},
    {"001_02_single_provider.yaml", {}},
    {"001_03_multiple_providers.yaml", {}},
    {"001_04_priority_based.yaml", {}},
    {"001_05_round_robin.yaml", {}},
    {"001_06_weighted.yaml", {}},
    {"001_07_cost_optimized.yaml", {}},
    {"001_08_latency_optimized.yaml", {}},
    {"001_09_failover.yaml", {}},
    {"001_10_model_mapping.yaml", {}},
    {"001_11_streaming_support.yaml", {}},
    {"003_01_openai.yaml", {}},
    {"003_02_anthropic.yaml", {}},
    {"003_03_azure_openai.yaml", {}},
    {"003_04_google_vertex_ai.yaml", {}},
    {"003_05_local_self_hosted.yaml", {}},
    {"003_06_priority_based_routing.yaml", {}},
    {"003_07_round_robin.yaml", {}},
    {"003_08_weighted_distribution.yaml", {}},
    {"003_09_cost_optimized.yaml", {}},
    {"003_10_latency_optimized.yaml", {}},
    {"003_11_model_based_routing.yaml", {}},
    {"003_12_basic_failover.yaml", {}},
    {"003_13_circuit_breaker.yaml", {}},
    {"003_14_fallback_provider.yaml", {}},
    {"003_15_active_health_checks.yaml", {}},
    {"003_16_rate_limiting_per_provider.yaml", {}},
    {"003_17_header_modification.yaml", {}},
    {"003_18_model_mapping.yaml", {}},
    {"003_19_complete_example.yaml", {}},
};

std::string completed(std::string conf) {
    const auto has = [&conf](const std::string& key) { return conf.find("\n" + key + " =") != std::string::npos; };
    std::string added;
    for (const auto& [key, value] : skeleton) {
        if (!has(key)) added += std::string(key) + " = " + value + "\n";
    }
    return conf + added;
}

class DocumentBlocks : public testing::TestWithParam<Fixture> {};

TEST_P(DocumentBlocks, GoThroughImportAndCheck) {
    const std::string path = std::string(LOOM_SOURCE_ROOT "/tests/config/fixtures/") + GetParam().file;
    std::ostringstream yaml;
    yaml << std::ifstream(path).rdbuf();
    const auto imported = import_yaml(yaml.str(), GetParam().file, loom_schema());
    ASSERT_FALSE(has_error(imported.diagnostics)) << all_of(imported.diagnostics);

    const FakeWorld world{
        .files = {{"loom.conf", completed(imported.conf)}},
        .environment = {
            {"OPENAI_API_KEY", "k"}, {"ANTHROPIC_API_KEY", "k"}, {"AZURE_API_KEY", "k"}, {"AZURE_OPENAI_KEY", "k"}}};
    auto loaded = load_world(world);
    app::add_checks(loaded);
    std::set<std::string> not_available;
    for (const auto& diagnostic : loaded.diagnostics) {
        if (!diagnostic.is_error) continue;
        EXPECT_TRUE(diagnostic.text.ends_with("is not available in this version")) << to_string(diagnostic);
        not_available.insert(diagnostic.key);
    }
    EXPECT_EQ(not_available, GetParam().not_available);
}

INSTANTIATE_TEST_SUITE_P(Documents, DocumentBlocks, testing::ValuesIn(fixtures), [](const auto& info) {
    return std::string(info.param.file, std::string_view(info.param.file).find('.'));
});

}  // namespace
}  // namespace loom::config

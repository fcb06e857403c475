// The files in conf/ say what the table says, and each of them is one that Loom takes.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "check/check.h"
#include "fake_source.h"
#include "loom/config/keys.h"
#include "loom/llm/provider_table.h"

namespace loom::config {
namespace {

std::string conf_path(const std::string& name) { return LOOM_SOURCE_ROOT "/conf/" + name; }

std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

/// Without the variables of whoever runs the tests.
Loaded load_shipped(const std::string& name, const std::map<std::string, std::string>& variables,
                    const std::vector<Override>& overrides = {}) {
    const FakeWorld world{.environment = variables};
    Source source = system_source();
    source.environment = world.source().environment;
    auto loaded = load(conf_path(name), overrides, loom_schema(), source);
    app::add_checks(loaded);
    return loaded;
}

TEST(ConfFiles, TheReferenceIsUpToDate) {
    EXPECT_EQ(read(conf_path("loom.conf")), reference_conf(loom_schema()))
        << "run: build/loom --keys --conf > conf/loom.conf";
}

TEST(ConfFiles, EveryLineOfTheReferenceIsTaken) {
    std::istringstream lines(reference_conf(loom_schema()));
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with('#') || line.starts_with("# ") || line == "#") continue;
        const auto equals = line.find(" =");
        std::string entry = line.substr(1);
        for (auto open = entry.find('<'); open != std::string::npos; open = entry.find('<'))
            entry.replace(open, entry.find('>') - open + 1, "x");
        const bool has_default = equals + 2 < line.size();
        if (has_default) EXPECT_EQ(errors_of(entry), "") << entry;
        if (!has_default) EXPECT_TRUE(loom_schema().match(entry.substr(0, entry.find(" =")))) << entry;
    }
}

TEST(ConfFiles, QuickstartServesWithAndWithoutAKey) {
    const auto without = load_shipped("quickstart.conf", {});
    ASSERT_TRUE(without.config) << all_of(without.diagnostics);
    EXPECT_FALSE(app::provider_is_active(*without.config, "openai"));
    EXPECT_TRUE(app::provider_is_active(*without.config, "demo"));
    const auto with = load_shipped(
        "quickstart.conf", {{"OPENAI_API_KEY", "sk-x"}, {"ANTHROPIC_API_KEY", "sk-y"}, {"GEMINI_API_KEY", "z"}});
    EXPECT_EQ(all_of(with.diagnostics), "");
    EXPECT_TRUE(app::provider_is_active(*with.config, "openai"));
}

TEST(ConfFiles, Bench) { EXPECT_EQ(all_of(load_shipped("bench.conf", {}).diagnostics), ""); }

TEST(ConfFiles, ProvidersCompletedByASkeleton) {
    std::map<std::string, std::string> keys;
    for (const char* name : {"OPENAI", "AZURE_OPENAI", "ANTHROPIC", "GEMINI", "COHERE", "MISTRAL", "GROQ", "DEEPSEEK",
                             "TOGETHER", "FIREWORKS", "OPENROUTER", "XAI", "PERPLEXITY", "CEREBRAS", "NVIDIA"})
        keys[std::string(name) + "_API_KEY"] = "sk-x";
    keys["HF_TOKEN"] = "hf-x";
    keys["AWS_ACCESS_KEY_ID"] = keys["AWS_SECRET_ACCESS_KEY"] = "aws-x";
    keys["GOOGLE_APPLICATION_CREDENTIALS"] = "/a.json";
    const auto loaded =
        load_shipped("providers.conf", keys, {{"listener.http.address", "127.0.0.1:8080"}, {"route.ai.path", "/v1/*"}});
    EXPECT_EQ(all_of(loaded.diagnostics), "");
}

/// The table says what types there are; the key's row, which types a conf may name.
TEST(ProviderTypes, AreTheSameInTheTableAndInTheConf) {
    for (const llm::ProviderType& type : llm::provider_types()) {
        const std::string conf = "provider.x.type = " + std::string(type.name);
        EXPECT_EQ(errors_of(conf).find("expected one of"), std::string::npos) << type.name;
    }
}

}  // namespace
}  // namespace loom::config

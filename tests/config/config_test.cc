// The configuration as code asks for it.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fake_source.h"

namespace loom::config {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string_view>;

std::shared_ptr<const Config> config_of(const std::string& text, const std::vector<Override>& overrides = {}) {
    auto loaded = load_text(text, overrides);
    EXPECT_EQ(all_of(loaded.diagnostics), "");
    return loaded.config;
}

TEST(Config, UnsetKeysReadAsTheirDefaults) {
    const auto config = config_of("");
    EXPECT_EQ(config->milliseconds("timeout.connect"), 5s);
    EXPECT_EQ(config->bytes("limit.body_size"), 32u * 1024 * 1024);
    EXPECT_EQ(config->integer("limit.connections"), 60000);
    EXPECT_EQ(config->integer("loop.shards"), 0);
    EXPECT_EQ(config->text("loop.shards"), "auto");
    EXPECT_DOUBLE_EQ(config->decimal("log.access.sample"), 1);
    EXPECT_TRUE(config->boolean("route.any.ai_gateway"));
    EXPECT_TRUE(config->list("cors.origins").empty());
    EXPECT_FALSE(config->has("timeout.connect"));
}

TEST(Config, ADurationIsKeptToTheMicrosecond) {
    const auto config = config_of("streaming.flush_interval = 250us\n");
    EXPECT_EQ(config->microseconds("streaming.flush_interval"), 250us);
    EXPECT_EQ(config->milliseconds("streaming.flush_interval"), 1ms);
}

TEST(Config, ExplicitlyEmptyIsGiven) {
    const auto config = config_of("provider.p.api_key =\n");
    EXPECT_TRUE(config->has("provider.p.api_key"));
    EXPECT_EQ(config->text("provider.p.api_key"), "");
}

TEST(Config, NamesInFileOrder) {
    const auto config = config_of(
        "provider.z.type = echo\nprovider.a.type = echo\nprovider.z.priority = 1\n"
        "model_mapping.gpt-3.5-turbo.z = x\nmodel_mapping.gpt-3.5-turbo.a = y\nrouting.provider.late.priority = 4\n");
    EXPECT_TRUE(std::ranges::equal(config->names("provider"), Texts{"z", "a", "late"}));
    EXPECT_TRUE(std::ranges::equal(config->names("model_mapping"), Texts{"gpt-3.5-turbo"}));
    EXPECT_TRUE(std::ranges::equal(config->names("model_mapping.gpt-3.5-turbo"), Texts{"z", "a"}));
    EXPECT_TRUE(config->names("consumer").empty());
    EXPECT_EQ(to_string(config->place_of_name("provider", "a")), "loom.conf:2:1");
}

TEST(Config, OpenMapsByPrefix) {
    const auto config =
        config_of("provider.p.header.X-B = 1\nprovider.p.header.X-A = 2\nrouting.model_route.gpt-4.1 = p\n");
    using Entries = std::vector<std::pair<std::string_view, std::string_view>>;
    EXPECT_EQ(config->entries_below("provider.p.header."), (Entries{{"X-B", "1"}, {"X-A", "2"}}));
    EXPECT_EQ(config->entries_below("routing.model_route."), (Entries{{"gpt-4.1", "p"}}));
    EXPECT_TRUE(config->entries_below("provider.q.header.").empty());
}

TEST(Config, RepeatableKeysKeepAll) {
    const auto config = config_of("consumer.c.api_key = a\nconsumer.c.api_key = b\n");
    EXPECT_EQ(config->all("consumer.c.api_key"), (Texts{"a", "b"}));
    EXPECT_TRUE(config->all("consumer.d.api_key").empty());
    EXPECT_EQ(config->all("timeout.connect"), Texts{"5s"});
}

TEST(Config, PlacesForChecks) {
    const auto config = config_of("\nhealth.path =  /x\n");
    EXPECT_EQ(to_string(config->place("health.path")), "loom.conf:2:16");
    EXPECT_EQ(to_string(config->place("log.level")), "loom.conf");
}

TEST(Overrides, ReplaceTheFilesValues) {
    const std::string text =
        "health.path = /a\nconsumer.c.api_key = a\nconsumer.c.api_key = b\nprovider.p.endpoint = http://a\n";
    const auto config = config_of(text, {{"health.path", "/b"},
                                         {"health.path", "/c # d"},
                                         {"consumer.c.api_key", "x"},
                                         {"consumer.c.api_key", "y"},
                                         {"provider.p.base_url", "http://b"}});
    EXPECT_EQ(config->text("health.path"), "/c # d");
    EXPECT_EQ(config->all("consumer.c.api_key"), (Texts{"x", "y"}));
    EXPECT_EQ(config->text("provider.p.base_url"), "http://b");
}

TEST(Overrides, AreCheckedAsTheFileIs) {
    EXPECT_EQ(all_of(load_text("", {{"loop.shard", "1"}}).diagnostics),
              "-set loop.shard: unknown key 'loop.shard', did you mean 'loop.shards'?\n");
    EXPECT_EQ(all_of(load_text("", {{"include", "x"}}).diagnostics),
              "-set include: files cannot be included from the command line\n");
}

TEST(Reload, SaysWhatChangedAndNeedsARestart) {
    const auto before = config_of("loop.shards = 1\ntimeout.connect = 1s\nhealth.path = /a\n");
    const auto after = config_of("loop.shards = 2\ntimeout.connect = 1000ms\nlog.level = warn\n");
    EXPECT_EQ(changed_keys(*before, *after, KeyChange::restart), std::vector<std::string>{"loop.shards"});
    EXPECT_EQ(changed_keys(*before, *after, KeyChange::reload), (std::vector<std::string>{"health.path", "log.level"}));
    EXPECT_TRUE(changed_keys(*before, *before, KeyChange::restart).empty());
}

TEST(Reload, ComparesSecretsThatNobodyKeeps) {
    const auto before =
        without_secrets(*config_of("admin.token = one\nconsumer.a.api_key = k1\nconsumer.b.api_key = k2\n"));
    const auto same =
        without_secrets(*config_of("consumer.b.api_key = k2\nconsumer.a.api_key = k1\nadmin.token = one\n"));
    const auto other =
        without_secrets(*config_of("admin.token = two\nconsumer.a.api_key = k2\nconsumer.b.api_key = k2\n"));
    EXPECT_TRUE(changed_keys(*before, *same, KeyChange::restart).empty());
    EXPECT_TRUE(changed_keys(*before, *same, KeyChange::reload).empty());
    EXPECT_EQ(changed_keys(*before, *other, KeyChange::restart), std::vector<std::string>{"admin.token"});
    EXPECT_EQ(changed_keys(*before, *other, KeyChange::reload), std::vector<std::string>{"consumer.a.api_key"});
    for (const auto key : {"admin.token", "consumer.a.api_key"}) EXPECT_EQ(before->text(key).size(), 64u) << key;
}

TEST(ConfigDeathTest, AskingForAKeyThatIsNoneStopsTheProcess) {
    const auto config = config_of("");
    EXPECT_DEATH((void)config->text("timeout.conect"), "broken promise");
    EXPECT_DEATH((void)config->integer("timeout.connect"), "broken promise");
    EXPECT_DEATH((void)config->text("provider.p.endpoint"), "broken promise");
}

TEST(SystemSource, ReadsRealFilesAndTheEnvironment) {
    const auto directory = std::filesystem::temp_directory_path() / ("loom-config-test." + std::to_string(getpid()));
    std::filesystem::create_directories(directory / "conf.d");
    std::ofstream(directory / "loom.conf") << "include = conf.d/*.conf\n";
    std::ofstream(directory / "conf.d/b.conf") << "provider.b.api_key = ${file:../key}\n";
    std::ofstream(directory / "conf.d/a.conf") << "provider.a.organization = ${LOOM_CONFIG_TEST}\n";
    std::ofstream(directory / "conf.d/.hidden.conf") << "nonsense\n";
    std::ofstream(directory / "key") << "k\n";
    ::setenv("LOOM_CONFIG_TEST", "org", 1);
    const auto loaded = load((directory / "loom.conf").string(), {}, loom_schema(), system_source());
    const auto broken = load(directory.string(), {}, loom_schema(), system_source());
    std::filesystem::remove_all(directory);
    ASSERT_TRUE(loaded.config) << all_of(loaded.diagnostics);
    EXPECT_EQ(loaded.config->text("provider.a.organization"), "org");
    EXPECT_EQ(loaded.config->text("provider.b.api_key"), "k");
    EXPECT_NE(all_of(broken.diagnostics).find("Is a directory"), std::string::npos);
}

}  // namespace
}  // namespace loom::config

// The command line, and what scripts see of it.
#include "cli.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace loom::app {
namespace {

using Action = CommandLine::Action;

std::expected<CommandLine, std::string> parse(const std::vector<const char*>& arguments) {
    return parse_command_line(arguments);
}

TEST(CommandLine, OneDashOrTwo) {
    for (const auto& arguments : std::vector<std::vector<const char*>>{
             {"-config", "a.conf"}, {"--config", "a.conf"}, {"-config=a.conf"}, {"--config=a.conf"}}) {
        const auto line = parse(arguments);
        ASSERT_TRUE(line);
        EXPECT_EQ(line->action, Action::run);
        EXPECT_EQ(line->path, "a.conf");
    }
    EXPECT_EQ(parse({"--check", "a.conf"})->action, Action::check);
    EXPECT_EQ(parse({"--keys", "--conf"})->as_conf, true);
    EXPECT_EQ(parse({"import", "a.yaml"})->action, Action::import);
    EXPECT_EQ(parse({"import", "a.yaml", "-o", "a.conf"})->output_path, "a.conf");
    EXPECT_EQ(parse({"ledger", "verify", "/var/lib/loom"})->action, Action::verify_ledger);
    EXPECT_EQ(parse({"ledger", "verify", "/var/lib/loom"})->path, "/var/lib/loom");
    EXPECT_EQ(parse({"--version"})->action, Action::version);
    EXPECT_EQ(parse({"-h"})->action, Action::help);
}

TEST(CommandLine, OverridesInOrder) {
    const auto line = parse({"-set", "a.b=c=d", "-config", "f", "--set=x=", "-set", "x=${Y}"});
    ASSERT_TRUE(line);
    ASSERT_EQ(line->overrides.size(), 3u);
    EXPECT_EQ(line->overrides[0].key, "a.b");
    EXPECT_EQ(line->overrides[0].value, "c=d");
    EXPECT_EQ(line->overrides[1].value, "");
    EXPECT_EQ(line->overrides[2].value, "${Y}");
}

TEST(CommandLine, Mistakes) {
    EXPECT_EQ(parse({}).error(), "nothing to do");
    EXPECT_EQ(parse({"loom.conf"}).error(), "'loom.conf' is no option; did you mean -config loom.conf?");
    EXPECT_EQ(parse({"-config"}).error(), "-config needs a file");
    EXPECT_EQ(parse({"-set", "x"}).error(), "-set 'x': expected KEY=VALUE");
    EXPECT_EQ(parse({"--speed"}).error(), "unknown option --speed");
    EXPECT_EQ(parse({"-config", "a", "--check", "b"}).error(), "one command at a time");
    EXPECT_EQ(parse({"--keys", "-set", "a=b"}).error(), "-set goes with -config, --check or state");
    EXPECT_EQ(parse({"-config", "a", "--conf"}).error(), "--conf goes with --keys");
    EXPECT_EQ(parse({"-config", "a", "-o", "b"}).error(), "-o goes with import");
    EXPECT_EQ(parse({"import", "a", "-o"}).error(), "-o needs a file");
    EXPECT_EQ(parse({"import", "a", "-o", ""}).error(), "-o needs a file") << "an unset variable, not standard output";
    EXPECT_EQ(parse({"import"}).error(), "import needs a file");
    constexpr const char* verbs = "ledger needs a verb: loom ledger verify DIR, or loom ledger export DIR";
    EXPECT_EQ(parse({"ledger"}).error(), verbs);
    EXPECT_EQ(parse({"ledger", "sell", "d"}).error(), verbs);
    EXPECT_EQ(parse({"ledger", "export"}).error(), "ledger export needs a state.directory");
    EXPECT_EQ(parse({"embed"}).error(), "embed needs a folder");
    EXPECT_EQ(parse({"ledger", "export", "d", "--from"}).error(), "-from needs a date or a moment");
    EXPECT_EQ(parse({"ledger", "verify", "d", "--from", "2024-01-01"}).error(), "--from goes with ledger export");
    EXPECT_EQ(parse({"--format", "csv"}).error(), "--format goes with ledger export");
    EXPECT_EQ(parse({"ledger", "verify", "d", "--consumer", "app"}).error(), "--consumer goes with ledger export");
    EXPECT_EQ(parse({"ledger", "export", "d", "--period"}).error(), "-period needs a month or a day");
    EXPECT_EQ(parse({"ledger", "export", "d", "--tenant"}).error(), "-tenant needs a name");
    EXPECT_EQ(parse({"ledger", "export", "d", "--colour", "red"}).error(), "unknown option --colour");
    EXPECT_EQ(parse({"ledger", "export", "d", "--redis"}).error(), "--redis goes with ledger verify");
    EXPECT_TRUE(parse({"ledger", "verify", "f.conf", "--redis"})->with_redis);
    EXPECT_FALSE(parse({"ledger", "verify", "f.conf"})->with_redis);
    EXPECT_EQ(parse({"ledger", "export", "d", "--team=dev", "--model", "m"})->terms,
              (std::vector<std::pair<std::string, std::string>>{{"team", "dev"}, {"model", "m"}}));
    EXPECT_EQ(parse({"state", "shred", "f"}).error(),
              "state needs a verb: loom state encrypt FILE, decrypt FILE, or rekey FILE");
    EXPECT_EQ(parse({"state", "encrypt"}).error(), "state encrypt needs a file");
    EXPECT_EQ(parse({"state", "rekey", "f", "-set", "a=b"})->verb, "rekey");
    EXPECT_EQ(parse({"ledger", "verify"}).error(), "ledger verify needs a state.directory");
    EXPECT_EQ(parse({"import", "a.yaml", "b"}).error(), "'b' is one word too many: a command takes one file");
    EXPECT_EQ(parse({"a.yaml"}).error(), "'a.yaml' is no option; did you mean import a.yaml?");
}

struct Output {
    int status;
    std::string out;
    std::string err;
};

Output run(const std::vector<const char*>& arguments) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int status = run_command(arguments);
    std::fflush(stdout);
    return {status, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

TEST(Command, StatusAsInSysexits) {
    EXPECT_EQ(run({"--version"}).status, 0);
    EXPECT_EQ(run({"--version"}).out, "loom " LOOM_VERSION "\n");
    EXPECT_EQ(run({"--help"}).status, 0);
    EXPECT_EQ(run({}).status, 64);
    EXPECT_EQ(run({}).err, "loom: nothing to do\nTry `loom --help`.\n");
    EXPECT_EQ(run({"-config", "/no/such.conf"}).status, 78);
    EXPECT_EQ(run({"import", "/no/such.yaml"}).status, 78);
    EXPECT_EQ(
        run({"import", "/no/such.yaml"}).err,
        "loom: cannot read /no/such.yaml: No such file or directory; look at the path, which begins in the working "
        "directory\n");
    EXPECT_EQ(run({"import", "/"}).err, "loom: cannot read /: Is a directory; name a file in it\n");
}

std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

TEST(Command, ImportPrintsOrWritesAFileOfItsOwn) {
    const auto stem = std::filesystem::temp_directory_path() / ("loom-cli-test." + std::to_string(getpid()));
    const auto yaml = stem.string() + ".yaml";
    const auto conf = stem.string() + ".conf";
    std::ofstream(yaml) << "loop: {pin: on}\n";
    const auto flat = "# Made from " + yaml + " by `loom import`.\n\nloop.pin = on\n";
    EXPECT_EQ(run({"import", yaml.c_str()}).out, flat);
    EXPECT_EQ(run({"import", yaml.c_str(), "-o", conf.c_str()}).status, 0);
    EXPECT_EQ(read(conf), flat);
    const auto mode = std::filesystem::status(conf).permissions();
    EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    const auto again = run({"import", yaml.c_str(), "-o", conf.c_str()});
    EXPECT_EQ(again.status, 64);
    EXPECT_EQ(again.err, "loom: " + conf + " is there already; move it away or name another file\n");
    std::ofstream(yaml) << "lopp: {pin: on}\n";
    const auto wrong = run({"import", yaml.c_str()});
    EXPECT_EQ(wrong.status, 78);
    EXPECT_EQ(wrong.out, "");
    EXPECT_EQ(wrong.err, yaml + ":1:1: unknown key 'lopp', did you mean 'loop'?\n");
    std::filesystem::remove(yaml);
    std::filesystem::remove(conf);
}

TEST(Command, YamlIsPointedAtImport) {
    const auto output = run({"-config", "loom.yaml"});
    EXPECT_EQ(output.status, 64);
    EXPECT_EQ(output.err, "loom: loom.yaml is YAML: run `loom import loom.yaml` to get a flat file\n");
}

TEST(Command, CheckEndsInAVerdict) {
    const auto path =
        (std::filesystem::temp_directory_path() / ("loom-cli-test." + std::to_string(getpid()) + ".conf")).string();
    std::ofstream(path) << "listener.a.address = 127.0.0.1:1\nroute.r.path = /*\nprovider.p.type = openai\n";
    const auto good = run({"--check", path.c_str()});
    const auto bad = run({"--check", path.c_str(), "-set", "loop.shards=many", "-set", "provider.p.api_key=sk-secret"});
    std::filesystem::remove(path);
    EXPECT_EQ(good.status, 0);
    EXPECT_TRUE(good.out.starts_with(path + ": ok, 1 warning\nmemory at worst: ")) << good.out;
    EXPECT_EQ(good.err, path + ":3:1: warning: provider.p.api_key: is not set: requests go there without a key\n");
    EXPECT_EQ(bad.status, 78);
    EXPECT_EQ(bad.out, path + ": 1 error\n");
    EXPECT_EQ(bad.err, "-set loop.shards: loop.shards: expected an integer, got 'many'\n");
}

TEST(Command, KeysListsEveryKey) {
    const auto text = run({"--keys"}).out;
    EXPECT_NE(text.find("\nloop.shards "), std::string::npos);
    EXPECT_NE(text.find("\nsemantic_cache.ttl "), std::string::npos);
    EXPECT_NE(text.find("\nsemantic_cache.embedding.model "), std::string::npos);
}

}  // namespace
}  // namespace loom::app

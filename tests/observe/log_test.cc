#include "loom/observe/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace loom::observe {
namespace {

/// What the log writes while one of these lives.
class Captured {
  public:
    Captured() {
        EXPECT_EQ(::pipe(ends_), 0);
        set_log_fd(ends_[1]);
    }
    ~Captured() {
        set_log_fd(STDERR_FILENO);
        set_log_level(LogLevel::info);
        ::close(ends_[0]);
    }
    std::string text() {
        set_log_fd(STDERR_FILENO);
        ::close(ends_[1]);
        std::string out;
        char buffer[4096];
        for (ssize_t n; (n = ::read(ends_[0], buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<size_t>(n));
        return out;
    }

  private:
    int ends_[2];
};

TEST(Log, WritesTimeLevelAndMessage) {
    Captured captured;
    log_info("listening on {}, {} shards", "127.0.0.1:8080", 2);
    const std::string text = captured.text();
    EXPECT_EQ(text.substr(24), " info  listening on 127.0.0.1:8080, 2 shards\n") << text;
    EXPECT_EQ(text[10], 'T');
    EXPECT_EQ(text[23], 'Z');
}

TEST(Log, LeavesOutWhatIsBelowItsLevel) {
    Captured captured;
    log(LogLevel::debug, "not asked for");
    set_log_level(LogLevel::error);
    log_warn("too mild");
    log_error("bad enough");
    EXPECT_NE(captured.text().find("error bad enough\n"), std::string::npos);
}

TEST(Log, LimitsEachMessageAlone) {
    Captured captured;
    for (int i = 0; i < 1000; ++i) log_warn("upstream {} is gone", i);
    log_warn("something else");
    const std::string text = captured.text();
    size_t lines = 0;
    for (const char c : text) lines += c == '\n';
    EXPECT_EQ(lines, 11u);
    EXPECT_NE(text.find("something else"), std::string::npos);
}

TEST(Log, KeepsAMessageOnItsLineWhateverItQuotes) {
    Captured captured;
    log_warn("upstream said '{}'", "x\n2025 error forged\x1b[2J");
    const std::string text = captured.text();
    EXPECT_EQ(text.find('\n'), text.size() - 1);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Log, CutsALongMessage) {
    Captured captured;
    log_warn("{}", std::string(10'000, 'x'));
    const std::string text = captured.text();
    EXPECT_LE(text.size(), 2048u);
    EXPECT_TRUE(text.ends_with("x\n"));
}

}  // namespace
}  // namespace loom::observe

// When Google's access tokens are asked for, and which files they are asked for with.
#include "google_tokens.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "loom/base/crypto.h"

namespace loom::app {
namespace {

TEST(TokenSchedule, ATokenIsRenewedInItsLastQuarterAndBeforeItsEnd) {
    for (uint64_t lifetime_ms = 2'000; lifetime_ms < 100'000'000; lifetime_ms += lifetime_ms / 7) {
        for (const uint64_t random : {uint64_t{0}, UINT64_MAX, random_u64()}) {
            const uint64_t at_ms = TokenSchedule::renewal_ms(lifetime_ms, random);
            EXPECT_GE(at_ms, lifetime_ms / 4 * 3);
            EXPECT_LE(at_ms, lifetime_ms * 85 / 100 + 1);
        }
    }
    EXPECT_EQ(TokenSchedule::renewal_ms(0, 0), retry_first_ms) << "never at once, again and again";
}

TEST(TokenSchedule, PausesGrowAndAreSpreadAndBounded) {
    uint64_t before_ms = 0;
    for (uint32_t failures = 1; failures < 100; ++failures) {
        const uint64_t longest_ms = retry_pause_ms(failures, UINT64_MAX / 2);
        EXPECT_LE(longest_ms, retry_max_ms);
        uint64_t least_ms = UINT64_MAX, most_ms = 0;
        for (uint64_t random = 0; random < 70'000; random += 13) {
            least_ms = std::min(least_ms, retry_pause_ms(failures, random));
            most_ms = std::max(most_ms, retry_pause_ms(failures, random));
        }
        EXPECT_GE(least_ms, retry_first_ms / 2);
        EXPECT_GE(most_ms - least_ms, least_ms / 2) << "spread";
        EXPECT_GE(most_ms, before_ms);
        before_ms = most_ms;
    }
    EXPECT_GT(before_ms, retry_max_ms * 9 / 10);
}

class CredentialsFile : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/loom-credentials-XXXXXX";
        directory_ = ::mkdtemp(name);
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }
    std::string path(const std::string& name) const { return directory_ + "/" + name; }
    std::string refusal(const std::string& name) const {
        std::string text;
        const auto read = read_credentials_file(path(name), text);
        return read ? "" : text.substr(directory_.size() + 1);
    }

  private:
    std::string directory_;
};

TEST_F(CredentialsFile, IsAFileOfBoundedSize) {
    std::ofstream(path("good")) << "{}";
    EXPECT_EQ(refusal("good"), "");
    EXPECT_EQ(refusal("none"), "none: No such file or directory");
    EXPECT_EQ(refusal("."), ".: is no file");
    ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
    EXPECT_EQ(refusal("pipe"), "pipe: is no file") << "and nobody waits for a writer";
    std::ofstream(path("most")) << std::string(credentials_file_bytes_max, ' ');
    EXPECT_EQ(refusal("most"), "");
    std::ofstream(path("large")) << std::string(credentials_file_bytes_max + 1, ' ');
    EXPECT_EQ(refusal("large"), "large: is larger than such a file may be (64 KiB)");
}

TEST(GoogleAccount, TokensAreAskedForOverHttpsOrOnThisMachine) {
    const auto account = [](const std::string& url, std::string& text) {
        return read_google_account(
            "v", "a.json",
            R"({"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r",)"
            R"("token_uri":")" +
                url + "\"}",
            nullptr, text);
    };
    std::string text;
    const auto https = account("https://sts.example/v1/token", text);
    ASSERT_TRUE(https) << text;
    EXPECT_TRUE(https->token.client.endpoint.tls);
    EXPECT_EQ(https->token.client.endpoint.port, 443);
    EXPECT_EQ(https->token.client.authority, "sts.example");
    EXPECT_EQ(https->token.target, "/v1/token");
    EXPECT_TRUE(account("http://127.0.0.1:8080/token", text));
    EXPECT_TRUE(account("http://[::1]:8080", text));
    EXPECT_FALSE(account("http://sts.example/token", text));
    EXPECT_EQ(text, "a.json: its token URL: it is asked over https:// only");
    EXPECT_FALSE(account("http://127.0.0.1.example/token", text));
    EXPECT_FALSE(account("sts.example", text));
}

}  // namespace
}  // namespace loom::app

// How long a webhook may ask not to be told anything.
#include "alert_webhook.h"

#include <gtest/gtest.h>

namespace loom::app {
namespace {

constexpr int64_t now_s = 784'111'777;  // Sun, 06 Nov 1994 08:49:37 GMT

uint64_t rest(int status, std::string retry_after) {
    upstream::ClientAnswer answer{.status = status};
    answer.retry_after = std::move(retry_after);
    return webhook_rest_ms(answer, now_s);
}

TEST(WebhookRest, IsAskedForInSecondsOrAsATime) {
    for (const int status : {429, 503}) {
        EXPECT_EQ(rest(status, "0"), 0u);
        EXPECT_EQ(rest(status, "1"), 1'000u);
        EXPECT_EQ(rest(status, "120"), 120'000u);
        EXPECT_EQ(rest(status, "Sun, 06 Nov 1994 08:50:07 GMT"), 30'000u);
        EXPECT_EQ(rest(status, "Sun, 06 Nov 1994 08:49:37 GMT"), 0u) << "it has come";
        EXPECT_EQ(rest(status, "Sun, 06 Nov 1994 08:00:00 GMT"), 0u) << "and gone";
    }
}

TEST(WebhookRest, IsBounded) {
    EXPECT_EQ(rest(429, "900"), 900'000u);
    for (const char* const longer : {"901", "86400", "99999999999999999999999", "Sun, 06 Nov 2094 08:49:37 GMT"})
        EXPECT_EQ(rest(429, longer), AlertWebhook::rest_max_ms) << longer;
}

TEST(WebhookRest, IsNoneWhereNobodyAsksForIt) {
    for (const char* const nonsense : {"", "soon", "-1", "1.5", "1 2", "0x10", "Sun, 06 Nov 1994"})
        EXPECT_EQ(rest(429, nonsense), 0u) << nonsense;
    for (const int status : {200, 301, 400, 404, 413, 500, 502, 504}) EXPECT_EQ(rest(status, "60"), 0u) << status;
}

}  // namespace
}  // namespace loom::app

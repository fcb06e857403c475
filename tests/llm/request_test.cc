#include "loom/llm/request.h"

#include <gtest/gtest.h>

namespace loom::llm {
namespace {
TEST(RequestReader, R) {
    RequestReader r;
    auto q = r.read(Endpoint::chat_completions, R"({"model":"gpt","messages":[{"role":"user","content":"hi"}],"stream":true})");
    ASSERT_TRUE(q) << q.error().what;
    EXPECT_EQ(q->model, "gpt");
    EXPECT_EQ(q->last_user_text, "hi");
}
}
}

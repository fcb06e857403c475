#include "loom/llm/error.h"

#include "dom.h"

namespace loom::llm {
namespace {

TEST(WriteError, HasTheShapeOfOpenAi) {
    char out[error_bytes_max];
    EXPECT_EQ(
        write_error(out, {.message = "no \"such\" model",
                          .type = error_type::not_found,
                          .code = "model_not_found",
                          .param = "model"}),
        R"({"error":{"message":"no \"such\" model","type":"not_found_error","param":"model","code":"model_not_found"}})");
    EXPECT_EQ(write_error(out, {.message = "m"}),
              R"({"error":{"message":"m","type":"invalid_request_error","param":null,"code":null}})");
    EXPECT_EQ(
        write_error_event(out, {.message = "gone", .type = error_type::api, .code = "upstream_reset"}),
        "data: "
        "{\"error\":{\"message\":\"gone\",\"type\":\"api_error\",\"param\":null,\"code\":\"upstream_reset\"}}\n\n");
}

/// Whatever the words and the room: a valid document, in bounds (ASan watches the block), its message a prefix.
TEST(WriteError, IsWholeInEveryRoom) {
    std::string message;
    for (int i = 0; i < 300; ++i)
        message += i % 7 == 0 ? "\"é" : i % 5 == 0 ? "\n" : i % 3 == 0 ? std::string(1, '\1') : "x";
    const std::string word(100, '"');
    for (size_t room = error_bytes_min; room < 1200; ++room) {
        const std::unique_ptr<char[]> block(new char[room]);
        const std::string_view document = write_error({block.get(), room}, {message, word, word, word});
        EXPECT_LE(document.size(), room);
        Dom dom(document);
        ASSERT_TRUE(dom.valid()) << document;
        std::string read = dom.text("/error/message");
        if (read.ends_with("…")) read.resize(read.size() - 3);
        EXPECT_EQ(read, message.substr(0, read.size()));
        const std::string_view event = write_error_event({block.get(), room}, {message, word, word, word});
        EXPECT_TRUE(event.starts_with("data: {") && event.ends_with("}}\n\n"));
        EXPECT_TRUE(Dom(event.substr(6)).valid());
    }
}

TEST(WriteError, AShortMessageIsNeverCut) {
    char out[error_bytes_max];
    const std::string message(600, 'm');
    EXPECT_NE(write_error(out, {.message = message}).find(message + "\""), std::string_view::npos);
}

}  // namespace
}  // namespace loom::llm

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

TEST(WriteError, HasTheShapeOfEachProtocol) {
    char out[error_bytes_max];
    const ErrorBody error{
        .message = "no \"such\" model", .type = error_type::not_found, .code = "model_not_found", .param = "model"};
    const std::string_view openai =
        R"({"error":{"message":"no \"such\" model","type":"not_found_error","param":"model","code":"model_not_found"}})";
    for (const Protocol protocol : {Protocol::openai_chat, Protocol::openai_responses, Protocol::openai_completions})
        EXPECT_EQ(write_error(protocol, 404, out, error), openai);
    EXPECT_EQ(write_error(Protocol::anthropic, 404, out, error),
              R"({"type":"error","error":{"type":"not_found_error","message":"no \"such\" model"}})");
    EXPECT_EQ(write_error(Protocol::gemini, 404, out, error),
              R"({"error":{"code":404,"message":"no \"such\" model","status":"NOT_FOUND"}})");
    EXPECT_EQ(write_error(Protocol::bedrock, 404, out, error), R"({"message":"no \"such\" model"})");
    EXPECT_EQ(write_error(Protocol::cohere, 404, out, error), R"({"message":"no \"such\" model"})");
}

TEST(WriteError, EndsAStreamInTheShapeOfEachProtocol) {
    char out[error_bytes_max];
    const ErrorBody error{.message = "gone", .type = error_type::api, .code = "upstream_reset"};
    EXPECT_EQ(write_error_event(Protocol::openai_responses, 502, out, error, 7),
              "event: error\ndata: {\"type\":\"error\",\"sequence_number\":7,\"message\":\"gone\","
              "\"code\":\"upstream_reset\",\"param\":null}\n\n");
    EXPECT_EQ(write_error_event(Protocol::anthropic, 502, out, error),
              "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"gone\"}}\n\n");
    EXPECT_EQ(write_error_event(Protocol::gemini, 502, out, error),
              "data: {\"error\":{\"code\":502,\"message\":\"gone\",\"status\":\"UNAVAILABLE\"}}\n\n");
    EXPECT_EQ(write_error_event(Protocol::openai_completions, 502, out, error),
              write_error_event(std::span<char>(out + 512, 512), error));
    EXPECT_EQ(write_error_event(Protocol::cohere, 502, out, error), "data: {\"message\":\"gone\"}\n\n");
}

TEST(WriteError, EveryStatusHasItsWord) {
    struct Case {
        int status;
        std::string_view openai, anthropic, gemini;
    };
    char out[error_bytes_max];
    for (const Case& one :
         std::initializer_list<Case>{{400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"},
                                     {401, "authentication_error", "authentication_error", "UNAUTHENTICATED"},
                                     {403, "permission_error", "permission_error", "PERMISSION_DENIED"},
                                     {404, "not_found_error", "not_found_error", "NOT_FOUND"},
                                     {413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT"},
                                     {429, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED"},
                                     {500, "server_error", "api_error", "INTERNAL"},
                                     {502, "server_error", "api_error", "UNAVAILABLE"},
                                     {503, "server_error", "overloaded_error", "UNAVAILABLE"},
                                     {504, "server_error", "timeout_error", "DEADLINE_EXCEEDED"},
                                     {529, "server_error", "overloaded_error", "INTERNAL"},
                                     {0, "server_error", "api_error", "INTERNAL"}}) {
        EXPECT_EQ(error_type_of(one.status), one.openai) << one.status;
        EXPECT_EQ(Dom(write_error(Protocol::anthropic, one.status, out, {.message = "m"})).text("/error/type"),
                  one.anthropic)
            << one.status;
        EXPECT_EQ(Dom(write_error(Protocol::gemini, one.status, out, {.message = "m"})).text("/error/status"),
                  one.gemini)
            << one.status;
    }
}

/// The law of IsWholeInEveryRoom, for every protocol and the longest words.
TEST(WriteError, IsWholeInEveryRoomInEveryProtocol) {
    const std::string message(900, '\1'), word(100, '"');
    const ErrorBody error{message, word, word, word};
    for (uint32_t index = 0; index < protocol_count; ++index) {
        const auto protocol = static_cast<Protocol>(index);
        for (size_t room = error_bytes_min; room < 600; ++room) {
            const std::unique_ptr<char[]> block(new char[room]);
            ASSERT_TRUE(Dom(write_error(protocol, 2000000000, {block.get(), room}, error)).valid()) << index;
            if (protocol == Protocol::bedrock) continue;
            const std::string_view event =
                write_error_event(protocol, 2000000000, {block.get(), room}, error, UINT64_MAX);
            ASSERT_TRUE(event.ends_with("}\n\n"));
            ASSERT_TRUE(Dom(event.substr(event.find('{'))).valid()) << event;
        }
    }
}

}  // namespace
}  // namespace loom::llm

#include "openai_chat.h"

namespace loom::llm {

namespace {

class OpenaiChat final : public Dialect {
  public:
    Result<void> read_request(std::string_view body, Context& context, ChatRequest& request) const override {
        return openai_chat::read_request(body, context, request);
    }
    Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out) const override {
        return openai_chat::write_request(request, context, out);
    }
    Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer) const override {
        return openai_chat::read_answer(body, context, answer);
    }
    void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out) const override {
        openai_chat::write_answer(answer, context, out);
    }
    void read_error(std::string_view body, Context& context, ErrorAnswer& error) const override {
        openai_chat::read_error(body, context, error);
    }
    void write_error(const ErrorAnswer& error, Context&, ByteBuffer& out) const override {
        openai_chat::write_error(error, out);
    }
    [[nodiscard]] std::unique_ptr<StreamDecoder> decoder() const override { return openai_chat::decoder(); }
    [[nodiscard]] std::unique_ptr<StreamEncoder> encoder() const override { return openai_chat::encoder(); }
};

}  // namespace

const Dialect& openai_chat_dialect() {
    static const OpenaiChat dialect;
    return dialect;
}

}  // namespace loom::llm

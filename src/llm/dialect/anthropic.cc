#include "anthropic.h"

namespace loom::llm {

namespace {

class Anthropic final : public Dialect {
  public:
    Result<void> read_request(std::string_view body, Context& context, ChatRequest& request) const override {
        return anthropic::read_request(body, context, request);
    }
    Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out) const override {
        return anthropic::write_request(request, context, out);
    }
    Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer) const override {
        return anthropic::read_answer(body, context, answer);
    }
    void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out) const override {
        anthropic::write_answer(answer, context, out);
    }
    void read_error(std::string_view body, Context& context, ErrorAnswer& error) const override {
        anthropic::read_error(body, context, error);
    }
    void write_error(const ErrorAnswer& error, Context& context, ByteBuffer& out) const override {
        anthropic::write_error(error, context, out);
    }
    [[nodiscard]] std::unique_ptr<StreamDecoder> decoder() const override { return anthropic::make_decoder(); }
    [[nodiscard]] std::unique_ptr<StreamEncoder> encoder() const override { return anthropic::make_encoder(); }
};

}  // namespace

const Dialect& anthropic_dialect() {
    static const Anthropic dialect;
    return dialect;
}

}  // namespace loom::llm

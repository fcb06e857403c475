#include "cohere.h"

namespace loom::llm {

namespace {

/// No application speaks Cohere's protocol to Loom.
class NoEncoder final : public StreamEncoder {
  public:
    void write(const Delta&, Context&, ByteBuffer&) override {}
};

class Cohere final : public Dialect {
  public:
    Result<void> read_request(std::string_view, Context&, ChatRequest&) const override {
        return fail(Errc::unsupported, Side::internal, "Cohere's chat is spoken to providers alone");
    }
    Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out) const override {
        return cohere::write_request(request, context, out);
    }
    Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer) const override {
        return cohere::read_answer(body, context, answer);
    }
    void write_answer(const ChatAnswer&, Context&, ByteBuffer&) const override {}
    void read_error(std::string_view body, Context& context, ErrorAnswer& error) const override {
        cohere::read_error(body, context, error);
    }
    void write_error(const ErrorAnswer&, Context&, ByteBuffer&) const override {}
    [[nodiscard]] std::unique_ptr<StreamDecoder> decoder() const override { return cohere::make_decoder(); }
    [[nodiscard]] std::unique_ptr<StreamEncoder> encoder() const override { return std::make_unique<NoEncoder>(); }
};

}  // namespace

const Dialect& cohere_dialect() {
    static const Cohere dialect;
    return dialect;
}

}  // namespace loom::llm

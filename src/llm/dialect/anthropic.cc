#include "dialect.h"

namespace loom::llm {

namespace {

class Anthropic final : public Dialect {
  public:
    Result<void> read_request(std::string_view, Context&, ChatRequest&) const override { return missing(); }
    Result<void> write_request(const ChatRequest&, Context&, ByteBuffer&) const override { return missing(); }
    Result<void> read_answer(std::string_view, Context&, ChatAnswer&) const override { return missing(); }
    void write_answer(const ChatAnswer&, Context&, ByteBuffer&) const override {}
    void read_error(std::string_view, Context&, ErrorAnswer&) const override {}
    void write_error(const ErrorAnswer&, Context&, ByteBuffer&) const override {}
    [[nodiscard]] std::unique_ptr<StreamDecoder> decoder() const override { return nullptr; }
    [[nodiscard]] std::unique_ptr<StreamEncoder> encoder() const override { return nullptr; }

  private:
    static Result<void> missing() { return fail(Errc::unsupported, Side::internal, "not written yet"); }
};

}  // namespace

const Dialect& anthropic_dialect() {
    static const Anthropic dialect;
    return dialect;
}

}  // namespace loom::llm

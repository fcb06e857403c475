#include "loom/llm/request.h"

#include "loom/base/assert.h"
#include "loom/llm/json_text.h"
#include "loom/llm/tokenizer.h"
#include "request_walk.h"
#include "structure.h"

namespace loom::llm {

namespace {

/// The decoded string: in place where nothing is escaped, else in the scratch.
bool decode(std::string_view body, Range range, std::string& scratch, std::string_view& text) {
    text = range.absent() ? std::string_view() : inside(body, range);
    if (text.find('\\') == text.npos) return true;
    scratch.clear();
    const bool good = unescape(text, scratch);
    text = scratch;
    return good;
}

/// Counts what it is told, up to a bound.
class PromptTokens final : public RequestWalk::TextSink {
  public:
    PromptTokens(const Tokenizer& tokenizer, TokenCounter& counter) noexcept
        : tokenizer_(tokenizer), counter_(counter) {}
    void on_text(std::string_view raw, bool is_json_text) override {
        const uint64_t room = RequestReader::counted_bytes_max - counted_bytes_;
        const size_t bytes = raw.size() <= room ? raw.size() : utf8_cut(raw, room);
        const std::string_view counted = raw.substr(0, bytes);
        tokens_ += is_json_text ? counter_.count_json(tokenizer_, counted) : counter_.count(tokenizer_, counted);
        counted_bytes_ += bytes;
        rest_bytes_ += raw.size() - bytes;
        if (bytes == raw.size()) return;
        is_json_text ? rest_.add_json(raw.substr(bytes)) : rest_.add(raw.substr(bytes));
    }
    [[nodiscard]] uint64_t tokens() const noexcept {
        if (rest_bytes_ == 0) return tokens_;
        // A front of what is cheap to say must not make what is behind it cheap.
        const uint64_t by_rate = counted_bytes_ == 0 ? 0 : rest_bytes_ * tokens_ / counted_bytes_;
        return tokens_ + std::max(by_rate, rest_.tokens());
    }

  private:
    const Tokenizer& tokenizer_;
    TokenCounter& counter_;
    uint64_t tokens_ = 0;
    uint64_t counted_bytes_ = 0;
    uint64_t rest_bytes_ = 0;
    TokenEstimate rest_;
};

class PromptEstimate final : public RequestWalk::TextSink {
  public:
    void on_text(std::string_view raw, bool is_json_text) override {
        is_json_text ? estimate_.add_json(raw) : estimate_.add(raw);
        estimate_.end_text();
    }
    [[nodiscard]] uint64_t tokens() const noexcept { return estimate_.tokens(); }

  private:
    TokenEstimate estimate_;
};

}  // namespace

size_t RequestReader::memory_bytes(size_t document_bytes) noexcept { return Structure::memory_bytes(document_bytes); }

RequestReader::RequestReader() : structure_(std::make_unique<Structure>()) {
    model_scratch_.reserve(256);
    user_scratch_.reserve(256);
}
RequestReader::~RequestReader() = default;
RequestReader::RequestReader(RequestReader&&) noexcept = default;
RequestReader& RequestReader::operator=(RequestReader&&) noexcept = default;

Result<Request> RequestReader::read(Endpoint endpoint, std::string_view body, PromptWish wish) {
    LOOM_ASSERT(is_inspected(endpoint));
    const auto refuse = [&](const Fault& fault, const char* param) {
        structure_->trim();
        error_offset_ = fault.offset;
        error_param_ = param;
        return fail(Errc::bad_message, Side::downstream, fault.what);
    };
    Tokens tokens;
    Fault fault;
    if (!structure_->index(body, Structure::Utf8::checked, tokens, fault)) return refuse(fault, "");
    RequestWalk walk(endpoint, body, tokens);
    PromptEstimate estimate;
    if (wish == PromptWish::estimate) walk.tell_texts(estimate);
    if (!walk.run()) return refuse(walk.fault(), walk.param());
    Request request = walk.request();
    request.prompt_tokens_estimated = estimate.tokens();
    constexpr size_t quoted_bytes_max = name_bytes_max + 2;
    if (request.model_range.length > quoted_bytes_max) {
        return refuse({"'model' is longer than any model's name (4096 bytes)", request.model_range.offset}, "model");
    }
    if (walk.user_range().length > quoted_bytes_max) {
        return refuse({"'user' is longer than 4096 bytes", walk.user_range().offset}, "user");
    }
    if (!decode(body, request.model_range, model_scratch_, request.model)) {
        return refuse({"'model' holds a broken escape", request.model_range.offset}, "model");
    }
    if (!decode(body, walk.user_range(), user_scratch_, request.user)) {
        return refuse({"'user' holds a broken escape", walk.user_range().offset}, "user");
    }
    structure_->trim();
    return request;
}

uint64_t RequestReader::count_prompt(Endpoint endpoint, std::string_view body, const Tokenizer& tokenizer,
                                     TokenCounter& counter) {
    Tokens tokens;
    Fault fault;
    if (!structure_->index(body, Structure::Utf8::passed, tokens, fault)) return 0;
    RequestWalk walk(endpoint, body, tokens);
    PromptTokens prompt(tokenizer, counter);
    walk.tell_texts(prompt);
    (void)walk.run();
    structure_->trim();
    const uint64_t frame = endpoint == Endpoint::chat_completions ? chat_frame_tokens(walk.request().message_count) : 0;
    return prompt.tokens() + frame;
}

}  // namespace loom::llm
